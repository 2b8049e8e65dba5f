#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/table/userdb.h"

static void
record_survives_printing_and_parsing(void **state)
{
	static const unsigned flags[] = { 0, USERDB_DISABLED, USERDB_NO_POP3,
		USERDB_DISABLED | USERDB_NO_IMAP | USERDB_NO_POP3 |
		    USERDB_NO_SUBMISSION };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct buf b = BUF_INIT(USERDB_MAX);
		struct userdb_record in = { .hash = SLICE("{PLAIN}a b,c"),
			.uid = 100000,
			.home = SLICE("example.test/pip"),
			.flags = flags[i] };
		struct userdb_record out;

		assert_int_equal(userdb_print(&in, &b), 0);
		assert_int_equal(userdb_parse(buf_slice(&b), &out), 0);
		assert_true(slice_eq(out.hash, in.hash));
		assert_true(slice_eq(out.home, in.home));
		assert_int_equal(out.uid, in.uid);
		assert_int_equal(out.flags, in.flags);
		buf_free(&b);
	}
}

static void
mailbox_survives_printing_and_parsing(void **state)
{
	struct buf b = BUF_INIT(USERDB_MAX);
	struct userdb_record in = { .uid = 7, .home = SLICE("x.test/a b") };
	struct userdb_record out;

	(void)state;
	assert_int_equal(userdb_print_mailbox(&in, &b), 0);
	assert_string_equal(buf_str(&b), "7 x.test/a b");
	assert_int_equal(userdb_parse_mailbox(buf_slice(&b), &out), 0);
	assert_true(slice_eq(out.home, in.home));
	assert_int_equal(out.uid, 7);
	buf_free(&b);
}

static void
damaged_records_are_refused(void **state)
{
	static const char *const bad[] = { "", "h", "h\t1", "h\t1\t",
		"h\t1\tx/y", "\t1\tx/y\t-", "h\t0\tx/y\t-", "h\t-1\tx/y\t-",
		"h\t4294967295\tx/y\t-", "h\t1\t../y\t-", "h\t1\t/x/y\t-",
		"h\t1\tx//y\t-", "h\t1\tx/.\t-", "h\t1\tx/\t-",
		"h\t1\tx/.ssh\t-", "h\t1\tx/y\tno-such", "h\t1\tx/y\t",
		"h\t1\tx/y\t-\tmore" };
	static const char *const bad_mailbox[] = { "", "1", "1 ", "0 x/y",
		"x x/y", "1 /x", "1 x/..", "1 ../x" };
	struct userdb_record r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(userdb_parse(slice_str(bad[i]), &r), -1);
	for (size_t i = 0; i < ARRAY_LEN(bad_mailbox); i++)
		assert_int_equal(
		    userdb_parse_mailbox(slice_str(bad_mailbox[i]), &r), -1);
}

/* auth has room for so much and would not find the user. */
static void
records_too_long_for_their_readers_are_refused(void **state)
{
	static const char rest[] = "\t1000\texample.test/pip\t-";
	char text[USERDB_MAX + 2];
	struct userdb_record r;
	size_t hash = USERDB_MAX - (sizeof(rest) - 1);

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text + hash, rest, sizeof(rest) - 1);
	assert_int_equal(userdb_parse(slice_of(text, USERDB_MAX), &r), 0);
	memset(text, 'x', sizeof(text));
	memcpy(text + hash + 1, rest, sizeof(rest) - 1);
	assert_int_equal(userdb_parse(slice_of(text, USERDB_MAX + 1), &r), -1);
}

static void
what_could_not_be_read_again_is_not_written(void **state)
{
	struct buf b = BUF_INIT(USERDB_MAX);
	struct userdb_record r = {
		.hash = SLICE("{PLAIN}a\tb"), .uid = 1, .home = SLICE("x/y")
	};

	(void)state;
	assert_int_equal(userdb_print(&r, &b), -1);
	r.hash = SLICE("*");
	r.home = SLICE("../y");
	assert_int_equal(userdb_print(&r, &b), -1);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_survives_printing_and_parsing),
		cmocka_unit_test(mailbox_survives_printing_and_parsing),
		cmocka_unit_test(damaged_records_are_refused),
		cmocka_unit_test(
		    records_too_long_for_their_readers_are_refused),
		cmocka_unit_test(what_could_not_be_read_again_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
