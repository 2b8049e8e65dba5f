#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/login/sleep.h"
#include "imapd/sleep_state.h"

static struct sleep_state
sample(void)
{
	struct sleep_state s = { .silent_since_ms = 123456789,
		.errors = 3,
		.idling = true,
		.tag = "A.1",
		.selected = true,
		.keywords_told = 7 };

	s.place = (struct mailbox_place){ .id = 4,
		.uidvalidity = 1700000000,
		.pos = UINT64_C(0x123456789abcdef),
		.exists = 77,
		.keywords = 8,
		.readonly = true,
		.recent_count = 2 };
	s.place.recent[0] = (struct uid_range){ 5, 9 };
	s.place.recent[1] = (struct uid_range){ 11, UINT32_MAX };
	return s;
}

static void
put(struct buf *b, const struct sleep_state *s)
{
	buf_free(b);
	assert_int_equal(sleep_state_put(b, s), 0);
}

static void
what_is_written_is_read(void **state)
{
	struct buf b = BUF_INIT(SLEEP_STATE_MAX);
	struct sleep_state in = sample();
	struct sleep_state out;

	(void)state;
	put(&b, &in);
	assert_int_equal(sleep_state_parse(buf_slice(&b), &out), 0);
	assert_int_equal(out.silent_since_ms, in.silent_since_ms);
	assert_int_equal(out.errors, 3);
	assert_true(out.idling);
	assert_string_equal(out.tag, "A.1");
	assert_true(out.selected);
	assert_int_equal(out.keywords_told, 7);
	assert_int_equal(out.place.id, 4);
	assert_int_equal(out.place.uidvalidity, 1700000000);
	assert_int_equal(out.place.pos, in.place.pos);
	assert_int_equal(out.place.exists, 77);
	assert_int_equal(out.place.keywords, 8);
	assert_true(out.place.readonly);
	assert_int_equal(out.place.recent_count, 2);
	assert_memory_equal(
	    out.place.recent, in.place.recent, 2 * sizeof(struct uid_range));
	buf_free(&b);
}

static void
the_largest_fits(void **state)
{
	struct buf b = BUF_INIT(SLEEP_STATE_MAX);
	struct sleep_state s = sample();

	(void)state;
	memset(s.tag, 'x', PARSE_TAG_MAX);
	s.place.recent_count = PLACE_RANGES;
	for (uint32_t i = 0; i < PLACE_RANGES; i++)
		s.place.recent[i] = (struct uid_range){ 3 * i + 1, 3 * i + 2 };
	put(&b, &s);
	assert_int_equal(sleep_state_parse(buf_slice(&b), &s), 0);
	buf_free(&b);
}

static void
nothing_is_read_of_what_is_cut_or_longer(void **state)
{
	struct buf b = BUF_INIT(SLEEP_STATE_MAX);
	struct sleep_state s = sample();

	(void)state;
	put(&b, &s);
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(
		    sleep_state_parse(slice_of(b.data, n), &s), -1);
	assert_int_equal(buf_append_byte(&b, '\0'), 0);
	assert_int_equal(sleep_state_parse(buf_slice(&b), &s), -1);
	buf_free(&b);
}

static void
assert_bad(const struct sleep_state *bad)
{
	struct buf b = BUF_INIT(SLEEP_STATE_MAX);
	struct sleep_state s;

	put(&b, bad);
	assert_int_equal(sleep_state_parse(buf_slice(&b), &s), -1);
	buf_free(&b);
}

static void
what_no_session_is_like_is_refused(void **state)
{
	static const char *const tags[] = { "", "a b", "a\r\n* BYE", "a\"",
		"a+" };
	struct sleep_state s;

	(void)state;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		s = sample();
		memset(s.tag, 0, sizeof(s.tag));
		memcpy(s.tag, tags[i], strlen(tags[i]));
		assert_bad(&s);
	}
	s = sample();
	s.idling = false; /* and a tag all the same */
	assert_bad(&s);
	s = sample();
	s.silent_since_ms = -1;
	assert_bad(&s);
	s = sample();
	s.keywords_told = KEYWORDS_MAX + 1;
	assert_bad(&s);
	s = sample();
	s.place.keywords = KEYWORDS_MAX + 1;
	assert_bad(&s);
	s = sample();
	s.place.recent[0].first = 0;
	assert_bad(&s);
	s = sample();
	s.place.recent[0].last = 4;
	assert_bad(&s);
	s = sample();
	s.place.recent[1].first = 9;
	assert_bad(&s);
}

static void
bits_and_versions_we_do_not_know_are_refused(void **state)
{
	struct buf b = BUF_INIT(SLEEP_STATE_MAX);
	struct sleep_state s = sample();

	(void)state;
	put(&b, &s);
	b.data[0] ^= 1;
	assert_int_equal(sleep_state_parse(buf_slice(&b), &s), -1);
	b.data[0] ^= 1;
	b.data[1] |= 8;
	assert_int_equal(sleep_state_parse(buf_slice(&b), &s), -1);
	buf_free(&b);
	s = (struct sleep_state){ .silent_since_ms = 1 };
	put(&b, &s);
	assert_int_equal(sleep_state_parse(buf_slice(&b), &s), 0);
	b.data[1] |= 4; /* read-only, and no mailbox */
	assert_int_equal(sleep_state_parse(buf_slice(&b), &s), -1);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_largest_fits),
		cmocka_unit_test(nothing_is_read_of_what_is_cut_or_longer),
		cmocka_unit_test(what_no_session_is_like_is_refused),
		cmocka_unit_test(bits_and_versions_we_do_not_know_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
