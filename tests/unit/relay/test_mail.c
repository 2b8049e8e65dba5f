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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reset_that_fails_is_no_verdict_on_the_next_mail),
		TEST(server_that_is_still_in_the_last_mail_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
