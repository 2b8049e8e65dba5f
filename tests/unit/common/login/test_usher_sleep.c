/* The usher and the process of a user: going to sleep and coming back. */
#include "tests/unit/common/login/usher_world.h"

static int
set_up(void **state)
{
	int rc = set_up_for(state, SERVICE_IMAP);

	around.config.imap_hibernate = 10;
	return rc;
}

static void
run_until_link(void)
{
	for (int i = 0; i < 500 && world->link == -1; i++) {
		run();
		(void)poll(NULL, 0, 10);
	}
	assert_int_not_equal(world->link, -1);
}

/* The note of the session whose client is at the other end of fd. */
static void
take_note(int client)
{
	struct pollfd p = { .events = POLLIN };
	char bytes[SLEEP_NOTE_MAX];
	struct sleep_note note;
	int fds[SLEEP_FDS];
	char c = 0;
	ssize_t n;

	run_until_link();
	p.fd = world->link;
	assert_int_equal(poll(&p, 1, 5000), 1);
	n = sleep_receive(world->link, bytes, sizeof(bytes), fds);
	assert_true(n > 0);
	assert_int_equal(
	    sleep_note_parse(slice_of(bytes, (size_t)n), &note), 0);
	assert_int_equal(note.wake_ms, 4711);
	assert_true(slice_eq(note.state, SLICE("left")));
	assert_int_equal(fds[1], -1);
	/* It is the client's. */
	assert_int_equal(write(fds[0], "x", 1), 1);
	assert_int_equal(read(client, &c, 1), 1);
	assert_int_equal(c, 'x');
	fd_close(fds[0]);
}

static void
answer(enum sleep_answer what)
{
	const char byte = (char)what;

	assert_int_equal(write(world->link, &byte, 1), 1);
}

static void
drop_link(void)
{
	fd_close(world->link);
	world->link = -1;
}

static void
expect_word(int fd, const char *word)
{
	char text[32];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, word);
	fd_close(fd);
}

static void
who_is_taken_over_ends_and_waits_for_nobody(void **state)
{
	int fd;

	(void)state;
	world->usher.idle_ms = 60000;
	fd = start("sleep");
	take_note(fd);
	answer(SLEEP_TAKEN);
	run_until_state(SESSION_ENDED);
	run_until_reaped();
	assert_int_equal(world->usher.idle_count, 0);
	assert_int_equal(world->usher.links, 0);
	expect_word(fd, "asleep");
}

static void
who_is_not_goes_on(void **state)
{
	int fd;

	(void)state;
	fd = start("sleep");
	take_note(fd);
	answer(SLEEP_NEVER);
	expect_word(fd, "awake");
	run_until_reaped();
	drop_link();
	fd = start("sleep");
	take_note(fd);
	answer(SLEEP_BUSY);
	expect_word(fd, "busy");
}

/* Nobody may speak twice to one client. */
static void
without_an_answer_it_is_the_end(void **state)
{
	int fd;

	(void)state;
	world->usher.idle_ms = 60000;
	fd = start("sleep");
	take_note(fd);
	drop_link();
	run_until_reaped();
	expect_word(fd, "asleep");
}

static void
a_note_nobody_read_was_not_taken(void **state)
{
	struct pollfd p = { .events = POLLIN };
	int fd;

	(void)state;
	fd = start("sleep");
	run_until_link();
	p.fd = world->link;
	assert_int_equal(poll(&p, 1, 5000), 1);
	drop_link();
	expect_word(fd, "awake");
}

static void
without_a_ticket_nobody_sleeps(void **state)
{
	int fd;

	(void)state;
	world->no_return = true;
	fd = start("sleep");
	run_until_state(SESSION_ENDED);
	assert_int_equal(world->links, 0);
	expect_word(fd, "awake");
}

/* It would keep the usher from its work. */
static void
who_asks_on_and_on_is_listened_to_no_more(void **state)
{
	int fd;

	(void)state;
	world->no_return = true;
	world->usher.idle_ms = 60000;
	fd = start("pester");
	run_until_reaped();
	assert_int_equal(world->usher.idle_count, 0);
	expect_word(fd, "awakeawake");
}

static void
who_comes_back_gets_his_state(void **state)
{
	int fd;

	(void)state;
	world->ok = WORTH_RETURN;
	around.config.user_sessions_limit = 1;
	world->asleep = 1; /* others; this one was never out of count */
	fd = start_with("", "as it was");
	run_until_state(SESSION_ENDED);
	expect_word(fd, "back as it was");
}

static void
expect_refused(const char *left)
{
	int fd = start_with("", left);

	assert_int_equal(world->state.state, SESSION_REFUSED);
	assert_int_equal(world->usher.children.count, 0);
	fd_close(fd);
}

static void
tickets_are_for_one_of_both(void **state)
{
	(void)state;
	world->ok = WORTH_LOGIN;
	expect_refused("made up");
	world->ok = WORTH_RETURN;
	expect_refused("");
}

static void
sleepers_count_for_the_limit(void **state)
{
	int fd;

	(void)state;
	around.config.user_sessions_limit = 3;
	world->asleep = 3;
	expect_refused("");
	world->asleep = 2;
	fd = start("");
	assert_int_equal(world->running, 1);
	run_until_reaped();
	fd_close(fd);
}

/* The session may go on; it falls asleep at once, and the front takes it. */
static void
go_on_and_sleep(int fd)
{
	assert_int_equal(write(fd, "g", 1), 1);
	take_note(fd);
	answer(SLEEP_TAKEN);
	run_until_reaped();
	expect_word(fd, "asleep");
}

/* Its sessions outlive it, and can sleep when it is gone. */
static void
an_usher_that_ends_leaves_links(void **state)
{
	int fd;

	(void)state;
	fd = start("later");
	world->usher.renew = true;
	usher_check_renewal(&world->usher);
	assert_false(around.exited); /* the ticket is asked for */
	run_until_link();
	assert_true(around.exited);
	ipc_chan_close(world->front_there);
	world->front_there = NULL;
	go_on_and_sleep(fd);
}

/* … also those that have asked for one, and could not sleep then. */
static void
an_usher_that_ends_leaves_links_to_all(void **state)
{
	char word[4];
	int fd;

	(void)state;
	fd = start("again");
	take_note(fd);
	answer(SLEEP_BUSY);
	assert_int_equal(read(fd, word, 4), 4);
	assert_memory_equal(word, "busy", 4);
	drop_link();
	world->usher.renew = true;
	usher_check_renewal(&world->usher);
	run_until_link();
	assert_true(around.exited);
	go_on_and_sleep(fd);
}

static void
who_has_yet_to_begin_gets_a_link_too(void **state)
{
	int fd;

	(void)state;
	world->auth_silent = true;
	fd = start("later");
	world->usher.renew = true;
	usher_check_renewal(&world->usher);
	assert_false(around.exited);
	answer_ticket();
	run_until_link();
	assert_true(around.exited);
	go_on_and_sleep(fd);
}

static void
an_usher_that_stops_makes_none(void **state)
{
	int fd;

	(void)state;
	fd = start("wait");
	usher_stop(NULL, 60000);
	run();
	assert_int_equal(world->links, 0);
	fd_close(fd);
	run_until_reaped();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_taken_over_ends_and_waits_for_nobody),
		TEST(who_is_not_goes_on),
		TEST(without_an_answer_it_is_the_end),
		TEST(a_note_nobody_read_was_not_taken),
		TEST(without_a_ticket_nobody_sleeps),
		TEST(who_asks_on_and_on_is_listened_to_no_more),
		TEST(who_comes_back_gets_his_state),
		TEST(tickets_are_for_one_of_both),
		TEST(sleepers_count_for_the_limit),
		TEST(an_usher_that_ends_leaves_links),
		TEST(an_usher_that_ends_leaves_links_to_all),
		TEST(who_has_yet_to_begin_gets_a_link_too),
		TEST(an_usher_that_stops_makes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
