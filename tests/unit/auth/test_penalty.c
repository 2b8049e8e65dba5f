#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/penalty.h"

#define CLIENT SLICE("192.0.2.1")

static struct penalties *p;

static int
setup(void **state)
{
	(void)state;
	p = penalties_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	penalties_free(p);
	return 0;
}

static void
miss(struct slice client, const char *user, uint64_t attempt, int64_t now)
{
	penalties_fail(p, client, slice_str(user), attempt, now);
}

static void
first_mistakes_cost_nothing_then_waits_double(void **state)
{
	static const int64_t want[] = { 250, 500, 1000, 2000, 4000, 8000,
		8000 };
	uint64_t attempt = 0;
	int64_t now = 1;

	(void)state;
	for (unsigned i = 0; i < PENALTY_FREE_CLIENT; i++) {
		assert_int_equal(penalties_wait(p, CLIENT, SLICE("a"), now), 0);
		miss(CLIENT, "a", ++attempt, now);
	}
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		char user[16];
		int64_t wait = penalties_wait(p, CLIENT, SLICE("someone"), now);

		assert_int_equal(wait, want[i]);
		now += wait;
		(void)snprintf(user, sizeof(user), "u%zu", i);
		miss(CLIENT, user, ++attempt, now);
	}
	/* Others do not feel it. */
	assert_int_equal(
	    penalties_wait(p, SLICE("192.0.2.2"), SLICE("b"), now), 0);
}

static void
guesses_of_one_client_stand_in_line(void **state)
{
	int64_t sum = 0;
	int64_t wait;

	(void)state;
	for (unsigned i = 0; i < PENALTY_SCORE_MAX; i++)
		miss(CLIENT, "a", i, 1);
	while ((wait = penalties_wait(p, CLIENT, SLICE("b"), 1)) != -1) {
		assert_int_equal(wait, sum + PENALTY_CLIENT_MS);
		sum = wait;
	}
	assert_true(sum <= PENALTY_LINE_MS);
	/* The line moves on. */
	assert_true(
	    penalties_wait(p, CLIENT, SLICE("b"), 1 + PENALTY_CLIENT_MS) > 0);
}

static void
same_mistake_again_counts_once(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++)
		miss(CLIENT, "a", 7, 1);
	assert_int_equal(penalties_score(p, CLIENT, 1), 1);
	assert_int_equal(penalties_wait(p, CLIENT, SLICE("a"), 1), 0);
}

static void
time_forgives(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++)
		miss(CLIENT, "a", i, 1);
	assert_int_equal(penalties_score(p, CLIENT, 1), 10);
	assert_int_equal(
	    penalties_score(p, CLIENT, 1 + 3 * PENALTY_FORGIVE_MS), 7);
	assert_int_equal(
	    penalties_score(p, CLIENT, 1 + 100 * PENALTY_FORGIVE_MS), 0);
}

static void
user_guessed_from_everywhere_is_slowed_but_not_locked_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		char client[32];

		(void)snprintf(
		    client, sizeof(client), "198.51.%u.%u", i / 250, i % 250);
		miss(slice_str(client), "pip", i, 1);
	}
	for (int i = 0; i < 100; i++)
		assert_int_equal(penalties_wait(p, CLIENT, SLICE("pip"), 1),
		    PENALTY_USER_MS);
	assert_int_equal(penalties_wait(p, CLIENT, SLICE("estella"), 1), 0);
}

static void
ipv6_network_is_one_client(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		char client[64];

		(void)snprintf(client, sizeof(client), "2001:db8:1:2::%x", i);
		miss(slice_str(client), "a", i, 1);
	}
	assert_int_equal(
	    penalties_score(p, SLICE("2001:db8:1:2:ffff::1"), 1), 10);
	assert_int_equal(penalties_score(p, SLICE("2001:db8:1:3::1"), 1), 0);
	miss(SLICE("::ffff:192.0.2.9"), "a", 1, 1);
	assert_int_equal(penalties_score(p, SLICE("192.0.2.9"), 1), 1);
}

static void
few_attempts_of_a_client_at_a_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PENALTY_PARALLEL; i++)
		assert_true(penalties_enter(p, CLIENT, 1));
	assert_false(penalties_enter(p, CLIENT, 1));
	assert_false(penalties_enter(p, SLICE("::ffff:192.0.2.1"), 1));
	assert_true(penalties_enter(p, SLICE("192.0.2.2"), 1));
	penalties_leave(p, CLIENT, 1);
	assert_true(penalties_enter(p, CLIENT, 1));
	for (unsigned i = 0; i < 2 * PENALTY_PARALLEL; i++)
		penalties_leave(p, CLIENT, 1);
	assert_true(penalties_enter(p, CLIENT, 1));
}

static void
memory_is_bounded(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3 * PENALTY_ENTRIES; i++) {
		char client[32];

		(void)snprintf(client, sizeof(client), "10.%u.%u.%u", i / 65536,
		    i / 256 % 256, i % 256);
		miss(slice_str(client), client, i, 1);
	}
	assert_int_equal(penalties_score(p, SLICE("10.0.0.0"), 1), 0);
	assert_int_equal(penalties_score(p, SLICE("10.0.95.255"), 1), 1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(first_mistakes_cost_nothing_then_waits_double),
		T(guesses_of_one_client_stand_in_line),
		T(same_mistake_again_counts_once),
		T(time_forgives),
		T(user_guessed_from_everywhere_is_slowed_but_not_locked_out),
		T(ipv6_network_is_one_client),
		T(few_attempts_of_a_client_at_a_time),
		T(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
