#include "store/uidset.h"
#include "tests/unit/store/fixture.h"

static void
format(const struct uidset *s, char *text, size_t cap)
{
	struct buf b = BUF_INIT(4096);

	assert_int_equal(uidset_format(s, &b), 0);
	snprintf(text, cap, "%s", buf_str(&b));
	buf_free(&b);
}

static void
ranges_melt(void **state)
{
	struct uidset s = UIDSET_INIT;
	char text[128];

	(void)state;
	assert_int_equal(uidset_add(&s, 5, 7), 0);
	assert_int_equal(uidset_add(&s, 12, 10), 0);
	assert_int_equal(uidset_add(&s, 1, 1), 0);
	format(&s, text, sizeof(text));
	assert_string_equal(text, "1,5:7,10:12");
	assert_int_equal(uidset_add(&s, 8, 9), 0);
	format(&s, text, sizeof(text));
	assert_string_equal(text, "1,5:12");
	assert_int_equal(uidset_add(&s, 2, UINT32_MAX), 0);
	format(&s, text, sizeof(text));
	assert_string_equal(text, "1:4294967295");
	assert_int_equal(uidset_add(&s, UINT32_MAX, UINT32_MAX), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(uidset_size(&s), UINT32_MAX);
	assert_int_equal(uidset_add(&s, 0, 3), -1);
	assert_int_equal(errno, EINVAL);
	uidset_free(&s);
}

/* Against a bit for each number. */
static void
any_order_gives_the_same_set(void **state)
{
	struct uidset s = UIDSET_INIT;
	bool bits[66] = { false };
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		uint32_t first;
		uint32_t last;

		if (round % 20 == 0) {
			uidset_clear(&s);
			memset(bits, 0, sizeof(bits));
		}
		seed = seed * 1664525 + 1013904223;
		first = 1 + (seed >> 8) % 60;
		last = first + (seed >> 20) % 5;
		assert_int_equal(uidset_add(&s, first, last), 0);
		for (uint32_t i = first; i <= last; i++)
			bits[i] = true;
		for (uint32_t i = 0; i < 66; i++)
			assert_int_equal(uidset_has(&s, i), bits[i]);
		for (size_t i = 1; i < s.count; i++)
			assert_true(
			    s.ranges[i - 1].last + 1 < s.ranges[i].first);
	}
	uidset_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_melt),
		cmocka_unit_test(any_order_gives_the_same_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
