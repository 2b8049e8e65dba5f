#include <string.h>

#include "relay/ehlo.h"
#include "relay/outcome.h"
#include "tests/unit/cmocka.h"

static struct smtp_reply
reply(const char *text)
{
	struct smtp_reply r;
	size_t used;

	smtp_reply_init(&r);
	assert_int_equal(
	    smtp_reply_take(&r, slice_str(text), &used), SMTP_REPLY_DONE);
	return r;
}

static struct ehlo
ehlo(const char *text)
{
	struct smtp_reply r = reply(text);
	struct ehlo e;

	ehlo_read(&e, &r);
	return e;
}

static void
extensions_are_read_in_any_case(void **state)
{
	struct ehlo e = ehlo("250-mx.test greets you\r\n250-pipelining\r\n"
			     "250-Size 1000\r\n250-8bitMIME\r\n250-SMTPUTF8\r\n"
			     "250-STARTTLS\r\n250-DSN\r\n250-CHUNKING\r\n"
			     "250-AUTH CRAM-MD5 plain\r\n250-AUTH=LOGIN\r\n"
			     "250 ENHANCEDSTATUSCODES\r\n");

	(void)state;
	assert_string_equal(e.name, "mx.test");
	assert_int_equal(e.size_limit, 1000);
	assert_int_equal(e.offers, 0x3ff);
}

static void
nonsense_offers_nothing(void **state)
{
	struct ehlo e = ehlo("250-mx.test\r\n250-PIPELININGX\r\n250-SIZE -1\r\n"
			     "250-\r\n250-AUTH\r\n250 XDSN DSN\r\n");

	(void)state;
	assert_int_equal(e.offers, EHLO_SIZE);
	assert_int_equal(e.size_limit, 0);
	e = ehlo("250\r\n");
	assert_int_equal(e.offers, 0);
	assert_string_equal(e.name, "");
	/* What stands in the first line is a greeting, no extension. */
	e = ehlo("250 PIPELINING\r\n");
	assert_int_equal(e.offers, 0);
}

static void
outcome_follows_the_code(void **state)
{
	static const struct {
		const char *reply;
		enum ipc_status status;
		enum ipc_blame blame;
		const char *enhanced;
		const char *text;
	} cases[] = {
		{ "250 2.1.5 ok\r\n", STATUS_DONE, BLAME_NONE, "2.1.5",
		    "250 2.1.5 ok" },
		{ "550 no\r\n", STATUS_FAILED, BLAME_NONE, "5.0.0", "550 no" },
		{ "450-4.2.0 a\r\n450 4.2.0 b\r\n", STATUS_DEFERRED, BLAME_NONE,
		    "4.2.0", "450 4.2.0 a b" },
		{ "421 bye\r\n", STATUS_DEFERRED, BLAME_POLICY, "4.0.0",
		    "421 bye" },
		{ "451 4.7.1 grey\r\n", STATUS_DEFERRED, BLAME_POLICY, "4.7.1",
		    "451 4.7.1 grey" },
		{ "354 go\r\n", STATUS_DEFERRED, BLAME_NONE, "4.0.0",
		    "354 go" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_reply r = reply(cases[i].reply);
		struct outcome o;

		outcome_reply(&o, &r, "mx[1.2.3.4]");
		assert_int_equal(o.status, cases[i].status);
		assert_int_equal(o.blame, cases[i].blame);
		assert_string_equal(o.enhanced, cases[i].enhanced);
		assert_string_equal(o.text, cases[i].text);
		assert_string_equal(o.remote, "mx[1.2.3.4]");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extensions_are_read_in_any_case),
		cmocka_unit_test(nonsense_offers_nothing),
		cmocka_unit_test(outcome_follows_the_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
