#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/json.h"

/* "key=value;" for each pair, then "." at a good end or "!" at a bad one. */
static const struct {
	const char *in;
	const char *want;
} rows[] = {
	{ "{}", "." },
	{ " { } \n", "." },
	{ "{\"a\":\"b\"}", "a=b;." },
	{ "{\"a\" : \"b\", \"c\": 12, \"d\":true,\"e\":null,\"f\":-1.5e+3}",
	    "a=b;c=12;d=true;e=null;f=-1.5e+3;." },
	{ "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "a=\"\\/\b\f\n\r\t;." },
	{ "{\"a\":\"\\u00e9\\u20ac\\ud83d\\ude00\"}",
	    "a=\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80;." },
	{ "{\"\":\"\"}", "=;." },
	{ "", "!" },
	{ "[]", "!" },
	{ "{\"a\":\"b\"", "a=b;!" },
	{ "{\"a\":\"b\",}", "a=b;!" },
	{ "{,\"a\":\"b\"}", "!" },
	{ "{\"a\" \"b\"}", "!" },
	{ "{\"a\":\"b\"} x", "a=b;!" },
	{ "{\"a\":{}}", "!" },
	{ "{\"a\":[1]}", "!" },
	{ "{\"a\":\"\n\"}", "!" },
	{ "{\"a\":\"\\x\"}", "!" },
	{ "{\"a\":\"\\ud83d\"}", "!" },
	{ "{\"a\":\"\\ud83d\\u0041\"}", "!" },
	{ "{\"a\":\"\\u00\"}", "!" },
	{ "{\"a\":\"b", "!" },
	{ "{\"a\":}", "!" },
};

static void
flat_objects_are_read_and_others_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = BUF_INIT(4096);
		struct json_reader r;
		enum json_result rc = JSON_BAD;

		if (json_begin(&r, slice_str(rows[i].in)))
			while ((rc = json_next(&r)) == JSON_PAIR)
				assert_int_equal(
				    buf_printf(&got, "%s=%s;", buf_str(&r.key),
					buf_str(&r.value)),
				    0);
		assert_int_equal(
		    buf_append_byte(&got, rc == JSON_END ? '.' : '!'), 0);
		assert_string_equal(buf_str(&got), rows[i].want);
		json_free(&r);
		buf_free(&got);
	}
}

static void
strings_are_written_so_that_they_read_the_same(void **state)
{
	static const struct {
		const char *in;
		const char *want;
	} strings[] = {
		{ "", "\"\"" },
		{ "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
		{ "\n\r\t\x01\x7f", "\"\\n\\r\\t\\u0001\\u007f\"" },
		{ "\xc3\xa9", "\"\xc3\xa9\"" },
		{ "a\xff\xc3z", "\"a\xef\xbf\xbd\xef\xbf\xbdz\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		struct buf b = BUF_INIT(4096);

		assert_int_equal(
		    json_put_string(&b, slice_str(strings[i].in)), 0);
		assert_string_equal(buf_str(&b), strings[i].want);
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_objects_are_read_and_others_refused),
		cmocka_unit_test(
		    strings_are_written_so_that_they_read_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
