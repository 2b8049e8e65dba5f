#include <string.h>

#include "common/config/config.h"
#include "common/config/network.h"
#include "tests/unit/cmocka.h"

static struct config *
parse(const char *text, struct buf *problems)
{
	buf_init(problems, 65536);
	return config_parse(slice_str(text), problems);
}

static void
nothing_written_is_all_defaults(void **state)
{
	struct buf problems;
	struct config *c = parse("", &problems);

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->postmaster, "postmaster");
	assert_int_equal(c->message_size_limit, 52428800);
	assert_int_equal(c->listen_smtp.count, 1);
	assert_int_equal(c->domains.count, 0);
	assert_true(strlen(c->hostname) > 0);
	config_free(c);
	buf_free(&problems);
}

static void
what_is_written_is_taken(void **state)
{
	struct buf problems;
	struct config *c = parse("hostname = mail.example.test\n"
				 "domains = {\"example.test\", b.test}\n"
				 "listen-smtp = {}\n"
				 "message-size-limit = 10M\n"
				 "queue-lifetime = 2d\n"
				 "workers = 3\n"
				 "dns-zone \"z.test\" {\n"
				 "  address = {\"127.0.0.1@5353\"}\n}\n"
				 "destination \"slow.test\" {\n"
				 "  concurrency = 2\n  retry-min = 5m\n}\n",
	    &problems);

	(void)state;
	assert_string_equal(buf_str(&problems), "");
	assert_non_null(c);
	assert_string_equal(c->hostname, "mail.example.test");
	assert_int_equal(c->domains.count, 2);
	assert_string_equal(c->domains.items[1], "b.test");
	assert_int_equal(c->listen_smtp.count, 0);
	assert_int_equal(c->message_size_limit, 10 << 20);
	assert_int_equal(c->queue_lifetime, 172800);
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->zone_count, 1);
	assert_string_equal(c->zones[0].address.items[0], "127.0.0.1@5353");
	assert_int_equal(c->destinations[0].concurrency, 2);
	assert_int_equal(c->destinations[0].retry_min_s, 300);
	config_free(c);
}

static void
print_and_parse_are_inverse(void **state)
{
	struct buf problems;
	struct config *c = parse("hostname = \"h.test\"\n"
				 "postmaster = \"o'\\\"q\\\\x\\${HOME}\"\n"
				 "table-directory = '/${HOME}'\n"
				 "domains = {a.test, b.test}\n"
				 "destination \"d.test\" { rate = 60 }\n",
	    &problems);
	struct buf one = BUF_INIT(100000);
	struct buf two = BUF_INIT(100000);
	struct config *back;

	(void)state;
	assert_non_null(c);
	assert_int_equal(config_print(c, &one), 0);
	back = config_parse(buf_slice(&one), &problems);
	assert_string_equal(buf_str(&problems), "");
	assert_non_null(back);
	assert_string_equal(back->postmaster, "o'\"q\\x${HOME}");
	assert_string_equal(back->table_directory, "/${HOME}");
	assert_int_equal(config_print(back, &two), 0);
	assert_string_equal(buf_str(&one), buf_str(&two));
	config_free(c);
	config_free(back);
	buf_free(&one);
	buf_free(&two);
}

static void
all_problems_are_named_at_once_with_their_lines(void **state)
{
	struct buf problems;
	struct config *c = parse("hostnam = x\n"
				 "message-size-limit = lots\n"
				 "workers = 9999\n"
				 "networks = {\"10.0.0.0/33\"}\n"
				 "listen-imap = {\"nowhere\"}\n"
				 "colour = {red, green}\n"
				 "domains = {\"a.test\"}\n"
				 "relay-domains = {\"A.test\"}\n"
				 "tls-key = /k\n",
	    &problems);
	static const char *const wanted[] = { ":1: no such key 'hostnam'",
		":2: message-size-limit wants a size", ":3: workers must lie",
		":4: networks: '10.0.0.0/33'", ":5: listen-imap: 'nowhere'",
		":6: no such key 'colour'", "tls-certificate and tls-key",
		"in domains and in relay-domains" };

	(void)state;
	assert_null(c);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
		if (strstr(buf_str(&problems), wanted[i]) == NULL)
			fail_msg("missing: %s in:\n%s", wanted[i],
			    buf_str(&problems));
	buf_free(&problems);
}

static void
a_problem_is_said_once(void **state)
{
	struct buf problems;
	const char *first;

	(void)state;
	assert_null(
	    parse("listen-imap = {\"x\", \"*:1\", \"*:2\"}\n", &problems));
	first = strstr(buf_str(&problems), "'x'");
	assert_non_null(first);
	assert_null(strstr(first + 1, "'x'"));
	buf_free(&problems);
}

static void
broken_grammar_is_a_problem_with_its_line(void **state)
{
	struct buf problems;

	(void)state;
	assert_null(parse("hostname = a\ndomains = {\n", &problems));
	assert_true(problems.len > 0);
	buf_free(&problems);
	assert_null(parse("= = =", &problems));
	assert_true(problems.len > 0);
	buf_free(&problems);
}

static void
networks_hold_their_hosts(void **state)
{
	struct buf problems;
	struct config *c = parse("networks = {\"192.0.2.0/25\", "
				 "\"2001:db8::/33\", \"[::1]\", \"10.1.2.3\"}",
	    &problems);
	static const char *const in[] = { "192.0.2.127", "::ffff:192.0.2.1",
		"2001:db8:7fff::1", "::1", "10.1.2.3" };
	static const char *const out[] = { "192.0.2.128", "2001:db8:8000::1",
		"::2", "10.1.2.4", "", "unknown", "1.2.3" };

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < ARRAY_LEN(in); i++)
		assert_true(config_networks_have(&c->networks, in[i]));
	for (size_t i = 0; i < ARRAY_LEN(out); i++)
		assert_false(config_networks_have(&c->networks, out[i]));
	config_free(c);
}

static void
endpoints_have_address_and_port(void **state)
{
	static const char *const bad[] = { "", "25", ":25", "1.2.3.4",
		"1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "host:25", "[::1]25",
		"[::1:25", "*" };
	struct endpoint e;

	(void)state;
	assert_int_equal(endpoint_parse(SLICE("*:25"), &e), 0);
	assert_int_equal(e.port, 25);
	assert_int_equal(endpoint_parse(SLICE("[::1]:993"), &e), 0);
	assert_string_equal(e.address, "::1");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (endpoint_parse(slice_str(bad[i]), &e) == 0)
			fail_msg("taken: %s", bad[i]);
}

/* As where the disk has a bad place: it can be opened and not be read. */
static void
what_cannot_be_read_is_a_problem(void **state)
{
	struct buf problems = BUF_INIT(65536);

	(void)state;
	assert_null(config_read("/proc/self", &problems));
	assert_non_null(strstr(buf_str(&problems), "Is a directory"));
	buf_free(&problems);
	assert_null(parse("include(\"/proc/self\")\n", &problems));
	assert_non_null(strstr(buf_str(&problems), "Is a directory"));
	buf_free(&problems);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_read_is_a_problem),
		cmocka_unit_test(nothing_written_is_all_defaults),
		cmocka_unit_test(what_is_written_is_taken),
		cmocka_unit_test(print_and_parse_are_inverse),
		cmocka_unit_test(
		    all_problems_are_named_at_once_with_their_lines),
		cmocka_unit_test(a_problem_is_said_once),
		cmocka_unit_test(broken_grammar_is_a_problem_with_its_line),
		cmocka_unit_test(networks_hold_their_hosts),
		cmocka_unit_test(endpoints_have_address_and_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
