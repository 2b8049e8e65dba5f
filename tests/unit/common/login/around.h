#ifndef TESTS_UNIT_COMMON_LOGIN_AROUND_H
#define TESTS_UNIT_COMMON_LOGIN_AROUND_H

/*
 * The daemon around common/login, as far as that asks for one: what
 * daemon.h declares, answered out of one struct. No listeners, no files.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "common/config/config.h"
#include "common/daemon/daemon.h"

static struct around {
	void *data; /* what daemon_data() is asked for */
	struct event_base *base;
	struct config config;
	struct ipc_chan *auth;  /* our end of the channel to it; NULL */
	struct ipc_chan *usher; /* the same */
	int root;
	bool exited;
} around;

void *
daemon_data(const struct daemon *d)
{
	(void)d;
	return around.data;
}

struct event_base *
daemon_base(const struct daemon *d)
{
	(void)d;
	return around.base;
}

const struct config *
daemon_config(const struct daemon *d)
{
	(void)d;
	return &around.config;
}

struct ipc_chan *
daemon_peer(const struct daemon *d, enum proc p, size_t nth)
{
	(void)d;
	(void)nth;
	return p == PROC_AUTH ? around.auth : around.usher;
}

const struct daemon_listener *
daemon_listener(const struct daemon *d, size_t i)
{
	(void)d;
	(void)i;
	return NULL;
}

int
daemon_listen(const struct daemon *d, struct event *e)
{
	(void)d;
	(void)e;
	return 0;
}

int
daemon_file(const struct daemon *d, const char *name)
{
	(void)d;
	(void)name;
	return -1;
}

int
daemon_root(const struct daemon *d)
{
	(void)d;
	return around.root;
}

void
daemon_exit(struct daemon *d)
{
	(void)d;
	around.exited = true;
}

static void
around_open(void *data)
{
	around = (struct around){ .data = data, .root = -1 };
	around.base = event_base_new();
	assert_non_null(around.base);
}

/* A channel from self to peer: its ends, with what each of them hears. */
static void
around_connect(enum proc self, enum proc peer, struct ipc_chan **here,
    const struct ipc_ops *here_ops, struct ipc_chan **there,
    const struct ipc_ops *there_ops)
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*here = ipc_chan_new(around.base, pair[0], self, peer, 1);
	ipc_chan_ops(*here, here_ops, NULL);
	*there = ipc_chan_new(around.base, pair[1], peer, self, 1);
	ipc_chan_ops(*there, there_ops, NULL);
}

/* Let everything happen that can happen now. */
static void
run(void)
{
	for (int i = 0; i < 20; i++)
		(void)event_base_loop(around.base, EVLOOP_NONBLOCK);
}

#endif
