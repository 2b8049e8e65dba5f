/* The usher: tickets, processes, its end. */
#include "tests/unit/common/login/usher_world.h"

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
	assert_false(around.exited);
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
	if (world->front != NULL) /* nobody hears of its end now */
		ipc_chan_pause(world->front, false);
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
	assert_int_equal(renameat(around.root, "d/pip", around.root, "d/x"), 0);
	assert_int_equal(mkdirat(around.root, "d/pip", 0700), 0);
	assert_int_not_equal(serve("two", SAYS "two"), pid);
	assert_int_equal(unlinkat(around.root, "d/x", AT_REMOVEDIR), 0);
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
	assert_true(around.exited);
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
	assert_true(around.exited);
}

/* It is stopped, and has more words to read than it can have. */
static void
a_process_that_cannot_be_told_to_begin_ends(void **state)
{
	static const char words[4096];
	const struct usher_sessions *all;
	uint32_t pid;
	char c;
	int fd;

	(void)state;
	world->usher.idle_ms = 60000;
	pid = serve("one", SAYS "one");
	all = map_get_u64(&world->usher.users, world->uid);
	assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
	while (send(all->idle->control, words, sizeof(words), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	fd = start("two");
	assert_int_equal(world->usher.forks, 1);
	assert_int_equal(kill((pid_t)pid, SIGCONT), 0);
	run_until_state(SESSION_ENDED);
	run_until_reaped();
	assert_int_equal(read(fd, &c, 1), 0); /* nobody has answered */
	fd_close(fd);
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
	around.config.user_uid_first = (int64_t)world->uid + 1;
	around.config.user_uid_last = (int64_t)world->uid + 1;
	expect_refused("uid below the range");
	around.config.user_uid_first = 0;
	around.config.user_uid_last = (int64_t)world->uid - 1;
	expect_refused("uid above the range");
	around.config.user_uid_last = world->uid;
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
	assert_true(around.exited);
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
	assert_false(around.exited);
	ipc_chan_close(world->auth_there);
	world->auth_there = NULL;
	run();
	assert_true(around.exited);
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
	assert_false(around.exited);
	run_until_reaped();
	assert_true(around.exited);
	fd_close(fd);
}

static void
one_user_has_so_many_sessions(void **state)
{
	int other;
	int fd;

	(void)state;
	around.config.user_sessions_limit = 1;
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
	int root = around.root;
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

static int
set_up(void **state)
{
	return set_up_for(state, SERVICE_POP3);
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
		TEST(a_process_that_cannot_be_told_to_begin_ends),
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
