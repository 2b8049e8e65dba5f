#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/config/anchor.h"

static void
records_are_found_among_comments_and_directives(void **state)
{
	static const char text[] =
	    "; autotrust trust anchor file\n"
	    ";;id: . 1\n"
	    "$ORIGIN .\n"
	    ".\t86400\tIN\tDNSKEY\t257 3 8 AwEA/1= ;{id = 20326}\r\n"
	    "\n"
	    "example.test. IN NS a.test.\n"
	    "example.test. DS 1 8 2 ( AB ; first\n"
	    "   CD )\n"
	    "last. IN DS 2 8 2 EF";
	const char *record;
	struct slice owner;
	struct anchor_in in;

	(void)state;
	anchor_open(&in, SLICE(text));
	assert_int_equal(anchor_next(&in, &record, &owner), 1);
	assert_string_equal(record, ". 86400 IN DNSKEY 257 3 8 AwEA/1= ");
	assert_true(slice_eq(owner, SLICE(".")));
	assert_int_equal(anchor_next(&in, &record, &owner), 1);
	assert_true(slice_eq(owner, SLICE("example.test.")));
	assert_non_null(strstr(record, "AB"));
	assert_non_null(strstr(record, "CD"));
	assert_int_equal(anchor_next(&in, &record, &owner), 1);
	assert_true(slice_eq(owner, SLICE("last.")));
	assert_int_equal(anchor_next(&in, &record, &owner), 0);
	anchor_close(&in);
}

static void
unreadable_text_is_refused(void **state)
{
	static const char *const bad[] = { ". DS 1 ( 2", ". DS ) 1\n",
		". DS \1\n", ". \xff DS 1\n" };
	const char *record;
	struct slice owner;
	struct anchor_in in;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		anchor_open(&in, slice_str(bad[i]));
		assert_int_equal(anchor_next(&in, &record, &owner), -1);
		anchor_close(&in);
	}
}

static void
zone_covers_itself_and_what_is_beneath(void **state)
{
	(void)state;
	assert_true(anchor_covers(SLICE("."), SLICE("a.b")));
	assert_true(
	    anchor_covers(SLICE("Example.test."), SLICE("example.test")));
	assert_true(anchor_covers(SLICE("test"), SLICE("example.test.")));
	assert_false(anchor_covers(SLICE("est"), SLICE("example.test")));
	assert_false(anchor_covers(SLICE("a.test"), SLICE("test")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    records_are_found_among_comments_and_directives),
		cmocka_unit_test(unreadable_text_is_refused),
		cmocka_unit_test(zone_covers_itself_and_what_is_beneath),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
