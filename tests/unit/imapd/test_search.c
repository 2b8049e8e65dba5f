#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/mime/tree.h"
#include "imapd/search.h"

/* A program in postfix form, to compare with. */
static const char *const op_names[] = { [OP_ALL] = "ALL",
	[OP_FLAG] = "FLAG",
	[OP_NOT_FLAG] = "NOTFLAG",
	[OP_NEW] = "NEW",
	[OP_KEYWORD] = "KEYWORD",
	[OP_SEQ] = "SEQ",
	[OP_UID] = "UID",
	[OP_BEFORE] = "BEFORE",
	[OP_ON] = "ON",
	[OP_SINCE] = "SINCE",
	[OP_LARGER] = "LARGER",
	[OP_SMALLER] = "SMALLER",
	[OP_SENTBEFORE] = "SENTBEFORE",
	[OP_SENTON] = "SENTON",
	[OP_SENTSINCE] = "SENTSINCE",
	[OP_HEADER] = "HEADER",
	[OP_FIELD] = "FIELD",
	[OP_BODY] = "BODY",
	[OP_TEXT] = "TEXT",
	[OP_NOT] = "not",
	[OP_AND] = "and",
	[OP_OR] = "or" };

static void
assert_program(const char *in, const char *want)
{
	struct buf b = BUF_INIT(4096);
	struct search prog;
	struct parse p;

	parse_init(&p, slice_str(in));
	if (!search_parse(&p, &prog))
		fail_msg("%s: %s", in, p.error);
	for (size_t i = 0; i < prog.count; i++)
		assert_int_equal(buf_printf(&b, "%s%s", i == 0 ? "" : " ",
				     op_names[prog.steps[i].op]),
		    0);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
	search_free(&prog);
	parse_free(&p);
}

static void
keys_become_postfix_programs(void **state)
{
	(void)state;
	assert_program("ALL", "ALL");
	assert_program("FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
	    "FLAG SINCE and FIELD not and");
	assert_program(
	    "OR SEEN OR NEW 1:3 LARGER 5", "FLAG NEW SEQ or or LARGER and");
	assert_program("(OR (SEEN ALL) NOT NOT ON \"1-Jan-2000\") UID 1",
	    "FLAG ALL and ON not not or UID and");
	assert_program("CHARSET UTF-8 TEXT {2}\r\nab", "TEXT");
	assert_program("CC a SENTON 1-Jan-2000 HEADER X \"\" UNKEYWORD k *",
	    "FIELD SENTON and HEADER and KEYWORD and SEQ and");
	assert_program("((((ALL))))", "ALL");
}

static void
bad_keys_are_refused(void **state)
{
	static const char *const bad[] = { "", "FOO", "NOT", "NOT ", "OR ALL",
		"OR ALL ", "()", "(ALL", "ALL)", "(OR ALL) ALL", "ALL  ALL",
		"SUBJECT", "SUBJECT ", "ON 1-Foo-2000", "LARGER x", "UID a",
		"0", "KEYWORD \\Seen", "HEADER a", "CHARSET utf-8",
		"CHARSET x-nonsense ALL", "ALL ", "NOT )", "1:" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct search prog;
		struct parse p;

		parse_init(&p, slice_str(bad[i]));
		if (search_parse(&p, &prog))
			fail_msg("accepted %s", bad[i]);
		assert_true(p.error != NULL || prog.bad_charset);
		search_free(&prog);
		parse_free(&p);
	}
}

/* Repeat, parse, and say whether it was accepted. */
static bool
accepts_repeated(const char *piece, size_t n, const char *end)
{
	struct buf b = BUF_INIT(1 << 20);
	struct search prog;
	struct parse p;
	bool ok;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_append_str(&b, piece), 0);
	assert_int_equal(buf_append_str(&b, end), 0);
	parse_init(&p, buf_slice(&b));
	ok = search_parse(&p, &prog);
	search_free(&prog);
	parse_free(&p);
	buf_free(&b);
	return ok;
}

static void
nesting_and_number_are_bounded(void **state)
{
	(void)state;
	assert_true(accepts_repeated("NOT ", 990, "ALL"));
	assert_false(accepts_repeated("NOT ", 10000, "ALL"));
	assert_true(accepts_repeated("OR 1 ", 990, "ALL"));
	assert_false(accepts_repeated("OR ALL ", 10000, "ALL"));
	assert_false(accepts_repeated("(", 10000, "ALL"));
	assert_true(accepts_repeated("ALL ", 5000, "ALL"));
	assert_false(accepts_repeated("ALL ", 20000, "ALL"));
}

/* Tests answer by name: NEW and BODY false, others true; TEXT is not known. */
static enum truth
fake_test(void *arg, const struct search *prog, const struct search_step *step)
{
	unsigned *asked = arg;

	(void)prog;
	if (asked != NULL)
		++*asked;
	if (step->op == OP_TEXT)
		return UNKNOWN;
	return step->op == OP_NEW || step->op == OP_BODY ? FALSE : TRUE;
}

static enum truth
run(const char *in, enum search_level level)
{
	struct search prog;
	struct parse p;
	enum truth t;

	parse_init(&p, slice_str(in));
	assert_true(search_parse(&p, &prog));
	t = search_run(&prog, level, fake_test, NULL);
	search_free(&prog);
	parse_free(&p);
	return t;
}

static void
unknown_matters_only_where_it_decides(void **state)
{
	(void)state;
	assert_int_equal(run("ALL", KNOW_INDEX), TRUE);
	assert_int_equal(run("NOT ALL", KNOW_INDEX), FALSE);
	assert_int_equal(run("SUBJECT x", KNOW_INDEX), UNKNOWN);
	assert_int_equal(run("NEW SUBJECT x", KNOW_INDEX), FALSE);
	assert_int_equal(run("OR ALL SUBJECT x", KNOW_INDEX), TRUE);
	assert_int_equal(run("NOT SUBJECT x", KNOW_INDEX), UNKNOWN);
	assert_int_equal(run("SUBJECT x BODY y", KNOW_HEADER), UNKNOWN);
	assert_int_equal(run("SUBJECT x BODY y", KNOW_BODY), FALSE);
	assert_int_equal(run("OR NEW NOT BODY y", KNOW_BODY), TRUE);
	assert_int_equal(run("OR BODY y TEXT x", KNOW_BODY), UNKNOWN);
	assert_int_equal(run("BODY y TEXT x", KNOW_BODY), FALSE);
}

static void
an_answered_test_is_not_asked_again(void **state)
{
	struct search prog;
	struct parse p;
	unsigned asked = 0;

	(void)state;
	parse_init(&p, SLICE("SEEN SUBJECT x TEXT y"));
	assert_true(search_parse(&p, &prog));
	for (int message = 1; message <= 2; message++) {
		search_begin(&prog);
		asked = 0;
		(void)search_run(&prog, KNOW_INDEX, fake_test, &asked);
		assert_int_equal(asked, 1);
		(void)search_run(&prog, KNOW_HEADER, fake_test, &asked);
		assert_int_equal(asked, 2);
		for (unsigned i = 1; i <= 2; i++) {
			(void)search_run(&prog, KNOW_BODY, fake_test, &asked);
			assert_int_equal(asked, 2 + i);
		}
	}
	search_free(&prog);
	parse_free(&p);
}

static void
text_is_found_without_case_at_every_place(void **state)
{
	char hay[100];

	(void)state;
	for (size_t at = 0; at + 3 <= sizeof(hay); at++) {
		memset(hay, 'x', sizeof(hay));
		memcpy(hay + at, "NeE", 3);
		assert_true(
		    search_find(slice_of(hay, sizeof(hay)), SLICE("nee")));
		assert_true(search_find(slice_of(hay, at + 3), SLICE("nee")));
		assert_false(search_find(slice_of(hay, at + 2), SLICE("nee")));
		assert_false(
		    search_find(slice_of(hay, sizeof(hay)), SLICE("nxe")));
	}
	/* '@' and '`' differ only in the bit of case */
	assert_false(search_find(SLICE("`````````````````````"), SLICE("@")));
	assert_true(search_find(SLICE("x"), SLICE("")));
	assert_true(search_find(SLICE(""), SLICE("")));
	assert_false(search_find(SLICE(""), SLICE("x")));
}

static bool
field(const char *value, const char *needle)
{
	struct buf work = BUF_INIT(65536);
	bool found =
	    search_find_field(slice_str(value), slice_str(needle), &work);

	buf_free(&work);
	return found;
}

static void
fields_are_decoded_and_unfolded(void **state)
{
	(void)state;
	assert_true(field(" one\r\n two", "one two"));
	assert_true(field(" =?utf-8?q?Entw=C3=BCrfe?=", "entw\xc3\xbcrfe"));
	assert_true(field(" =?iso-8859-1?q?ENTW=DCRFE?=", "entw\xc3\xbcrfe"));
	assert_true(field(" =?utf-8?b?aGVsbG8=?=", "hello"));
	assert_false(field(" =?utf-8?b?aGVsbG8=?=", "agvs"));
	assert_true(field(" \xc3\x9c", "\xc3\xbc"));
	assert_true(field("", ""));
}

static const char message[] =
    "Subject: =?utf-8?q?s=C3=BCbject?=\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
    "SGVsbG8gV8O2cmxk\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "fa=\r\nther =E4\r\n"
    "--b\r\nContent-Type: image/png; name=picture\r\n\r\nimagedata\r\n"
    "--b--\r\n";

static bool
text(const char *needle, bool with_header)
{
	struct mime_tree t = MIME_TREE_INIT;
	struct buf work = BUF_INIT(65536);
	bool found = false;

	mime_tree_parse(&t, slice_str(message));
	for (size_t i = 0; i < t.count && !found; i++) {
		struct search_part p;

		search_part_begin(&p, &t, &t.parts[i], 65536);
		for (int again = 0; again < 2; again++)
			found = search_part_has(
			    &p, with_header || i > 0, slice_str(needle), &work);
		search_part_end(&p);
	}
	mime_tree_free(&t);
	buf_free(&work);
	return found;
}

static void
bodies_are_decoded(void **state)
{
	(void)state;
	assert_true(text("hello", false));
	assert_true(text("w\xc3\xb6rld", false));
	assert_true(text("father \xc3\xa4", false));
	assert_true(text("s\xc3\xbc"
			 "b",
	    true));
	assert_false(text("s\xc3\xbc"
			  "b",
	    false));
	assert_true(text("picture", false));
	assert_false(text("imagedata", true));
	assert_false(text("sgvsbg8", true));
}

static void
kept_fields_answer_like_the_header(void **state)
{
	struct buf b = BUF_INIT(65536);
	struct slice e;

	(void)state;
	assert_int_equal(
	    search_fields_make(SLICE("To: =?utf-8?q?P=C3=8Fp?= <a@b>\r\n"
				     "Date: 2 Jan 1970 00:00 +0000\r\n"
				     "to: second\r\nCc:\r\n\r\n"),
		&b),
	    0);
	e = buf_slice(&b);
	assert_int_equal(search_fields_day(e), 1);
	assert_true(search_fields_has(e, FIELD_TO, SLICE("p\xc3\xafp <a@")));
	assert_true(search_fields_has(e, FIELD_TO, SLICE("second")));
	assert_false(search_fields_has(e, FIELD_TO, SLICE("third")));
	assert_true(search_fields_has(e, FIELD_CC, SLICE("")));
	assert_false(search_fields_has(e, FIELD_BCC, SLICE("")));
	/* a damaged entry is only wrong */
	for (size_t n = 0; n < e.len; n++) {
		char *copy = malloc(n + (n == 0));

		memcpy(copy, e.p, n);
		(void)search_fields_has(
		    slice_of(copy, n), FIELD_BCC, SLICE("x"));
		(void)search_fields_day(slice_of(copy, n));
		free(copy);
	}
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_become_postfix_programs),
		cmocka_unit_test(bad_keys_are_refused),
		cmocka_unit_test(nesting_and_number_are_bounded),
		cmocka_unit_test(unknown_matters_only_where_it_decides),
		cmocka_unit_test(an_answered_test_is_not_asked_again),
		cmocka_unit_test(text_is_found_without_case_at_every_place),
		cmocka_unit_test(fields_are_decoded_and_unfolded),
		cmocka_unit_test(bodies_are_decoded),
		cmocka_unit_test(kept_fields_answer_like_the_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
