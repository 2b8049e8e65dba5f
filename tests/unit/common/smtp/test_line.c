#include "common/smtp/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"

static enum smtp_line
next(struct smtp_liner *l, const char *text, size_t len, const char *want,
    size_t want_used)
{
	struct slice line;
	size_t used;
	enum smtp_line r = smtp_line_next(l, slice_of(text, len), &line, &used);

	assert_int_equal(used, want_used);
	if (want != NULL)
		assert_true(slice_eq(line, slice_str(want)));
	return r;
}

#define NEXT(l, text, want, used)                                              \
	next((l), (text), sizeof(text) - 1, (want), (used))

static void
a_line_ends_with_crlf(void **state)
{
	struct smtp_liner l = { .max = 512 };

	(void)state;
	assert_int_equal(NEXT(&l, "NOOP\r\nQUIT\r\n", "NOOP", 6), SMTP_LINE_OK);
	assert_int_equal(NEXT(&l, "\r\n", "", 2), SMTP_LINE_OK);
	assert_int_equal(NEXT(&l, "", NULL, 0), SMTP_LINE_MORE);
	assert_int_equal(NEXT(&l, "NOOP", NULL, 0), SMTP_LINE_MORE);
	assert_int_equal(NEXT(&l, "NOOP\r", NULL, 0), SMTP_LINE_MORE);
}

static void
nothing_else_ends_a_line(void **state)
{
	struct smtp_liner l = { .max = 512 };

	(void)state;
	assert_int_equal(NEXT(&l, "NOOP\n", NULL, 5), SMTP_LINE_BARE_LF);
	assert_int_equal(NEXT(&l, "\n", NULL, 1), SMTP_LINE_BARE_LF);
	assert_int_equal(NEXT(&l, "NO\rOP\r\n", "NO\rOP", 7), SMTP_LINE_BAD);
	assert_int_equal(NEXT(&l, "NO\0OP\r\n", NULL, 7), SMTP_LINE_BAD);
	assert_int_equal(NEXT(&l, "NOOP\r\r\n", NULL, 7), SMTP_LINE_BAD);
}

static void
a_long_line_takes_no_memory(void **state)
{
	struct smtp_liner l = { .max = 8 };

	(void)state;
	assert_int_equal(NEXT(&l, "123456\r\n", "123456", 8), SMTP_LINE_OK);
	assert_int_equal(NEXT(&l, "1234567\r\n", NULL, 9), SMTP_LINE_LONG);
	assert_int_equal(NEXT(&l, "1234567\r", NULL, 7), SMTP_LINE_MORE);
	assert_int_equal(NEXT(&l, "\r90", NULL, 3), SMTP_LINE_MORE);
	assert_int_equal(NEXT(&l, "abcdefghijkl\r", NULL, 12), SMTP_LINE_MORE);
	assert_int_equal(NEXT(&l, "\r\nNOOP\r\n", NULL, 2), SMTP_LINE_LONG);
	assert_int_equal(NEXT(&l, "NOOP\r\n", "NOOP", 6), SMTP_LINE_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_ends_with_crlf),
		cmocka_unit_test(nothing_else_ends_a_line),
		cmocka_unit_test(a_long_line_takes_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
