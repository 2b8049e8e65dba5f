#ifndef COMMON_LOGIN_PROXY_H
#define COMMON_LOGIN_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"

/*
 * proxy - copies bytes between a client's TLS stream and the socketpair of
 * its session. Each way holds at most PROXY_MAX bytes; whoever is not read
 * from is stopped by the kernel's buffers.
 *
 * The ends: when the client's side ends, what it had sent goes to the
 * session, which then sees end of file and may still answer. When the
 * session ends, its last output goes to the client and the connection is
 * closed.
 */
#define PROXY_MAX 65536

struct event;
struct event_base;
struct stream;

struct proxy {
	struct stream *client; /* borrowed */
	int fd;                /* owned; the session's pair; -1 when unused */
	struct event *rd;
	struct event *wr;
	bool client_ended;  /* the client sends no more */
	bool told_ended;    /* and the session has been told */
	bool session_ended; /* the stream is closing */
};

#define PROXY_INIT                                                             \
	{                                                                      \
		.fd = -1                                                       \
	}

/* Take fd, non-blocking. Returns 0, or -1 with errno; fd is then closed. */
int proxy_start(struct proxy *p, struct event_base *base, struct stream *client,
    int fd) MUST_USE;

/* The stream's callbacks: it has input, room for output, no more input. */
void proxy_input(struct proxy *p);
void proxy_drained(struct proxy *p);
void proxy_client_ended(struct proxy *p);

/*
 * Copy what the session has said. True when nothing is under way then, in
 * either direction, but for what the stream has still to send.
 */
bool proxy_quiet(struct proxy *p) MUST_USE;

/* Release what was taken; the stream is the caller's. Harmless again. */
void proxy_end(struct proxy *p);

#endif
