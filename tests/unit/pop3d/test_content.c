#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "pop3d/content.h"

static void
assert_stuffed(struct slice in, const char *want, size_t want_len)
{
	size_t step;

	/* One answer whatever the chunks are. */
	for (step = 1; step <= in.len + 1; step++) {
		struct stuffing st = STUFFING_INIT;
		struct buf out = BUF_INIT(4096);
		size_t at;

		for (at = 0; at < in.len; at += step)
			assert_int_equal(
			    stuffing_feed(&st, slice_sub(in, at, step), &out),
			    0);
		assert_int_equal(stuffing_end(&st, &out), 0);
		assert_int_equal(out.len, want_len);
		assert_memory_equal(out.data, want, want_len);
		buf_free(&out);
	}
}

#define STUFFED(in, want) assert_stuffed(SLICE(in), (want), sizeof(want) - 1)

static void
dots_at_line_starts_are_doubled(void **state)
{
	(void)state;
	STUFFED("a\r\n", "a\r\n.\r\n");
	STUFFED(".\r\n", "..\r\n.\r\n");
	STUFFED("..\r\n.\r\n.a\r\n", "...\r\n..\r\n..a\r\n.\r\n");
	STUFFED("a.b\r\n", "a.b\r\n.\r\n");
	STUFFED("\r\n\r\n", "\r\n\r\n.\r\n");
}

static void
a_missing_line_end_is_added(void **state)
{
	(void)state;
	STUFFED("", ".\r\n");
	STUFFED("a", "a\r\n.\r\n");
	STUFFED("a\r", "a\r\r\n.\r\n");
	STUFFED("a\n", "a\n\r\n.\r\n");
	STUFFED(".", "..\r\n.\r\n");
}

static void
a_dot_behind_a_bare_lf_ends_nothing(void **state)
{
	(void)state;
	STUFFED("a\n.\nb\r\n", "a\n..\nb\r\n.\r\n");
	STUFFED("a\n.\r\n", "a\n..\r\n.\r\n");
}

static void
nul_bytes_pass(void **state)
{
	(void)state;
	STUFFED("a\0b\r\n\0.\r\n", "a\0b\r\n\0.\r\n.\r\n");
}

static void
assert_top(struct slice in, uint64_t lines, size_t want)
{
	size_t step;

	for (step = 1; step <= in.len + 1; step++) {
		struct top t = TOP_INIT(lines);
		size_t taken = 0;
		size_t at;

		for (at = 0; at < in.len && !t.done; at += step)
			taken += top_take(&t, slice_sub(in, at, step));
		assert_int_equal(taken, want);
	}
}

static void
top_counts_lines_behind_the_header(void **state)
{
	const struct slice m = SLICE("A: 1\r\nB: 2\r\n\r\none\r\ntwo\r\nend");

	(void)state;
	assert_top(m, 0, 14);
	assert_top(m, 1, 19);
	assert_top(m, 2, 24);
	assert_top(m, 3, m.len);
	assert_top(m, UINT64_MAX - 1, m.len);
	assert_top(SLICE("A: 1\r\nno empty line\r\n"), 5, 21);
	assert_top(SLICE("\r\nbody\r\n"), 0, 2);
	assert_top(SLICE("a\r\n\r\r\n\r\nbody\r\n"), 0, 8);
	assert_top(SLICE("A: 1\n\nbody\nmore\n"), 1, 11);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dots_at_line_starts_are_doubled),
		cmocka_unit_test(a_missing_line_end_is_added),
		cmocka_unit_test(a_dot_behind_a_bare_lf_ends_nothing),
		cmocka_unit_test(nul_bytes_pass),
		cmocka_unit_test(top_counts_lines_behind_the_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
