#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/logline.h"

static void
expect_slice(struct slice s, const char *want)
{
	struct buf b = BUF_INIT(4096);

	assert_int_equal(buf_append_slice(&b, s), 0);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
}

static void
lines_of_our_log_are_taken_apart(void **state)
{
	struct logline l;

	(void)state;
	assert_true(logline_parse(
	    SLICE("2026-11-23T03:10:38.624Z info smtpd[5219]: event=x id=1"),
	    &l));
	expect_slice(l.head, "2026-11-23T03:10:38.624Z info");
	expect_slice(l.program, "smtpd");
	expect_slice(l.pid, "5219");
	expect_slice(l.text, "event=x id=1");
	assert_true(logline_parse(
	    SLICE("2026-11-23T03:10:38+0000 host imap-usher[7]: a=b"), &l));
	expect_slice(l.program, "imap-usher");
	assert_true(logline_parse(SLICE("queue[1]: event=x"), &l));
	expect_slice(l.head, "");
}

static void
other_lines_are_not_ours(void **state)
{
	static const char *const lines[] = { "", "]: ", "[1]: x", "a[]: x",
		"a[1x]: x", "a[1] x", "==7==ERROR: AddressSanitizer",
		" [3]: " };
	struct logline l;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		assert_false(logline_parse(slice_str(lines[i]), &l));
}

static void
pairs_are_read_with_quotes_undone(void **state)
{
	static const char *const want[][2] = { { "event", "x" },
		{ "from", "a b\"\\\x01" }, { "empty", "" }, { "n", "5" },
		{ "last", "open" } };
	struct slice rest = SLICE("event=x  from=\"a b\\\"\\\\\\x01\" word "
				  "empty=\"\" n=5 last=\"open");
	struct buf value = BUF_INIT(4096);
	struct slice key;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_true(logline_next(&rest, &key, &value));
		expect_slice(key, want[i][0]);
		assert_string_equal(buf_str(&value), want[i][1]);
	}
	assert_false(logline_next(&rest, &key, &value));
	buf_free(&value);
}

static void
a_value_without_a_key_is_passed_over(void **state)
{
	struct slice rest = SLICE("=x a=1 = ==y=z b=2 =");
	struct buf value = BUF_INIT(4096);
	struct slice key;

	(void)state;
	assert_true(logline_next(&rest, &key, &value));
	expect_slice(key, "a");
	assert_string_equal(buf_str(&value), "1");
	assert_true(logline_next(&rest, &key, &value));
	expect_slice(key, "b");
	assert_string_equal(buf_str(&value), "2");
	assert_false(logline_next(&rest, &key, &value));
	buf_free(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_our_log_are_taken_apart),
		cmocka_unit_test(other_lines_are_not_ours),
		cmocka_unit_test(pairs_are_read_with_quotes_undone),
		cmocka_unit_test(a_value_without_a_key_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
