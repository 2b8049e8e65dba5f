/* Which server a mail goes to, and what happens when it cannot. */
#include "tests/unit/relay/world.h"

static void
refused_connection_is_deferred(void **state)
{
	struct world *w = &world;
	uint16_t port = w->other.port;
	char hop[64];

	(void)state;
	(void)event_del(w->other.accept);
	close(w->other.fd);
	w->other.fd = world_memfd();
	(void)snprintf(hop, sizeof(hop), "[127.0.0.1]:%u", port);
	deliver_one(w, hop);
	expect_one(w, STATUS_DEFERRED, "4.4.1");
	assert_int_equal(w->results[0].o.blame, BLAME_CONNECT);
}

static void
port_outside_the_list_is_refused(void **state)
{
	(void)state;
	deliver_one(&world, "[127.0.0.1]:1");
	expect_one(&world, STATUS_FAILED, "5.4.4");
}

static void
next_hop_that_is_none_is_our_fault(void **state)
{
	(void)state;
	deliver_one(&world, "a b");
	expect_one(&world, STATUS_DEFERRED, "4.3.5");
}

static void
answers_of_the_dns_decide(void **state)
{
	static const struct known known[] = {
		{ "null.test", DNS_MX, DNS_OK, { { 0, "." } } },
		{ "slow.test", DNS_MX, DNS_TEMPFAIL, { { 0, NULL } } },
		{ "forged.test", DNS_MX, DNS_BOGUS, { { 0, NULL } } },
		{ "nothing.test", DNS_TXT, DNS_OK, { { 0, NULL } } },
		{ "unfit.test", DNS_MX, DNS_OK, { { 0, NULL } } },
		{ "unfit.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
		{ "dangling.test", DNS_MX, DNS_OK, { { 5, "gone.test" } } },
		{ "us.test", DNS_MX, DNS_OK,
		    { { 5, "mail.example.test" }, { 10, "b.test" } } },
		{ "zero.test", DNS_A, DNS_OK, { { 0, "0.0.0.0" } } },
		{ "lame.test", DNS_MX, DNS_OK, { { 5, "lamehost.test" } } },
		{ "lamehost.test", DNS_A, DNS_TEMPFAIL, { { 0, NULL } } },
		{ "half.test", DNS_AAAA, DNS_OK, { { 0, "fe80::1" } } },
		{ "half.test", DNS_A, DNS_TEMPFAIL, { { 0, NULL } } },
		{ "other.test", DNS_A, DNS_OK, { { 0, "0.0.0.0" } } },
		{ "other.test", DNS_AAAA, DNS_BOGUS, { { 0, NULL } } },
	};
	static const struct {
		const char *hop;
		enum ipc_status status;
		const char *enhanced;
	} cases[] = {
		{ "null.test", STATUS_FAILED, "5.1.10" },
		{ "unknown.test", STATUS_FAILED, "5.1.2" },
		{ "slow.test", STATUS_DEFERRED, "4.4.3" },
		{ "forged.test", STATUS_DEFERRED, "4.7.5" },
		{ "nothing.test", STATUS_FAILED, "5.4.4" },
		{ "unfit.test", STATUS_FAILED, "5.4.4" },
		{ "dangling.test", STATUS_FAILED, "5.4.4" },
		{ "us.test", STATUS_FAILED, "5.4.6" },
		{ "zero.test", STATUS_FAILED, "5.4.4" },
		{ "lame.test", STATUS_DEFERRED, "4.4.3" },
		{ "half.test", STATUS_DEFERRED, "4.4.3" },
		{ "other.test", STATUS_DEFERRED, "4.7.5" },
		{ "[0.0.0.0]", STATUS_FAILED, "5.4.4" },
		{ "[224.0.0.1]", STATUS_FAILED, "5.4.4" },
		{ "[fe80::1]", STATUS_FAILED, "5.4.4" },
	};
	struct world *w = &world;

	(void)state;
	w->known = known;
	w->known_count = sizeof(known) / sizeof(known[0]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->result_count = 0;
		deliver_one(w, cases[i].hop);
		if (w->results[0].o.status != cases[i].status ||
		    strcmp(w->results[0].o.enhanced, cases[i].enhanced) != 0)
			fail_msg("%s: %d %s %s", cases[i].hop,
			    (int)w->results[0].o.status,
			    w->results[0].o.enhanced, w->results[0].o.text);
	}
	assert_int_equal(w->server.connections, 0);
}

static void
mx_implicit_mx_and_host_lead_there(void **state)
{
	static const struct known known[] = {
		{ "remote.test", DNS_MX, DNS_OK, { { 10, "mx.remote.test" } } },
		{ "mx.remote.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
		{ "implicit.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
	};
	struct world *w = &world;

	(void)state;
	w->known = known;
	w->known_count = sizeof(known) / sizeof(known[0]);
	deliver_one(w, "remote.test");
	deliver_one(w, "implicit.test");
	deliver_one(w, "[mx.remote.test]");
	assert_int_equal(w->result_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(w->results[i].o.status, STATUS_DONE);
	assert_non_null(
	    strstr(w->results[0].o.remote, "mx.remote.test[127.0.0.1]"));
}

static void
own_listener_is_a_loop(void **state)
{
	static const struct known known[] = {
		{ "loop.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
	};
	struct world *w = &world;
	char text[32];
	char *item = text;

	(void)state;
	(void)snprintf(text, sizeof(text), "*:%u", w->server.port);
	w->listeners = (struct config_list){ .items = &item, .count = 1 };
	w->known = known;
	w->known_count = 1;
	deliver_one(w, "loop.test");
	expect_one(w, STATUS_FAILED, "5.4.6");
}

static const char *
says_later(struct client *c, const char *line)
{
	if (strncmp(line, "RCPT", 4) == 0)
		return "451 4.3.0 later\r\n";
	return polite(c, line);
}

static const char *
closed_shop(struct client *c, const char *line)
{
	return *line == '\0' ? "554 5.3.2 closed\r\n" : polite(c, line);
}

static const struct known two_hosts[] = {
	{ "remote.test", DNS_MX, DNS_OK,
	    { { 10, "a.test" }, { 20, "b.test" } } },
	{ "a.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
	{ "b.test", DNS_A, DNS_OK, { { 0, "127.0.0.2" } } },
};

/* The second server on the same port of another address. */
static void
use_two_hosts(struct world *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	server_close(&w->other);
	memset(&w->other, 0, sizeof(w->other));
	w->other.base = w->base;
	w->other.script = polite;
	buf_init(&w->other.lines, 1 << 20);
	w->other.fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	a.sin_port = htons(w->server.port);
	assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &a.sin_addr), 1);
	assert_int_equal(
	    bind(w->other.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(w->other.fd, 16), 0);
	w->other.accept = event_new(w->base, w->other.fd, EV_READ | EV_PERSIST,
	    server_accept, &w->other);
	assert_int_equal(event_add(w->other.accept, NULL), 0);
	w->known = two_hosts;
	w->known_count = 3;
}

static void
next_host_takes_what_the_first_puts_off(void **state)
{
	struct world *w = &world;

	(void)state;
	use_two_hosts(w);
	w->server.script = says_later;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_int_equal(w->other.mail_count, 1);
	/* The same again over the connection kept to the second. */
	w->result_count = 0;
	deliver_one(w, "remote.test");
	assert_int_equal(w->results[0].o.status, STATUS_DONE);
}

static void
greeting_with_5xx_sends_us_to_the_next_host(void **state)
{
	struct world *w = &world;

	(void)state;
	use_two_hosts(w);
	w->server.script = closed_shop;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DONE, "2.0.0");
	w->other.script = closed_shop;
	pool_free(w->pool);
	w->pool = pool_new(NULL, NULL);
	w->env.pool = w->pool;
	w->result_count = 0;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_FAILED, "5.3.2");
}

static const char *
closes_at_the_dot(struct client *c, const char *line)
{
	return *line == '.' ? NULL : polite(c, line);
}

static void
lost_verdict_is_not_tried_elsewhere_at_once(void **state)
{
	struct world *w = &world;

	(void)state;
	use_two_hosts(w);
	w->server.script = closes_at_the_dot;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DEFERRED, "4.4.2");
	assert_int_equal(w->other.connections, 0);
}

static void
dead_resolver_is_a_temporary_failure(void **state)
{
	struct world *w = &world;
	struct ipc_chan *kept = w->to_resolver;

	(void)state;
	w->to_resolver = NULL;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DEFERRED, "4.4.3");
	w->to_resolver = kept;
}

/* Greeted with a refusal, and with resolver gone meanwhile. */
static const char *
refuses_without_resolver(struct client *c, const char *line)
{
	(void)c;
	if (*line != '\0')
		return "221 bye\r\n";
	ipc_chan_close(world.to_resolver);
	ipc_chan_close(world.resolver);
	world.to_resolver = NULL;
	world.resolver = NULL;
	return "421 busy\r\n";
}

static void
resolver_dies_between_two_hosts(void **state)
{
	struct world *w = &world;

	(void)state;
	use_two_hosts(w);
	w->server.script = refuses_without_resolver;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DEFERRED, "4.0.0");
	assert_int_equal(w->other.connections, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refused_connection_is_deferred),
		TEST(port_outside_the_list_is_refused),
		TEST(next_hop_that_is_none_is_our_fault),
		TEST(answers_of_the_dns_decide),
		TEST(mx_implicit_mx_and_host_lead_there),
		TEST(own_listener_is_a_loop),
		TEST(next_host_takes_what_the_first_puts_off),
		TEST(greeting_with_5xx_sends_us_to_the_next_host),
		TEST(lost_verdict_is_not_tried_elsewhere_at_once),
		TEST(dead_resolver_is_a_temporary_failure),
		TEST(resolver_dies_between_two_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
