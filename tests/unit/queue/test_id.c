#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "queue/id.h"

static void
ids_of_one_start_rise_and_differ(void **state)
{
	struct qid_source s;
	struct qid last;

	(void)state;
	qid_source_init(&s, 0);
	last = qid_next(&s);
	for (int i = 0; i < 10000; i++) {
		struct qid id = qid_next(&s);

		assert_true(qid_compare(last, id) < 0);
		last = id;
	}
}

static void
ids_stay_above_those_of_a_clock_that_was_ahead(void **state)
{
	const uint64_t ahead = 1ULL << 54;
	struct qid_source s;

	(void)state;
	qid_source_init(&s, ahead);
	assert_true(qid_next(&s).time_us > ahead);
}

static void
text_comes_back_and_sorts_like_the_id(void **state)
{
	const struct qid ids[] = {
		{ 0, 0 },
		{ 0, UINT64_MAX },
		{ 1, 0 },
		{ 31, 5 },
		{ 32, 5 },
		{ (1ULL << 55) - 1, UINT64_MAX },
	};
	char before[QID_TEXT] = "";

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		char text[QID_TEXT];
		struct qid back;

		qid_text(ids[i], text);
		assert_int_equal(strlen(text), QID_TEXT - 1);
		assert_int_equal(qid_parse(slice_str(text), &back), 0);
		assert_int_equal(qid_compare(ids[i], back), 0);
		assert_true(i == 0 || strcmp(before, text) < 0);
		memcpy(before, text, sizeof(before));
	}
}

static void
what_is_no_id_is_refused(void **state)
{
	static const char *const bad[] = { "", "1k0x4t6q6b00yr2f70tvdtc",
		"1k0x4t6q6b00yr2f70tvdtcrr", "1k0x4t6q6b00yr2f70tvdtci",
		"1K0x4t6q6b00yr2f70tvdtcr", "../../../../etc/passwd//",
		"zzzzzzzzzzzzzzzzzzzzzzzz" };
	struct qid id;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(qid_parse(slice_str(bad[i]), &id), -1);
	assert_int_equal(
	    qid_parse(slice_of("1k0x4t6q6b00\0r2f70tvdtcr", 24), &id), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_of_one_start_rise_and_differ),
		cmocka_unit_test(
		    ids_stay_above_those_of_a_clock_that_was_ahead),
		cmocka_unit_test(text_comes_back_and_sorts_like_the_id),
		cmocka_unit_test(what_is_no_id_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
