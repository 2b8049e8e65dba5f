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

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/login/usher_state.h"

#define TICKET "0123456789abcdef0123456789abcdef"

struct world {
	struct usher usher;
	struct event_base *base;
	struct config config;
	struct ipc_chan *auth; /* the usher's end */
	struct ipc_chan *auth_there;
	struct ipc_chan *front;
	struct ipc_chan *front_there;
	char dir[32];
	int root;
	bool exited;

	/* What auth says. */
	bool auth_silent;
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
};

static struct world *world;

void *
daemon_data(const struct daemon *d)
{
	(void)d;
	return &world->usher;
}

struct event_base *
daemon_base(const struct daemon *d)
{
	(void)d;
	return world->base;
}

const struct config *
daemon_config(const struct daemon *d)
{
	(void)d;
	return &world->config;
}

struct ipc_chan *
daemon_peer(const struct daemon *d, enum proc p, size_t nth)
{
	(void)d;
	(void)p;
	(void)nth;
	return world->auth;
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
	return world->root;
}

void
daemon_exit(struct daemon *d)
{
	(void)d;
	world->exited = true;
}

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

/* Says what it was told; "die" in preread is what it does. */
static void
session(const struct login_session *s)
{
	char text[256];
	int n;

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
static void
answer_ticket(void)
{
	const struct ipc_ticket_worth worth = {
		.ok = world->ok,
		.uid = world->uid,
		.user = slice_str(world->user),
		.home = slice_str(world->home),
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
	};
	struct ipc_ticket_ask m;

	(void)arg;
	world->asks++;
	world->ticket_request = f->request;
	assert_int_equal(ipc_ticket_ask_decode(&m, f->payload), 0);
	assert_int_equal(m.service, SERVICE_POP3);
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

static const struct ipc_handler auth_handlers[] = {
	{ IPC_TICKET_ASK, on_ticket },
	{ 0, NULL },
};
static const struct ipc_handler front_handlers_there[] = {
	{ IPC_SESSION_STATE, on_state },
	{ 0, NULL },
};

static void
on_closed(void *arg, struct ipc_chan *c)
{
	(void)arg;
	if (c == world->auth)
		world->auth = NULL;
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
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	*here = ipc_chan_new(world->base, pair[0], PROC_POP3_USHER, peer, 1);
	ipc_chan_ops(*here, &usher_ops, NULL);
	*there = ipc_chan_new(world->base, pair[1], peer, PROC_POP3_USHER, 1);
	ipc_chan_ops(*there, peer == PROC_AUTH ? &auth_ops : &front_ops, NULL);
}

static void
run(void)
{
	int i;

	for (i = 0; i < 20; i++)
		(void)event_base_loop(world->base, EVLOOP_NONBLOCK);
}

/* Children take their time: at most five seconds of it. */
static void
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

static void
run_until_reaped(void)
{
	int i;

	for (i = 0; i < 500 && world->usher.children.count > 0; i++) {
		run();
		(void)poll(NULL, 0, 10);
	}
	assert_int_equal(world->usher.children.count, 0);
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world = w;
	*state = w;
	log_level((enum log_level)(LOG_FAIL + 1));
	w->base = event_base_new();
	assert_non_null(w->base);
	memcpy(w->dir, "/tmp/usherXXXXXX", 17);
	assert_non_null(mkdtemp(w->dir));
	w->root = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_not_equal(w->root, -1);
	assert_int_equal(mkdirat(w->root, "d", 0700), 0);
	assert_int_equal(mkdirat(w->root, "d/pip", 0700), 0);
	w->ok = 1;
	w->uid = getuid();
	w->home = "d/pip";
	w->user = "pip@example.test";
	w->config.user_uid_first = w->uid;
	w->config.user_uid_last = w->uid;
	w->config.connections_limit = 100;
	w->config.user_sessions_limit = 3;
	w->usher.service = SERVICE_POP3;
	w->usher.session = session;
	assert_int_equal(usher_start(NULL), 0);
	w->usher.idle_ms = 0;
	connect_peer(PROC_AUTH, &w->auth, &w->auth_there);
	connect_peer(PROC_POP3D, &w->front, &w->front_there);
	return 0;
}

static int
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
	event_base_free(w->base);
	(void)unlinkat(w->root, "d/link", 0);
	(void)unlinkat(w->root, "d/file", 0);
	(void)unlinkat(w->root, "d/pip", AT_REMOVEDIR);
	(void)unlinkat(w->root, "d", AT_REMOVEDIR);
	(void)rmdir(w->dir);
	fd_close(w->root);
	free(w);
	return 0;
}

/* Ask for a session; the client's end is returned. */
static int
start(const char *preread)
{
	const struct ipc_session_start m = {
		.session = 7,
		.ticket = SLICE(TICKET),
		.tls = 1,
		.client = SLICE("192.0.2.7"),
		.tag = SLICE("a1"),
		.preread = slice_str(preread),
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

static void
a_ticket_becomes_a_session(void **state)
{
	char text[256];
	ssize_t n;
	int fd;

	(void)state;
	fd = start("STAT");
	assert_int_equal(world->running, 1);
	assert_int_equal(world->state.session, 7);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, "pip@example.test 192.0.2.7 a1 1 STAT");
	run_until_state(SESSION_ENDED);
	run_until_reaped();
	assert_int_equal(world->usher.users.count, 0);
	assert_false(world->exited);
	fd_close(fd);
}

/* It would have told the client something else meanwhile. */
static void
no_session_begins_that_its_front_has_not_heard_of(void **state)
{
	char text[256];
	int fd;

	(void)state;
	world->auth_silent = true;
	fd = start("STAT");
	assert_int_equal(world->asks, 1);
	/* It is gone, which the usher finds out when it speaks to it. */
	ipc_chan_pause(world->front, true);
	ipc_chan_close(world->front_there);
	world->front_there = NULL;
	answer_ticket();
	run();
	run_until_reaped();
	assert_int_equal(world->usher.forks, 1);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
	fd_close(fd);
}

/* The text a session wrote, and who wrote it. */
static uint32_t
serve(const char *preread, const char *want)
{
	char text[256];
	ssize_t n;
	int fd;

	world->states = 0;
	fd = start(preread);
	assert_true(world->states > 0);
	n = read(fd, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, want);
	run_until_state(SESSION_ENDED);
	assert_int_equal(read(fd, text, 1), 0);
	fd_close(fd);
	return world->state.pid;
}

#define SAYS "pip@example.test 192.0.2.7 a1 1 "

static void
a_process_serves_its_user_again(void **state)
{
	uint32_t pid;

	(void)state;
	world->usher.idle_ms = 5000;
	pid = serve("one", SAYS "one");
	assert_int_equal(world->usher.idle_count, 1);
	assert_int_equal(serve("two", SAYS "two"), pid);
	assert_int_equal(serve("", SAYS), pid);
	assert_int_equal(world->usher.forks, 1);
	assert_int_equal(usher_serving(&world->usher, world->uid), 0);
}

static void
a_new_home_gets_a_new_process(void **state)
{
	uint32_t pid;

	(void)state;
	world->usher.idle_ms = 5000;
	pid = serve("one", SAYS "one");
	/* Removed and made again under the same name. */
	assert_int_equal(renameat(world->root, "d/pip", world->root, "d/x"), 0);
	assert_int_equal(mkdirat(world->root, "d/pip", 0700), 0);
	assert_int_not_equal(serve("two", SAYS "two"), pid);
	assert_int_equal(unlinkat(world->root, "d/x", AT_REMOVEDIR), 0);
}

static void
another_user_gets_another_process(void **state)
{
	uint32_t pid;

	(void)state;
	world->usher.idle_ms = 5000;
	pid = serve("one", SAYS "one");
	world->user = "estella@example.test";
	assert_int_not_equal(
	    serve("two", "estella@example.test 192.0.2.7 a1 1 two"), pid);
	assert_int_equal(world->usher.idle_count, 2);
}

static void
a_process_does_not_wait_for_ever(void **state)
{
	(void)state;
	world->usher.idle_ms = 20;
	(void)serve("one", SAYS "one");
	run_until_reaped();
	assert_int_equal(world->usher.idle_count, 0);
	assert_int_equal(world->usher.users.count, 0);
}

static void
those_who_wait_do_not_hold_up_the_end(void **state)
{
	(void)state;
	world->usher.idle_ms = 60000;
	(void)serve("one", SAYS "one");
	usher_stop(NULL, 60000);
	run_until_reaped();
	assert_true(world->exited);
}

static void
a_process_that_dies_while_it_waits_is_forgotten(void **state)
{
	uint32_t pid;

	(void)state;
	world->usher.idle_ms = 60000;
	pid = serve("one", SAYS "one");
	assert_int_equal(kill((pid_t)pid, SIGTERM), 0);
	run_until_reaped();
	assert_int_equal(world->usher.idle_count, 0);
	assert_true(world->exited);
}

static void
expect_refused(const char *what)
{
	char c;
	int fd = start("");

	if (world->state.state != SESSION_REFUSED)
		fail_msg("not refused: %s", what);
	assert_int_equal(world->usher.children.count, 0);
	assert_int_equal(read(fd, &c, 1), 0); /* and nobody has the socket */
	fd_close(fd);
}

static void
what_does_not_fit_is_refused(void **state)
{
	(void)state;
	world->ok = 0;
	expect_refused("ticket");
	world->ok = 1;
	world->config.user_uid_first = (int64_t)world->uid + 1;
	world->config.user_uid_last = (int64_t)world->uid + 1;
	expect_refused("uid below the range");
	world->config.user_uid_first = 0;
	world->config.user_uid_last = (int64_t)world->uid - 1;
	expect_refused("uid above the range");
	world->config.user_uid_last = world->uid;
	world->home = "";
	expect_refused("no home");
	world->home = "d/nobody";
	expect_refused("home is not there");
	world->home = "d/../d/pip/../../..";
	expect_refused("home outside");
	ipc_chan_close(world->auth_there);
	world->auth_there = NULL;
	run();
	expect_refused("auth absent");
}

/* What is no socket is no client: a directory would lead out of the home. */
static void
only_a_socket_becomes_a_client(void **state)
{
	const struct ipc_session_start m = {
		.session = 7, .ticket = SLICE(TICKET), .client = SLICE("::1")
	};
	static const char *const paths[] = { "/", "/dev/null" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
		uint32_t request =
		    ipc_expect(world->front_there, on_answer, NULL);

		assert_int_not_equal(fd, -1);
		world->state.state = 0;
		assert_int_equal(ipc_send_msg_fd(world->front_there,
				     session_start, 0, request, &m, fd),
		    0);
		run();
		assert_int_equal(world->state.state, SESSION_REFUSED);
		assert_int_equal(world->usher.children.count, 0);
	}
}

static void
a_lost_auth_refuses_what_waits(void **state)
{
	int fd;

	(void)state;
	world->auth_silent = true;
	fd = start("");
	assert_int_equal(world->states, 0);
	ipc_chan_close(world->auth_there);
	world->auth_there = NULL;
	run();
	assert_int_equal(world->state.state, SESSION_REFUSED);
	fd_close(fd);
}

static void
a_lost_front_leaves_nothing(void **state)
{
	int fd;

	(void)state;
	world->auth_silent = true;
	fd = start("");
	assert_int_equal(world->usher.start_count, 1);
	ipc_chan_close(world->front_there);
	world->front_there = NULL;
	run();
	assert_int_equal(world->usher.start_count, 0);
	fd_close(fd);
}

static void
a_death_by_signal_renews_the_usher(void **state)
{
	int fd;

	(void)state;
	fd = start("die");
	run_until_state(SESSION_ENDED);
	run_until_reaped();
	assert_true(world->exited);
	/* What comes now is left for the next one. */
	world->asks = 0;
	world->states = 0;
	fd_close(start(""));
	assert_int_equal(world->asks, 0);
	assert_int_equal(world->states, 0);
	fd_close(fd);
}

static void
renewal_waits_for_what_is_under_way(void **state)
{
	int first;

	(void)state;
	world->auth_silent = true;
	first = start("");
	world->usher.renew = true;
	usher_check_renewal(&world->usher);
	assert_false(world->exited);
	ipc_chan_close(world->auth_there);
	world->auth_there = NULL;
	run();
	assert_true(world->exited);
	fd_close(first);
}

static void
a_stop_waits_for_sessions(void **state)
{
	int fd;

	(void)state;
	fd = start("");
	assert_int_equal(world->usher.children.count, 1);
	usher_stop(NULL, 60000);
	assert_false(world->exited);
	run_until_reaped();
	assert_true(world->exited);
	fd_close(fd);
}

static void
one_user_has_so_many_sessions(void **state)
{
	int other;
	int fd;

	(void)state;
	world->config.user_sessions_limit = 1;
	fd = start("wait");
	assert_int_equal(usher_serving(&world->usher, world->uid), 1);
	other = start("");
	assert_int_equal(world->state.state, SESSION_REFUSED);
	fd_close(other);
	fd_close(fd);
	run_until_state(SESSION_ENDED);
	world->states = 0;
	other = start("");
	run_until_state(SESSION_ENDED);
	fd_close(other);
}

static void
a_home_is_the_users_own_directory(void **state)
{
	uint32_t me = world->uid;
	int root = world->root;
	int fd;

	(void)state;
	fd = usher_open_home(root, "d/pip", me);
	assert_int_not_equal(fd, -1);
	fd_close(fd);
	assert_int_equal(usher_open_home(root, "d/pip", me + 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(usher_open_home(root, "/tmp", me), -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(usher_open_home(root, "d/../../x", me), -1);
	assert_int_equal(errno, EXDEV);
	assert_int_equal(symlinkat("pip", root, "d/link"), 0);
	assert_int_equal(usher_open_home(root, "d/link", me), -1);
	assert_int_equal(errno, ELOOP);
	fd = openat(root, "d/file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_not_equal(fd, -1);
	fd_close(fd);
	assert_int_equal(usher_open_home(root, "d/file", me), -1);
	assert_int_equal(errno, ENOTDIR);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_ticket_becomes_a_session),
		TEST(no_session_begins_that_its_front_has_not_heard_of),
		TEST(a_process_serves_its_user_again),
		TEST(a_new_home_gets_a_new_process),
		TEST(another_user_gets_another_process),
		TEST(a_process_does_not_wait_for_ever),
		TEST(those_who_wait_do_not_hold_up_the_end),
		TEST(a_process_that_dies_while_it_waits_is_forgotten),
		TEST(what_does_not_fit_is_refused),
		TEST(only_a_socket_becomes_a_client),
		TEST(a_lost_auth_refuses_what_waits),
		TEST(a_lost_front_leaves_nothing),
		TEST(a_death_by_signal_renews_the_usher),
		TEST(renewal_waits_for_what_is_under_way),
		TEST(a_stop_waits_for_sessions),
		TEST(one_user_has_so_many_sessions),
		TEST(a_home_is_the_users_own_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
