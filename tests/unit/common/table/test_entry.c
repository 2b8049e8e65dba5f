#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/table/entry.h"

/* Entries expected as `line|key|value\n`, `line!problem\n` for a bad one. */
struct row {
	const char *in;
	const char *want;
};

/* clang-format off */
static const struct row rows[] = {
	{ "", "" },
	{ "\n\n# nothing\n   \n  # nothing\n", "" },
	{ "a b", "1|a|b\n" },
	{ "a b\r\nc d\r\n", "1|a|b\n2|c|d\n" },
	{ "Key\tSome  Value \n", "1|key|Some  Value\n" },
	{ "a b,\n c\n# between\n\n\td\ne f\n", "1|a|b, c d\n6|e|f\n" },
	{ "root: pip", "1|root|pip\n" },
	{ "root : pip", "1|root|pip\n" },
	{ "root:pip\n", "1|root|pip\n" },
	{ "root:\n pip\n", "1|root|pip\n" },
	{ "\"Mr: Wemmick\": pip", "1|mr: wemmick|pip\n" },
	{ "\"a b\"@example.test pip", "1|\"a b\"@example.test|pip\n" },
	{ "\"a \\\"b\": pip", "1|a \"b|pip\n" },
	{ "example.test relay:[mx]:25", "1|example.test|relay:[mx]:25\n" },
	{ "example.test :[mx]:25", "1|example.test|:[mx]:25\n" },
	{ "2001:db8::1 ok", "1|2001:db8::1|ok\n" },
	{ "list: :include:/x", "1|list|:include:/x\n" },
	{ " begins in white", "1|begins|in white\n" },
	{ "lonely\nnext one\n", "1!a key without a value\n2|next|one\n" },
	{ ": x\n", "1!no key\n" },
	{ "a \x01\n", "1!a NUL or control byte in it\n" },
	{ "a b\rc\n", "1!a NUL or control byte in it\n" },
};
/* clang-format on */

static void
entries_read_as_postfix_reads_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct entry_reader r;
		struct slice key, value;
		struct buf got = BUF_INIT(4096);
		enum entry_result rc;

		entry_reader_init(&r, slice_str(rows[i].in));
		while ((rc = entry_next(&r, &key, &value)) != ENTRY_END)
			assert_int_equal(
			    rc == ENTRY_OK ? buf_printf(&got, "%u|%.*s|%.*s\n",
						 r.first_line, SLICE_FMT(key),
						 SLICE_FMT(value))
					   : buf_printf(&got, "%u!%s\n",
						 r.first_line, r.problem),
			    0);
		assert_string_equal(buf_str(&got), rows[i].want);
		entry_reader_free(&r);
		buf_free(&got);
	}
}

static void
entry_over_a_megabyte_is_bad_and_the_next_is_read(void **state)
{
	struct entry_reader r;
	struct slice key, value;
	struct buf text = BUF_INIT(4 * ENTRY_MAX);

	(void)state;
	assert_int_equal(buf_append_str(&text, "a "), 0);
	while (text.len <= ENTRY_MAX + 2)
		assert_int_equal(buf_append_str(&text, "0123456789"), 0);
	assert_int_equal(buf_append_str(&text, "\nb c\n"), 0);
	entry_reader_init(&r, buf_slice(&text));
	assert_int_equal(entry_next(&r, &key, &value), ENTRY_BAD);
	assert_int_equal(entry_next(&r, &key, &value), ENTRY_OK);
	assert_true(slice_eq(key, SLICE("b")));
	assert_int_equal(entry_next(&r, &key, &value), ENTRY_END);
	entry_reader_free(&r);
	buf_free(&text);
}

static void
inline_pairs_may_hold_commas_in_braces(void **state)
{
	struct slice rest = SLICE(" a=b , { c = d, e = f } ,, {g=h},i = j k ");
	struct slice key, value;
	static const char *const want[][2] = { { "a", "b" },
		{ "c", "d, e = f" }, { "g", "h" }, { "i", "j k" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(
		    entry_inline_next(&rest, &key, &value), ENTRY_OK);
		assert_true(slice_eq(key, slice_str(want[i][0])));
		assert_true(slice_eq(value, slice_str(want[i][1])));
	}
	assert_int_equal(entry_inline_next(&rest, &key, &value), ENTRY_END);
	rest = SLICE("a");
	assert_int_equal(entry_inline_next(&rest, &key, &value), ENTRY_BAD);
	rest = SLICE("{a=b");
	assert_int_equal(entry_inline_next(&rest, &key, &value), ENTRY_BAD);
	rest = SLICE("a=");
	assert_int_equal(entry_inline_next(&rest, &key, &value), ENTRY_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_read_as_postfix_reads_them),
		cmocka_unit_test(
		    entry_over_a_megabyte_is_bad_and_the_next_is_read),
		cmocka_unit_test(inline_pairs_may_hold_commas_in_braces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
