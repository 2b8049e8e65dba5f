/* Mails for servers that take seven bits only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/mime/decode.h"
#include "common/mime/tree.h"
#include "relay/seven.h"
#include "tests/unit/cmocka.h"

#define OUT_MAX ((size_t)1 << 20)

static void
assert_seven(const char *from, const char *to)
{
	struct buf out = BUF_INIT(OUT_MAX);

	assert_int_equal(seven_bit(&out, slice_str(from)), 0);
	assert_string_equal(buf_str(&out), to);
	buf_free(&out);
}

static void
what_has_seven_bits_stays_as_it_is(void **state)
{
	static const char *const same[] = { "", "Subject: x\r\n\r\nbody=\r\n",
		"Content-Type: text/plain\r\n\r\n. \r\n\r\n", "\r\nx",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		"before\r\n--b\r\n\r\nx \r\n--b--\r\nbehind" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		assert_seven(same[i], same[i]);
}

static void
text_becomes_quoted_printable(void **state)
{
	(void)state;
	assert_seven("Subject: x\r\nMIME-Version: 1.0\r\n"
		     "Content-Type: text/plain; charset=utf-8\r\n"
		     "Content-Transfer-Encoding:\r\n 8bit\r\nX: y\r\n\r\n"
		     "Gr\xc3\xbc\xc3\x9f"
		     "e = \t\r\n\r\nend ",
	    "Subject: x\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\nX: y\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "Gr=C3=BC=C3=9Fe =3D =09\r\n\r\nend=20");
}

static void
text_without_mime_becomes_mime(void **state)
{
	(void)state;
	assert_seven("Subject: x\r\n\r\n\xff\r\n",
	    "Subject: x\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=unknown-8bit\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FF\r\n");
}

static void
only_parts_that_need_it_change(void **state)
{
	(void)state;
	assert_seven("Content-Type: multipart/mixed; boundary=b\r\n"
		     "Content-Transfer-Encoding: 8bit\r\n\r\npre\r\n"
		     "--b\r\n\r\nplain = \r\n"
		     "--b\r\nContent-Type: message/rfc822\r\n"
		     "Content-Transfer-Encoding: 8bit\r\n\r\n"
		     "Subject: in\r\nContent-Type: text/plain\r\n\r\n\xfc\r\n"
		     "--b--\r\npost\r\n",
	    "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n"
	    "--b\r\n\r\nplain = \r\n"
	    "--b\r\nContent-Type: message/rfc822\r\n\r\n"
	    "Subject: in\r\nContent-Type: text/plain\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=FC\r\n"
	    "--b--\r\npost\r\n");
}

static void
what_has_no_words_is_refused(void **state)
{
	static const char *const bad[] = { "Subject: \xfc\r\n\r\nx\r\n",
		"Content-Transfer-Encoding: base64\r\n\r\n\xfc\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n\xfc\r\n"
		"--b\r\n\r\nx\r\n--b--\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		"--b\r\n\r\nx\r\n--b--\r\n\xfc" };
	struct buf out = BUF_INIT(OUT_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(seven_bit(&out, slice_str(bad[i])), -1);
		assert_int_equal(errno, EBADMSG);
		assert_int_equal(out.len, 0);
	}
	buf_free(&out);
}

/* Any bytes come back as they were, in lines that everybody takes. */
static void
all_bytes_survive(void **state)
{
	struct mime_tree t = MIME_TREE_INIT;
	struct buf in = BUF_INIT(OUT_MAX);
	struct buf out = BUF_INIT(OUT_MAX);
	struct buf back = BUF_INIT(OUT_MAX);
	size_t column = 0;

	(void)state;
	assert_int_equal(buf_append_str(&in, "A: b\r\n\r\n"), 0);
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(
		    buf_append_byte(&in, (char)(i * 7 + i / 256 + i / 1000)),
		    0);
	assert_int_equal(seven_bit(&out, buf_slice(&in)), 0);
	assert_false(utf8_has_8bit(buf_slice(&out)));
	for (size_t i = 0; i < out.len; i++) {
		column = out.data[i] == '\n' ? 0 : column + 1;
		assert_true(column <= 77);
	}
	mime_tree_parse(&t, buf_slice(&out));
	assert_int_equal(
	    mime_decode(&back, MIME_QP, mime_part_body(&t, &t.parts[0])), 0);
	assert_int_equal(back.len, in.len - 8);
	assert_memory_equal(back.data, in.data + 8, back.len);
	mime_tree_free(&t);
	buf_free(&in);
	buf_free(&out);
	buf_free(&back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_seven_bits_stays_as_it_is),
		cmocka_unit_test(text_becomes_quoted_printable),
		cmocka_unit_test(text_without_mime_becomes_mime),
		cmocka_unit_test(only_parts_that_need_it_change),
		cmocka_unit_test(what_has_no_words_is_refused),
		cmocka_unit_test(all_bytes_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
