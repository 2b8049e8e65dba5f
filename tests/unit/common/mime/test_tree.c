#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/mime/imap.h"
#include "common/mime/tree.h"

static void
assert_envelope(const char *header, const char *want)
{
	struct buf b = BUF_INIT(1 << 20);

	assert_int_equal(mime_imap_envelope(&b, slice_str(header)), 0);
	assert_string_equal(buf_str(&b), want);
	buf_free(&b);
}

static void
assert_structure(const char *message, bool extended, const char *want)
{
	struct mime_tree t = MIME_TREE_INIT;
	struct buf b = BUF_INIT(1 << 20);

	mime_tree_parse(&t, slice_str(message));
	assert_int_equal(mime_imap_structure(&b, &t, extended), 0);
	assert_string_equal(buf_str(&b), want);
	mime_tree_free(&t);
	buf_free(&b);
}

/* RFC 3501 §8, the example session. */
static void
rfc3501_example_envelope(void **state)
{
	(void)state;
	assert_envelope(
	    "Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
	    "From: Terry Gray <gray@cac.washington.edu>\r\n"
	    "Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
	    "To: imap@cac.washington.edu\r\n"
	    "cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
	    "Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n",
	    "(\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\""
	    " \"IMAP4rev1 WG mtg summary and minutes\""
	    " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
	    " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
	    " ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\"))"
	    " ((NIL NIL \"imap\" \"cac.washington.edu\"))"
	    " ((NIL NIL \"minutes\" \"CNRI.Reston.VA.US\")"
	    "(\"John Klensin\" NIL \"KLENSIN\" \"MIT.EDU\")) NIL NIL"
	    " \"<B27397-0100000@cac.washington.edu>\")");
}

static void
envelope_of_odd_headers(void **state)
{
	(void)state;
	assert_envelope("", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
	assert_envelope("To: a@b\r\nTo: c@d\r\nFrom: x@y\r\nFrom: z@y\r\n",
	    "(NIL NIL ((NIL NIL \"x\" \"y\")) ((NIL NIL \"x\" \"y\"))"
	    " ((NIL NIL \"x\" \"y\"))"
	    " ((NIL NIL \"a\" \"b\")(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)");
	assert_envelope("To: G: a@b;\r\nSubject: \"q\\\"\r\nFrom: x\r\n",
	    "(NIL \"\\\"q\\\\\\\"\" ((NIL NIL \"x\" \"\"))"
	    " ((NIL NIL \"x\" \"\")) ((NIL NIL \"x\" \"\"))"
	    " ((NIL NIL \"G\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL))"
	    " NIL NIL NIL NIL)");
	assert_envelope("Subject: \xc3\xaf\r\n x\r\n",
	    "(NIL {4}\r\n\xc3\xaf x NIL NIL NIL NIL NIL NIL NIL NIL)");
	assert_envelope(
	    "Subject:\r\n", "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)");
}

static void
structure_of_plain_text(void **state)
{
	(void)state;
	assert_structure("Subject: x\r\n\r\none\r\ntwo\r\n", false,
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\""
	    " 10 2)");
	assert_structure("Content-Type: text/plain\r\n"
			 "Content-MD5: Q2hlY2s=\r\n"
			 "Content-Disposition: attachment; filename=\"a b\"\r\n"
			 "Content-Language: en, fr\r\n"
			 "Content-Location: there\r\n\r\n",
	    true,
	    "(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0 \"Q2hlY2s=\""
	    " (\"attachment\" (\"filename\" \"a b\")) (\"en\" \"fr\")"
	    " \"there\")");
	assert_structure("Content-Type: image/png; name*=utf-8''x\r\n"
			 "Content-Transfer-Encoding: BASE64\r\n"
			 "Content-Language: en\r\n"
			 "Content-ID: <i>\r\nContent-Description: d\r\n\r\nAA",
	    true,
	    "(\"image\" \"png\" (\"name*\" \"utf-8''x\") \"<i>\" \"d\""
	    " \"BASE64\" 2 NIL NIL \"en\" NIL)");
	assert_structure("", false,
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\""
	    " 0 0)");
}

static const char mixed[] = "Content-Type: multipart/mixed; boundary=b1\r\n"
			    "\r\n"
			    "preamble\r\n"
			    "--b1\r\n"
			    "\r\n"
			    "one\r\n"
			    "two\r\n"
			    "--b1\r\n"
			    "Content-Type: message/rfc822\r\n"
			    "\r\n"
			    "Subject: inner\r\n"
			    "Content-Type: multipart/alternative;"
			    " boundary=\"b1 inner\"\r\n"
			    "\r\n"
			    "--b1 inner\r\n"
			    "Content-Type: text/html\r\n"
			    "\r\n"
			    "<b>\r\n"
			    "--b1 inner\r\n"
			    "--b1 inner--\r\n"
			    "epilogue\r\n"
			    "--b1--\r\n"
			    "--b1\r\nnot a part";

static struct slice
body_of(const struct mime_tree *t, const uint32_t *path, size_t n)
{
	const struct mime_part *p = mime_tree_find(t, path, n);

	return p == NULL ? SLICE("none") : mime_part_body(t, p);
}

#define BODY(t, ...)                                                           \
	body_of((t), (const uint32_t[]){ __VA_ARGS__ },                        \
	    sizeof((uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

static void
sections_of_a_nested_message(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;
	const struct mime_part *p;

	(void)state;
	mime_tree_parse(&t, slice_str(mixed));
	assert_int_equal(t.count, 6);
	assert_true(slice_eq(BODY(&t, 1), SLICE("one\r\ntwo")));
	assert_true(slice_istarts(BODY(&t, 2), SLICE("Subject: inner\r\n")));
	assert_true(slice_eq(BODY(&t, 2, 1), SLICE("<b>")));
	assert_true(slice_eq(BODY(&t, 2, 2), SLICE("")));
	assert_true(slice_eq(BODY(&t, 3), SLICE("none")));
	assert_true(slice_eq(BODY(&t, 0), SLICE("none")));
	assert_true(slice_eq(BODY(&t, 1, 1), SLICE("none")));
	assert_true(slice_eq(BODY(&t, 2, 1, 1), SLICE("none")));
	p = mime_tree_find(&t, (const uint32_t[]){ 2 }, 1);
	assert_non_null(mime_part_message(&t, p));
	assert_true(
	    slice_istarts(mime_part_header(&t, mime_part_message(&t, p)),
		SLICE("Subject: inner\r\n")));
	assert_true(slice_eq(mime_part_header(&t, p),
	    SLICE("Content-Type: message/rfc822\r\n\r\n")));
	mime_tree_free(&t);
}

static void
structure_of_a_nested_message(void **state)
{
	(void)state;
	assert_structure(mixed, false,
	    "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\""
	    " 8 1)"
	    "(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 154"
	    " (NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL)"
	    " ((\"text\" \"html\" NIL NIL NIL \"7BIT\" 3 0)"
	    "(\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\""
	    " 0 0) \"alternative\") 9) \"mixed\")");
}

static void
single_part_message_is_its_own_part_one(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;

	(void)state;
	mime_tree_parse(&t, SLICE("A: b\r\n\r\nx"));
	assert_true(slice_eq(BODY(&t, 1), SLICE("x")));
	assert_true(slice_eq(BODY(&t, 1, 1), SLICE("none")));
	assert_true(slice_eq(BODY(&t, 2), SLICE("none")));
	assert_ptr_equal(mime_tree_find(&t, NULL, 0), &t.parts[0]);
	mime_tree_free(&t);
}

static void
broken_multiparts_degrade_to_text(void **state)
{
	static const char *const bad[] = {
		"Content-Type: multipart/mixed\r\n\r\n1\r\n",
		"Content-Type: multipart/mixed; boundary=\r\n\r\n1\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n1\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b--",
		"Content-Type: multipart\r\n\r\n--b\r\n",
		"Content-Type: ;\r\n\r\n--b\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct mime_tree t = MIME_TREE_INIT;

		mime_tree_parse(&t, slice_str(bad[i]));
		assert_int_equal(t.count, 1);
		assert_int_equal(t.parts[0].kind, MIME_LEAF);
		assert_true(slice_eq(t.parts[0].type, SLICE("TEXT")));
		mime_tree_free(&t);
	}
}

static void
odd_delimiters(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;

	(void)state;
	/* unterminated; header cut by a delimiter; blanks behind it */
	mime_tree_parse(
	    &t, SLICE("Content-Type: multipart/mixed; boundary=\"a b+(c)\"\n\n"
		      "--a b+(c)  \nX: y\n--a b+(c)\n\nlast\n"));
	assert_int_equal(t.count, 3);
	assert_true(slice_eq(BODY(&t, 1), SLICE("")));
	assert_true(slice_eq(BODY(&t, 2), SLICE("last\n")));
	assert_true(
	    slice_eq(mime_part_header(&t, &t.parts[1]), SLICE("X: y\n")));
	/* the outer delimiter ends the inner multipart */
	mime_tree_parse(
	    &t, SLICE("Content-Type: multipart/x; boundary=o\r\n\r\n--o\r\n"
		      "Content-Type: multipart/y; boundary=i\r\n\r\n--i\r\n\r\n"
		      "one\r\n--o\r\n\r\ntwo\r\n--i\r\n--o--"));
	assert_true(slice_eq(BODY(&t, 1, 1), SLICE("one")));
	assert_true(slice_eq(BODY(&t, 2), SLICE("two\r\n--i")));
	/* digest: parts are messages */
	mime_tree_parse(&t,
	    SLICE("Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n"
		  "\r\nSubject: s\r\n\r\nbody\r\n--d--"));
	assert_int_equal(t.parts[1].kind, MIME_MESSAGE);
	assert_true(slice_eq(BODY(&t, 1, 1), SLICE("body")));
	mime_tree_free(&t);
}

static void
assert_all_inside(const struct mime_tree *t)
{
	for (size_t i = 1; i < t->count; i++) {
		const struct mime_part *p = &t->parts[i];
		const struct mime_part *up = &t->parts[p->parent];

		assert_true(p->header >= up->body);
		assert_int_equal(p->header + p->header_len, p->body);
		assert_true(p->body + p->body_len <= up->body + up->body_len);
	}
}

/* Found by fuzz_mime: the message inside was left behind the line break. */
static void
cut_headers_of_nested_messages_stay_inside(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;

	(void)state;
	mime_tree_parse(
	    &t, SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		      "--b\r\nContent-Type: message/rfc822\r\n\r\n"
		      "Content-Type: message/rfc822\r\n--b--\r\n"));
	assert_int_equal(t.count, 4);
	assert_true(slice_eq(mime_part_header(&t, &t.parts[2]),
	    SLICE("Content-Type: message/rfc822")));
	assert_all_inside(&t);
	mime_tree_free(&t);
}

#define TWO_DEEP                                                               \
	"Content-Type: multipart/x; boundary=o\r\n\r\n--o\r\n"                 \
	"Content-Type: multipart/digest; boundary=i\r\n\r\n--i\r\n"

/* Found by fuzz_mime: the break belongs to the delimiter of both. */
static void
headers_cut_by_an_outer_delimiter_stay_inside(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;

	(void)state;
	mime_tree_parse(&t, SLICE(TWO_DEEP "A: b\r\n--o--"));
	assert_int_equal(t.count, 4);
	assert_true(slice_eq(mime_part_header(&t, &t.parts[2]), SLICE("A: b")));
	assert_all_inside(&t);
	mime_tree_parse(&t, SLICE(TWO_DEEP "--o--"));
	assert_int_equal(t.count, 4);
	assert_int_equal(t.parts[2].header_len, 0);
	assert_all_inside(&t);
	mime_tree_free(&t);
}

static void
append_many(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf_append_str(b, s), 0);
}

static void
depth_and_parts_are_bounded(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;
	struct buf b = BUF_INIT(16 << 20);
	struct buf out = BUF_INIT(16 << 20);

	(void)state;
	append_many(&b, "Content-Type: message/rfc822\r\n\r\n", 10000);
	mime_tree_parse(&t, buf_slice(&b));
	assert_int_equal(t.count, MIME_DEPTH_MAX + 1);
	assert_int_equal(mime_imap_structure(&out, &t, true), 0);
	buf_truncate(&b, 0);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(buf_printf(&b,
				     "Content-Type: multipart/mixed;"
				     " boundary=b%d.\r\n\r\n--b%d.\r\n",
				     i, i),
		    0);
	mime_tree_parse(&t, buf_slice(&b));
	assert_int_equal(t.count, MIME_DEPTH_MAX + 1);
	assert_int_equal(mime_imap_structure(&out, &t, true), 0);
	buf_truncate(&b, 0);
	append_many(
	    &b, "Content-Type: multipart/digest; boundary=b\r\n\r\n", 1);
	append_many(&b, "--b\r\n\r\nA: b\r\n\r\n\r\n", 20000);
	mime_tree_parse(&t, buf_slice(&b));
	assert_int_equal(t.count, MIME_PARTS_MAX);
	assert_int_equal(mime_imap_structure(&out, &t, true), 0);
	mime_tree_free(&t);
	buf_free(&b);
	buf_free(&out);
}

/* Every cut of a message has a tree, and nothing beyond it is read. */
static void
every_prefix_has_a_tree(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;

	(void)state;
	for (size_t n = 0; n < sizeof(mixed); n++) {
		struct buf b = BUF_INIT(65536);
		char *copy = malloc(n + (n == 0));

		memcpy(copy, mixed, n);
		mime_tree_parse(&t, slice_of(copy, n));
		assert_true(t.count > 0);
		assert_int_equal(mime_imap_structure(&b, &t, true), 0);
		for (size_t i = 0; i < t.count; i++)
			assert_true(t.parts[i].body + t.parts[i].body_len <= n);
		free(copy);
		buf_free(&b);
	}
	mime_tree_free(&t);
}

static void
no_room_leaves_the_buffer_alone(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;
	struct buf b = BUF_INIT(100);

	(void)state;
	mime_tree_parse(&t, slice_str(mixed));
	assert_int_equal(buf_append_str(&b, "x"), 0);
	assert_int_equal(mime_imap_structure(&b, &t, true), -1);
	assert_string_equal(buf_str(&b), "x");
	mime_tree_free(&t);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc3501_example_envelope),
		cmocka_unit_test(envelope_of_odd_headers),
		cmocka_unit_test(structure_of_plain_text),
		cmocka_unit_test(sections_of_a_nested_message),
		cmocka_unit_test(structure_of_a_nested_message),
		cmocka_unit_test(single_part_message_is_its_own_part_one),
		cmocka_unit_test(broken_multiparts_degrade_to_text),
		cmocka_unit_test(odd_delimiters),
		cmocka_unit_test(cut_headers_of_nested_messages_stay_inside),
		cmocka_unit_test(headers_cut_by_an_outer_delimiter_stay_inside),
		cmocka_unit_test(depth_and_parts_are_bounded),
		cmocka_unit_test(every_prefix_has_a_tree),
		cmocka_unit_test(no_room_leaves_the_buffer_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
