#ifndef COMMON_TLS_RUN_H
#define COMMON_TLS_RUN_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/tls/stream.h"

/*
 * run - what a stream is and does inside; only stream.c and run.c include
 * this.
 *
 *	CONNECTING -> PLAIN -> (TLS_AFTER_OUTPUT ->) HANDSHAKE -> TLS
 *	any -> LINGER (output sent, waiting for the peer to close) -> DEAD
 *
 * Owner's functions only note what is wanted and make `soon` run; every
 * callback to the owner comes from stream_run(). That one function does
 * in turn what the flags ask for and is called for every event.
 */
enum phase {
	PHASE_CONNECTING,
	PHASE_PLAIN,
	PHASE_TLS_AFTER_OUTPUT,
	PHASE_HANDSHAKE,
	PHASE_TLS,
	PHASE_LINGER,
	PHASE_DEAD,
};

struct stream {
	struct event rd; /* persistent; armed while `reading` */
	struct event wr; /* one shot; armed while output or connect waits */
	struct event timer;
	struct event soon;
	const struct stream_ops *ops; /* borrowed, with arg */
	void *arg;
	struct buf in;
	struct buf out;
	struct tls_session *tls;
	struct tls_ctx *next_ctx; /* for HANDSHAKE; a reference */
	char *next_name;
	size_t clear; /* output bytes that go before the handshake */
	const char *error;
	int64_t deadline_ms; /* 0: none */
	int64_t timer_ms;    /* when the armed timer goes off; 0: not armed */
	int fd;
	enum phase phase;
	enum stream_end why; /* with want_end */
	bool server;         /* role in the next handshake */
	bool busy;           /* inside stream_run() */
	bool freed;          /* the owner is done; memory goes after `busy` */
	bool reading;        /* rd is armed */
	bool paused;
	bool eof;        /* the peer's side has ended */
	bool eof_told;   /* and the owner knows */
	bool more;       /* there may be something to read */
	bool emptied;    /* the last read left nothing behind */
	bool full;       /* reading stopped for want of room */
	bool want_input; /* show the owner its input */
	bool want_end;   /* tell the owner `why` */
	bool closing;
	bool writable; /* the kernel said so while connecting */
	bool again;    /* stream_run() has more to do */
};

/* Do what the flags ask for; the only place that calls the owner. */
void stream_run(struct stream *s);

/* Run after the callbacks of this pass that are already due. */
void stream_soon(struct stream *s);

/* Run in the next pass, so that others get their turn first. */
void stream_later(struct stream *s);

void stream_set_reading(struct stream *s, bool on);
void stream_wait_writable(struct stream *s);

/*
 * The timer is moved only to come earlier: pushing the deadline back, which
 * happens with every command, costs nothing, and a timer that goes off too
 * early is set again.
 */
void stream_set_timer(struct stream *s);

/* Does OpenSSL have bytes that epoll knows nothing of? */
bool stream_kept(const struct stream *s);

/* Nothing more goes in or out; the owner is told next. */
void stream_fail(struct stream *s, enum stream_end why, const char *error);

#endif
