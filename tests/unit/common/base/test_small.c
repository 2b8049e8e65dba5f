/* The small ones of common/base: num, base64, utf8, wire, crc32c, slice. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/base/crc32c.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/slice.h"
#include "common/base/utf8.h"
#include "common/base/wire.h"
#include "tests/unit/cmocka.h"

static void
numbers_are_digits_and_nothing_else(void **state)
{
	static const char *const bad[] = { "", "-1", "+1", " 1", "1 ", "0x1",
		"1.0" };
	uint64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(num_parse(slice_str(bad[i]), 99, &v), -1);
		assert_int_equal(errno, EINVAL);
	}
	assert_int_equal(num_parse(SLICE("0099"), 99, &v), 0);
	assert_int_equal(v, 99);
	assert_int_equal(num_parse(SLICE("100"), 99, &v), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(
	    num_parse(SLICE("18446744073709551615"), UINT64_MAX, &v), 0);
	assert_int_equal(
	    num_parse(SLICE("18446744073709551616"), UINT64_MAX, &v), -1);
}

static void
sizes_and_times_have_units(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(num_parse_size(SLICE("10M"), 1 << 30, &v), 0);
	assert_int_equal(v, 10 << 20);
	assert_int_equal(num_parse_size(SLICE("2G"), 1 << 30, &v), -1);
	assert_int_equal(num_parse_time(SLICE("4h"), 1000000, &v), 0);
	assert_int_equal(v, 14400);
	assert_int_equal(num_parse_time(SLICE("h"), 1000000, &v), -1);
}

static void
base64_round_trips_every_length(void **state)
{
	char in[64];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 7 + 200);
	for (size_t n = 0; n <= sizeof(in); n++) {
		struct buf text = BUF_INIT(200);
		struct buf back = BUF_INIT(200);

		assert_int_equal(base64_encode(&text, slice_of(in, n)), 0);
		assert_int_equal(base64_decode(&back, buf_slice(&text)), 0);
		assert_int_equal(back.len, n);
		assert_memory_equal(n == 0 ? "" : back.data, in, n);
		buf_free(&text);
		buf_free(&back);
	}
}

static void
base64_refuses_what_is_not_canonical(void **state)
{
	static const char *const bad[] = { "A", "AB", "ABC", "A===", "AB=C",
		"AB==CDEF", "AB\n=", "A*==", "AB==\r\n", "AR==x" };
	struct buf out = BUF_INIT(100);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(base64_decode(&out, slice_str(bad[i])), -1);
	assert_int_equal(base64_decode(&out, SLICE("QR==")), -1);
	assert_int_equal(base64_decode(&out, SLICE("QQ==")), 0);
	buf_free(&out);
}

static void
utf8_takes_only_the_shortest_form(void **state)
{
	static const char *const bad[] = { "\x80", "\xc0\xaf", "\xe0\x80\xaf",
		"\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xc3", "a\xff" };
	static const uint32_t points[] = { 0x24, 0xa2, 0x20ac, 0x10348 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(utf8_valid(slice_str(bad[i])));
	for (size_t i = 0; i < ARRAY_LEN(points); i++) {
		struct buf b = BUF_INIT(8);
		size_t n;

		assert_int_equal(utf8_put(&b, points[i]), 0);
		assert_int_equal(utf8_next(buf_slice(&b), &n), points[i]);
		assert_int_equal(n, b.len);
		buf_free(&b);
	}
}

static void
wire_reader_remembers_its_first_failure(void **state)
{
	struct buf b = BUF_INIT(100);
	struct wire_in w;

	(void)state;
	assert_int_equal(wire_put_u16(&b, 7), 0);
	assert_int_equal(wire_put_bytes(&b, SLICE("abc")), 0);
	w = wire_in(buf_slice(&b));
	assert_int_equal(wire_u16(&w), 7);
	assert_int_equal(wire_bytes(&w, 3).len, 3);
	assert_int_equal(wire_done(&w), 0);
	w = wire_in(buf_slice(&b));
	assert_int_equal(wire_u16(&w), 7);
	assert_int_equal(wire_bytes(&w, 2).len, 0);
	assert_int_equal(wire_u8(&w), 0);
	assert_int_equal(wire_done(&w), -1);
	for (size_t cut = 0; cut < b.len; cut++) {
		w = wire_in(slice_of(b.data, cut));
		(void)wire_u16(&w);
		(void)wire_bytes(&w, 3);
		assert_int_equal(wire_done(&w), -1);
	}
	buf_free(&b);
}

static void
crc32c_matches_the_rfc(void **state)
{
	char zeros[32] = { 0 };
	char up[32];

	(void)state;
	for (size_t i = 0; i < sizeof(up); i++)
		up[i] = (char)i;
	/* RFC 3720 §B.4 */
	assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aaU);
	assert_int_equal(crc32c(0, up, 32), 0x46dd794eU);
	assert_int_equal(crc32c(crc32c(0, up, 5), up + 5, 27), 0x46dd794eU);
}

static void
slices_are_cut_and_copied_within_bounds(void **state)
{
	struct slice head;
	char dst[4];

	(void)state;
	assert_int_equal(slice_cut(SLICE("a b"), ' ', &head).len, 1);
	assert_int_equal(head.len, 1);
	assert_int_equal(slice_cut(SLICE("ab"), ' ', &head).len, 0);
	assert_int_equal(head.len, 2);
	assert_int_equal(slice_copy(dst, sizeof(dst), SLICE("abc")), 0);
	assert_int_equal(slice_copy(dst, sizeof(dst), SLICE("abcd")), -1);
	assert_string_equal(dst, "");
	assert_int_equal(slice_copy(dst, sizeof(dst), slice_of("a\0b", 3)), -1);
	assert_int_equal(slice_sub(SLICE("abc"), 5, 9).len, 0);
	assert_true(slice_ieq(SLICE("MiXed"), SLICE("mixed")));
	assert_int_equal(slice_trim(SLICE(" \t a \t")).len, 1);
}

/* What is in use stays as it is, and there is memory afterwards. */
static void
memory_that_rests_is_not_lost(void **state)
{
	char *p = xcalloc(100, 1000);
	char *q;

	(void)state;
	memset(p, 7, 100000);
	q = xcalloc(300, 1000);
	free(q);
	mem_settle();
	mem_rest();
	q = xcalloc(1, 100000);
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(p[i] + q[i], 7);
	free(p);
	free(q);
	mem_rest();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_digits_and_nothing_else),
		cmocka_unit_test(sizes_and_times_have_units),
		cmocka_unit_test(base64_round_trips_every_length),
		cmocka_unit_test(base64_refuses_what_is_not_canonical),
		cmocka_unit_test(utf8_takes_only_the_shortest_form),
		cmocka_unit_test(wire_reader_remembers_its_first_failure),
		cmocka_unit_test(crc32c_matches_the_rfc),
		cmocka_unit_test(memory_that_rests_is_not_lost),
		cmocka_unit_test(slices_are_cut_and_copied_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
