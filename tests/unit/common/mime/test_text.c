#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/mime/charset.h"
#include "common/mime/date.h"
#include "common/mime/decode.h"
#include "common/mime/param.h"
#include "common/mime/word.h"

struct row {
	const char *in;
	const char *want;
};

/* clang-format off */
static const struct row words[] = {
	{ "plain", "plain" },
	{ " folded\r\n text ", "folded text" },
	/* RFC 2047 §8 */
	{ "(=?ISO-8859-1?Q?a?=)", "(a)" },
	{ "(=?ISO-8859-1?Q?a?= b)", "(a b)" },
	{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)" },
	{ "(=?ISO-8859-1?Q?a?=  \r\n =?ISO-8859-1?Q?b?=)", "(ab)" },
	{ "(=?ISO-8859-1?Q?a_b?=)", "(a b)" },
	{ "(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)" },
	{ "=?iso-8859-1*en?q?na=EFve?=", "na\xc3\xafve" },
	{ "=?utf-8?B?w68=?= x", "\xc3\xaf x" },
	/* one character cut in two */
	{ "=?utf-8?Q?=C3?= =?utf-8?Q?=AF?=", "\xc3\xaf" },
	{ "=?utf-8?Q?=C3?= x", "\xef\xbf\xbd x" },
	{ "=?utf-8?Q?a=5Fb_c?=", "a_b c" },
	{ "=?nonsense?Q?a=FFb?=", "a\xef\xbf\xbd" "b" },
	{ "=?utf-8?x?abc?=", "=?utf-8?x?abc?=" },
	{ "=?utf-8?q?abc", "=?utf-8?q?abc" },
	{ "=?utf-8?q?a b?=", "=?utf-8?q?a b?=" },
	{ "=?", "=?" },
	{ "=?utf-8?b?" "?=", "" },
	{ "=?utf-8?b?!!!!?=", "" },
	{ "a\xff", "a\xef\xbf\xbd" },
	{ "=?koi8-r?q?=D7?=", "\xd0\xb2" },
	{ "=?windows-1252?q?=80=81?=", "\xe2\x82\xac\xef\xbf\xbd" },
	{ "=?iso-8859-15?q?=A4?=", "\xe2\x82\xac" },
	{ "=?iso-2022-jp?b?GyRCRnwbKEI=?=", "\xe6\x97\xa5" },
};
/* clang-format on */

static void
words_decode_to_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct buf b = BUF_INIT(4096);

		assert_int_equal(
		    mime_words_decode(&b, slice_str(words[i].in)), 0);
		assert_string_equal(buf_str(&b), words[i].want);
		buf_free(&b);
	}
}

static void
prefixes_never_read_beyond_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		for (size_t n = 1; n < strlen(words[i].in); n++) {
			struct buf b = BUF_INIT(4096);
			char *copy = malloc(n);

			memcpy(copy, words[i].in, n);
			assert_int_equal(
			    mime_words_decode(&b, slice_of(copy, n)), 0);
			free(copy);
			buf_free(&b);
		}
	}
}

static void
assert_decodes(enum mime_encoding enc, const char *in, const char *want)
{
	struct buf b = BUF_INIT(4096);

	assert_int_equal(mime_decode(&b, enc, slice_str(in)), 0);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
}

static void
bodies_decode_leniently(void **state)
{
	(void)state;
	assert_decodes(MIME_BASE64, "aGVs\r\nbG8=\r\nZZZZ", "hello");
	assert_decodes(MIME_BASE64, "aGVsbG8", "hello");
	assert_decodes(MIME_BASE64, "a G*V", "he");
	assert_decodes(MIME_BASE64, "=", "");
	assert_decodes(MIME_QP, "a=20b=\r\nc=3D=3d", "a bc==");
	assert_decodes(MIME_QP, "a= \t\r\nb=\nc=", "abc=");
	assert_decodes(MIME_QP, "=4", "=4");
	assert_decodes(MIME_QP, "=ZZ=\r", "=ZZ=\r");
	assert_int_equal(mime_encoding_of(SLICE(" Base64 (x)")), MIME_BASE64);
	assert_int_equal(mime_encoding_of(SLICE("QUOTED-PRINTABLE")), MIME_QP);
	assert_int_equal(mime_encoding_of(SLICE_EMPTY), MIME_IDENTITY);
}

static void
folding_ignores_case_beyond_ascii(void **state)
{
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(charset_fold(&b, SLICE("Ab\xc3\x84\xff")), 0);
	assert_string_equal(buf_str(&b), "ab\xc3\xa4\xef\xbf\xbd");
	buf_free(&b);
	assert_true(charset_known(SLICE("")));
	assert_true(charset_known(SLICE("KOI8-R")));
	assert_false(charset_known(SLICE("x-nonsense")));
	assert_false(charset_known(SLICE("../../etc/passwd")));
}

/* Text that is nowhere has no bytes; only a sanitizer sees who looks. */
static void
no_text_is_none_in_any_character_set(void **state)
{
	static const char *const names[] = { "", "utf-8", "iso-8859-15",
		"windows-1252", "KOI8-R", "utf-16", "x-nonsense" };
	struct buf b = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(
		    charset_to_utf8(&b, slice_str(names[i]), SLICE_EMPTY), 0);
	assert_int_equal(mime_param_decode(&b, SLICE("utf-7''")), 0);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

struct date_row {
	const char *in;
	int64_t unix_s;
};

/* clang-format off */
static const struct date_row dates[] = {
	{ "Fri, 21 Nov 1997 09:55:06 -0600", 880127706 },
	{ " Mon,\r\n 2 Feb 1998 10:00:00 GMT (comment)", 886413600 },
	{ "1 Jan 70 00:00 +0000", 0 },
	{ "1 Jan 100 00:00:00 Z", 946684800 },
	{ "29 Feb 2000 23:59:60 EST", 951886800 },
	{ "1 Jan 0001 00:00:00 +0000", -62135596800 },
};
/* clang-format on */

static void
dates_parse_or_are_refused(void **state)
{
	static const char *const bad[] = { "", "x", "Fri,", "1", "1 Jan",
		"29 Feb 1999 00:00:00 +0000", "1 Jan 99999 00:00:00 +0000",
		"1 Jan 0 00:00 +0000", "1 Jan -1 00:00 +0000",
		"1 Jan 2000 24:00 +0000", "1 Jan 2000 00:60 +0000",
		"1 Jan 2000 00:00:61 Z", "0 Jan 2000 00:00 Z",
		"99999999999999999999 Jan 2000 00:00 Z" };
	struct mime_date d;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		assert_true(mime_date_parse(&d, slice_str(dates[i].in)));
		assert_int_equal(mime_date_unix(&d), dates[i].unix_s);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(mime_date_parse(&d, slice_str(bad[i])));
	assert_true(mime_date_parse(&d, SLICE("1 Jan 2000 00:00 +9999")));
	assert_int_equal(d.zone_m, 0);
}

static void
unix_time_becomes_a_date_and_back(void **state)
{
	struct mime_date d;

	(void)state;
	for (int64_t s = -62135510400 + 86400; s < 253402000000;
	     s += 86400 * 11 + 7777) {
		mime_date_from_unix(&d, s, -90);
		assert_int_equal(mime_date_unix(&d), s);
		assert_in_range(d.month, 1, 12);
		assert_in_range(d.day, 1, mime_month_days(d.year, d.month));
	}
	mime_date_from_unix(&d, INT64_MIN, 1439);
	assert_int_equal(d.year, 1);
	mime_date_from_unix(&d, INT64_MAX, -1439);
	assert_int_equal(d.year, 9999);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_decode_to_utf8),
		cmocka_unit_test(prefixes_never_read_beyond_the_end),
		cmocka_unit_test(bodies_decode_leniently),
		cmocka_unit_test(folding_ignores_case_beyond_ascii),
		cmocka_unit_test(no_text_is_none_in_any_character_set),
		cmocka_unit_test(dates_parse_or_are_refused),
		cmocka_unit_test(unix_time_becomes_a_date_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
