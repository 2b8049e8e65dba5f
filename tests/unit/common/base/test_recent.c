/* Answers that came a moment ago. */
#include <stdio.h>
#include <string.h>

#include "common/base/recent.h"
#include "tests/unit/cmocka.h"

#define NOW 1000000

static void
an_answer_is_kept_for_a_moment(void **state)
{
	struct recent r = { .cleared_ms = 0 };
	struct slice v = SLICE_EMPTY;

	(void)state;
	assert_false(recent_get(&r, SLICE("who"), NOW, &v));
	recent_put(&r, SLICE("who"), SLICE("me"), NOW);
	assert_true(recent_get(&r, SLICE("who"), NOW, &v));
	assert_true(slice_eq(v, SLICE("me")));
	assert_true(recent_get(&r, SLICE("who"), NOW + RECENT_MS - 1, &v));
	assert_false(recent_get(&r, SLICE("who"), NOW + RECENT_MS, &v));
	assert_false(recent_get(&r, SLICE("who"), NOW - 1, &v));
	recent_put(&r, SLICE("who"), SLICE_EMPTY, NOW + 1);
	assert_true(recent_get(&r, SLICE("who"), NOW + 1, &v));
	assert_int_equal(v.len, 0);
	recent_clear(&r, NOW + 2);
	assert_false(recent_get(&r, SLICE("who"), NOW + 2, &v));
	/* It was asked for before that, and came only now. */
	recent_put(&r, SLICE("who"), SLICE_EMPTY, NOW + 2);
	assert_false(recent_get(&r, SLICE("who"), NOW + 2, &v));
	recent_put(&r, SLICE("who"), SLICE_EMPTY, NOW + 3);
	assert_true(recent_get(&r, SLICE("who"), NOW + 3, &v));
	recent_clear(&r, NOW + 3);
}

/* Key and value are not told apart by their bytes alone. */
static void
only_the_very_question_is_answered(void **state)
{
	struct recent r = { .cleared_ms = 0 };
	struct slice v = SLICE_EMPTY;
	char key[16];
	char value[16];
	unsigned kept = 0;

	(void)state;
	recent_put(&r, SLICE("ab"), SLICE("cd"), NOW);
	assert_false(recent_get(&r, SLICE("abc"), NOW, &v));
	assert_false(recent_get(&r, SLICE("a"), NOW, &v));
	for (int i = 0; i < 20 * RECENT_SLOTS; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		(void)snprintf(value, sizeof(value), "v%d", i);
		recent_put(&r, slice_str(key), slice_str(value), NOW);
	}
	for (int i = 0; i < 20 * RECENT_SLOTS; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i);
		(void)snprintf(value, sizeof(value), "v%d", i);
		if (!recent_get(&r, slice_str(key), NOW, &v))
			continue;
		assert_true(slice_eq(v, slice_str(value)));
		kept++;
	}
	assert_in_range(kept, 1, RECENT_SLOTS);
	recent_clear(&r, NOW);
}

static void
long_answers_are_not_kept(void **state)
{
	struct recent r = { .cleared_ms = 0 };
	struct slice v = SLICE_EMPTY;
	char long_one[RECENT_BYTES + 1];

	(void)state;
	memset(long_one, 'x', sizeof(long_one));
	recent_put(&r, slice_of(long_one, RECENT_BYTES), SLICE_EMPTY, NOW);
	assert_true(recent_get(&r, slice_of(long_one, RECENT_BYTES), NOW, &v));
	recent_put(&r, slice_of(long_one, RECENT_BYTES + 1), SLICE_EMPTY, NOW);
	assert_false(
	    recent_get(&r, slice_of(long_one, RECENT_BYTES + 1), NOW, &v));
	recent_put(&r, SLICE("k"), slice_of(long_one, RECENT_BYTES), NOW);
	assert_false(recent_get(&r, SLICE("k"), NOW, &v));
	recent_clear(&r, NOW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_kept_for_a_moment),
		cmocka_unit_test(only_the_very_question_is_answered),
		cmocka_unit_test(long_answers_are_not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
