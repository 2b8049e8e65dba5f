/*
 * Bad mail, rows M1 to M10 of tests/bad/README.md: every beginning of every
 * message is taken apart and rendered. What a client of IMAP is told is
 * well-formed, whatever the message was; nothing is read beyond the end
 * (each beginning has memory of just its size, for ASan to watch).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/mime/date.h"
#include "common/mime/decode.h"
#include "common/mime/header.h"
#include "common/mime/imap.h"
#include "common/mime/param.h"
#include "common/mime/tree.h"
#include "common/mime/word.h"

#define OUT_MAX ((size_t)1 << 20)

struct bad {
	const char *name;
	struct slice text;
	size_t parts; /* of the whole */
};

#define BAD(name, text, parts)                                                 \
	{                                                                      \
		name, { text, sizeof(text) - 1 }, parts                        \
	}
#define MULTI "Content-Type: multipart/mixed; boundary="
#define TEXT  "Content-Type: text/plain\r\n\r\nx\r\n"

/* clang-format off */
static const struct bad corpus[] = {
	BAD("M1 mail in mail in mail",
	    "Content-Type: message/rfc822\r\n\r\n"
	    "Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny", 3),
	BAD("M2 no boundary", "Content-Type: multipart/mixed\r\n\r\n--\r\n"
	    TEXT "----\r\n", 1),
	BAD("M2 empty boundary", MULTI "\"\"\r\n\r\n--\r\n" TEXT, 1),
	BAD("M2 boundary of 75", MULTI "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\r\n\r\n--aaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r"
	    "\nx", 2),
	BAD("M2 boundary like a pattern", MULTI "\".*[\"\r\n\r\n--.*[\r\n"
	    TEXT "--xx\r\n--.*[--\r\n", 2),
	BAD("M2 boundary that begins another", MULTI "b\r\n\r\n--b\r\n" MULTI
	    "bb\r\n\r\n--bb\r\n" TEXT "--bb--\r\n--b--\r\n", 3),
	BAD("M2 multipart without end", MULTI "b\r\n\r\n--b\r\n" TEXT
	    "--b\r\n" TEXT, 3),
	BAD("M2 end before the beginning", MULTI "b\r\n\r\n--b--\r\n--b\r\n"
	    TEXT, 1),
	BAD("M2 the same boundary inside", MULTI "b\r\n\r\n--b\r\n" MULTI
	    "b\r\n\r\n--b\r\n" TEXT "--b--\r\n--b--\r\n", 3),
	BAD("M3 two types", "Content-Type: text/html\r\nContent-Type: "
	    "multipart/mixed; boundary=b\r\n\r\n--b\r\n" TEXT "--b--\r\n", 1),
	BAD("M3 no colon", "Content-Type text/html\r\n\r\nx\r\n", 1),
	BAD("M3 no subtype", "Content-Type: text\r\n\r\nx\r\n", 1),
	BAD("M3 folded and folded", "Content-Type:\r\n text\r\n /\r\n\thtml\r\n"
	    " ;\r\n charset\r\n =\r\n \"x\r\n y\"\r\n\r\nx", 1),
	BAD("M4 pieces of a name with gaps", "Content-Type: text/plain; name*0"
	    "*=a''b; name*2=c; name*1*=%zz; name*x=d; name*99999999999=e\r\n"
	    "\r\nx", 1),
	BAD("M4 character set that is none", "Content-Disposition: attachment;"
	    " filename*=x-none'en'%FF%00%0D%0A\r\n\r\nx", 1),
	BAD("M5 words that are none", "Subject: =?utf-8?q?=?= =?utf-8?b?!!?= "
	    "=?utf-8?q?=C3?= =?utf-8?q?=BC?= =?x-none?q?a?= =?utf-8?x?a?= "
	    "=?=?utf-8?q?=3D=3F?=?= =?utf-8*en?q?=FF=00?=\r\n\r\n", 1),
	BAD("M6 base64 that is none", "Content-Transfer-Encoding: base64\r\n"
	    "\r\n!!!=\r\nAA=A\r\n=", 1),
	BAD("M6 quoted-printable that is none", "Content-Transfer-Encoding: "
	    "quoted-printable\r\n\r\n=\r\n=4\r\n=XY=\n=4", 1),
	BAD("M7 header and nothing", "Subject: x", 1),
	BAD("M7 body and nothing", "\r\nSubject: x\r\n", 1),
	BAD("M7 begins with a space", " a: b\r\nc: d\r\n\r\nx", 1),
	BAD("M7 begins with a colon", ": b\r\n:\r\n\r\nx", 1),
	BAD("M7 From line", "From a@b Mon Nov 23\r\n>From x\r\nA: b\r\n\r\nx",
	    1),
	BAD("M8 address without end", "From: \"a\\\"b <c@d>, (((x\\)) e@[f, "
	    "g: h@i, <@j,@k:l@m>, n@, @o, \"p\"@q, r (\\", 1),
	BAD("M8 groups in groups", "To: a: b: c:; ;; , ;<>:;<a:b@c;>\r\n\r\n",
	    1),
	BAD("M9 two authors", "From: a@b\r\nFrom: c@d\r\nSender: \r\n\r\n", 1),
	BAD("M9 NUL and 8-bit", "From: \0\xff <a\0@b>\r\nSubject: \0\r\n"
	    "Message-ID: <\0>\r\nIn-Reply-To: \xff\r\n\r\n\0", 1),
	BAD("M9 bare line ends", "From: a\nTo: b\rCc: c\n\rSubject: \"d\n\n",
	    1),
	BAD("M10 date", "Date: Mon, 99 Foo 99999 99:99:99 +99999 (x\r\n\r\n",
	    1),
	BAD("M10 date of numbers", "Date: 0 Jan 0 0:0:60 -0000\r\n\r\n", 1),
};
/* clang-format on */

/* Bytes of the string or literal that begins at p; 0 when it is none. */
static size_t
string_length(const char *p, size_t n)
{
	size_t i = 1;
	size_t size = 0;

	if (*p == '"') {
		while (i < n && p[i] != '"') {
			if (p[i] == '\\')
				i++;
			if (i >= n || p[i] == '\0' || p[i] == '\r' ||
			    p[i] == '\n' || (unsigned char)p[i] > 0x7e)
				return 0;
			i++;
		}
		return i < n ? i + 1 : 0;
	}
	while (i < n && p[i] >= '0' && p[i] <= '9')
		size = size * 10 + (size_t)(p[i++] - '0');
	if (i == 1 || i + 3 > n || memcmp(p + i, "}\r\n", 3) != 0 ||
	    size > n - i - 3 || memchr(p + i + 3, '\0', size) != NULL)
		return 0;
	return i + 3 + size;
}

/* One parenthesized list of atoms, strings and lists (RFC 3501 §9). */
static void
assert_well_formed(struct slice s)
{
	size_t depth = 0;
	size_t i = 0;

	assert_true(s.len > 0 && s.p[0] == '(');
	while (i < s.len) {
		char c = s.p[i];
		size_t n = 1;

		if (c == '"' || c == '{')
			n = string_length(s.p + i, s.len - i);
		assert_true(n > 0);
		assert_true(n > 1 || (c >= ' ' && c <= '~'));
		depth += c == '(';
		depth -= c == ')';
		i += n;
		assert_true(depth > 0 || i == s.len);
	}
	assert_int_equal(depth, 0);
}

static void
render(struct mime_tree *t)
{
	struct slice header = mime_part_header(t, &t->parts[0]);
	struct buf out = BUF_INIT(OUT_MAX);

	assert_int_equal(mime_imap_envelope(&out, header), 0);
	assert_well_formed(buf_slice(&out));
	for (int extended = 0; extended < 2; extended++) {
		buf_truncate(&out, 0);
		assert_int_equal(
		    mime_imap_structure(&out, t, extended != 0), 0);
		assert_well_formed(buf_slice(&out));
	}
	buf_free(&out);
}

static void
decode_field(struct slice value)
{
	struct buf out = BUF_INIT(OUT_MAX);
	struct mime_params params;
	struct mime_date date;
	char text[64];

	assert_int_equal(mime_words_decode(&out, value), 0);
	(void)mime_date_parse(&date, value);
	mime_params_parse(&params, value);
	mime_params_free(&params);
	(void)mime_param_get(value, SLICE("name"), text, sizeof(text));
	buf_free(&out);
}

static void
decode_parts(const struct mime_tree *t, size_t size)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct mime_part *part = &t->parts[i];
		struct mime_fields it = mime_fields(mime_part_header(t, part));
		struct buf out = BUF_INIT(OUT_MAX);
		struct mime_field f;

		assert_true(part->header + part->header_len <= size);
		assert_true(part->body + part->body_len <= size);
		assert_true(i == 0 || part->parent < i);
		while (mime_fields_next(&it, &f))
			decode_field(f.value);
		assert_int_equal(
		    mime_decode(&out, mime_encoding_of(part->encoding),
			mime_part_body(t, part)),
		    0);
		buf_free(&out);
	}
}

static void
every_beginning_of_bad_mail_is_taken_apart(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(corpus); i++) {
		struct slice text = corpus[i].text;

		for (size_t n = 0; n <= text.len; n++) {
			char *copy = malloc(n + (n == 0));

			assert_non_null(copy);
			memcpy(copy, text.p, n);
			mime_tree_parse(&t, slice_of(copy, n));
			render(&t);
			decode_parts(&t, n);
			free(copy);
		}
		if (t.count != corpus[i].parts)
			fail_msg("%s: %zu parts", corpus[i].name, t.count);
	}
	mime_tree_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_beginning_of_bad_mail_is_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
