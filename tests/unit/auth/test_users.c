#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/users.h"
#include "common/config/config.h"

static void
names_get_one_form_and_a_domain(void **state)
{
	static const struct {
		const char *given;
		const char *want; /* "": no name */
	} rows[] = {
		{ "pip", "pip@example.test" },
		{ "PIP", "pip@example.test" },
		{ "Pip@Other.Test", "pip@other.test" },
		{ "p\xc3\xafp@example.test", "p\xc3\xafp@example.test" },
		{ "", "" },
		{ "@example.test", "" },
		{ "pip@", "" },
		{ "pip@a@b", "" },
		{ "' or 1=1--", "" },
		{ "*)(uid=*", "" },
		{ "pip\n", "" },
		{ "<pip@example.test>", "" },
		{ "\xff@example.test", "" },
	};
	struct buf problems = BUF_INIT(65536);
	struct config *c = config_parse(
	    SLICE("domains = {\"example.test\", \"other.test\"}\n"), &problems);
	char name[321];

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(users_name(c, slice_str(rows[i].given), name),
		    rows[i].want[0] != '\0');
		assert_string_equal(name, rows[i].want);
	}
	assert_false(users_name(c, slice_of("a\0b@x.test", 10), name));
	buf_free(&problems);
	config_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_get_one_form_and_a_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
