#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "tests/unit/cmocka.h"

static void
append_past_max_leaves_buf_unchanged(void **state)
{
	struct buf b = BUF_INIT(4);

	(void)state;
	assert_int_equal(buf_append(&b, "abc", 3), 0);
	assert_int_equal(buf_append(&b, "de", 2), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_string_equal(b.data, "abc");
	assert_int_equal(buf_append(&b, "d", 1), 0);
	buf_free(&b);
}

static void
consumed_front_is_used_again(void **state)
{
	struct buf b = BUF_INIT(1000);
	char block[100];

	(void)state;
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(buf_append(&b, block, sizeof(block)), 0);
		buf_consume(&b, sizeof(block));
	}
	assert_true(b.cap <= 1024);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void
take_gives_what_was_not_consumed(void **state)
{
	struct buf b = BUF_INIT(100);
	size_t len;
	char *p;

	(void)state;
	assert_int_equal(buf_append_str(&b, "hello world"), 0);
	buf_consume(&b, 6);
	p = buf_take(&b, &len);
	assert_string_equal(p, "world");
	assert_int_equal(len, 5);
	assert_int_equal(b.len, 0);
	free(p);
}

static void
empty_buf_is_an_empty_string(void **state)
{
	struct buf b = BUF_INIT(10);

	(void)state;
	assert_string_equal(buf_str(&b), "");
	buf_consume(&b, 0);
	buf_truncate(&b, 0);
	assert_int_equal(buf_append(&b, NULL, 0), 0);
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);
	buf_free(&b);
}

static void
printf_fits_exactly_or_not_at_all(void **state)
{
	struct buf b = BUF_INIT(5);

	(void)state;
	assert_int_equal(buf_printf(&b, "%s", "12345"), 0);
	assert_int_equal(buf_printf(&b, "%d", 6), -1);
	assert_string_equal(b.data, "12345");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(append_past_max_leaves_buf_unchanged),
		cmocka_unit_test(consumed_front_is_used_again),
		cmocka_unit_test(take_gives_what_was_not_consumed),
		cmocka_unit_test(empty_buf_is_an_empty_string),
		cmocka_unit_test(printf_fits_exactly_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
