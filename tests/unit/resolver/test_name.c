#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resolver/name.h"

static void
asked(const char *name, enum ipc_dns type, const char *want)
{
	char dst[DNS_NAME_MAX];

	if (want == NULL) {
		assert_int_equal(name_ask(dst, slice_str(name), type), -1);
		return;
	}
	assert_int_equal(name_ask(dst, slice_str(name), type), 0);
	assert_string_equal(dst, want);
}

static void
host_names_become_lower_case_without_last_dot(void **state)
{
	(void)state;
	asked("Mail.Example.TEST.", DNS_A, "mail.example.test");
	asked("_dmarc.example.test", DNS_TXT, "_dmarc.example.test");
}

static void
impossible_names_are_refused(void **state)
{
	(void)state;
	asked("", DNS_A, NULL);
	asked(".", DNS_A, NULL);
	asked("a..b", DNS_A, NULL);
	asked(".a", DNS_A, NULL);
	asked("a b", DNS_A, NULL);
	asked("../x", DNS_A, NULL);
	asked("a\\000b", DNS_A, NULL);
	asked("0123456789012345678901234567890123456789012345678901234567890123"
	      ".test",
	    DNS_A, NULL);
	asked("\xff\xfe.test", DNS_A, NULL);
}

static void
international_names_go_out_in_ascii(void **state)
{
	(void)state;
	asked("B\xc3\xbc"
	      "cher.example",
	    DNS_MX, "xn--bcher-kva.example");
}

static void
addresses_are_turned_round_for_ptr(void **state)
{
	(void)state;
	asked("192.0.2.1", DNS_PTR, "1.2.0.192.in-addr.arpa");
	asked("::ffff:192.0.2.1", DNS_PTR, "1.2.0.192.in-addr.arpa");
	asked("2001:db8::1", DNS_PTR,
	    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"
	    ".ip6.arpa");
	asked("1.2.0.192.in-addr.arpa", DNS_PTR, "1.2.0.192.in-addr.arpa");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_names_become_lower_case_without_last_dot),
		cmocka_unit_test(impossible_names_are_refused),
		cmocka_unit_test(international_names_go_out_in_ascii),
		cmocka_unit_test(addresses_are_turned_round_for_ptr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
