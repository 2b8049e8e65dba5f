#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "imapd/fetch.h"
#include "imapd/parse.h"
#include "imapd/parse_frame.h"
#include "imapd/parse_pattern.h"
#include "store/mailbox.h"

static const char *
astring_of(struct slice in, struct slice *s)
{
	static struct parse p;

	parse_free(&p);
	parse_init(&p, in);
	if (parse_astring(&p, s) && parse_end(&p))
		return NULL;
	return p.error;
}

#define GOOD(in, want)                                                         \
	do {                                                                   \
		struct slice got_;                                             \
		assert_null(astring_of(SLICE(in), &got_));                     \
		assert_true(slice_eq(got_, SLICE(want)));                      \
	} while (0)

#define BAD(in)                                                                \
	do {                                                                   \
		struct slice got_;                                             \
		assert_non_null(astring_of(SLICE(in), &got_));                 \
	} while (0)

static void
strings_follow_the_grammar(void **state)
{
	(void)state;
	GOOD("abc", "abc");
	GOOD("a]b", "a]b");
	GOOD("\"\"", "");
	GOOD("\"a b\"", "a b");
	GOOD("\"a\\\"b\\\\c\"", "a\"b\\c");
	GOOD("\"\xc3\xa9\"", "\xc3\xa9");
	GOOD("{3}\r\na\"b", "a\"b");
	GOOD("{0}\r\n", "");
	GOOD("{3+}\r\n\r\nx", "\r\nx");
	BAD("");
	BAD("a b");
	BAD("a\\b");
	BAD("a\"b");
	BAD("(a)");
	BAD("a%");
	BAD("\xc3\xa9");
	BAD("\"abc");
	BAD("\"a\\");
	BAD("\"a\\b\"");
	BAD("\"a\r\n\"");
	BAD("\"a\0b\"");
	BAD("{4}\r\nabc");
	BAD("{3}abc");
	BAD("{3");
	BAD("{}\r\n");
	BAD("{-1}\r\n");
	BAD("{4294967296}\r\n");
	BAD("{3}\r\na\0b");
}

static void
numbers_have_32_bits(void **state)
{
	struct parse p;
	uint32_t n;

	(void)state;
	parse_init(&p, SLICE("4294967295"));
	assert_true(parse_number(&p, &n));
	assert_int_equal(n, UINT32_MAX);
	parse_init(&p, SLICE("4294967296"));
	assert_false(parse_number(&p, &n));
	parse_init(&p, SLICE("0"));
	assert_false(parse_nz_number(&p, &n));
	parse_init(&p, SLICE("-1"));
	assert_false(parse_number(&p, &n));
	parse_init(&p, SLICE("99999999999999999999999999999999999999999"));
	assert_false(parse_number(&p, &n));
}

static bool
set_of(const char *in, struct parse_set *set)
{
	struct parse p;

	parse_init(&p, slice_str(in));
	return parse_set(&p, set) && parse_end(&p);
}

static void
sets_keep_the_star(void **state)
{
	static const char *const bad[] = { "", "0", "1:", ":1", "1,", "a",
		"1:2:3", "4294967296", "1:0", "**" };
	struct parse_set set;

	(void)state;
	assert_true(set_of("2,4:7,9,12:*", &set));
	assert_int_equal(set.count, 4);
	parse_set_sort(&set, 15);
	assert_int_equal(set.ranges[3].first, 12);
	assert_int_equal(set.ranges[3].last, 15);
	parse_set_free(&set);
	assert_true(set_of("*:559,7:3,*", &set));
	parse_set_sort(&set, 10);
	assert_int_equal(set.ranges[0].first, 3);
	assert_int_equal(set.ranges[0].last, 7);
	assert_int_equal(set.ranges[1].first, 10);
	assert_int_equal(set.ranges[1].last, 10);
	parse_set_free(&set);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(set_of(bad[i], &set));
		parse_set_free(&set);
	}
}

static bool
flags_of(const char *in, bool bare, struct parse_flags *f)
{
	struct parse p;

	parse_init(&p, slice_str(in));
	return parse_flag_list(&p, bare, f) && parse_end(&p);
}

static void
flags_are_system_bits_and_keywords(void **state)
{
	struct parse_flags f;

	(void)state;
	assert_true(flags_of("(\\Seen $Junk \\DELETED)", false, &f));
	assert_int_equal(f.system, MESSAGE_SEEN | MESSAGE_DELETED);
	assert_int_equal(f.keyword_count, 1);
	assert_true(slice_eq(f.keywords[0], SLICE("$Junk")));
	assert_true(flags_of("()", false, &f));
	assert_true(flags_of("\\Seen x", true, &f));
	assert_false(flags_of("\\Seen", false, &f));
	assert_false(flags_of("(\\Recent)", false, &f));
	assert_false(flags_of("(\\Foo)", false, &f));
	assert_false(flags_of("(\\Seen", false, &f));
	assert_false(flags_of("(a  b)", false, &f));
	assert_false(flags_of("(a(b))", false, &f));
}

static void
dates_are_days(void **state)
{
	struct parse p;
	int64_t day;
	int64_t t;
	int16_t zone;

	(void)state;
	parse_init(&p, SLICE("1-Feb-1994"));
	assert_true(parse_date(&p, &day));
	assert_int_equal(day, 8797);
	parse_init(&p, SLICE("\"01-Jan-1970\""));
	assert_true(parse_date(&p, &day) && parse_end(&p));
	assert_int_equal(day, 0);
	parse_init(&p, SLICE("30-Feb-1994"));
	assert_false(parse_date(&p, &day));
	parse_init(&p, SLICE("1-Feb-94"));
	assert_false(parse_date(&p, &day));
	parse_init(&p, SLICE("\"17-Jul-1996 02:44:25 -0700\""));
	assert_true(parse_date_time(&p, &t, &zone));
	assert_int_equal(t, 837596665);
	assert_int_equal(zone, -420);
	parse_init(&p, SLICE("\" 7-Jul-1996 02:44:25 +0000\""));
	assert_true(parse_date_time(&p, &t, &zone));
	parse_init(&p, SLICE("\"7-Jul-1996 02:44:25 +0000\""));
	assert_false(parse_date_time(&p, &t, &zone));
	parse_init(&p, SLICE("\"17-Jul-1996 02:44:25 +9999\""));
	assert_false(parse_date_time(&p, &t, &zone));
	parse_init(&p, SLICE("\"17-Jul-1996 02:44:25"));
	assert_false(parse_date_time(&p, &t, &zone));
}

/* Commands and literals of a stream, given byte by byte. */
static void
frames_are_found_a_byte_at_a_time(void **state)
{
	static const char stream[] =
	    "a LOGIN {3}\r\nab\n {2+}\r\n\r\n x\r\nb\r\n";
	struct parse_frame f = { .seen = 0 };
	size_t start = 0;
	size_t commands = 0;
	size_t literals = 0;

	(void)state;
	for (size_t n = 1; n < sizeof(stream); n++) {
		enum parse_step step =
		    parse_frame_look(&f, slice_of(stream + start, n - start));

		if (step == PARSE_LITERAL) {
			assert_int_equal(f.sync, literals == 0);
			literals++;
			parse_frame_take_literal(&f);
		} else if (step == PARSE_COMMAND) {
			assert_int_equal(f.end, n - start);
			start = n;
			commands++;
			parse_frame_reset(&f);
		} else {
			assert_int_equal(step, PARSE_MORE);
		}
	}
	assert_int_equal(commands, 2);
	assert_int_equal(literals, 2);
}

static void
odd_lines_are_told_apart(void **state)
{
	struct parse_frame f = { .seen = 0 };
	char *big = malloc(PARSE_LINE_MAX + 10);

	(void)state;
	memset(big, 'a', PARSE_LINE_MAX + 10);
	assert_int_equal(
	    parse_frame_look(&f, SLICE("a NOOP\n")), PARSE_BARE_LF);
	parse_frame_reset(&f);
	assert_int_equal(
	    parse_frame_look(&f, slice_of(big, PARSE_LINE_MAX)), PARSE_MORE);
	assert_int_equal(
	    parse_frame_look(&f, slice_of(big, PARSE_LINE_MAX + 1)),
	    PARSE_LONG);
	free(big);
}

static void
only_well_formed_literals_are_announced(void **state)
{
	static const char *const bad[] = { "{01x}", "{1", "{-1}", "{}", "1}",
		"{1++}", "~{1}", "{18446744073709551616}", "{1} ", "", "}" };
	uint64_t n;
	bool sync;

	(void)state;
	assert_true(parse_frame_literal(SLICE("{4294967296}"), &n, &sync));
	assert_int_equal(n, 4294967296);
	assert_true(sync);
	assert_true(parse_frame_literal(SLICE("x{0+}"), &n, &sync));
	assert_false(sync);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(parse_frame_literal(slice_str(bad[i]), &n, &sync));
}

static bool
match(const char *pattern, const char *name)
{
	return pattern_match(slice_str(pattern), slice_str(name));
}

static void
patterns_match_levels(void **state)
{
	struct buf b = BUF_INIT(4096);

	(void)state;
	assert_true(match("*", "a/b"));
	assert_true(match("%", "a"));
	assert_false(match("%", "a/b"));
	assert_true(match("%/%", "a/b"));
	assert_true(match("a*", "a"));
	assert_true(match("a%b", "axxb"));
	assert_false(match("a%b", "a/b"));
	assert_true(match("*b*", "a/b/c"));
	assert_true(match("inbox", "INBOX"));
	assert_true(match("inB*", "INBOX/x"));
	assert_false(match("inbox/X", "INBOX/x"));
	assert_false(match("a", "A"));
	assert_false(match("", "a"));
	assert_true(match("%*%", "a/b"));
	assert_true(match("a/%", "a/"));
	for (int i = 0; i < 500; i++)
		assert_int_equal(buf_append(&b, "*%", 2), 0);
	assert_true(pattern_match(buf_slice(&b), SLICE("a/b/c/d/e")));
	assert_int_equal(buf_append_byte(&b, 'x'), 0);
	assert_false(pattern_match(buf_slice(&b), SLICE("a/b/c/d/e")));
	buf_free(&b);
}

static struct fetch_request request;

static const char *
fetch_error(const char *in)
{
	static struct parse p;

	fetch_request_free(&request);
	parse_init(&p, slice_str(in));
	return fetch_parse(&p, &request) ? NULL : p.error;
}

static void
assert_label(size_t i, const char *want)
{
	const struct fetch_section *sec = &request.sections[i];

	assert_true(slice_eq(
	    slice_sub(buf_slice(&request.labels), sec->label, sec->label_len),
	    slice_str(want)));
}

static void
fetch_items_are_read(void **state)
{
	(void)state;
	assert_null(fetch_error("FULL"));
	assert_int_equal(request.items, FETCH_FLAGS | FETCH_INTERNALDATE |
					    FETCH_SIZE | FETCH_ENVELOPE |
					    FETCH_BODY);
	assert_null(fetch_error("(uid BODY[] rfc822.size BODYSTRUCTURE)"));
	assert_int_equal(
	    request.items, FETCH_UID | FETCH_SIZE | FETCH_BODYSTRUCTURE);
	assert_int_equal(request.section_count, 1);
	assert_true(request.sees);
	assert_label(0, "BODY[]");
	assert_null(fetch_error("(BODY.PEEK[1.2.header.fields (from \"x y\")]"
				"<5.10> RFC822.TEXT BODY.PEEK[2.MIME])"));
	assert_label(0, "BODY[1.2.HEADER.FIELDS (from \"x y\")]<5>");
	assert_int_equal(request.sections[0].depth, 2);
	assert_int_equal(request.sections[0].path[1], 2);
	assert_int_equal(request.sections[0].from, 5);
	assert_int_equal(request.sections[0].length, 10);
	assert_true(request.sections[0].peek);
	assert_label(1, "RFC822.TEXT");
	assert_false(request.sections[1].peek);
	assert_label(2, "BODY[2.MIME]");
	fetch_request_free(&request);
}

static void
bad_fetch_items_are_refused(void **state)
{
	static const char *const bad[] = { "", "(", "()", "(FLAGS", "FOO",
		"(ALL)", "FLAGS UID", "(FLAGS  UID)", "BODY[", "BODY[FOO]",
		"BODY[MIME]", "BODY[0]", "BODY[1.]", "BODY[1..2]", "BODY[.1]",
		"BODY[]<5.0>", "BODY[]<5>", "BODY[]<.5>", "BODY.PEEK",
		"BODY[HEADER.FIELDS]", "BODY[HEADER.FIELDS ()]",
		"BODY[TEXT.HEADER]", "BODY[1.TEXT.1]", "BODY[4294967296]",
		"BODYSTRUCTURE[1]", "RFC822[1]" };
	struct buf b = BUF_INIT(65536);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (fetch_error(bad[i]) == NULL)
			fail_msg("accepted %s", bad[i]);
	assert_int_equal(buf_append_str(&b, "BODY[1"), 0);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(buf_append_str(&b, ".1"), 0);
	assert_int_equal(buf_append_str(&b, "]"), 0);
	assert_non_null(fetch_error(buf_str(&b)));
	buf_free(&b);
	fetch_request_free(&request);
}

static void
sections_are_cut_from_the_message(void **state)
{
	static const char message[] = "A: 1\r\nB: 2\r\n 3\r\nA: 4\r\n\r\nbody";
	struct mime_tree t = MIME_TREE_INIT;
	struct buf scratch = BUF_INIT(1000);
	struct slice s;

	(void)state;
	mime_tree_parse(&t, slice_str(message));
	assert_null(fetch_error("(BODY[HEADER.FIELDS (a)]"
				" BODY[HEADER.FIELDS.NOT (a)] BODY[TEXT]<1.2>"
				" BODY[1.TEXT] BODY[1.MIME])"));
	s = fetch_section_bytes(&request, &request.sections[0], &t, &scratch);
	assert_true(slice_eq(s, SLICE("A: 1\r\nA: 4\r\n\r\n")));
	s = fetch_section_bytes(&request, &request.sections[1], &t, &scratch);
	assert_true(slice_eq(s, SLICE("B: 2\r\n 3\r\n\r\n")));
	s = fetch_section_bytes(&request, &request.sections[2], &t, &scratch);
	s = fetch_partial(&request.sections[2], s);
	assert_true(slice_eq(s, SLICE("od")));
	s = fetch_section_bytes(&request, &request.sections[3], &t, &scratch);
	assert_null(s.p);
	s = fetch_section_bytes(&request, &request.sections[4], &t, &scratch);
	assert_int_equal(s.len, sizeof(message) - 1 - 4);
	fetch_request_free(&request);
	mime_tree_free(&t);
	buf_free(&scratch);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_follow_the_grammar),
		cmocka_unit_test(numbers_have_32_bits),
		cmocka_unit_test(sets_keep_the_star),
		cmocka_unit_test(flags_are_system_bits_and_keywords),
		cmocka_unit_test(dates_are_days),
		cmocka_unit_test(frames_are_found_a_byte_at_a_time),
		cmocka_unit_test(odd_lines_are_told_apart),
		cmocka_unit_test(only_well_formed_literals_are_announced),
		cmocka_unit_test(patterns_match_levels),
		cmocka_unit_test(fetch_items_are_read),
		cmocka_unit_test(bad_fetch_items_are_refused),
		cmocka_unit_test(sections_are_cut_from_the_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
