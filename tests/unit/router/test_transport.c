#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/transport.h"
#include "tests/unit/router/fake.h"

static const struct {
	const char *value;
	bool understood;
	enum transport_kind kind;
	const char *next_hop;
	const char *enhanced;
	const char *text;
} rows[] = {
	{ ":", true, TRANSPORT_NONE, "", "", "" },
	{ "relay:", true, TRANSPORT_NONE, "", "", "" },
	{ "relay:[mx.test]:25", true, TRANSPORT_RELAY, "[mx.test]:25", "", "" },
	{ "smtp:mx.test", true, TRANSPORT_RELAY, "mx.test", "", "" },
	{ ":[127.0.0.1]:2525", true, TRANSPORT_RELAY, "[127.0.0.1]:2525", "",
	    "" },
	{ "relay:[IPv6:::1]", true, TRANSPORT_RELAY, "[IPv6:::1]", "", "" },
	{ "relay:[::1]", true, TRANSPORT_RELAY, "[::1]", "", "" },
	{ "relay:[2001:db8::1]:2525", true, TRANSPORT_RELAY,
	    "[2001:db8::1]:2525", "", "" },
	{ "relay:[2001:db8::g]:2525", false, TRANSPORT_DEFER, "", "4.3.5",
	    NULL },
	{ "relay:[]:25", false, TRANSPORT_DEFER, "", "4.3.5", NULL },
	{ "relay:mx.test:587", true, TRANSPORT_RELAY, "mx.test:587", "", "" },
	{ "relay:[mx.test", false, TRANSPORT_DEFER, "", "4.3.5", NULL },
	{ "relay:mx.test:0", false, TRANSPORT_DEFER, "", "4.3.5", NULL },
	{ "relay:mx.test:", false, TRANSPORT_DEFER, "", "4.3.5", NULL },
	{ "relay:a b", false, TRANSPORT_DEFER, "", "4.3.5", NULL },
	{ "local:", true, TRANSPORT_LOCAL, "", "", "" },
	{ "discard:", true, TRANSPORT_DISCARD, "", "", "" },
	{ "error:5.1.6 that host has moved", true, TRANSPORT_FAIL, "", "5.1.6",
	    "that host has moved" },
	{ "error: gone for good", true, TRANSPORT_FAIL, "", "5.0.0",
	    "gone for good" },
	{ "error:4.1.1 x", true, TRANSPORT_FAIL, "", "5.0.0", "4.1.1 x" },
	{ "error:", true, TRANSPORT_FAIL, "", "5.0.0", NULL },
	{ "retry:4.4.1 not now", true, TRANSPORT_DEFER, "", "4.4.1",
	    "not now" },
	{ "pipe:/bin/sh", false, TRANSPORT_DEFER, "", "4.3.5", NULL },
	{ "nonsense", false, TRANSPORT_DEFER, "", "4.3.5", NULL },
};

static void
values_are_understood_or_defer(void **state)
{
	struct transport t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(transport_parse(slice_str(rows[i].value), &t),
		    rows[i].understood);
		assert_int_equal(t.kind, rows[i].kind);
		assert_string_equal(t.next_hop, rows[i].next_hop);
		assert_string_equal(t.enhanced, rows[i].enhanced);
		if (rows[i].text != NULL)
			assert_string_equal(t.text, rows[i].text);
		else
			assert_string_not_equal(t.text, "");
	}
}

static struct fake_row table[] = {
	{ MAP_TRANSPORT, "x@a.test", "discard:" },
	{ MAP_TRANSPORT, "a.test", "relay:one.test" },
	{ MAP_TRANSPORT, ".a.test", "relay:two.test" },
	{ MAP_TRANSPORT, "*", "relay:all.test" },
	{ MAP_TRANSPORT, "broken.test", NULL },
	{ -1, NULL, NULL },
};

static void
expect(const char *address, bool ours, enum transport_kind kind,
    const char *next_hop)
{
	struct lookup l = fake_lookup(table);
	struct transport t;
	struct path p;

	assert_int_equal(path_from_address(&p, slice_str(address), 0), PATH_OK);
	assert_true(transport_find(&l, &p, ours, &t));
	assert_int_equal(t.kind, kind);
	assert_string_equal(t.next_hop, next_hop);
}

static void
nearest_entry_counts(void **state)
{
	struct lookup l = fake_lookup(table);
	struct transport t;
	struct path p;

	(void)state;
	expect("x@a.test", false, TRANSPORT_DISCARD, "");
	expect("X@A.test", false, TRANSPORT_DISCARD, "");
	expect("y@a.test", false, TRANSPORT_RELAY, "one.test");
	expect("y@b.c.a.test", false, TRANSPORT_RELAY, "two.test");
	expect("y@other.test", false, TRANSPORT_RELAY, "all.test");
	expect("y@[192.0.2.1]", false, TRANSPORT_RELAY, "all.test");
	/* In a domain of ours the sweeping entries do not count. */
	expect("y@b.a.test", true, TRANSPORT_NONE, "");
	expect("y@a.test", true, TRANSPORT_RELAY, "one.test");
	assert_int_equal(
	    path_from_address(&p, SLICE("y@broken.test"), 0), PATH_OK);
	assert_false(transport_find(&l, &p, false, &t));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_understood_or_defer),
		cmocka_unit_test(nearest_entry_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
