#include "pop3d/front.h"

#define PROTOCOL pop3_protocol
#include "tests/unit/common/login/talk_client.h"

/* Send, and expect a reply that begins so; the step is TALK_READ. */
static void
expect_start(struct client *c, const char *line, const char *start)
{
	send_bytes(c, line, strlen(line));
	assert_memory_equal(said(c), start, strlen(start));
	assert_int_equal(c->step, TALK_READ);
}

static void
user_and_pass_ask_auth(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "user pip@example.test\r\n", "+OK");
	expect(&c, "PASS  two words \r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.user, "pip@example.test");
	assert_string_equal(c.talk->who.secret, " two words ");
	client_end(&c);
}

static void
a_refused_login_forgets_everything(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "USER pip\r\n", "+OK");
	expect(&c, "PASS wrong\r\nPASS again\r\n", "", TALK_AUTH);
	assert_int_equal(pop3_protocol.answer(c.talk, ANSWER_BAD), TALK_READ);
	assert_string_equal(said(&c), "-ERR [AUTH] Authentication failed\r\n");
	assert_string_equal(c.talk->who.user, "");
	assert_string_equal(c.talk->who.secret, "");
	/* P2, also for the PASS that was pipelined behind. */
	expect_start(&c, "", "-ERR USER");
	client_end(&c);
}

static void
answers_carry_their_codes(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	assert_int_equal(
	    pop3_protocol.answer(c.talk, ANSWER_UNAVAILABLE), TALK_READ);
	assert_memory_equal(said(&c), "-ERR [SYS/TEMP]", 15);
	buf_truncate(&c.talk->out, 0);
	assert_int_equal(
	    pop3_protocol.answer(c.talk, ANSWER_DENIED), TALK_READ);
	assert_memory_equal(said(&c), "-ERR [AUTH]", 11);
	client_end(&c);
}

/* P11 */
static void
failed_logins_end_it(void **state)
{
	struct client c;
	int i;

	(void)state;
	client_begin(&c, true);
	for (i = 1; i < TALK_FAILURES_MAX; i++)
		assert_int_equal(
		    pop3_protocol.answer(c.talk, ANSWER_BAD), TALK_READ);
	assert_int_equal(pop3_protocol.answer(c.talk, ANSWER_BAD), TALK_CLOSE);
	client_end(&c);
}

/* P1, P2 and commands that do not exist */
static void
nothing_else_works_before_login(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "STAT\r\n", "-ERR");
	expect_start(&c, "PASS x\r\n", "-ERR");
	expect_start(
	    &c, "APOP pip c4c9334bac560ecc979e58001b3e22fb\r\n", "-ERR");
	expect_start(&c, "\r\n", "-ERR");
	expect(&c, "RETR 1\r\n", "-ERR Too many bad commands\r\n", TALK_CLOSE);
	client_end(&c);
}

/* P14 */
static void
without_tls_nothing_takes_a_password(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, false);
	expect_start(&c, "USER pip\r\n", "-ERR Use STLS");
	expect_start(&c, "PASS x\r\n", "-ERR Use STLS");
	expect_start(&c, "AUTH PLAIN AGEAYg==\r\n", "-ERR Use STLS");
	assert_string_equal(c.talk->who.user, "");
	expect_start(&c, "CAPA\r\n", "+OK");
	assert_null(strstr(said(&c), "USER"));
	assert_null(strstr(said(&c), "SASL"));
	assert_non_null(strstr(said(&c), "\r\nSTLS\r\n"));
	client_end(&c);
}

static void
capa_names_what_there_is(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "capa\r\n",
	    "+OK Capabilities follow\r\nTOP\r\nUIDL\r\nRESP-CODES\r\n"
	    "AUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\nUSER\r\n"
	    "SASL PLAIN LOGIN\r\nIMPLEMENTATION Wemmick\r\n.\r\n",
	    TALK_READ);
	expect_start(&c, "CAPA x\r\n", "-ERR");
	client_end(&c);
}

static void
stls_works_once(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, false);
	expect_start(&c, "STLS now\r\n", "-ERR");
	expect(&c, "STLS\r\nUSER evil\r\n", "+OK Begin TLS\r\n", TALK_STARTTLS);
	/* The front throws away what is left; nothing was run of it. */
	assert_int_equal(c.in.len, 11);
	client_end(&c);

	client_begin(&c, true);
	expect_start(&c, "STLS\r\n", "-ERR");
	client_end(&c);
}

static void
auth_with_and_without_initial_response(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "AUTH PLAIN AHBpcABwdw==\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.user, "pip");
	assert_string_equal(c.talk->who.secret, "pw");
	(void)pop3_protocol.answer(c.talk, ANSWER_BAD);

	expect(&c, "auth plain\r\n", "+ \r\n", TALK_READ);
	expect(&c, "AHBpcABwdw==\r\n", "", TALK_AUTH);
	(void)pop3_protocol.answer(c.talk, ANSWER_BAD);

	expect(&c, "AUTH LOGIN\r\n", "+ VXNlcm5hbWU6\r\n", TALK_READ);
	expect(&c, "cGlw\r\n", "+ UGFzc3dvcmQ6\r\n", TALK_READ);
	expect(&c, "cHc=\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.secret, "pw");
	client_end(&c);
}

/* P15 */
static void
auth_can_be_cancelled_and_be_wrong(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "AUTH PLAIN\r\n", "+ ");
	expect_start(&c, "*\r\n", "-ERR Cancelled");
	expect_start(&c, "AUTH PLAIN\r\n", "+ ");
	expect_start(&c, "not base64\r\n", "-ERR");
	expect_start(&c, "AUTH NTLM\r\n", "-ERR Unknown");
	expect_start(&c, "AUTH\r\n", "-ERR Unknown");
	client_end(&c);
}

/* P3: at the limit, over it, and what comes behind. */
static void
long_lines_are_skipped(void **state)
{
	struct client c;
	char line[600];

	(void)state;
	client_begin(&c, true);
	memset(line, 'x', sizeof(line));
	memcpy(line, "USER ", 5);
	memcpy(line + 253, "\r\n", 3);
	expect_start(&c, line, "+OK");
	memset(line, 'x', sizeof(line));
	memcpy(line, "USER ", 5);
	memcpy(line + 254, "\r\n", 3);
	expect_start(&c, line, "-ERR Line too long");
	expect_start(&c, "CAPA\r\n", "+OK");

	memset(line, 'x', 599);
	line[599] = '\0';
	expect_start(&c, line, "-ERR Line too long");
	expect(&c, line, "", TALK_READ);
	expect(&c, "\r", "", TALK_READ);
	expect(&c, "\nQUIT\r\n", "+OK mail.example.test says goodbye\r\n",
	    TALK_CLOSE);
	client_end(&c);
}

static void
only_crlf_ends_a_line(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "QUIT\n", "", TALK_READ);
	expect(&c, "QUIT\r", "", TALK_READ);
	expect_start(&c, "\r\n", "-ERR Lines end in CRLF");
	buf_truncate(&c.talk->out, 0);
	send_bytes(&c, "USER a\0b\r\n", 10);
	assert_memory_equal(said(&c), "-ERR", 4);
	client_end(&c);
}

static void
every_split_gives_the_same_answers(void **state)
{
	static const char text[] = "CAPA\r\nUSER pip\r\nNOOP\r\nPASS pw\r\n";
	size_t cut;

	(void)state;
	for (cut = 0; cut <= sizeof(text) - 1; cut++) {
		struct client c;

		client_begin(&c, true);
		send_bytes(&c, text, cut);
		if (c.step == TALK_READ)
			send_bytes(&c, text + cut, sizeof(text) - 1 - cut);
		assert_int_equal(c.step, TALK_AUTH);
		assert_string_equal(c.talk->who.secret, "pw");
		assert_int_equal(c.talk->errors, 1); /* NOOP: RFC 1939 §5 */
		client_end(&c);
	}
}

static void
a_browser_is_sent_away(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "POST / HTTP/1.1\r\nUSER pip\r\n", "-ERR This is POP3\r\n",
	    TALK_CLOSE);
	client_end(&c);
}

static void
names_that_cannot_be_are_refused(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "USER a\tb\r\n", "-ERR");
	expect_start(&c, "USER \xff\r\n", "-ERR");
	expect_start(&c, "USER\r\n", "-ERR");
	expect_start(&c, "USER p\xc3\xafp@example.test\r\n", "+OK");
	client_end(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(user_and_pass_ask_auth),
		cmocka_unit_test(a_refused_login_forgets_everything),
		cmocka_unit_test(answers_carry_their_codes),
		cmocka_unit_test(failed_logins_end_it),
		cmocka_unit_test(nothing_else_works_before_login),
		cmocka_unit_test(without_tls_nothing_takes_a_password),
		cmocka_unit_test(capa_names_what_there_is),
		cmocka_unit_test(stls_works_once),
		cmocka_unit_test(auth_with_and_without_initial_response),
		cmocka_unit_test(auth_can_be_cancelled_and_be_wrong),
		cmocka_unit_test(long_lines_are_skipped),
		cmocka_unit_test(only_crlf_ends_a_line),
		cmocka_unit_test(every_split_gives_the_same_answers),
		cmocka_unit_test(a_browser_is_sent_away),
		cmocka_unit_test(names_that_cannot_be_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
