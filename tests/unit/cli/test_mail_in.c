#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/mail_in.h"

static const struct mail_in_how plain = { .sender = "pip@a.test",
	.host = "h.test" };
static const struct mail_in_how collecting = {
	.sender = "pip@a.test", .host = "h.test", .collect = true
};

static void
take(struct mail_in *m, const char *text, const struct mail_in_how *how)
{
	mail_in_init(m, 65536);
	assert_int_equal(mail_in_take(m, slice_str(text), how), 0);
}

static void
assert_has(const struct mail_in *m, const char *text)
{
	if (strstr(buf_str(&m->content), text) == NULL)
		fail_msg("no \"%s\" in \"%s\"", text, buf_str(&m->content));
}

static void
every_line_end_becomes_crlf(void **state)
{
	struct mail_in m;
	const char *s;

	(void)state;
	take(&m, "Subject: a\n folded\r\n\nbody\n.\nlast", &plain);
	assert_has(&m, "Subject: a\r\n folded\r\n");
	assert_has(&m, "\r\n\r\nbody\r\n.\r\nlast\r\n");
	for (s = strchr(buf_str(&m.content), '\n'); s != NULL;
	     s = strchr(s + 1, '\n'))
		assert_int_equal(s[-1], '\r');
	mail_in_free(&m);
}

static void
missing_fields_are_added_and_others_kept(void **state)
{
	struct mail_in m;

	(void)state;
	take(&m, "Subject: x\n\nbody\n", &plain);
	assert_has(&m, "From: <pip@a.test>\r\n");
	assert_has(&m, "Date: ");
	assert_has(&m, "Message-ID: <");
	mail_in_free(&m);
	take(&m, "from: <a@b>\nDATE: x\nMessage-Id: <y>\n\nbody\n", &plain);
	assert_string_equal(buf_str(&m.content),
	    "from: <a@b>\r\nDATE: x\r\nMessage-Id: <y>\r\n\r\nbody\r\n");
	mail_in_free(&m);
}

static void
text_without_a_header_is_a_body(void **state)
{
	struct mail_in m;

	(void)state;
	take(&m, "just this\n", &plain);
	assert_has(&m, "\r\n\r\njust this\r\n");
	mail_in_free(&m);
	take(&m, "", &plain);
	assert_has(&m, "\r\n\r\n");
	mail_in_free(&m);
}

static void
recipients_come_from_the_header(void **state)
{
	struct mail_in m;

	(void)state;
	take(&m,
	    "To: Estella <e@x.test>, joe\nCc: g: a@x.test, \"q q\"@x.test;\n"
	    "Bcc: secret@x.test\nSubject: s\n\nTo: not@this.test\n",
	    &collecting);
	assert_int_equal(m.count, 5);
	assert_string_equal(m.rcpts[0], "e@x.test");
	assert_string_equal(m.rcpts[1], "joe@h.test");
	assert_string_equal(m.rcpts[2], "a@x.test");
	assert_string_equal(m.rcpts[4], "secret@x.test");
	assert_null(strstr(buf_str(&m.content), "Bcc"));
	assert_has(&m, "Subject: s\r\n");
	mail_in_free(&m);
	take(&m, "To: e@x.test\n\n", &plain);
	assert_int_equal(m.count, 0);
	mail_in_free(&m);
}

static void
too_large_a_mail_is_an_error(void **state)
{
	struct mail_in m;
	char text[2000];

	(void)state;
	memset(text, 'x', sizeof(text));
	mail_in_init(&m, 1000);
	assert_int_equal(
	    mail_in_take(&m, slice_of(text, sizeof(text)), &plain), -1);
	mail_in_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_end_becomes_crlf),
		cmocka_unit_test(missing_fields_are_added_and_others_kept),
		cmocka_unit_test(text_without_a_header_is_a_body),
		cmocka_unit_test(recipients_come_from_the_header),
		cmocka_unit_test(too_large_a_mail_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
