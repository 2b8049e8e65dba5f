#ifndef TESTS_UNIT_COMMON_LOGIN_USHER_WORLD_H
#define TESTS_UNIT_COMMON_LOGIN_USHER_WORLD_H

/*
 * The usher against a false auth and a false front, with sessions that are
 * real forks (but keep our uid).
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/login/usher_state.h"
#include "tests/unit/common/login/around.h"
#include "tests/unit/tmp.h"

#define TICKET "0123456789abcdef0123456789abcdef"

struct world {
	struct usher usher;
	struct ipc_chan *auth_there;
	struct ipc_chan *front;
	struct ipc_chan *front_there;
	char dir[TMP_PATH];

	/* What auth says. */
	bool auth_silent;
	bool no_return; /* no ticket to come back with */
	uint32_t asleep;
	uint8_t ok;
	uint32_t uid;
	const char *home;
	const char *user;
	unsigned asks;
	uint32_t ticket_request;

	/* What the front heard last. */
	unsigned states;
	unsigned running; /* of them */
	unsigned lost;
	struct ipc_session_state state;
	int link; /* of the session that would sleep; -1 */
	unsigned links;
};

static struct world *world;

/* As the real one does, but for the uid. */
int
daemon_become_user(
    struct daemon *d, int home_fd, uint32_t uid, const int *keep, size_t keeps)
{
	size_t i;
	int fd;

	(void)d;
	for (fd = 3; fd < 1024; fd++) {
		for (i = 0; i < keeps && keep[i] != fd; i++)
			;
		if (i == keeps && fd != home_fd)
			(void)close(fd);
	}
	return uid == world->uid && fchdir(home_fd) == 0 ? 0 : -1;
}

static void
try_sleep(const struct login_session *s)
{
	static const char *const words[] = { [LOGIN_ASLEEP] = "asleep",
		[LOGIN_BUSY] = "busy",
		[LOGIN_AWAKE] = "awake" };
	const struct login_nap nap = { -1, 4711, SLICE("left") };
	const char *word = words[s->sleep(s->sleep_arg, s->fd, &nap)];

	if (write(s->fd, word, strlen(word)) == -1)
		_exit(2);
}

/* Says what it was told; "die" in preread is what it does. */
static void
session(const struct login_session *s)
{
	char text[256];
	int n;

	if (slice_eq(s->preread, SLICE("sleep"))) {
		try_sleep(s);
		return;
	}
	if (slice_eq(s->preread, SLICE("pester"))) {
		try_sleep(s);
		try_sleep(s);
		return;
	}
	if (slice_eq(s->preread, SLICE("again")))
		try_sleep(s);
	if (slice_eq(s->preread, SLICE("later")) ||
	    slice_eq(s->preread, SLICE("again"))) {
		(void)!read(s->fd, text, 1);
		try_sleep(s);
		return;
	}
	if (s->state.len > 0) {
		n = snprintf(
		    text, sizeof(text), "back %.*s", SLICE_FMT(s->state));
		if (write(s->fd, text, (size_t)n) != n)
			_exit(2);
		return;
	}

	if (slice_eq(s->preread, SLICE("die")))
		(void)raise(SIGKILL);
	if (slice_eq(s->preread, SLICE("wait"))) {
		(void)!read(s->fd, text, 1);
		return;
	}
	n = snprintf(text, sizeof(text), "%s %s %s %d %.*s", s->user, s->client,
	    s->tag, s->tls, SLICE_FMT(s->preread));
	if (write(s->fd, text, (size_t)n) != n)
		_exit(2);
}

/* What auth kept to itself when it was asked. */
__attribute__((unused)) static void
answer_ticket(void)
{
	const struct ipc_ticket_worth worth = {
		.ok = world->ok,
		.uid = world->uid,
		.user = slice_str(world->user),
		.home = slice_str(world->home),
		.asleep = world->asleep,
	};

	assert_int_equal(ipc_send_msg(world->auth_there, ticket_worth,
			     IPC_REPLY, world->ticket_request, &worth),
	    0);
}

static void
on_ticket(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_ticket_worth worth = {
		.ok = world->ok,
		.uid = world->uid,
		.user = slice_str(world->user),
		.home = slice_str(world->home),
		.asleep = world->asleep,
	};
	struct ipc_ticket_ask m;

	(void)arg;
	world->asks++;
	world->ticket_request = f->request;
	assert_int_equal(ipc_ticket_ask_decode(&m, f->payload), 0);
	assert_int_equal(m.service, world->usher.service);
	assert_true(slice_eq(m.ticket, SLICE(TICKET)));
	if (!world->auth_silent)
		assert_int_equal(ipc_send_msg(c, ticket_worth, IPC_REPLY,
				     f->request, &worth),
		    0);
}

static void
on_answer(void *arg, struct ipc_frame *f)
{
	(void)arg;
	if (f == NULL) {
		world->lost++;
		return;
	}
	world->states++;
	assert_int_equal(
	    ipc_session_state_decode(&world->state, f->payload), 0);
	if (world->state.state == SESSION_RUNNING)
		world->running++;
}

static void
on_state(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	(void)c;
	on_answer(arg, f);
}

static void
on_return_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	const struct ipc_return_ticket none = { .ticket = SLICE_EMPTY };
	const struct ipc_return_ticket one = { .ticket = SLICE(TICKET) };
	struct ipc_return_ask m;

	(void)arg;
	assert_int_equal(ipc_return_ask_decode(&m, f->payload), 0);
	assert_int_equal(m.uid, world->uid);
	assert_true(slice_eq(m.user, slice_str(world->user)));
	assert_true(slice_eq(m.home, slice_str(world->home)));
	assert_int_equal(ipc_send_msg(c, return_ticket, IPC_REPLY, f->request,
			     world->no_return ? &none : &one),
	    0);
}

static void
on_link(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_session_link m;

	(void)arg;
	(void)c;
	assert_int_equal(ipc_session_link_decode(&m, f->payload), 0);
	assert_int_equal(m.session, 7);
	assert_true(slice_eq(m.ticket, SLICE(TICKET)));
	fd_close(world->link);
	world->link = f->fd;
	f->fd = -1;
	world->links++;
}

static const struct ipc_handler auth_handlers[] = {
	{ IPC_TICKET_ASK, on_ticket },
	{ IPC_RETURN_ASK, on_return_ask },
	{ 0, NULL },
};
static const struct ipc_handler front_handlers_there[] = {
	{ IPC_SESSION_STATE, on_state },
	{ IPC_SESSION_LINK, on_link },
	{ 0, NULL },
};

static void
on_closed(void *arg, struct ipc_chan *c)
{
	(void)arg;
	if (c == around.auth)
		around.auth = NULL;
	else
		world->front = NULL;
	usher_peer_down(NULL, c);
}

static const struct ipc_ops usher_ops = { .handlers = usher_handlers,
	.closed = on_closed };
static const struct ipc_ops auth_ops = { .handlers = auth_handlers };
static const struct ipc_ops front_ops = { .handlers = front_handlers_there };

static void
connect_peer(enum proc peer, struct ipc_chan **here, struct ipc_chan **there)
{
	enum proc self = world->usher.service == SERVICE_POP3 ? PROC_POP3_USHER
							      : PROC_IMAP_USHER;

	around_connect(self, peer, here, &usher_ops, there,
	    peer == PROC_AUTH ? &auth_ops : &front_ops);
}

/* Children take their time: at most five seconds of it. */
__attribute__((unused)) static void
run_until_state(enum ipc_session state)
{
	int i;

	for (i = 0; i < 500; i++) {
		run();
		if (world->states > 0 && world->state.state == state)
			return;
		(void)poll(NULL, 0, 10);
	}
	fail_msg("no state %d", (int)state);
}

__attribute__((unused)) static void
run_until_reaped(void)
{
	int i;

	for (i = 0; i < 500 && world->usher.children.count > 0; i++) {
		run();
		(void)poll(NULL, 0, 10);
	}
	assert_int_equal(world->usher.children.count, 0);
}

__attribute__((unused)) static int
set_up_for(void **state, enum ipc_service service)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world = w;
	*state = w;
	log_level((enum log_level)(LOG_FAIL + 1));
	around_open(&w->usher);
	assert_int_equal(tmp_make(w->dir), 0);
	around.root = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_not_equal(around.root, -1);
	assert_int_equal(mkdirat(around.root, "d", 0700), 0);
	assert_int_equal(mkdirat(around.root, "d/pip", 0700), 0);
	w->ok = 1;
	w->uid = getuid();
	w->home = "d/pip";
	w->user = "pip@example.test";
	around.config.user_uid_first = w->uid;
	around.config.user_uid_last = w->uid;
	around.config.connections_limit = 100;
	around.config.user_sessions_limit = 3;
	w->link = -1;
	w->usher.service = service;
	w->usher.session = session;
	assert_int_equal(usher_start(NULL), 0);
	w->usher.idle_ms = 0;
	connect_peer(PROC_AUTH, &around.auth, &w->auth_there);
	connect_peer(service == SERVICE_POP3 ? PROC_POP3D : PROC_IMAPD,
	    &w->front, &w->front_there);
	return 0;
}

__attribute__((unused)) static int
tear_down(void **state)
{
	struct world *w = *state;
	struct slice key;
	void *value;
	size_t at = 0;

	ipc_chan_close(w->front_there);
	ipc_chan_close(w->auth_there);
	run();
	assert_null(w->usher.starts);
	while (map_next(&w->usher.children, &at, &key, &value))
		usher_child_free(value);
	at = 0;
	while (map_next(&w->usher.users, &at, &key, &value))
		free(value);
	map_free(&w->usher.children);
	map_free(&w->usher.users);
	event_free(w->usher.child_event);
	event_free(w->usher.stop_timer);
	event_base_free(around.base);
	fd_close(around.root);
	assert_int_equal(tmp_remove(w->dir), 0);
	fd_close(w->link);
	free(w);
	return 0;
}

/* Ask for a session; the client's end is returned. */
static int
start_with(const char *preread, const char *left)
{
	const struct ipc_session_start m = {
		.session = 7,
		.ticket = SLICE(TICKET),
		.tls = 1,
		.client = SLICE("192.0.2.7"),
		.tag = SLICE("a1"),
		.preread = slice_str(preread),
		.state = slice_str(left),
	};
	uint32_t request;
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	request = ipc_expect(world->front_there, on_answer, NULL);
	assert_int_equal(ipc_send_msg_fd(world->front_there, session_start, 0,
			     request, &m, pair[1]),
	    0);
	run();
	return pair[0];
}

__attribute__((unused)) static int
start(const char *preread)
{
	return start_with(preread, "");
}

#endif
