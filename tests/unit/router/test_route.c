#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/log.h"
#include "common/config/config.h"
#include "router/route.h"
#include "tests/unit/router/fake.h"

static const char config_text[] =
    "hostname = \"mx.example.test\"\n"
    "domains = {\"example.test\", \"virtual.test\", "
    "\"xn--bcher-kva.test\"}\n"
    "relay-domains = {\"backup.test\"}\n"
    "postmaster = \"estella\"\n";

static struct fake_row table[] = {
	{ MAP_MAILBOXES, "pip@example.test", "100000 example.test/pip" },
	{ MAP_MAILBOXES, "estella@example.test",
	    "100001 example.test/estella" },
	{ MAP_MAILBOXES, "real+tag@example.test",
	    "100002 example.test/real+tag" },
	{ MAP_MAILBOXES, "joe@virtual.test", "100003 virtual.test/joe" },
	{ MAP_MAILBOXES, "broken@example.test", NULL },
	{ MAP_MAILBOXES, "pip@xn--bcher-kva.test", "100004 b/pip" },
	{ MAP_ALIASES, "sales", "pip, estella@example.test" },
	{ MAP_ALIASES, "books",
	    "pip@bücher.test, pip@xn--bcher-kva.test, joe@straße.test" },
	{ MAP_ALIASES, "office", "sales, sales, pip" },
	{ MAP_ALIASES, "far", "joe@away.test pip" },
	{ MAP_ALIASES, "loop-a", "loop-b" },
	{ MAP_ALIASES, "loop-b", "loop-a" },
	{ MAP_ALIASES, "half-loop", "half-loop, pip" },
	{ MAP_ALIASES, "estella", "estella, pip" },
	{ MAP_ALIASES, "slash", "\\estella" },
	{ MAP_ALIASES, "prog", "\"|/bin/sh -c id\", pip" },
	{ MAP_ALIASES, "file", "/etc/passwd" },
	{ MAP_ALIASES, "include", ":include:/etc/list" },
	{ MAP_ALIASES, "bad", "a@b@c, pip" },
	{ MAP_ALIASES, "list", "pip, joe@away.test" },
	{ MAP_ALIASES, "owner-list", "estella" },
	{ MAP_ALIASES, "sick", "pip, broken" },
	{ MAP_ALIASES, "dangling", "nobody-here" },
	{ MAP_VIRTUAL, "info@virtual.test", "pip@example.test" },
	{ MAP_VIRTUAL, "old@away.test", "pip@example.test" },
	{ MAP_VIRTUAL, "@virtual.test", "pip@example.test" },
	{ MAP_VIRTUAL, "@mapped.test", "@example.test" },
	{ MAP_VIRTUAL, "@verlag.test", "@Bücher.test" },
	{ MAP_TRANSPORT, "gone.test", "error:5.1.6 moved" },
	{ MAP_TRANSPORT, "null.test", "discard:" },
	{ MAP_TRANSPORT, "hop.test", "relay:[mx.hop.test]:2525" },
	{ MAP_TRANSPORT, "odd.test", "carrier:pigeon" },
	{ MAP_TRANSPORT, "sick.test", NULL },
	{ -1, NULL, NULL },
};

static struct config *config;

static struct config *
parse(const char *text)
{
	struct buf problems = BUF_INIT(65536);
	struct config *c = config_parse(slice_str(text), &problems);

	if (c == NULL)
		print_error("%s", buf_str(&problems));
	buf_free(&problems);
	return c;
}

static int
setup(void **state)
{
	(void)state;
	log_level(LOG_FAIL + 1);
	config = parse(config_text);
	return config == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	config_free(config);
	return 0;
}

/* "KIND address where[ owner]", a line each. */
static void
describe(const struct ipc_route *m, struct buf *b)
{
	static const char *const kinds[] = { [ROUTE_LOCAL] = "LOCAL",
		[ROUTE_RELAY] = "RELAY",
		[ROUTE_FAIL] = "FAIL",
		[ROUTE_DEFER] = "DEFER",
		[ROUTE_DISCARD] = "DISCARD" };
	int rc =
	    buf_printf(b, "%s %.*s", kinds[m->kind], SLICE_FMT(m->address));

	if (m->kind == ROUTE_LOCAL)
		rc |= buf_printf(b, " %.*s:%u:%.*s", SLICE_FMT(m->home), m->uid,
		    SLICE_FMT(m->tag));
	if (m->kind == ROUTE_RELAY)
		rc |= buf_printf(b, " %.*s", SLICE_FMT(m->next_hop));
	if (m->enhanced.len > 0)
		rc |= buf_printf(b, " %.*s", SLICE_FMT(m->enhanced));
	if (m->owner.len > 0)
		rc |= buf_printf(b, " <%.*s>", SLICE_FMT(m->owner));
	rc |= buf_append_byte(b, '\n');
	assert_int_equal(rc, 0);
}

static void
find(const struct config *c, const char *recipient, struct buf *got)
{
	struct lookup l = fake_lookup(table);
	struct route_answer a;
	struct slice payload;

	route_answer_init(&a);
	route_find(c, &l, slice_str(recipient), &a);
	assert_true(a.count > 0);
	while (route_answer_next(&a, &payload)) {
		struct ipc_route m;

		assert_int_equal(ipc_route_decode(&m, payload), 0);
		describe(&m, got);
	}
	route_answer_free(&a);
}

static const struct {
	const char *recipient;
	const char *want;
} rows[] = {
	{ "pip@example.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "PIP@Example.TEST",
	    "LOCAL PIP@example.test example.test/pip:100000:\n" },
	{ "pip+books@example.test",
	    "LOCAL pip+books@example.test example.test/pip:100000:books\n" },
	{ "real+tag@example.test",
	    "LOCAL real+tag@example.test example.test/real+tag:100002:\n" },
	{ "sales@example.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n"
	    "LOCAL estella@example.test example.test/estella:100001:\n" },
	{ "sales@virtual.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n"
	    "LOCAL estella@example.test example.test/estella:100001:\n" },
	{ "sales+x@example.test",
	    "LOCAL pip+x@example.test example.test/pip:100000:x\n"
	    "LOCAL estella+x@example.test example.test/estella:100001:x\n" },
	{ "office@example.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n"
	    "LOCAL estella@example.test example.test/estella:100001:\n" },
	{ "pip+x@BÜCHER.test",
	    "LOCAL pip+x@xn--bcher-kva.test b/pip:100004:x\n" },
	{ "books@example.test",
	    "LOCAL pip@xn--bcher-kva.test b/pip:100004:\n"
	    "RELAY joe@xn--strae-oqa.test xn--strae-oqa.test\n" },
	{ "pip@verlag.test", "LOCAL pip@xn--bcher-kva.test b/pip:100004:\n" },
	{ "far@example.test",
	    "RELAY joe@away.test away.test\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "loop-a@example.test", "FAIL loop-a@example.test 5.4.6\n" },
	{ "half-loop@example.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "estella@example.test",
	    "LOCAL estella@example.test example.test/estella:100001:\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "slash@example.test",
	    "LOCAL estella@example.test example.test/estella:100001:\n" },
	{ "prog@example.test",
	    "DEFER prog@example.test 4.3.5\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "file@example.test", "DEFER file@example.test 4.3.5\n" },
	{ "include@example.test", "DEFER include@example.test 4.3.5\n" },
	{ "bad@example.test",
	    "DEFER bad@example.test 4.3.5\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "list@example.test",
	    "LOCAL pip@example.test example.test/pip:100000: "
	    "<owner-list@example.test>\n"
	    "RELAY joe@away.test away.test <owner-list@example.test>\n" },
	{ "owner-list@example.test",
	    "LOCAL estella@example.test example.test/estella:100001:\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "sick@example.test", "DEFER sick@example.test 4.3.0\n" },
	{ "broken@example.test", "DEFER broken@example.test 4.3.0\n" },
	{ "dangling@example.test", "FAIL nobody-here@example.test 5.1.1\n" },
	{ "nobody@example.test", "FAIL nobody@example.test 5.1.1\n" },
	{ "info@virtual.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "joe@virtual.test",
	    "LOCAL joe@virtual.test virtual.test/joe:100003:\n" },
	{ "whoever@virtual.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "pip@mapped.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "old@away.test",
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "postmaster",
	    "LOCAL estella@example.test example.test/estella:100001:\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "Postmaster@example.test",
	    "LOCAL estella@example.test example.test/estella:100001:\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n" },
	{ "joe@away.test", "RELAY joe@away.test away.test\n" },
	{ "joe@backup.test", "RELAY joe@backup.test backup.test\n" },
	{ "joe@[192.0.2.1]", "RELAY joe@[192.0.2.1] [192.0.2.1]\n" },
	{ "joe@hop.test", "RELAY joe@hop.test [mx.hop.test]:2525\n" },
	{ "joe@gone.test", "FAIL joe@gone.test 5.1.6\n" },
	{ "joe@null.test", "DISCARD joe@null.test\n" },
	{ "joe@odd.test", "DEFER joe@odd.test 4.3.5\n" },
	{ "joe@sick.test", "DEFER joe@sick.test 4.3.0\n" },
	{ "\"a b\"@away.test", "RELAY \"a b\"@away.test away.test\n" },
	{ "no address", "FAIL no address 5.1.3\n" },
};

static void
addresses_go_where_the_tables_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf got = BUF_INIT(65536);

		find(config, rows[i].recipient, &got);
		assert_string_equal(buf_str(&got), rows[i].want);
		buf_free(&got);
	}
}

static void
relay_host_takes_what_is_not_local(void **state)
{
	struct config *c = parse("domains = {\"example.test\"}\n"
				 "relay-host = \"[smart.test]:587\"\n");
	struct buf got = BUF_INIT(65536);

	(void)state;
	find(c, "joe@away.test", &got);
	find(c, "joe@hop.test", &got);
	find(c, "pip@example.test", &got);
	assert_string_equal(buf_str(&got),
	    "RELAY joe@away.test [smart.test]:587\n"
	    "RELAY joe@hop.test [mx.hop.test]:2525\n"
	    "LOCAL pip@example.test example.test/pip:100000:\n");
	buf_free(&got);
	config_free(c);
}

static void
postmaster_without_anybody_is_put_off(void **state)
{
	struct config *c = parse("domains = {\"empty.test\"}\n");
	struct config *none = parse("hostname = \"x.test\"\n");
	struct buf got = BUF_INIT(65536);

	(void)state;
	find(c, "postmaster", &got);
	find(c, "postmaster@empty.test", &got);
	find(none, "postmaster", &got);
	assert_string_equal(buf_str(&got), "DEFER postmaster 4.3.5\n"
					   "DEFER postmaster@empty.test 4.3.5\n"
					   "DEFER postmaster 4.3.5\n");
	buf_free(&got);
	config_free(c);
	config_free(none);
}

/* Aliases chain-N: chain-(N+1), wide: thousands, and team. */
struct made {
	unsigned deep;
	unsigned wide;
	unsigned local; /* members of team */
};

static enum table_result
made_ask(void *arg, enum lookup_map map, struct slice key, struct buf *value)
{
	const struct made *m = arg;
	char text[64];
	unsigned n;

	buf_truncate(value, 0);
	(void)snprintf(text, sizeof(text), "%.*s", SLICE_FMT(key));
	if (map == MAP_ALIASES && sscanf(text, "chain-%u", &n) == 1 &&
	    n < m->deep) {
		assert_int_equal(buf_printf(value, "chain-%u", n + 1), 0);
		return TABLE_FOUND;
	}
	if (map == MAP_ALIASES && strcmp(text, "wide") == 0) {
		for (n = 0; n < m->wide; n++)
			assert_int_equal(
			    buf_printf(value, "u%u@away.test,", n), 0);
		return TABLE_FOUND;
	}
	if (map == MAP_ALIASES && strcmp(text, "team") == 0) {
		for (n = 0; n < m->local; n++)
			assert_int_equal(buf_printf(value, "m%u,", n), 0);
		return TABLE_FOUND;
	}
	return TABLE_NOT_FOUND;
}

static void
find_made(
    struct made m, const char *recipient, size_t count, struct ipc_route *first)
{
	struct lookup l = { .ask = made_ask, .arg = &m };
	struct route_answer a;
	struct slice payload;

	route_answer_init(&a);
	route_find(config, &l, slice_str(recipient), &a);
	assert_int_equal(a.count, count);
	for (size_t i = 0; route_answer_next(&a, &payload); i++) {
		struct ipc_route r;

		assert_int_equal(ipc_route_decode(&r, payload), 0);
		if (i == 0)
			*first = r;
	}
	assert_false(route_answer_next(&a, &payload));
	/* Of first only the numbers are used: its slices end here. */
	route_answer_free(&a);
}

/* Freed memory is not what it was: the tag must not lie there. */
static void
tag_of_an_alias_goes_to_all_its_targets(void **state)
{
	struct buf want = BUF_INIT(65536);
	struct buf got = BUF_INIT(65536);
	struct made m = { .local = 20 };
	struct lookup l = { .ask = made_ask, .arg = &m };
	struct route_answer a;
	struct slice payload;
	struct ipc_route r;

	(void)state;
	(void)mallopt(M_PERTURB, 0xa5);
	route_answer_init(&a);
	route_find(config, &l, SLICE("team+tag@example.test"), &a);
	while (route_answer_next(&a, &payload)) {
		assert_int_equal(ipc_route_decode(&r, payload), 0);
		assert_int_equal(
		    buf_printf(&got, "%.*s\n", SLICE_FMT(r.address)), 0);
	}
	for (unsigned n = 0; n < m.local; n++)
		assert_int_equal(
		    buf_printf(&want, "m%u+tag@example.test\n", n), 0);
	assert_string_equal(buf_str(&got), buf_str(&want));
	(void)mallopt(M_PERTURB, 0);
	route_answer_free(&a);
	buf_free(&got);
	buf_free(&want);
}

static void
nesting_and_width_have_limits(void **state)
{
	struct ipc_route r;

	(void)state;
	/* chain-0 … chain-32: the last is no alias and unknown, but found */
	find_made((struct made){ .deep = ROUTE_NESTING_MAX },
	    "chain-0@example.test", 1, &r);
	assert_int_equal(r.kind, ROUTE_FAIL);
	find_made((struct made){ .deep = ROUTE_NESTING_MAX + 10 },
	    "chain-0@example.test", 1, &r);
	assert_int_equal(r.kind, ROUTE_FAIL);
	find_made((struct made){ .wide = ROUTE_RESULTS_MAX - 1 },
	    "wide@example.test", ROUTE_RESULTS_MAX - 1, &r);
	assert_int_equal(r.kind, ROUTE_RELAY);
	find_made((struct made){ .wide = ROUTE_RESULTS_MAX },
	    "wide@example.test", 1, &r);
	assert_int_equal(r.kind, ROUTE_DEFER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_go_where_the_tables_say),
		cmocka_unit_test(relay_host_takes_what_is_not_local),
		cmocka_unit_test(postmaster_without_anybody_is_put_off),
		cmocka_unit_test(tag_of_an_alias_goes_to_all_its_targets),
		cmocka_unit_test(nesting_and_width_have_limits),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
