#include "relay/next_hop.h"
#include "tests/unit/cmocka.h"

static void
all_forms_are_read(void **state)
{
	static const struct {
		const char *text;
		const char *name;
		bool direct;
		bool literal;
		uint16_t port;
	} cases[] = {
		{ "remote.test", "remote.test", false, false, 0 },
		{ "remote.test.", "remote.test", false, false, 0 },
		{ "remote.test:2525", "remote.test", false, false, 2525 },
		{ "[mx.remote.test]", "mx.remote.test", true, false, 0 },
		{ "[mx.remote.test]:587", "mx.remote.test", true, false, 587 },
		{ "[192.0.2.1]", "192.0.2.1", true, true, 0 },
		{ "[192.0.2.1]:24", "192.0.2.1", true, true, 24 },
		{ "[IPv6:2001:db8::1]:25", "2001:db8::1", true, true, 25 },
		{ "[::1]:65535", "::1", true, true, 65535 },
		{ "b\xc3\xbc"
		  "cher.test",
		    "b\xc3\xbc"
		    "cher.test",
		    false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct next_hop n;

		assert_int_equal(
		    next_hop_parse(&n, slice_str(cases[i].text)), 0);
		assert_string_equal(n.name, cases[i].name);
		assert_int_equal(n.direct, cases[i].direct);
		assert_int_equal(n.literal, cases[i].literal);
		assert_int_equal(n.port, cases[i].port);
	}
}

static void
what_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "", "[", "[]", "[a", "a b",
		"a:", "a:0", "a:65536", "a:x", "[a]x", "[a]:", "[a b]", "a..b",
		"a\nb", ":25" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct next_hop n;

		if (next_hop_parse(&n, slice_str(bad[i])) != -1)
			fail_msg("taken: %s", bad[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_are_read),
		cmocka_unit_test(what_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
