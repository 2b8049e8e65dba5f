#include <string.h>

#include "common/base/log.h"
#include "tests/unit/cmocka.h"

PRINTF(1, 2)
static const char *
format(const char *fmt, ...)
{
	static char out[2000];
	va_list ap;

	va_start(ap, fmt);
	(void)log_format(out, sizeof(out), fmt, ap);
	va_end(ap);
	return out;
}

static void
plain_values_stay_as_they_are(void **state)
{
	(void)state;
	assert_string_equal(
	    format("event=%s n=%d", "login", -5), "event=login n=-5");
	assert_string_equal(
	    format("%u %zu %lld %x %02x", 7U, (size_t)8, -9LL, 255U, 10U),
	    "7 8 -9 ff 0a");
	assert_string_equal(format("a=%.*s", 2, "xyz"), "a=xy");
	assert_string_equal(format("100%%"), "100%");
	assert_string_equal(format("[%5d]", 42), "[   42]");
}

static void
a_client_cannot_forge_a_line_or_a_key(void **state)
{
	(void)state;
	assert_string_equal(format("u=%s", "a\nevent=login user=root"),
	    "u=\"a\\x0aevent=login user=root\"");
	assert_string_equal(format("u=%s", "say \"hi\" \\ \x80"),
	    "u=\"say \\\"hi\\\" \\\\ \\x80\"");
	assert_string_equal(format("u=%s", ""), "u=\"\"");
	assert_string_equal(format("u=%s", (const char *)NULL), "u=-");
	assert_string_equal(format("u=%.*s", 3, "a\0b"), "u=\"a\\x00b\"");
}

static void
long_values_are_cut(void **state)
{
	char text[1000];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(strlen(format("%s", text)), 512);
	text[0] = ' ';
	assert_string_equal(format("%s", text) + 510, "aaa...\"");
}

PRINTF(3, 4)
static size_t
format_into(char *dst, size_t cap, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = log_format(dst, cap, fmt, ap);
	va_end(ap);
	return n;
}

static void
what_does_not_fit_is_cut(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(format_into(out, sizeof(out), "%s", "0123456789"), 7);
	assert_string_equal(out, "0123456");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values_stay_as_they_are),
		cmocka_unit_test(a_client_cannot_forge_a_line_or_a_key),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(what_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
