#include <stdio.h>

#include "imapd/front.h"

#define PROTOCOL imap_protocol
#include "tests/unit/common/login/talk_client.h"

/* Send, and expect a reply that begins so; the step is TALK_READ. */
static void
expect_start(struct client *c, const char *line, const char *start)
{
	send_bytes(c, line, strlen(line));
	if (strncmp(said(c), start, strlen(start)) != 0)
		assert_string_equal(said(c), start);
	assert_int_equal(c->step, TALK_READ);
	c->talk->errors = 0;
}

static void
login_takes_every_kind_of_string(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "a1 LOGIN pip@example.test pw]\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.user, "pip@example.test");
	assert_string_equal(c.talk->who.secret, "pw]");
	assert_string_equal(imap_protocol.tag(c.talk), "a1");

	expect(&c, "a2 login \"pi p\" \"q\\\"\\\\\"\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.user, "pi p");
	assert_string_equal(c.talk->who.secret, "q\"\\");

	expect(&c, "a3 Login {3}\r\n", "+ Go on\r\n", TALK_READ);
	expect(&c, "pip {2}\r\n", "+ Go on\r\n", TALK_READ);
	expect(&c, "pw\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.user, "pip");
	assert_string_equal(c.talk->who.secret, "pw");

	expect(&c, "a4 LOGIN {3+}\r\npip {4+}\r\n\r\n\"x\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.secret, "\r\n\"x");

	expect(&c, "a5 LOGIN p\"\" pw\r\n",
	    "a5 BAD LOGIN wants a user and a password\r\n", TALK_READ);
	expect(&c, "a6 LOGIN p \"\xc3\xa9\"\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.secret, "\xc3\xa9");
	client_end(&c);
}

static void
bad_logins_are_bad(void **state)
{
	static const char *const bad[] = {
		"a LOGIN\r\n",
		"a LOGIN \r\n",
		"a LOGIN x\r\n",
		"a LOGIN x \r\n",
		"a LOGIN x y z\r\n",
		"a LOGIN x y \r\n",
		"a LOGIN  x y\r\n",
		"a LOGIN \"x y\r\n",
		"a LOGIN \"x\\y\" z\r\n",
		"a LOGIN (x y)\r\n",
		"a LOGIN x% y\r\n",
		"a LOGIN \xff y\r\n",
		"a LOGIN {1\r\n", /* I5 */
		"a LOGIN {-1}\r\n",
		"a LOGIN {01x}\r\n",
		"a LOGIN {}\r\n",
		"a LOGIN {+}\r\n",
		"a LOGIN x ~{1}\r\n", /* then one byte, see below */
		"a LOGIN NIL\r\n",
	};
	struct client c;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		client_begin(&c, true);
		send_bytes(&c, bad[i], strlen(bad[i]));
		if (strncmp(said(&c), "+ ", 2) == 0)
			send_bytes(&c, "x\r\n", 3);
		if (strncmp(said(&c), "a BAD ", 6) != 0)
			fail_msg("%s said %s", bad[i], said(&c));
		assert_int_equal(c.step, TALK_READ);
		client_end(&c);
	}
}

/* I8 */
static void
nul_bytes_are_refused(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	send_bytes(&c, "a LOGIN \"x\0y\" z\r\n", 17);
	assert_memory_equal(said(&c), "a BAD", 5);
	send_bytes(&c, "a LOGIN {3+}\r\nx\0y z\r\n", 21);
	assert_memory_equal(said(&c), "a BAD", 5);
	send_bytes(&c, "a\0 NOOP\r\n", 9);
	assert_memory_equal(said(&c), "* BAD", 5);
	client_end(&c);
}

/* I1 */
static void
bad_tags_are_answered_untagged(void **state)
{
	static const char *const bad[] = { "\r\n", " NOOP\r\n", "+ NOOP\r\n",
		"* NOOP\r\n", "a+b NOOP\r\n", "(a NOOP\r\n", "a\"b NOOP\r\n",
		"a\r\n", "\xe9 NOOP\r\n", "a\tNOOP\r\n" };
	struct client c;
	char line[400];
	size_t i;

	(void)state;
	client_begin(&c, true);
	for (i = 0; i < ARRAY_LEN(bad); i++)
		expect_start(&c, bad[i], "* BAD ");
	memset(line, 'a', sizeof(line));
	memcpy(line + IMAP_TAG_MAX + 1, " NOOP\r\n", 8);
	expect_start(&c, line, "* BAD ");
	expect_start(&c, line + 1, "a");
	assert_non_null(strstr(said(&c), " OK "));
	client_end(&c);
}

/* I1, I2 */
static void
too_many_bad_commands_end_it(void **state)
{
	struct client c;
	int i;

	(void)state;
	client_begin(&c, true);
	for (i = 1; i < ERRORS_MAX; i++) {
		send_bytes(&c, "a XYZZY\r\n", 9);
		assert_memory_equal(said(&c), "a BAD ", 6);
		assert_int_equal(c.step, TALK_READ);
	}
	send_bytes(&c, "b XYZZY\r\nc NOOP\r\n", 17);
	assert_non_null(strstr(said(&c), "\r\n* BYE "));
	assert_null(strstr(said(&c), "c OK"));
	assert_int_equal(c.step, TALK_CLOSE);
	client_end(&c);
}

/* I3 */
static void
mailbox_commands_wait_for_login(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "a SELECT INBOX\r\n", "a BAD ");
	expect_start(&c, "a APPEND x {5}\r\n", "+ ");
	expect_start(&c, "hello\r\n", "a BAD ");
	client_end(&c);
}

/* I4: at the limit, over it, and what comes behind. */
static void
long_commands_are_skipped(void **state)
{
	struct client c;
	char *line = xcalloc(FRAME_MAX * 2, 1);

	(void)state;
	client_begin(&c, true);
	memset(line, 'x', FRAME_MAX);
	memcpy(line, "a NOOP ", 7);
	memcpy(line + FRAME_MAX - 2, "\r\n", 2);
	expect_start(&c, line, "a BAD NOOP has");

	memset(line, 'x', FRAME_MAX + 10);
	memcpy(line, "a NOOP ", 7);
	expect_start(&c, line, "a BAD [TOOBIG]");
	expect(&c, "xxxxx", "", TALK_READ);
	expect(&c, "xx\r", "", TALK_READ);
	expect(&c, "\nb NOOP\r\n", "b OK Nothing done\r\n", TALK_READ);
	client_end(&c);
	free(line);
}

static void
literals_of_a_long_command_are_not_run(void **state)
{
	const char start[] = "a ID (\"name\" {19+}\r\nx\r\nb CAPABILITY\r\nc ";
	char *line = xcalloc(FRAME_MAX + 40, 1);
	struct client c;

	(void)state;
	client_begin(&c, true);
	memset(line, 'x', FRAME_MAX + 10);
	memcpy(line, start, sizeof(start) - 1);
	memcpy(line + FRAME_MAX + 10, "\r\nd NOOP\r\n", 11);
	expect(&c, line,
	    "a BAD [TOOBIG] Command too long\r\nd OK Nothing done\r\n",
	    TALK_READ);
	client_end(&c);
	free(line);
}

/* I5, I6, I7 */
static void
literals_are_small_and_few(void **state)
{
	struct client c;
	char line[64];
	int i;

	(void)state;
	client_begin(&c, true);
	(void)snprintf(
	    line, sizeof(line), "a LOGIN {%d}\r\n", FRAME_LITERAL_MAX + 1);
	expect_start(&c, line, "a BAD [TOOBIG]");
	expect_start(&c, "a LOGIN {4294967296}\r\n", "a BAD [TOOBIG]");
	expect_start(
	    &c, "a LOGIN {99999999999999999999999}\r\n", "a BAD [TOOBIG]");
	(void)snprintf(
	    line, sizeof(line), "a LOGIN {%d}\r\n", FRAME_LITERAL_MAX);
	expect_start(&c, line, "+ ");
	client_end(&c);

	client_begin(&c, true);
	expect(&c, "a LOGIN {100000000+}\r\nxxx",
	    "* BYE [TOOBIG] Literal too long\r\n", TALK_CLOSE);
	client_end(&c);

	client_begin(&c, true);
	expect_start(&c, "a LOGIN {1}\r\n", "+ ");
	for (i = 1; i < FRAME_LITERALS; i++)
		expect_start(&c, "x {1}\r\n", "+ ");
	expect_start(&c, "x {1}\r\n", "a BAD [TOOBIG]");
	expect_start(&c, "b NOOP\r\n", "b OK");
	client_end(&c);
}

static void
two_full_literals_are_too_much(void **state)
{
	struct client c;
	char *text = xcalloc(FRAME_LITERAL_MAX + 16, 1);
	int n;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "a LOGIN {4096}\r\n", "+ ");
	memset(text, 'x', FRAME_LITERAL_MAX);
	n = snprintf(text + FRAME_LITERAL_MAX, 16, " {4096}\r\n");
	send_bytes(&c, text, FRAME_LITERAL_MAX + (size_t)n);
	assert_memory_equal(said(&c), "a BAD [TOOBIG]", 14);
	client_end(&c);
	free(text);
}

/* I9 */
static void
only_crlf_ends_a_line(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "a NOOP\n", "", TALK_READ);
	expect(&c, "b NOOP\r", "", TALK_READ);
	expect_start(&c, "c NOOP\r\n", "a BAD ");
	expect_start(&c, "d NOOP\r\n", "d OK");
	client_end(&c);
}

/* I10 */
static void
without_tls_nothing_takes_a_password(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, false);
	expect(&c, "a CAPABILITY\r\n",
	    "* CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS "
	    "LOGINDISABLED\r\na OK Capabilities told\r\n",
	    TALK_READ);
	send_bytes(&c, "a LOGIN pip pw\r\n", 16);
	assert_memory_equal(said(&c), "* NO [ALERT] ", 13);
	assert_non_null(strstr(said(&c), "\r\na NO [PRIVACYREQUIRED] "));
	assert_string_equal(c.talk->who.secret, "");
	/* The alert once, not for every try. */
	expect_start(&c, "a LOGIN pip pw\r\n", "a NO [PRIVACYREQUIRED]");
	expect_start(&c, "a AUTHENTICATE PLAIN\r\n", "a NO [PRIVACYREQUIRED]");
	client_end(&c);
}

/* I11 */
static void
answers_carry_their_codes(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "t7 LOGIN pip pw\r\n", "", TALK_AUTH);
	assert_int_equal(imap_protocol.answer(c.talk, ANSWER_BAD), TALK_READ);
	assert_string_equal(
	    said(&c), "t7 NO [AUTHENTICATIONFAILED] Authentication failed\r\n");
	assert_string_equal(c.talk->who.user, "");
	buf_truncate(&c.talk->out, 0);
	assert_int_equal(
	    imap_protocol.answer(c.talk, ANSWER_UNAVAILABLE), TALK_READ);
	assert_memory_equal(said(&c), "t7 NO [UNAVAILABLE]", 19);
	buf_truncate(&c.talk->out, 0);
	assert_int_equal(
	    imap_protocol.answer(c.talk, ANSWER_DENIED), TALK_READ);
	assert_memory_equal(said(&c), "t7 NO [AUTHORIZATIONFAILED]", 27);
	client_end(&c);
}

static void
impossible_names_look_like_wrong_ones(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "a LOGIN \"\" pw\r\n",
	    "a NO [AUTHENTICATIONFAILED] Authentication failed\r\n", TALK_READ);
	expect(&c, "a LOGIN \"x\ty\" pw\r\n",
	    "a NO [AUTHENTICATIONFAILED] Authentication failed\r\n", TALK_READ);
	assert_int_equal(c.talk->failures, 2);
	client_end(&c);
}

static void
authenticate_with_and_without_initial_response(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "a AUTHENTICATE PLAIN AHBpcABwdw==\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.user, "pip");
	expect(&c, "b authenticate plain\r\n", "+ \r\n", TALK_READ);
	expect(&c, "AHBpcABwdw==\r\n", "", TALK_AUTH);
	assert_string_equal(imap_protocol.tag(c.talk), "b");
	expect(&c, "c AUTHENTICATE LOGIN\r\n", "+ VXNlcm5hbWU6\r\n", TALK_READ);
	expect(&c, "cGlw\r\n", "+ UGFzc3dvcmQ6\r\n", TALK_READ);
	expect(&c, "cHc=\r\n", "", TALK_AUTH);
	assert_string_equal(c.talk->who.secret, "pw");
	client_end(&c);
}

/* I12 */
static void
authenticate_can_be_cancelled_and_be_wrong(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "a AUTHENTICATE PLAIN\r\n", "+ ");
	expect_start(&c, "*\r\n", "a BAD Cancelled");
	expect_start(&c, "a AUTHENTICATE PLAIN\r\n", "+ ");
	expect_start(&c, "a NOOP\r\n", "a BAD ");
	expect_start(&c, "a AUTHENTICATE PLAIN =\r\n", "a NO [AUTHENT");
	expect_start(&c, "a AUTHENTICATE PLAIN AAAA\r\n", "a NO [AUTHENT");
	expect_start(&c, "a AUTHENTICATE PLAIN !\r\n", "a BAD ");
	expect_start(&c, "a AUTHENTICATE NTLM\r\n", "a NO ");
	expect_start(&c, "a AUTHENTICATE\r\n", "a BAD ");
	expect_start(&c, "a AUTHENTICATE PLAIN \r\n", "a BAD ");
	expect_start(&c, "b NOOP\r\n", "b OK");
	client_end(&c);
}

static void
long_responses_are_skipped(void **state)
{
	struct client c;
	char *line = xcalloc(6000, 1);

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "a AUTHENTICATE PLAIN\r\n", "+ ");
	memset(line, 'A', 5000);
	expect_start(&c, line, "a BAD [TOOBIG]");
	expect_start(&c, "AAAA\r\nb NOOP\r\n", "b OK");
	client_end(&c);
	free(line);
}

/* I13 */
static void
starttls_leaves_what_is_behind_it(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, false);
	expect_start(&c, "a STARTTLS x\r\n", "a BAD ");
	expect(&c, "a STARTTLS\r\nb LOGIN evil pw\r\n", "a OK Begin TLS\r\n",
	    TALK_STARTTLS);
	assert_int_equal(c.in.len, 17);
	imap_protocol.secured(c.talk);
	assert_string_equal(imap_protocol.tag(c.talk), "");
	client_end(&c);

	client_begin(&c, true);
	expect_start(&c, "a STARTTLS\r\n", "a BAD ");
	client_end(&c);
}

/* I32 */
static void
id_is_bounded(void **state)
{
	struct buf b = BUF_INIT(8192);
	struct client c;
	int i;

	(void)state;
	client_begin(&c, true);
	expect_start(&c, "a ID NIL\r\n", "* ID (\"name\" \"Wemmick\")\r\na OK");
	expect_start(&c, "a ID (\"name\" \"x\" \"os\" nil)\r\n", "* ID");
	expect_start(&c, "a ID ()\r\n", "* ID");
	expect_start(&c, "a ID\r\n", "a BAD");
	expect_start(&c, "a ID (\"name\")\r\n", "a BAD");
	expect_start(&c, "a ID (\"name\" \"x\"\r\n", "a BAD");
	expect_start(&c, "a ID (name \"x\")\r\n", "a BAD");
	expect_start(&c, "a ID (NIL NIL)\r\n", "a BAD");
	assert_int_equal(buf_append_str(&b, "a ID ("), 0);
	for (i = 0; i < 31; i++)
		assert_int_equal(
		    buf_printf(&b, "%s\"%d\" \"x\"", i == 0 ? "" : " ", i), 0);
	assert_int_equal(buf_append_str(&b, ")\r\n"), 0);
	expect_start(&c, buf_str(&b), "a BAD");
	buf_free(&b);
	client_end(&c);
}

static void
logout_says_bye(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "a LOGOUT\r\n", "* BYE Goodbye\r\na OK Logged out\r\n",
	    TALK_CLOSE);
	client_end(&c);
}

static void
a_browser_is_sent_away(void **state)
{
	struct client c;

	(void)state;
	client_begin(&c, true);
	expect(&c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	    "* BYE This is IMAP\r\n", TALK_CLOSE);
	client_end(&c);
	/* Only on the first line: it is a tag like any other. */
	client_begin(&c, true);
	expect_start(&c, "a NOOP\r\n", "a OK");
	expect_start(&c, "GET NOOP\r\n", "GET OK");
	client_end(&c);
}

static void
every_split_gives_the_same_answers(void **state)
{
	static const char text[] =
	    "a NOOP\r\nb ID (\"x\" {2+}\r\nyz)\r\nc LOGIN {3+}\r\npip "
	    "\"pw\"\r\nd SELECT INBOX\r\n";
	const size_t n = sizeof(text) - 1;
	size_t cut;

	(void)state;
	for (cut = 0; cut <= n; cut++) {
		struct client c;

		client_begin(&c, true);
		send_bytes(&c, text, cut);
		if (c.step == TALK_READ)
			send_bytes(&c, text + cut, n - cut);
		assert_int_equal(c.step, TALK_AUTH);
		assert_string_equal(imap_protocol.tag(c.talk), "c");
		assert_string_equal(c.talk->who.secret, "pw");
		assert_int_equal(c.talk->errors, 0);
		client_end(&c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login_takes_every_kind_of_string),
		cmocka_unit_test(bad_logins_are_bad),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(bad_tags_are_answered_untagged),
		cmocka_unit_test(too_many_bad_commands_end_it),
		cmocka_unit_test(mailbox_commands_wait_for_login),
		cmocka_unit_test(long_commands_are_skipped),
		cmocka_unit_test(literals_of_a_long_command_are_not_run),
		cmocka_unit_test(literals_are_small_and_few),
		cmocka_unit_test(two_full_literals_are_too_much),
		cmocka_unit_test(only_crlf_ends_a_line),
		cmocka_unit_test(without_tls_nothing_takes_a_password),
		cmocka_unit_test(answers_carry_their_codes),
		cmocka_unit_test(impossible_names_look_like_wrong_ones),
		cmocka_unit_test(
		    authenticate_with_and_without_initial_response),
		cmocka_unit_test(authenticate_can_be_cancelled_and_be_wrong),
		cmocka_unit_test(long_responses_are_skipped),
		cmocka_unit_test(starttls_leaves_what_is_behind_it),
		cmocka_unit_test(id_is_bounded),
		cmocka_unit_test(logout_says_bye),
		cmocka_unit_test(a_browser_is_sent_away),
		cmocka_unit_test(every_split_gives_the_same_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
