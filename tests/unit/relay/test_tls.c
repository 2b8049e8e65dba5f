/* TLS and login, over real sockets. */
#include "tests/unit/relay/world.h"

static const char *
offers_tls(struct client *c, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		return stream_tls_version(c->s) == NULL
			   ? "250-fake\r\n250 STARTTLS\r\n"
			   : "250-fake\r\n250-AUTH LOGIN PLAIN\r\n250 PIPELINING\r\n";
	if (strcmp(line, "STARTTLS") == 0)
		return "220 go\r\n";
	if (strncmp(line, "AUTH PLAIN AHBpcABwdw==", 23) == 0)
		return "235 in\r\n";
	if (strncmp(line, "AUTH", 4) == 0)
		return "535 5.7.8 no\r\n";
	return polite(c, line);
}

static void
tls_is_used_where_offered(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.tls = world_server_ctx();
	w->server.script = offers_tls;
	w->settings.tls = RELAY_TLS_MAY;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_true(server_heard(&w->server, "STARTTLS\nEHLO"));
	deliver_one(w, at(&w->server));
	assert_int_equal(w->server.connections, 1);
	tls_ctx_unref(w->server.tls);
}

static const char *
breaks_tls(struct client *c, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		return "250-fake\r\n250 STARTTLS\r\n";
	if (strcmp(line, "STARTTLS") == 0)
		return c->server->connections == 1 ? "220 go\r\nnonsense\r\n"
						   : "220 go\r\n";
	return polite(c, line);
}

static void
tls_that_fails_is_left_out_only_where_it_may_be(void **state)
{
	struct world *w = &world;

	(void)state;
	/* Plain text behind "220 go": an injection, or no TLS at all. */
	w->server.script = breaks_tls;
	w->settings.tls = RELAY_TLS_MUST;
	deliver_one(w, at(&w->server));
	assert_int_equal(w->result_count, 1);
	assert_int_equal(w->results[0].o.status, STATUS_DEFERRED);
	assert_false(server_heard(&w->server, "MAIL"));
	/* No answer to the handshake: in clear on a new connection. */
	w->result_count = 0;
	w->settings.tls = RELAY_TLS_MAY;
	w->settings.reply_ms = 300;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_int_equal(w->server.connections, 3);
}

static const char *
refuses_tls(struct client *c, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		return "250-fake\r\n250 STARTTLS\r\n";
	if (strcmp(line, "STARTTLS") == 0)
		return "454 4.7.0 not now\r\n";
	return polite(c, line);
}

static void
refused_tls_is_policy(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.script = refuses_tls;
	w->settings.tls = RELAY_TLS_MUST;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.4");
	w->result_count = 0;
	w->settings.tls = RELAY_TLS_MAY;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	w->result_count = 0;
	w->server.script = polite;
	w->settings.tls = RELAY_TLS_MUST;
	pool_free(w->pool);
	w->pool = pool_new(NULL, NULL);
	w->env.pool = w->pool;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.4");
}

static void
log_in_as(struct world *w, const char *password)
{
	w->settings.user = "pip";
	free(w->settings.password);
	w->settings.password = xstrdup(password);
	(void)snprintf(w->settings.relay_host, sizeof(w->settings.relay_host),
	    "%s", at(&w->server));
}

static void
login_happens_under_tls_only(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.tls = world_server_ctx();
	w->server.script = offers_tls;
	w->settings.tls = RELAY_TLS_MAY;
	log_in_as(w, "pw");
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_true(server_heard(&w->server, "AUTH PLAIN"));
	pool_free(w->pool);
	w->pool = pool_new(NULL, NULL);
	w->env.pool = w->pool;
	w->result_count = 0;
	log_in_as(w, "wrong");
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.8");
	w->result_count = 0;
	w->server.script = polite;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.11");
	tls_ctx_unref(w->server.tls);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tls_is_used_where_offered),
		TEST(tls_that_fails_is_left_out_only_where_it_may_be),
		TEST(refused_tls_is_policy),
		TEST(login_happens_under_tls_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
