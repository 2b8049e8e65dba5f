/*
 * The shared front (common/login) speaking POP3, against a false auth and a
 * false usher on real channels, and clients on socketpairs.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/login/conn.h"
#include "common/tls/stream.h"
#include "pop3d/front.h"
#include "tests/unit/common/login/around.h"

/* -- the process around a front ------------------------------------------ */

struct world {
	struct front front;
	struct ipc_chan *auth_there; /* auth's own end */
	struct ipc_chan *usher_there;

	/* What the false auth and usher saw and shall do. */
	unsigned asks;
	bool auth_silent;
	char last_ticket;
	bool usher_silent;
	bool usher_refuses;
	unsigned starts;
	uint32_t session;
	uint32_t request;
	int session_fd;
	char preread[256];
};

static struct world *world; /* of the test that runs */

/* -- auth and usher ------------------------------------------------------ */

static void
on_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	static const char ticket[CONN_TICKET] = "ticket";
	struct ipc_auth_answer answer = { .status = AUTH_BAD };
	struct ipc_auth_ask m;

	(void)arg;
	world->asks++;
	assert_int_equal(ipc_auth_ask_decode(&m, f->payload), 0);
	assert_int_equal(m.service, SERVICE_POP3);
	if (world->auth_silent)
		return;
	answer.session = m.session;
	if (slice_eq(m.secret, SLICE("pw"))) {
		answer.status = AUTH_OK;
		answer.user = SLICE("pip@example.test");
		answer.ticket = slice_of(ticket, sizeof(ticket));
	} else if (slice_eq(m.secret, SLICE("temp"))) {
		answer.status = AUTH_TEMPFAIL;
	}
	assert_int_equal(
	    ipc_send_msg(c, auth_answer, IPC_REPLY, f->request, &answer), 0);
}

static void
tell_state(enum ipc_session state, uint32_t request)
{
	const struct ipc_session_state m = {
		.session = world->session,
		.state = (uint8_t)state,
	};

	assert_int_equal(ipc_send_msg(world->usher_there, session_state,
			     request != 0 ? IPC_REPLY : 0, request, &m),
	    0);
}

static void
on_start(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_session_start m;

	(void)arg;
	(void)c;
	world->starts++;
	assert_int_equal(ipc_session_start_decode(&m, f->payload), 0);
	assert_int_equal(m.ticket.len, CONN_TICKET);
	assert_memory_equal(m.ticket.p, "ticket", 7);
	assert_true(slice_eq(m.client, SLICE("192.0.2.7")));
	assert_int_equal(
	    slice_copy(world->preread, sizeof(world->preread), m.preread), 0);
	fd_close(world->session_fd);
	world->session_fd = f->fd;
	f->fd = -1;
	world->session = m.session;
	world->request = f->request;
	if (world->usher_silent)
		return;
	tell_state(world->usher_refuses ? SESSION_REFUSED : SESSION_RUNNING,
	    f->request);
}

static const struct ipc_handler auth_handlers[] = {
	{ IPC_AUTH_ASK, on_ask },
	{ 0, NULL },
};
static const struct ipc_handler usher_handlers_there[] = {
	{ IPC_SESSION_START, on_start },
	{ 0, NULL },
};

static void
on_closed(void *arg, struct ipc_chan *c)
{
	(void)arg;
	if (c == around.auth)
		around.auth = NULL;
	if (c == around.usher)
		around.usher = NULL;
	front_peer_down(NULL, c);
}

static const struct ipc_ops front_ops = { .handlers = front_handlers,
	.closed = on_closed };
static const struct ipc_ops auth_ops = { .handlers = auth_handlers };
static const struct ipc_ops usher_ops = { .handlers = usher_handlers_there };

static void
connect_peer(enum proc peer, struct ipc_chan **here, struct ipc_chan **there)
{
	around_connect(PROC_POP3D, peer, here, &front_ops, there,
	    peer == PROC_AUTH ? &auth_ops : &usher_ops);
	front_peer_up(NULL, *here);
}

static void
lose_peer(struct ipc_chan **there)
{
	ipc_chan_close(*there);
	*there = NULL;
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	world = w;
	*state = w;
	around_open(&w->front);
	w->session_fd = -1;
	around.config.hostname = strdup("mail.example.test");
	around.config.errors_limit = 5;
	around.config.idle_timeout = 300;
	around.config.connections_limit = 100;
	around.config.client_connections_limit = 3;
	around.config.cleartext_networks.items = calloc(1, sizeof(char *));
	around.config.cleartext_networks.items[0] = strdup("192.0.2.0/24");
	around.config.cleartext_networks.count = 1;
	log_level(LOG_FAIL);
	w->front.protocol = &pop3_protocol;
	assert_int_equal(front_prepare(NULL), 0);
	assert_int_equal(front_start(NULL), 0);
	connect_peer(PROC_AUTH, &around.auth, &w->auth_there);
	connect_peer(PROC_POP3_USHER, &around.usher, &w->usher_there);
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	struct slice key;
	void *value;
	size_t at = 0;

	w->front.stopping = false;
	while (map_next(&w->front.conns, &at, &key, &value))
		conn_free(value);
	ipc_chan_close(w->auth_there);
	ipc_chan_close(w->usher_there);
	run();
	fd_close(w->session_fd);
	map_free(&w->front.conns);
	map_free(&w->front.clients.by_key);
	heap_free(&w->front.waits);
	event_free(w->front.waits_timer);
	event_free(w->front.accept_again);
	event_free(w->front.stop_timer);
	event_free(w->front.wake_timer);
	event_base_free(around.base);
	free(around.config.hostname);
	free(around.config.cleartext_networks.items[0]);
	free(around.config.cleartext_networks.items);
	free(w);
	return 0;
}

/* -- clients ------------------------------------------------------------- */

static struct conn *
client_new(int *fd)
{
	struct sockaddr_storage peer = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
	struct conn *c;
	int pair[2];

	v4->sin_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &v4->sin_addr), 1);
	assert_int_equal(
	    socketpair(
		AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
	    0);
	c = conn_new(&world->front, pair[0], &peer, false);
	assert_non_null(c);
	conn_begin(c);
	*fd = pair[1];
	run();
	return c;
}

static void
send_text(int fd, const char *text)
{
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	run();
}

/* What is there to read now, as a string; "EOF" at the end. */
static const char *
receive(int fd)
{
	static char text[4096];
	ssize_t n;

	run();
	n = read(fd, text, sizeof(text) - 1);
	if (n == -1) {
		assert_int_equal(errno, EAGAIN);
		return "";
	}
	text[n] = '\0';
	return n == 0 ? "EOF" : text;
}

static void
expect(int fd, const char *start)
{
	const char *got = receive(fd);

	if (strncmp(got, start, strlen(start)) != 0)
		assert_string_equal(got, start);
}

static void
a_plain_socket_is_given_away(void **state)
{
	struct conn *c;
	int fd;

	(void)state;
	c = client_new(&fd);
	expect(fd, "+OK mail.example.test");
	send_text(fd, "USER pip\r\nPASS pw\r\nSTAT\r\nQUIT\r\n");
	expect(fd, "+OK Password?");
	assert_int_equal(world->starts, 1);
	assert_string_equal(world->preread, "STAT\r\nQUIT\r\n");
	assert_int_equal(c->state, CONN_HELD);
	assert_null(c->stream);
	/* Only the session has it: it speaks, and its end is the end. */
	send_text(world->session_fd, "+OK here\r\n");
	expect(fd, "+OK here");
	send_text(fd, "NOOP\r\n");
	assert_string_equal(receive(world->session_fd), "NOOP\r\n");
	fd_close(world->session_fd);
	world->session_fd = -1;
	expect(fd, "EOF");
	tell_state(SESSION_ENDED, 0);
	run();
	assert_int_equal(world->front.conns.count, 0);
	assert_int_equal(world->front.clients.by_key.count, 0);
	fd_close(fd);
}

static void
a_refused_client_goes_on(void **state)
{
	int fd;

	(void)state;
	(void)client_new(&fd);
	(void)receive(fd);
	send_text(fd, "USER pip\r\nPASS no\r\nUSER pip\r\nPASS temp\r\n"
		      "USER pip\r\nPASS pw\r\n");
	expect(fd, "+OK Password?\r\n-ERR [AUTH] Authentication failed\r\n"
		   "+OK Password?\r\n-ERR [SYS/TEMP] Try again later\r\n"
		   "+OK Password?\r\n");
	assert_int_equal(world->asks, 3);
	assert_int_equal(world->starts, 1);
	fd_close(fd);
}

/* P12 */
static void
a_lost_auth_is_a_temporary_failure(void **state)
{
	int fd;

	(void)state;
	(void)client_new(&fd);
	(void)receive(fd);
	world->auth_silent = true;
	send_text(fd, "USER pip\r\nPASS pw\r\nCAPA\r\n");
	expect(fd, "+OK Password?\r\n");
	expect(fd, "");
	lose_peer(&world->auth_there);
	expect(fd, "-ERR [SYS/TEMP] Try again later\r\n+OK Capa");
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	expect(fd, "+OK Password?\r\n-ERR [SYS/TEMP]");
	world->auth_silent = false;
	connect_peer(PROC_AUTH, &around.auth, &world->auth_there);
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	assert_int_equal(world->starts, 1);
	fd_close(fd);
}

static void
a_missing_usher_is_waited_for(void **state)
{
	struct conn *c;
	int fd;

	(void)state;
	c = client_new(&fd);
	(void)receive(fd);
	lose_peer(&world->usher_there);
	run();
	send_text(fd, "USER pip\r\nPASS pw\r\nSTAT\r\n");
	assert_int_equal(c->state, CONN_HANDOVER);
	connect_peer(PROC_POP3_USHER, &around.usher, &world->usher_there);
	run();
	assert_int_equal(c->state, CONN_HELD);
	assert_string_equal(world->preread, "STAT\r\n");
	fd_close(fd);
}

static void
an_usher_that_is_renewed_is_asked_again(void **state)
{
	struct conn *c;
	int fd;

	(void)state;
	c = client_new(&fd);
	(void)receive(fd);
	world->usher_silent = true;
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	assert_int_equal(world->starts, 1);
	lose_peer(&world->usher_there);
	run();
	assert_int_equal(c->state, CONN_HANDOVER);
	world->usher_silent = false;
	connect_peer(PROC_POP3_USHER, &around.usher, &world->usher_there);
	run();
	assert_int_equal(world->starts, 2);
	assert_int_equal(c->state, CONN_HELD);
	fd_close(fd);
}

static void
sessions_outlive_their_usher(void **state)
{
	int fd;

	(void)state;
	(void)client_new(&fd);
	(void)receive(fd);
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	(void)receive(fd);
	lose_peer(&world->usher_there);
	run();
	assert_int_equal(world->front.conns.count, 0);
	send_text(world->session_fd, "+OK still here\r\n");
	expect(fd, "+OK still here");
	fd_close(fd);
}

static void
a_refused_session_is_a_temporary_failure(void **state)
{
	int fd;

	(void)state;
	(void)client_new(&fd);
	(void)receive(fd);
	world->usher_refuses = true;
	send_text(fd, "USER pip\r\nPASS pw\r\nQUIT\r\n");
	fd_close(world->session_fd);
	world->session_fd = -1;
	expect(fd, "+OK Password?\r\n-ERR [SYS/TEMP] Try again later\r\n"
		   "+OK mail.example.test says goodbye\r\n");
	expect(fd, "EOF");
	fd_close(fd);
}

static void
a_silent_usher_never_gets_a_live_socket(void **state)
{
	struct conn *c;
	int fd;

	(void)state;
	c = client_new(&fd);
	(void)receive(fd);
	world->usher_silent = true;
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	(void)receive(fd);
	conn_waited(c);
	expect(fd, "-ERR [SYS/TEMP]");
	/* Too late: what the session says leads nowhere. */
	tell_state(SESSION_RUNNING, world->request);
	run();
	assert_int_equal(
	    send(world->session_fd, "+OK\r\n", 5, MSG_NOSIGNAL), -1);
	fd_close(fd);
}

/* Its ticket is used: maybe the usher that was lost has made a session. */
static void
a_lost_usher_never_leaves_a_live_socket(void **state)
{
	int held;
	int fd;

	(void)state;
	(void)client_new(&fd);
	(void)receive(fd);
	world->usher_silent = true;
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	(void)receive(fd);
	held = dup(world->session_fd);
	lose_peer(&world->usher_there);
	run();
	world->usher_silent = false;
	world->usher_refuses = true;
	connect_peer(PROC_POP3_USHER, &around.usher, &world->usher_there);
	run();
	assert_int_equal(world->starts, 2);
	expect(fd, "-ERR [SYS/TEMP]");
	assert_int_equal(send(held, "+OK\r\n", 5, MSG_NOSIGNAL), -1);
	fd_close(held);
	fd_close(fd);
}

static void
a_silent_auth_is_given_up(void **state)
{
	struct conn *c;
	int fd;

	(void)state;
	c = client_new(&fd);
	(void)receive(fd);
	world->auth_silent = true;
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	(void)receive(fd);
	conn_waited(c);
	expect(fd, "-ERR [SYS/TEMP]");
	send_text(fd, "CAPA\r\n");
	expect(fd, "+OK");
	fd_close(fd);
}

static void
a_client_that_goes_while_auth_thinks_leaves_nothing(void **state)
{
	int fd;

	(void)state;
	(void)client_new(&fd);
	world->auth_silent = true;
	send_text(fd, "USER pip\r\nPASS pw\r\n");
	fd_close(fd);
	run();
	lose_peer(&world->auth_there);
	run();
	assert_int_equal(world->front.conns.count, 0);
}

/* -- copying for TLS (the stream is plain here, which proxy cannot see) --- */

static struct conn *
client_of_tls(int *fd)
{
	struct conn *c = client_new(fd);

	(void)receive(*fd);
	c->talk->tls = true;
	send_text(*fd, "USER pip\r\nPASS pw\r\nSTAT\r\n");
	assert_int_equal(c->state, CONN_PROXY);
	assert_string_equal(world->preread, "");
	expect(*fd, "+OK Password?\r\n");
	return c;
}

static void
the_front_copies_for_tls(void **state)
{
	int fd;

	(void)state;
	(void)client_of_tls(&fd);
	assert_int_equal(fd_nonblock(world->session_fd), 0);
	assert_string_equal(receive(world->session_fd), "STAT\r\n");
	send_text(world->session_fd, "+OK 1 120\r\n");
	expect(fd, "+OK 1 120\r\n");
	/* The session ends: its last words arrive, then the end. */
	send_text(world->session_fd, "+OK bye\r\n");
	fd_close(world->session_fd);
	world->session_fd = -1;
	expect(fd, "+OK bye\r\n");
	expect(fd, "EOF");
	assert_int_equal(world->front.conns.count, 0);
	fd_close(fd);
}

static void
a_client_that_ended_still_gets_its_answer(void **state)
{
	int fd;

	(void)state;
	(void)client_of_tls(&fd);
	assert_int_equal(fd_nonblock(world->session_fd), 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_string_equal(receive(world->session_fd), "STAT\r\n");
	assert_string_equal(receive(world->session_fd), "EOF");
	send_text(world->session_fd, "+OK 1 120\r\n");
	fd_close(world->session_fd);
	world->session_fd = -1;
	expect(fd, "+OK 1 120\r\n");
	expect(fd, "EOF");
	fd_close(fd);
}

static size_t
write_until_stuck(int fd)
{
	static const char zeros[65536];
	size_t sum = 0;
	ssize_t n;
	int idle = 0;

	while (idle < 3) {
		n = write(fd, zeros, sizeof(zeros));
		if (n > 0)
			sum += (size_t)n;
		idle = n > 0 ? 0 : idle + 1;
		run();
	}
	return sum;
}

static size_t
read_until_empty(int fd)
{
	static char waste[65536];
	size_t sum = 0;
	ssize_t n;
	int idle = 0;

	while (idle < 3) {
		n = read(fd, waste, sizeof(waste));
		if (n > 0)
			sum += (size_t)n;
		idle = n > 0 ? 0 : idle + 1;
		run();
	}
	return sum;
}

static void
who_is_not_read_from_is_stopped(void **state)
{
	struct conn *c;
	size_t n;
	int fd;

	(void)state;
	c = client_of_tls(&fd);
	assert_int_equal(fd_nonblock(world->session_fd), 0);
	(void)receive(world->session_fd);
	n = write_until_stuck(world->session_fd);
	assert_in_range(n, 1, 1024 * 1024);
	assert_in_range(stream_backlog(c->stream), 1, PROXY_MAX);
	assert_int_equal(read_until_empty(fd), n);

	n = write_until_stuck(fd);
	assert_in_range(n, 1, 1024 * 1024);
	assert_in_range(stream_in(c->stream)->len, 1, PROXY_MAX);
	assert_int_equal(read_until_empty(world->session_fd), n);
	fd_close(fd);
}

static void
a_session_that_is_gone_does_not_hold_its_client(void **state)
{
	int fd;

	(void)state;
	(void)client_of_tls(&fd);
	fd_close(world->session_fd);
	world->session_fd = -1;
	send_text(fd, "NOOP\r\n");
	expect(fd, "EOF");
	fd_close(fd);
}

/* -- limits and the end -------------------------------------------------- */

static void
one_address_gets_so_many_connections(void **state)
{
	struct conn *c[3];
	int fd[3];
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		c[i] = client_new(&fd[i]);
	assert_int_equal(c[0]->client->connections, 3);
	assert_ptr_equal(c[0]->client, c[2]->client);
	for (i = 0; i < 3; i++)
		fd_close(fd[i]);
	run();
	assert_int_equal(world->front.clients.by_key.count, 0);
}

static void
a_silent_client_is_told_and_sent_away(void **state)
{
	int fd;

	(void)state;
	around.config.idle_timeout = 0;
	(void)client_new(&fd);
	expect(fd, "+OK mail.example.test POP3 ready\r\n-ERR Idle");
	fd_close(fd);
}

static void
a_front_that_is_replaced_serves_its_clients(void **state)
{
	int fd[2];

	(void)state;
	(void)client_new(&fd[0]);
	(void)receive(fd[0]);
	(void)client_of_tls(&fd[1]);
	front_stop(NULL, 600000);
	expect(fd[0], "");
	send_text(fd[0], "QUIT\r\n");
	expect(fd[0], "+OK");
	expect(fd[0], "EOF");
	fd_close(fd[0]);
	run();
	assert_false(around.exited);
	fd_close(world->session_fd);
	world->session_fd = -1;
	run();
	expect(fd[1], "EOF");
	fd_close(fd[1]);
	run();
	assert_true(around.exited);
}

static void
a_front_that_stops_says_so(void **state)
{
	int fd[2];

	(void)state;
	(void)client_new(&fd[0]);
	(void)receive(fd[0]);
	(void)client_new(&fd[1]);
	(void)receive(fd[1]);
	send_text(fd[1], "USER pip\r\nPASS pw\r\n");
	(void)receive(fd[1]);
	front_stop(NULL, 600000);
	front_stop(NULL, 10000); /* all stops while it is replaced */
	expect(fd[0], "-ERR [SYS/TEMP] Restarting");
	expect(fd[0], "EOF");
	fd_close(fd[0]);
	run();
	assert_true(around.exited);
	/* The plain session lives on without the front. */
	send_text(world->session_fd, "+OK\r\n");
	expect(fd[1], "+OK");
	fd_close(fd[1]);
}

static void
a_short_stop_winds_sessions_down(void **state)
{
	int fd;

	(void)state;
	(void)client_of_tls(&fd);
	assert_int_equal(fd_nonblock(world->session_fd), 0);
	front_stop(NULL, 10000);
	assert_string_equal(receive(world->session_fd), "STAT\r\n");
	assert_string_equal(receive(world->session_fd), "EOF");
	send_text(world->session_fd, "+OK 1 120\r\n");
	fd_close(world->session_fd);
	world->session_fd = -1;
	expect(fd, "+OK 1 120\r\n");
	run();
	assert_true(around.exited);
	fd_close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_plain_socket_is_given_away),
		TEST(a_refused_client_goes_on),
		TEST(a_lost_auth_is_a_temporary_failure),
		TEST(a_missing_usher_is_waited_for),
		TEST(an_usher_that_is_renewed_is_asked_again),
		TEST(sessions_outlive_their_usher),
		TEST(a_refused_session_is_a_temporary_failure),
		TEST(a_silent_usher_never_gets_a_live_socket),
		TEST(a_lost_usher_never_leaves_a_live_socket),
		TEST(a_silent_auth_is_given_up),
		TEST(a_client_that_goes_while_auth_thinks_leaves_nothing),
		TEST(the_front_copies_for_tls),
		TEST(a_client_that_ended_still_gets_its_answer),
		TEST(who_is_not_read_from_is_stopped),
		TEST(a_session_that_is_gone_does_not_hold_its_client),
		TEST(one_address_gets_so_many_connections),
		TEST(a_silent_client_is_told_and_sent_away),
		TEST(a_front_that_is_replaced_serves_its_clients),
		TEST(a_front_that_stops_says_so),
		TEST(a_short_stop_winds_sessions_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
