/* What of an envelope is said to the server. */
#include "relay/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "relay/ehlo.h"

static const char *
rcpt(const char *orcpt, bool utf8)
{
	static char line[2048];
	struct buf b = BUF_INIT(2000);
	const struct ipc_work_rcpt r = { .address = SLICE("bob@remote.test"),
		.orcpt = slice_str(orcpt) };

	assert_int_equal(command_rcpt(&b, &r, EHLO_DSN, utf8), 0);
	(void)snprintf(line, sizeof(line), "%s", buf_str(&b));
	buf_free(&b);
	return line;
}

#define PLAIN "RCPT TO:<bob@remote.test>\r\n"

static void
the_original_recipient_goes_on_as_it_was_given(void **state)
{
	(void)state;
	assert_string_equal(rcpt("", false), PLAIN);
	assert_string_equal(rcpt("rfc822;bob+2Bx@a.test", false),
	    "RCPT TO:<bob@remote.test> ORCPT=rfc822;bob+2Bx@a.test\r\n");
	assert_string_equal(rcpt("utf-8;j\\x{F6}rg@a.test", true),
	    "RCPT TO:<bob@remote.test> ORCPT=utf-8;j\\x{F6}rg@a.test\r\n");
}

/* RFC 6533 §3: as it is between servers that know it, else in ASCII. */
static void
an_international_one_goes_in_the_form_the_server_takes(void **state)
{
	(void)state;
	assert_string_equal(rcpt("utf-8;j\xc3\xb6rg@\xe4\xbe\x8b.test", true),
	    "RCPT TO:<bob@remote.test> "
	    "ORCPT=utf-8;j\xc3\xb6rg@\xe4\xbe\x8b.test\r\n");
	assert_string_equal(rcpt("UTF-8;j\xc3\xb6rg@\xe4\xbe\x8b.test", false),
	    "RCPT TO:<bob@remote.test> "
	    "ORCPT=UTF-8;j\\x{F6}rg@\\x{4F8B}.test\r\n");
}

static void
what_is_no_original_recipient_is_left_out(void **state)
{
	static const char *const bad[] = { "rfc822", ";a@b", "rfc822;",
		"rfc822;j\xc3\xb6rg@a.test", "utf-8;j\xc3rg@a.test",
		"utf-8;a b@a.test", "rfc 822;a@b", "rfc822;a\r\nRSET" };
	char endless[600];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_string_equal(rcpt(bad[i], true), PLAIN);
		assert_string_equal(rcpt(bad[i], false), PLAIN);
	}
	memset(endless, 'x', sizeof(endless) - 1);
	memcpy(endless, "rfc822;", 7);
	endless[501] = '\0';
	assert_string_equal(rcpt(endless, false), PLAIN);
	endless[500] = '\0';
	assert_string_not_equal(rcpt(endless, false), PLAIN);
	/* Of 490 bytes, but only as long as they stay what they are. */
	memcpy(endless, "utf-8;\xc3\xb6\xc3\xb6\xc3\xb6\xc3\xb6", 14);
	endless[490] = '\0';
	assert_string_not_equal(rcpt(endless, true), PLAIN);
	assert_string_equal(rcpt(endless, false), PLAIN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_original_recipient_goes_on_as_it_was_given),
		cmocka_unit_test(
		    an_international_one_goes_in_the_form_the_server_takes),
		cmocka_unit_test(what_is_no_original_recipient_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
