/* One transaction after the other over one connection. */
#include "tests/unit/relay/world.h"

static const char *reset_answer;
static const char *mail_answer;

/* Refuses `bad`, and has trouble forgetting that on its first connection. */
static const char *
forgets_badly(struct client *c, const char *line)
{
	bool first = c->server->connections == 1;

	if (strncmp(line, "RCPT TO:<bad@", 13) == 0)
		return "550 no\r\n";
	if (strcmp(line, "RSET") == 0 && first)
		return reset_answer;
	if (strncmp(line, "MAIL", 4) == 0 && first &&
	    server_heard(c->server, "RSET"))
		return mail_answer;
	return polite(c, line);
}

static void
refused_then_good(struct world *w)
{
	static const char *const bad[] = { "bad@remote.test", NULL };
	static const char *const good[] = { "good@remote.test", NULL };
	const char *hop = at(&w->server);

	w->server.script = forgets_badly;
	deliver(w, job(hop, "\r\nx\r\n", bad));
	expect_one(w, STATUS_FAILED, "5.0.0");
	w->result_count = 0;
	deliver(w, job(hop, "\r\nx\r\n", good));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_true(server_heard(&w->server, "RSET"));
	assert_int_equal(w->server.connections, 2);
	assert_int_equal(w->server.mail_count, 1);
}

static void
reset_that_fails_is_no_verdict_on_the_next_mail(void **state)
{
	(void)state;
	reset_answer = "451 not now\r\n";
	mail_answer = "503 5.5.1 nested MAIL\r\n";
	refused_then_good(&world);
}

static void
server_that_is_still_in_the_last_mail_is_left(void **state)
{
	(void)state;
	reset_answer = "250 ok\r\n";
	mail_answer = "503 5.5.1 nested MAIL\r\n";
	refused_then_good(&world);
}

static bool knows_utf8;

/* Holds who sends to RFC 6531: no 8-bit address without SMTPUTF8. */
static const char *
international(struct client *c, const char *line)
{
	static bool allowed;

	if (strncmp(line, "EHLO", 4) == 0)
		return knows_utf8
			   ? "250-fake\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
			   : "250-fake\r\n250 8BITMIME\r\n";
	if (strncmp(line, "MAIL", 4) == 0)
		allowed = strstr(line, " SMTPUTF8") != NULL;
	if (strncmp(line, "RCPT", 4) == 0 && strchr(line, '\xc3') != NULL &&
	    !allowed)
		return "553 5.6.7 needs SMTPUTF8\r\n";
	return polite(c, line);
}

/* As an alias makes it: the mail itself is all ASCII. */
static void
plain_mail_to_an_international_address_goes_as_smtputf8(void **state)
{
	static const char *const who[] = { "bob@remote.test",
		"j\xc3\xb6rg@remote.test", NULL };
	struct world *w = &world;

	(void)state;
	knows_utf8 = true;
	w->server.script = international;
	deliver(w, job(at(&w->server), "Subject: x\r\n\r\nx\r\n", who));
	assert_int_equal(w->result_count, 2);
	assert_int_equal(w->results[0].o.status, STATUS_DONE);
	assert_int_equal(w->results[1].o.status, STATUS_DONE);
}

static void
without_smtputf8_the_others_get_it_still(void **state)
{
	static const char *const who[] = { "j\xc3\xb6rg@remote.test",
		"bob@remote.test", NULL };
	struct world *w = &world;

	(void)state;
	knows_utf8 = false;
	w->server.script = international;
	deliver(w, job(at(&w->server), "Subject: x\r\n\r\nx\r\n", who));
	assert_int_equal(w->result_count, 2);
	assert_int_equal(w->results[0].rcpt, 0);
	assert_int_equal(w->results[0].o.status, STATUS_FAILED);
	assert_string_equal(w->results[0].o.enhanced, "5.6.7");
	assert_int_equal(w->results[0].o.code, 0); /* said by us */
	assert_int_equal(w->results[1].o.status, STATUS_DONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reset_that_fails_is_no_verdict_on_the_next_mail),
		TEST(server_that_is_still_in_the_last_mail_is_left),
		TEST(plain_mail_to_an_international_address_goes_as_smtputf8),
		TEST(without_smtputf8_the_others_get_it_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
