#include "common/smtp/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/rand.h"

#define LINE_MAX_TEST 1000

/* What came of a text: fed whole, and again in pieces of every size. */
static void
expect(const char *text, size_t len, const char *content, unsigned bad,
    size_t used)
{
	for (size_t piece = len; piece > 0; piece--) {
		struct smtp_data d;
		struct buf out = BUF_INIT(1 << 20);
		size_t at = 0;

		smtp_data_init(&d, LINE_MAX_TEST);
		while (at < len && d.state != SMTP_DATA_END) {
			size_t n = MIN(piece, len - at);
			size_t k =
			    smtp_data_take(&d, slice_of(text + at, n), &out);

			at += k;
		}
		assert_int_equal(at, used);
		assert_int_equal(d.bad, bad);
		assert_int_equal(d.state, SMTP_DATA_END);
		if (bad == 0) {
			assert_string_equal(buf_str(&out), content);
			assert_int_equal(d.size, out.len);
		}
		buf_free(&out);
	}
}

#define EXPECT(text, content, bad, used)                                       \
	expect((text), sizeof(text) - 1, (content), (bad), (used))
#define WHOLE(text, content) EXPECT(text, content, 0, sizeof(text) - 1)

static void
dots_are_undone_and_only_crlf_dot_crlf_ends(void **state)
{
	(void)state;
	WHOLE(".\r\n", "");
	WHOLE("a\r\n.\r\n", "a\r\n");
	WHOLE("..\r\n.\r\n", ".\r\n");
	WHOLE("...\r\n.\r\n", "..\r\n");
	WHOLE(". \r\n.\r\n", " \r\n");
	WHOLE(".a\r\nb.\r\n.\r\n", "a\r\nb.\r\n");
	WHOLE("\r\n\r\n.\r\n", "\r\n\r\n");
	EXPECT("a\r\n.\r\nQUIT\r\n", "a\r\n", 0, 6);
}

/* Every sequence of the public scanners for SMTP smuggling. */
static void
nothing_smuggles_an_end(void **state)
{
	static const char *const ends[] = { "\n.\n", "\n.\r", "\r.\n", "\r.\r",
		"\n.\r\n", "\r.\r\n", "\r\n.\r\r\n", "\r\r\n.\r\r\n",
		"\n\n.\r\n", "\r\n.\n", "\r\n.\r", "\r\n\r.\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char text[200];
		int n = snprintf(text, sizeof(text),
		    "a%sMAIL FROM:<x@y>\r\nb\r\n.\r\nQUIT\r\n", ends[i]);

		expect(text, (size_t)n, "", SMTP_DATA_BARE, (size_t)n - 6);
	}
	EXPECT("a\r\n\0.\r\nMAIL\r\n.\r\nQUIT\r\n", "", SMTP_DATA_NUL, 16);
}

static void
long_lines_are_told(void **state)
{
	static char text[LINE_MAX_TEST + 10];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + LINE_MAX_TEST, "\r\n.\r\n", 5);
	for (size_t piece = 1; piece < LINE_MAX_TEST; piece += 97) {
		struct smtp_data d;
		struct buf out = BUF_INIT(1 << 20);

		smtp_data_init(&d, LINE_MAX_TEST);
		assert_int_equal(
		    smtp_data_take(&d, slice_of(text, piece), &out), piece);
		assert_int_equal(
		    smtp_data_take(&d,
			slice_of(text + piece, LINE_MAX_TEST + 5 - piece),
			&out),
		    LINE_MAX_TEST + 5 - piece);
		assert_int_equal(d.bad, 0);
		buf_free(&out);
	}
	text[LINE_MAX_TEST] = 'x';
	memcpy(text + LINE_MAX_TEST + 1, "\r\n.\r\n", 5);
	expect(text, LINE_MAX_TEST + 6, "", SMTP_DATA_LONG, LINE_MAX_TEST + 6);
}

static void
a_full_buffer_is_told_at_the_end(void **state)
{
	struct smtp_data d;
	struct buf out = BUF_INIT(3);

	(void)state;
	smtp_data_init(&d, LINE_MAX_TEST);
	assert_int_equal(smtp_data_take(&d, SLICE("abcd\r\n.\r\n"), &out), 9);
	assert_int_equal(d.bad, SMTP_DATA_FULL);
	smtp_data_init(&d, LINE_MAX_TEST);
	assert_int_equal(smtp_data_take(&d, SLICE("abcd\r\n"), NULL), 6);
	assert_int_equal(d.size, 6);
	buf_free(&out);
}

static void
chunks_have_no_dots_and_get_a_last_crlf(void **state)
{
	struct smtp_data d;
	struct buf out = BUF_INIT(1000);

	(void)state;
	smtp_data_init(&d, LINE_MAX_TEST);
	smtp_data_take_chunk(&d, SLICE("a\r"), &out);
	smtp_data_take_chunk(&d, SLICE("\n.\r\n..\r\nb"), &out);
	smtp_data_finish(&d, &out);
	assert_string_equal(buf_str(&out), "a\r\n.\r\n..\r\nb\r\n");
	assert_int_equal(d.bad, 0);
	smtp_data_init(&d, LINE_MAX_TEST);
	smtp_data_take_chunk(&d, SLICE("a\r"), &out);
	smtp_data_finish(&d, &out);
	assert_int_equal(d.bad, SMTP_DATA_BARE);
	buf_free(&out);
}

/* -- going out ---------------------------------------------------------- */

static void
stuffs(const char *text, const char *want)
{
	size_t len = strlen(text);

	for (size_t piece = len + 1; piece > 0; piece--) {
		struct smtp_stuff s = SMTP_STUFF_INIT;
		struct buf out = BUF_INIT(10000);

		for (size_t at = 0; at < len; at += piece)
			assert_int_equal(
			    smtp_stuff_put(&s,
				slice_of(text + at, MIN(piece, len - at)),
				&out),
			    0);
		assert_int_equal(smtp_stuff_end(&s, &out), 0);
		assert_string_equal(buf_str(&out), want);
		buf_free(&out);
	}
}

static void
dots_are_doubled(void **state)
{
	(void)state;
	stuffs("", ".\r\n");
	stuffs("a\r\n", "a\r\n.\r\n");
	stuffs("a", "a\r\n.\r\n");
	stuffs(".\r\n", "..\r\n.\r\n");
	stuffs(".a\r\n..\r\nb.c\r\n", "..a\r\n...\r\nb.c\r\n.\r\n");
	stuffs("\r\n\r\n", "\r\n\r\n.\r\n");
}

static void
nothing_stands_alone_going_out(void **state)
{
	(void)state;
	stuffs("a\n.\nb", "a\r\n..\r\nb\r\n.\r\n");
	stuffs("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n");
	stuffs("\r\r\n", "\r\n\r\n.\r\n");
	stuffs("a\n\r.\r\n", "a\r\n\r\n..\r\n.\r\n");
	stuffs("\n", "\r\n.\r\n");
	stuffs("a\r", "a\r\n.\r\n");
}

/* What we stuff, our receiver takes: for any bytes at all. */
static void
stuffed_bytes_come_back_clean(void **state)
{
	static const char bytes[] = "\r\n.ab";

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct smtp_stuff s = SMTP_STUFF_INIT;
		struct buf wire = BUF_INIT(10000);
		struct buf back = BUF_INIT(10000);
		struct smtp_data d;
		char text[24];
		size_t n = (size_t)rand_below(sizeof(text));

		for (size_t i = 0; i < n; i++)
			text[i] = bytes[rand_below(sizeof(bytes) - 1)];
		assert_int_equal(
		    smtp_stuff_put(&s, slice_of(text, n), &wire), 0);
		assert_int_equal(smtp_stuff_end(&s, &wire), 0);
		smtp_data_init(&d, 1000);
		assert_int_equal(
		    smtp_data_take(&d, buf_slice(&wire), &back), wire.len);
		assert_int_equal(d.state, SMTP_DATA_END);
		assert_int_equal(d.bad, 0);
		buf_free(&wire);
		buf_free(&back);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dots_are_undone_and_only_crlf_dot_crlf_ends),
		cmocka_unit_test(nothing_smuggles_an_end),
		cmocka_unit_test(long_lines_are_told),
		cmocka_unit_test(a_full_buffer_is_told_at_the_end),
		cmocka_unit_test(chunks_have_no_dots_and_get_a_last_crlf),
		cmocka_unit_test(dots_are_doubled),
		cmocka_unit_test(nothing_stands_alone_going_out),
		cmocka_unit_test(stuffed_bytes_come_back_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
