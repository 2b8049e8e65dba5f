#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/memo.h"

static struct memo *memo;

static int
setup(void **state)
{
	(void)state;
	memo = memo_new();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	memo_free(memo);
	return 0;
}

static void
tag_of(const char *user, const char *hash, const char *secret,
    unsigned char tag[MEMO_TAG_SIZE])
{
	memo_tag(
	    memo, slice_str(user), slice_str(hash), slice_str(secret), tag);
}

static void
remembers_exactly_what_was_put_until_it_ends(void **state)
{
	static const char *const others[][3] = {
		{ "pip", "$y$x", "secret2" },
		{ "pip", "$y$y", "secret" },
		{ "pi", "p$y$x", "secret" },
		{ "pip", "$y$xs", "ecret" },
		{ "estella", "$y$x", "secret" },
	};
	unsigned char tag[MEMO_TAG_SIZE];
	unsigned char other[MEMO_TAG_SIZE];

	(void)state;
	tag_of("pip", "$y$x", "secret", tag);
	assert_false(memo_has(memo, tag, 1));
	memo_put(memo, tag, 1000);
	assert_true(memo_has(memo, tag, 1));
	assert_true(memo_has(memo, tag, 999));
	assert_false(memo_has(memo, tag, 1000));
	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		tag_of(others[i][0], others[i][1], others[i][2], other);
		assert_false(memo_has(memo, other, 1));
	}
}

static void
another_process_makes_other_tags(void **state)
{
	struct memo *second = memo_new();
	unsigned char a[MEMO_TAG_SIZE];
	unsigned char b[MEMO_TAG_SIZE];

	(void)state;
	tag_of("pip", "h", "s", a);
	memo_tag(second, SLICE("pip"), SLICE("h"), SLICE("s"), b);
	assert_memory_not_equal(a, b, MEMO_TAG_SIZE);
	memo_free(second);
}

static void
full_set_forgets_what_ends_first(void **state)
{
	unsigned char tag[5][MEMO_TAG_SIZE] = { { 0 } };

	(void)state;
	/* The same first bytes: the same set of four. */
	for (size_t i = 0; i < 5; i++) {
		tag[i][31] = (unsigned char)(i + 1);
		memo_put(memo, tag[i], 1000 + (int64_t)i);
	}
	assert_false(memo_has(memo, tag[0], 1));
	for (size_t i = 1; i < 5; i++)
		assert_true(memo_has(memo, tag[i], 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers_exactly_what_was_put_until_it_ends),
		cmocka_unit_test(another_process_makes_other_tags),
		cmocka_unit_test(full_set_forgets_what_ends_first),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
