#include "master/backoff.h"
#include "tests/unit/cmocka.h"

static void
first_end_is_mended_at_once_the_next_ones_wait_longer(void **state)
{
	const struct life crash = { .lived_ms = 50 };
	unsigned failures = 0;
	uint32_t last = 0;

	(void)state;
	assert_int_equal(backoff_ms(&crash, &failures), 0);
	for (int i = 0; i < 20; i++) {
		uint32_t ms = backoff_ms(&crash, &failures);

		assert_true(ms == BACKOFF_MAX_MS || ms >= 2 * last);
		assert_in_range(ms, BACKOFF_FIRST_MS, BACKOFF_MAX_MS);
		last = ms;
	}
	assert_int_equal(last, BACKOFF_MAX_MS);
}

static void
steady_life_makes_good_for_all_before(void **state)
{
	const struct life steady = { .lived_ms = STEADY_MS + 1 };
	unsigned failures = 9;

	(void)state;
	assert_int_equal(backoff_ms(&steady, &failures), 0);
	assert_int_equal(failures, 1);
}

static void
renewal_is_no_failure(void **state)
{
	const struct life usher = { .lived_ms = RENEWAL_MS + 1,
		.own_will = true };
	unsigned failures = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_int_equal(backoff_ms(&usher, &failures), 0);
}

/* It could be said by one who wants to be started without end. */
static void
renewing_all_the_time_waits_a_little(void **state)
{
	const struct life again = { .lived_ms = 5, .own_will = true };
	unsigned failures = 0;

	(void)state;
	for (int i = 0; i < 20; i++)
		(void)!backoff_ms(&again, &failures);
	assert_int_equal(backoff_ms(&again, &failures), RENEWAL_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    first_end_is_mended_at_once_the_next_ones_wait_longer),
		cmocka_unit_test(steady_life_makes_good_for_all_before),
		cmocka_unit_test(renewal_is_no_failure),
		cmocka_unit_test(renewing_all_the_time_waits_a_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
