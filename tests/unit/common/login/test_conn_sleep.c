/*
 * A front whose sessions go to sleep, honest ones and others, against a false
 * auth, a false usher and clients at the other end of a socket.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/login/conn.h"
#include "common/login/sleep.h"
#include "tests/unit/common/login/around.h"

#define LOGIN_TICKET  "0123456789abcdef0123456789abcdef"
#define RETURN_TICKET "fedcba9876543210fedcba9876543210"
#define CROWD         40

static struct {
	struct front front;
	struct ipc_chan *auth_there;
	struct ipc_chan *usher_there;
	bool refuse;      /* what the usher says */
	uint32_t pid;     /* of the next process */
	unsigned starts;  /* of sessions */
	unsigned returns; /* of them, with a state */
	unsigned drops;   /* of return tickets */
	uint32_t session; /* started last */
	int given;        /* its connection */
} world;

/* -- a protocol that knows one word ---------------------------------------- */

static void
greet(struct talk *t)
{
	t->tls = false;
}

static enum talk_step
input(struct talk *t, struct buf *in)
{
	if (in->len == 0)
		return TALK_READ;
	buf_consume(in, in->len);
	assert_int_equal(credentials_user(&t->who, SLICE("pip")), 0);
	return TALK_AUTH;
}

static enum talk_step
answer(struct talk *t, enum talk_answer why)
{
	(void)t;
	(void)why;
	return TALK_CLOSE;
}

static void
end(struct talk *t, enum talk_end why)
{
	assert_int_equal(why, END_STOPPING);
	talk_say(t, "bye\r\n");
}

static const char *
tag(const struct talk *t)
{
	(void)t;
	return "a1";
}

static const struct talk_protocol protocol = {
	.name = "imap",
	.service = SERVICE_IMAP,
	.usher = PROC_IMAP_USHER,
	.size = sizeof(struct talk),
	.greet = greet,
	.input = input,
	.answer = answer,
	.end = end,
	.tag = tag,
};

/* -- the others -------------------------------------------------------------
 */

static void
on_auth_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	const struct ipc_auth_answer m = { .status = AUTH_OK,
		.user = SLICE("pip@example.test"),
		.ticket = SLICE(LOGIN_TICKET) };

	(void)arg;
	assert_int_equal(
	    ipc_send_msg(c, auth_answer, IPC_REPLY, f->request, &m), 0);
}

static void
on_return_drop(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_return_drop m;

	(void)arg;
	(void)c;
	assert_int_equal(ipc_return_drop_decode(&m, f->payload), 0);
	assert_true(slice_eq(m.ticket, SLICE(RETURN_TICKET)));
	world.drops++;
}

static void
on_session_start(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_session_state state = { .pid = ++world.pid };
	struct ipc_session_start m;

	(void)arg;
	assert_int_equal(ipc_session_start_decode(&m, f->payload), 0);
	world.starts++;
	if (m.state.len > 0) {
		world.returns++;
		assert_true(slice_eq(m.state, SLICE("state")));
		assert_true(slice_eq(m.ticket, SLICE(RETURN_TICKET)));
	}
	fd_close(world.given);
	world.given = f->fd;
	f->fd = -1;
	world.session = m.session;
	state.session = m.session;
	state.state = world.refuse ? SESSION_REFUSED : SESSION_RUNNING;
	assert_int_equal(
	    ipc_send_msg(c, session_state, IPC_REPLY, f->request, &state), 0);
}

static const struct ipc_handler auth_handlers[] = {
	{ IPC_AUTH_ASK, on_auth_ask },
	{ IPC_RETURN_DROP, on_return_drop },
	{ 0, NULL },
};
static const struct ipc_handler usher_handlers_there[] = {
	{ IPC_SESSION_START, on_session_start },
	{ 0, NULL },
};
static const struct ipc_ops here_ops = { .handlers = front_handlers };
static const struct ipc_ops auth_ops = { .handlers = auth_handlers };
static const struct ipc_ops usher_ops = { .handlers = usher_handlers_there };

static int
set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	log_level((enum log_level)(LOG_FAIL + 1));
	world.given = -1;
	around_open(&world.front);
	around.config.idle_timeout = 300;
	around.config.imap_timeout = 1860;
	around.config.errors_limit = 20;
	world.front.protocol = &protocol;
	assert_int_equal(front_prepare(NULL), 0);
	assert_int_equal(front_start(NULL), 0);
	around_connect(PROC_IMAPD, PROC_AUTH, &around.auth, &here_ops,
	    &world.auth_there, &auth_ops);
	around_connect(PROC_IMAPD, PROC_IMAP_USHER, &around.usher, &here_ops,
	    &world.usher_there, &usher_ops);
	return 0;
}

static int
tear_down(void **state)
{
	struct front *f = &world.front;
	struct slice key;
	void *value;
	size_t at = 0;

	(void)state;
	while (map_next(&f->conns, &at, &key, &value))
		conn_free(value);
	assert_int_equal(f->asleep, 0);
	assert_int_equal(f->waking, 0);
	run();
	ipc_chan_close(around.auth);
	ipc_chan_close(around.usher);
	ipc_chan_close(world.auth_there);
	ipc_chan_close(world.usher_there);
	map_free(&f->conns);
	map_free(&f->clients.by_key);
	heap_free(&f->waits);
	event_free(f->waits_timer);
	event_free(f->accept_again);
	event_free(f->stop_timer);
	event_free(f->wake_timer);
	event_base_free(around.base);
	fd_close(world.given);
	return 0;
}

struct guest {
	int fd;      /* his own end */
	int session; /* what the session has of him */
	int link;    /* the session's end */
	uint32_t number;
};

/* A client whose session runs, and has a link. */
static void
client_in(struct guest *c)
{
	const struct sockaddr_storage peer = { .ss_family = AF_UNIX };
	struct ipc_session_link m = { .ticket = SLICE(RETURN_TICKET) };
	struct conn *conn;
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	conn = conn_new(&world.front, pair[1], &peer, false);
	assert_non_null(conn);
	conn_begin(conn);
	assert_int_equal(write(pair[0], "hello", 5), 5);
	run();
	assert_int_equal(conn->state, CONN_HELD);
	*c = (struct guest){
		.fd = pair[0], .session = world.given, .number = world.session
	};
	world.given = -1;
	m.session = world.session;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	c->link = pair[0];
	assert_int_equal(
	    ipc_send_msg_fd(world.usher_there, session_link, 0, 0, &m, pair[1]),
	    0);
	run();
	assert_int_not_equal(conn->link, -1);
}

static void
client_out(struct guest *c)
{
	fd_close(c->fd);
	fd_close(c->session);
	fd_close(c->link);
	run();
}

/* What the front says to a note; '-' when nothing. */
static char
say(const struct guest *c, struct slice note, const int *fds, size_t count)
{
	char said = '-';

	assert_int_equal(sleep_send(c->link, note, fds, count), 0);
	run();
	(void)!recv(c->link, &said, 1, MSG_DONTWAIT);
	return said;
}

static struct slice
note_with(size_t state_len)
{
	static char bytes[SLEEP_NOTE_MAX + 64];
	struct buf b = BUF_INIT(sizeof(bytes));
	struct sleep_note n = { 60000, SLICE("state") };
	size_t len;

	n.state.len = state_len;
	assert_int_equal(sleep_note_put(&b, &n), 0);
	len = b.len;
	memcpy(bytes, b.data, len);
	buf_free(&b);
	return slice_of(bytes, len);
}

static struct slice
note(void)
{
	return note_with(5);
}

static void
who_sleeps_is_woken_by_his_client(void **state)
{
	struct guest c;

	(void)state;
	client_in(&c);
	assert_int_equal(say(&c, note(), &c.session, 1), SLEEP_TAKEN);
	assert_int_equal(world.front.asleep, 1);
	assert_int_equal(world.drops, 0);
	run();
	assert_int_equal(world.starts, 1);
	assert_int_equal(write(c.fd, "DONE", 4), 4);
	run();
	assert_int_equal(world.returns, 1);
	assert_int_equal(world.session, c.number);
	assert_int_equal(world.front.asleep, 0);
	assert_int_equal(world.drops, 0); /* it was used */
	client_out(&c);
}

static void
who_sleeps_is_woken_by_news(void **state)
{
	struct guest c;
	int fds[2];

	(void)state;
	client_in(&c);
	fds[0] = c.session;
	fds[1] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(say(&c, note(), fds, 2), SLEEP_TAKEN);
	run();
	assert_int_equal(world.returns, 0);
	assert_int_equal(eventfd_write(fds[1], 1), 0);
	run();
	assert_int_equal(world.returns, 1);
	fd_close(fds[1]);
	client_out(&c);
}

static void
expect_refused(size_t fd_count, int first, int second, struct slice bytes)
{
	unsigned drops = world.drops;
	struct guest c;
	int fds[2];

	client_in(&c);
	fds[0] = first == -1 ? c.session : first;
	fds[1] = second;
	assert_int_equal(say(&c, bytes, fds, fd_count), SLEEP_NEVER);
	assert_int_equal(world.front.asleep, 0);
	run();
	assert_int_equal(world.drops, drops + 1);
	client_out(&c);
}

static void
what_a_session_cannot_mean_is_refused(void **state)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int other[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
	expect_refused(0, -1, -1, note());       /* no connection */
	expect_refused(1, other[0], -1, note()); /* not its own */
	expect_refused(1, dir, -1, note());
	expect_refused(2, -1, dir, note()); /* nothing to watch */
	expect_refused(2, -1, file, note());
	expect_refused(2, -1, other[0], note());
	expect_refused(1, -1, -1, note_with(0));
	expect_refused(1, -1, -1, SLICE("x"));
	expect_refused(1, -1, -1, slice_sub(note(), 0, 8));
	fd_close(dir);
	fd_close(file);
	fd_close(other[0]);
	fd_close(other[1]);
}

static void
an_old_link_lets_nobody_sleep(void **state)
{
	struct guest c;
	struct conn *conn;

	(void)state;
	client_in(&c);
	conn = map_get_u64(&world.front.conns, c.number);
	assert_non_null(conn);
	conn->linked_ms -= 270000;
	assert_int_equal(say(&c, note(), &c.session, 1), SLEEP_BUSY);
	assert_int_equal(conn->link, -1);
	assert_int_equal(world.drops, 1);
	assert_int_equal(world.front.asleep, 0);
	client_out(&c);
}

static void
without_auth_a_link_is_worth_nothing(void **state)
{
	struct guest c;
	struct conn *conn;
	char byte;

	(void)state;
	client_in(&c);
	conn = map_get_u64(&world.front.conns, c.number);
	assert_non_null(conn);
	front_peer_down(NULL, around.auth);
	assert_int_equal(conn->link, -1);
	assert_int_equal(conn->state, CONN_HELD);
	assert_int_equal(recv(c.link, &byte, 1, MSG_DONTWAIT), 0);
	client_out(&c);
}

static void
a_client_who_has_spoken_is_not_kept_waiting(void **state)
{
	struct guest c;

	(void)state;
	client_in(&c);
	assert_int_equal(write(c.fd, "DONE", 4), 4);
	assert_int_equal(say(&c, note(), &c.session, 1), SLEEP_BUSY);
	assert_int_equal(world.front.asleep, 0);
	run();
	assert_int_equal(world.drops, 1);
	client_out(&c);
}

static void
a_session_that_ends_awake_needs_no_ticket(void **state)
{
	struct guest c;

	(void)state;
	client_in(&c);
	fd_close(c.link);
	c.link = -1;
	run();
	assert_int_equal(world.drops, 1);
	client_out(&c);
}

static void
a_client_who_leaves_needs_no_session(void **state)
{
	struct guest c;

	(void)state;
	client_in(&c);
	assert_int_equal(say(&c, note(), &c.session, 1), SLEEP_TAKEN);
	client_out(&c);
	assert_int_equal(world.starts, 1);
	assert_int_equal(world.drops, 1);
	assert_int_equal(world.front.conns.count, 0);
}

static void
expect_bye(const struct guest *c)
{
	char text[16];

	assert_int_equal(recv(c->fd, text, sizeof(text), MSG_DONTWAIT), 5);
	assert_memory_equal(text, "bye\r\n", 5);
	assert_int_equal(recv(c->fd, text, sizeof(text), MSG_DONTWAIT), 0);
	assert_int_equal(world.front.conns.count, 0);
}

static void
who_cannot_be_woken_is_told(void **state)
{
	struct guest c;

	(void)state;
	client_in(&c);
	assert_int_equal(say(&c, note(), &c.session, 1), SLEEP_TAKEN);
	world.refuse = true;
	assert_int_equal(write(c.fd, "DONE", 4), 4);
	run();
	assert_int_equal(world.returns, 1);
	expect_bye(&c);
	client_out(&c);
}

/* When its time is up; and it keeps no session that could do without it. */
static void
a_front_that_stops_says_bye(void **state)
{
	struct guest awake;
	struct guest c;

	(void)state;
	client_in(&c);
	assert_int_equal(say(&c, note(), &c.session, 1), SLEEP_TAKEN);
	client_in(&awake);
	front_stop(NULL, 2000);
	assert_int_equal(world.front.conns.count, 1); /* not the awake one */
	for (int i = 0; i < 100 && world.front.conns.count > 0; i++) {
		run();
		(void)poll(NULL, 0, 10);
	}
	expect_bye(&c);
	client_out(&c);
	client_out(&awake);
}

/* The end of a process that is not his any more is none of his business. */
static void
late_words_about_a_process_are_passed_over(void **state)
{
	const struct ipc_session_state ended = { .state = SESSION_ENDED };
	struct ipc_session_state m = ended;
	struct guest c;

	(void)state;
	client_in(&c);
	m.session = c.number;
	m.pid = world.pid;
	assert_int_equal(say(&c, note(), &c.session, 1), SLEEP_TAKEN);
	assert_int_equal(write(c.fd, "DONE", 4), 4);
	run();
	assert_int_equal(world.returns, 1);
	assert_int_equal(
	    ipc_send_msg(world.usher_there, session_state, 0, 0, &m), 0);
	run();
	assert_int_equal(world.front.conns.count, 1);
	m.pid = world.pid;
	assert_int_equal(
	    ipc_send_msg(world.usher_there, session_state, 0, 0, &m), 0);
	run();
	assert_int_equal(world.front.conns.count, 0);
	client_out(&c);
}

/* News for everybody: some come back at once, all in the end. */
static void
a_crowd_comes_back_bit_by_bit(void **state)
{
	struct guest crowd[CROWD];
	int fds[2] = { -1, eventfd(0, EFD_CLOEXEC) };
	unsigned at_once;

	(void)state;
	for (size_t i = 0; i < CROWD; i++) {
		client_in(&crowd[i]);
		fds[0] = crowd[i].session;
		assert_int_equal(say(&crowd[i], note(), fds, 2), SLEEP_TAKEN);
	}
	assert_int_equal(world.front.asleep, CROWD);
	assert_int_equal(eventfd_write(fds[1], 1), 0);
	run();
	at_once = world.returns;
	assert_true(at_once > 0 && at_once < CROWD / 2);
	/* A client who speaks does not wait for the others. */
	assert_int_equal(write(crowd[CROWD - 1].fd, "DONE", 4), 4);
	run();
	assert_int_equal(world.session, crowd[CROWD - 1].number);
	for (int i = 0; i < 500 && world.returns < CROWD; i++) {
		run();
		(void)poll(NULL, 0, 10);
	}
	assert_int_equal(world.returns, CROWD);
	for (size_t i = 0; i < CROWD; i++)
		client_out(&crowd[i]);
	fd_close(fds[1]);
}

/* Nobody's link, or one without a ticket. */
static void
a_link_that_fits_nobody_is_closed(void **state)
{
	struct ipc_session_link m = { .session = 4711,
		.ticket = SLICE(RETURN_TICKET) };
	int pair[2];
	char c;

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(
	    ipc_send_msg_fd(world.usher_there, session_link, 0, 0, &m, pair[1]),
	    0);
	run();
	assert_int_equal(recv(pair[0], &c, 1, MSG_DONTWAIT), 0);
	assert_int_equal(world.drops, 1);
	fd_close(pair[0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_sleeps_is_woken_by_his_client),
		TEST(who_sleeps_is_woken_by_news),
		TEST(what_a_session_cannot_mean_is_refused),
		TEST(an_old_link_lets_nobody_sleep),
		TEST(without_auth_a_link_is_worth_nothing),
		TEST(a_client_who_has_spoken_is_not_kept_waiting),
		TEST(a_session_that_ends_awake_needs_no_ticket),
		TEST(a_client_who_leaves_needs_no_session),
		TEST(who_cannot_be_woken_is_told),
		TEST(a_front_that_stops_says_bye),
		TEST(late_words_about_a_process_are_passed_over),
		TEST(a_crowd_comes_back_bit_by_bit),
		TEST(a_link_that_fits_nobody_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
