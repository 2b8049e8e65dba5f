#ifndef COMMON_DAEMON_STATE_H
#define COMMON_DAEMON_STATE_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/daemon/daemon.h"

/* What the files of this folder know of a daemon; nobody else includes it. */

#define CONTROL_FD    3
#define LISTENERS_MAX 64
#define FILES_MAX     16

struct acceptor;

struct daemon_peer {
	enum proc proc;
	uint32_t instance;
	uint32_t epoch;
	struct ipc_chan *chan; /* NULL while it is down */
};

struct daemon_file {
	char name[64];
	int fd;
};

struct daemon {
	const struct daemon_spec *spec;
	void *data;
	struct event_base *base;
	int epoll; /* of base, as exclusive.h says */
	struct ipc_chan *control;
	enum proc proc;
	uint32_t instance;
	uint32_t uid;
	uint32_t gid;
	uint32_t may;               /* as master's table says */
	int root_fd;                /* -1 before CTL_ROOT */
	struct config *config;      /* in force */
	struct config *next_config; /* came, waits for CTL_GO */
	struct daemon_listener listeners[LISTENERS_MAX];
	size_t listener_count;
	struct daemon_file files[FILES_MAX];
	size_t file_count;
	struct daemon_peer *peers; /* as many as master has brought */
	size_t peer_count;
	struct acceptor *acceptor;        /* of the control socket */
	struct sock_fprog session_filter; /* an usher's, for its children */
	bool started; /* behind its walls, spec->start has run */
	bool going;   /* CTL_GO came */
	bool leaving;
};

/* Open the control channel on CONTROL_FD. */
void control_open(struct daemon *d);

/* The channel of a peer: replaces what was there. fd -1: it is gone. */
void peers_set(
    struct daemon *d, enum proc p, uint32_t instance, uint32_t epoch, int fd);

/* spec->peer_up for all that came before the start. */
void peers_start(struct daemon *d);

/* Write to all what waits to be written, before the end. */
void peers_flush(struct daemon *d);

/* Accept the administrator's command on the control listener. */
void control_listen(struct daemon *d);

#endif
