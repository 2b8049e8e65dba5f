#include "common/smtp/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct smtp_reply r;

static enum smtp_reply_result
take(const char *text, size_t want_used)
{
	enum smtp_reply_result result;
	size_t used;

	smtp_reply_init(&r);
	result = smtp_reply_take(&r, slice_str(text), &used);
	assert_int_equal(used, want_used);
	return result;
}

static void
one_line(void **state)
{
	(void)state;
	assert_int_equal(
	    take("250 2.1.0 ok\r\n221 x\r\n", 14), SMTP_REPLY_DONE);
	assert_int_equal(r.code, 250);
	assert_string_equal(r.enhanced, "2.1.0");
	assert_string_equal(r.text, "ok");
	assert_int_equal(take("250\r\n", 5), SMTP_REPLY_DONE);
	assert_string_equal(r.text, "");
	assert_int_equal(take("220 mx.example ESMTP\r\n", 22), SMTP_REPLY_DONE);
	assert_string_equal(r.enhanced, "");
}

static void
many_lines_byte_by_byte(void **state)
{
	static const char text[] = "250-mx\r\n250-SIZE 10\r\n250 DSN\r\n";
	struct buf in = BUF_INIT(100);
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	struct slice line;
	size_t used;
	size_t at = 0;

	(void)state;
	smtp_reply_init(&r);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(result, SMTP_REPLY_MORE);
		assert_int_equal(buf_append_byte(&in, text[i]), 0);
		result = smtp_reply_take(&r, buf_slice(&in), &used);
		buf_consume(&in, used);
	}
	assert_int_equal(result, SMTP_REPLY_DONE);
	assert_true(smtp_reply_line(&r, &at, &line));
	assert_true(slice_eq(line, SLICE("mx")));
	assert_true(smtp_reply_line(&r, &at, &line));
	assert_true(slice_eq(line, SLICE("SIZE 10")));
	assert_true(smtp_reply_line(&r, &at, &line));
	assert_true(slice_eq(line, SLICE("DSN")));
	assert_false(smtp_reply_line(&r, &at, &line));
	buf_free(&in);
}

static void
what_is_no_smtp(void **state)
{
	static char big[SMTP_REPLY_LINE_MAX + 10];
	size_t used;

	(void)state;
	assert_int_equal(take("hello\r\n", 7), SMTP_REPLY_BAD);
	assert_int_equal(take("2x0 ok\r\n", 8), SMTP_REPLY_BAD);
	assert_int_equal(take("999 ok\r\n", 8), SMTP_REPLY_BAD);
	assert_int_equal(take("100 ok\r\n", 8), SMTP_REPLY_BAD);
	assert_int_equal(take("25\r\n", 4), SMTP_REPLY_BAD);
	assert_int_equal(take("250ok\r\n", 7), SMTP_REPLY_BAD);
	assert_int_equal(take("250-a\r\n251 b\r\n", 14), SMTP_REPLY_BAD);
	memset(big, '2', sizeof(big));
	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_take(&r, slice_of(big, sizeof(big)), &used),
	    SMTP_REPLY_BAD);
}

/* "250-aaa…", then "250 end" behind it, in pieces of so many bytes. */
static enum smtp_reply_result
long_line(size_t length, size_t piece)
{
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	char *text = malloc(length + 11);
	size_t at = 0;
	size_t end = 0;
	size_t used;

	assert_non_null(text);
	memset(text, 'a', length);
	memcpy(text, "250-2.0.0 ", 10);
	memcpy(text + length - 2, "\r\n250 end\r\n", 11);
	smtp_reply_init(&r);
	while (result == SMTP_REPLY_MORE && end < length + 9) {
		end = MIN(end + piece, length + 9);
		result =
		    smtp_reply_take(&r, slice_of(text + at, end - at), &used);
		at += used;
		assert_true(result != SMTP_REPLY_MORE ||
			    end - at <= SMTP_REPLY_LINE_MAX);
	}
	assert_true(result != SMTP_REPLY_DONE || at == length + 9);
	free(text);
	return result;
}

static void
a_long_line_is_cut(void **state)
{
	static const size_t pieces[] = { 1, 2, 3, 100, 2048, 16384,
		SIZE_MAX / 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
		for (size_t n = SMTP_REPLY_LINE_MAX - 3;
		     n < SMTP_REPLY_LINE_MAX + 4; n++) {
			assert_int_equal(
			    long_line(n, pieces[i]), SMTP_REPLY_DONE);
			assert_int_equal(r.code, 250);
			assert_string_equal(r.enhanced, "2.0.0");
			assert_string_equal(r.text + r.len - 4, "\nend");
		}
	assert_int_equal(long_line(1000000, 16384), SMTP_REPLY_DONE);
	assert_true(r.len < 2 * SMTP_REPLY_LINE_MAX);
	assert_int_equal(
	    long_line(2 * SMTP_REPLY_CUT_MAX, 16384), SMTP_REPLY_BAD);
}

static void
an_endless_reply_ends(void **state)
{
	enum smtp_reply_result result = SMTP_REPLY_MORE;
	size_t lines = 0;
	size_t used;

	(void)state;
	smtp_reply_init(&r);
	for (; result == SMTP_REPLY_MORE; lines++)
		result = smtp_reply_take(&r, SLICE("250-x\r\n"), &used);
	assert_int_equal(result, SMTP_REPLY_BAD);
	assert_true(lines <= SMTP_REPLY_TOTAL_MAX / 7 + 1);
}

static void
text_is_made_harmless(void **state)
{
	struct slice in = SLICE("550 5.1.1 a\rb\nc\0d\x1b\xff\r\n");
	size_t used;

	(void)state;
	smtp_reply_init(&r);
	assert_int_equal(smtp_reply_take(&r, in, &used), SMTP_REPLY_DONE);
	assert_string_equal(r.text, "a?b?c?d??");
	/* A class that does not suit the code is text. */
	assert_int_equal(take("550 4.1.1 a\r\n", 13), SMTP_REPLY_DONE);
	assert_string_equal(r.enhanced, "");
}

static void
replies_are_written(void **state)
{
	struct buf b = BUF_INIT(2000);

	(void)state;
	assert_int_equal(smtp_reply_put(&b, 250, "2.1.5", SLICE("Ok")), 0);
	assert_int_equal(smtp_reply_put(&b, 214, NULL, SLICE("a\nb\r")), 0);
	assert_string_equal(buf_str(&b), "250 2.1.5 Ok\r\n214-a\r\n214 b?\r\n");
	buf_free(&b);
}

/* Router and queue send codes as text: they cannot make a line of it. */
static void
what_is_no_enhanced_code_is_left_out(void **state)
{
	static const char *const bad[] = { "5.1.1\r\n250", "5.1.1 x", "5.1",
		"2.1.1", "\n", "250 Ok" };
	struct buf b = BUF_INIT(1024);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(
		    smtp_reply_put(&b, 550, bad[i], SLICE("No")), 0);
	assert_string_equal(buf_str(&b),
	    "550 No\r\n550 No\r\n550 No\r\n550 No\r\n550 No\r\n550 No\r\n");
	buf_free(&b);
}

static void
enhanced_codes(void **state)
{
	(void)state;
	assert_true(smtp_enhanced_valid(SLICE("5.1.1"), 550));
	assert_true(smtp_enhanced_valid(SLICE("5.100.999"), 550));
	assert_false(smtp_enhanced_valid(SLICE("5.1000.1"), 550));
	assert_false(smtp_enhanced_valid(SLICE("5.1."), 550));
	assert_false(smtp_enhanced_valid(SLICE("5.1.1.1"), 550));
	assert_false(smtp_enhanced_valid(SLICE("4.1.1"), 550));
	assert_false(smtp_enhanced_valid(SLICE(""), 550));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_line),
		cmocka_unit_test(many_lines_byte_by_byte),
		cmocka_unit_test(what_is_no_smtp),
		cmocka_unit_test(a_long_line_is_cut),
		cmocka_unit_test(an_endless_reply_ends),
		cmocka_unit_test(text_is_made_harmless),
		cmocka_unit_test(replies_are_written),
		cmocka_unit_test(what_is_no_enhanced_code_is_left_out),
		cmocka_unit_test(enhanced_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
