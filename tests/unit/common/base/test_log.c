#include <fcntl.h>
#include <string.h>
#include <unistd.h>

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

/* Bytes that have been written to the log since the last time. */
static size_t
arrived(int fd, char *text, size_t cap)
{
	ssize_t n = read(fd, text, cap - 1);

	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

static void
held_lines_go_out_together(void **state)
{
	char text[8192];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	log_open("test", fds[1], true);
	log_hold(true);
	log_info("event=first");
	log_info("event=second");
	assert_int_equal(arrived(fds[0], text, sizeof(text)), 0);
	log_flush();
	assert_true(arrived(fds[0], text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "]: event=first\n"));
	assert_non_null(strstr(text, "]: event=second\n"));
	/* A warning does not wait, nor does what stands before it. */
	log_info("event=third");
	log_warn("event=fourth");
	assert_true(arrived(fds[0], text, sizeof(text)) > 0);
	assert_true(strstr(text, "third") < strstr(text, "fourth"));
	/* Never more than a pipe takes in one piece. */
	for (int i = 0; i < 100; i++)
		log_info("event=many number=%d text=%060d", i, 0);
	log_hold(false);
	for (int i = 0; i < 100; i += 1) {
		char c = '\0';
		size_t n = 0;

		while (read(fds[0], &c, 1) == 1 && ++n && c != '\n')
			continue;
		assert_int_equal(c, '\n');
	}
	log_info("event=last");
	assert_true(arrived(fds[0], text, sizeof(text)) > 0);
	log_open("test", 2, true);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
what_goes_on_and_on_is_said_now_and_then(void **state)
{
	int64_t said = 0;

	(void)state;
	assert_true(log_due(&said));
	assert_false(log_due(&said));
	said -= 9000;
	assert_false(log_due(&said));
	said -= 1001;
	assert_true(log_due(&said));
	assert_false(log_due(&said));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_values_stay_as_they_are),
		cmocka_unit_test(a_client_cannot_forge_a_line_or_a_key),
		cmocka_unit_test(long_values_are_cut),
		cmocka_unit_test(what_does_not_fit_is_cut),
		cmocka_unit_test(held_lines_go_out_together),
		cmocka_unit_test(what_goes_on_and_on_is_said_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
