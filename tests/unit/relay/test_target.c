#include "common/config/config.h"
#include "relay/target.h"
#include "tests/unit/cmocka.h"

static struct target
target(const char *address, uint16_t port)
{
	struct target t;

	assert_true(target_set_text(&t, address, port));
	return t;
}

static void
text_names_host_address_and_unusual_port(void **state)
{
	struct target t;

	(void)state;
	assert_true(target_set(&t, "mx.test", SLICE("\xc0\0\2\1"), 25));
	assert_string_equal(t.text, "mx.test[192.0.2.1]");
	assert_true(target_set(&t, "mx.test",
	    SLICE("\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"), 2525));
	assert_string_equal(t.text, "mx.test[2001:db8::1]:2525");
	assert_false(target_set(&t, "mx.test", SLICE("\1\2\3"), 25));
	assert_false(target_set_text(&t, "mx.test", 25));
}

static void
addresses_no_server_has_are_unusable(void **state)
{
	static const char *const bad[] = { "0.0.0.0", "0.1.2.3", "224.0.0.1",
		"255.255.255.255", "240.0.0.1", "169.254.1.1", "::", "ff02::1",
		"fe80::1", "::ffff:0.0.0.0", "::ffff:224.1.1.1" };
	static const char *const good[] = { "127.0.0.1", "192.0.2.1",
		"10.0.0.1", "::1", "2001:db8::1", "::ffff:192.0.2.1" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct target t = target(bad[i], 25);

		if (target_usable(&t))
			fail_msg("usable: %s", bad[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct target t = target(good[i], 25);

		if (!target_usable(&t))
			fail_msg("unusable: %s", good[i]);
	}
}

static void
same_address_in_both_families_is_the_same(void **state)
{
	struct target a = target("192.0.2.1", 25);
	struct target b = target("::ffff:192.0.2.1", 25);
	struct target c = target("192.0.2.1", 26);

	(void)state;
	assert_true(target_same(&a, &b));
	assert_false(target_same(&a, &c));
}

static bool
us(const char *listener, const char *address, uint16_t port)
{
	struct target t = target(address, port);
	struct target own = target("192.0.2.1", 25);
	char text[64];
	char *item = text;
	const struct config_list l = { .items = &item, .count = 1 };

	assert_int_equal(
	    slice_copy(text, sizeof(text), slice_str(listener)), 0);
	return target_is_us(&t, &own.address, 1, &l);
}

static void
own_address_and_listening_port_are_us(void **state)
{
	(void)state;
	assert_true(us("*:25", "192.0.2.1", 25));
	assert_true(us("*:25", "127.0.0.1", 25));
	assert_true(us("[::]:25", "::1", 25));
	assert_true(us("192.0.2.1:25", "::ffff:192.0.2.1", 25));
	assert_true(us("[::1]:25", "::1", 25));
	assert_false(us("*:25", "192.0.2.1", 26));
	assert_false(us("*:25", "192.0.2.2", 25));
	assert_false(us("127.0.0.1:25", "127.0.0.2", 25));
	assert_false(us("nonsense", "127.0.0.1", 25));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_names_host_address_and_unusual_port),
		cmocka_unit_test(addresses_no_server_has_are_unusable),
		cmocka_unit_test(same_address_in_both_families_is_the_same),
		cmocka_unit_test(own_address_and_listening_port_are_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
