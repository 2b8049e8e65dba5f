#include <errno.h>
#include <string.h>

#include "common/address/idna.h"
#include "common/address/path.h"
#include "tests/unit/cmocka.h"

/* The address as it is after idna_path(). */
static void
becomes(const char *address, const char *want, bool utf8)
{
	char text[PATH_TEXT_MAX];
	struct path p;

	assert_int_equal(
	    path_from_address(&p, slice_str(address), PATH_ALLOW_UTF8),
	    PATH_OK);
	assert_int_equal(idna_path(&p), 0);
	(void)path_format(&p, text);
	assert_string_equal(text, want);
	assert_int_equal(p.utf8, utf8);
}

static void
domains_become_ascii_and_local_parts_stay(void **state)
{
	(void)state;
	becomes("pip@bücher.example", "pip@xn--bcher-kva.example", false);
	becomes("pip@BÜCHER.example", "pip@xn--bcher-kva.example", false);
	becomes("pip@bu\xcc\x88"
		"cher.example",
	    "pip@xn--bcher-kva.example", false);
	becomes("pïp@bücher.example", "pïp@xn--bcher-kva.example", true);
	becomes("pïp@x.test", "pïp@x.test", true);
	becomes(
	    "pip@XN--bcher-kva.example", "pip@xn--bcher-kva.example", false);
	becomes("pip@straße.example", "pip@xn--strae-oqa.example", false);
}

static void
domains_without_an_ascii_form_stay(void **state)
{
	(void)state;
	becomes("pip@\xe2\x80\xa8.example", "pip@\xe2\x80\xa8.example", true);
	becomes("pip@a\xef\xbc\xa0"
		"b.example",
	    "pip@a\xef\xbc\xa0"
	    "b.example",
	    true);
	becomes("pip@a\xe3\x80\x82\xe3\x80\x82"
		"b.example",
	    "pip@a\xe3\x80\x82\xe3\x80\x82"
	    "b.example",
	    true);
}

static void
what_does_not_fit_is_an_error(void **state)
{
	char dst[22];

	(void)state;
	assert_int_equal(idna_to_ascii(dst, 22, "bücher.example"), 0);
	assert_string_equal(dst, "xn--bcher-kva.example");
	assert_int_equal(idna_to_ascii(dst, 21, "bücher.example"), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(idna_to_ascii(dst, 22, "\xff"), -1);
	assert_int_equal(errno, EILSEQ);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains_become_ascii_and_local_parts_stay),
		cmocka_unit_test(domains_without_an_ascii_form_stay),
		cmocka_unit_test(what_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
