/* Which segments there are: made, used in turn, freed. */
#include "queue/mail.h"
#include "tests/unit/queue/log_fixture.h"

static void
full_segment_is_followed_by_the_next(void **state)
{
	struct fixture *f = *state;
	uint64_t first = 0;
	struct waiter w;

	for (int i = 0; i < 24; i++) {
		append(f, &w, 500000, true);
		run_until(f, &w);
		assert_int_equal(w.told, 1);
		if (i == 0)
			first = f->log.active->number;
	}
	assert_true(f->log.active->number > first + 1);
	/* Nothing was tied: the same few files go round. */
	run_idle(f);
	assert_int_equal(f->log.seg_count, SEGMENTS_READY + 1);
	assert_int_equal(f->log.free_count, SEGMENTS_READY);
	assert_int_equal(f->folds, 0);
}

/*
 * What still stands in the one before is mostly over soon: a segment more is
 * 64 MiB written for nothing, unless the active one is half full by then.
 */
static void
no_segment_is_made_for_mails_that_end_soon(void **state)
{
	struct fixture *f = *state;
	struct seg *before;
	struct mails ms;
	struct mail *m;
	struct waiter w;

	mails_init(&ms);
	append(f, &w, 1000, true);
	run_until(f, &w);
	run_idle(f);
	for (uint64_t n = 1; n < 4; n++) {
		before = f->log.active;
		m = mail_add(&ms, (struct qid){ n, 0 });
		mail_tie(m, before);
		while (f->log.active == before) {
			append(f, &w, 500000, true);
			run_until(f, &w);
		}
		assert_false(f->log.making);
		assert_int_equal(f->log.free_count, SEGMENTS_READY - 1);
		mail_remove(&ms, m);
		segments_untied(&f->log, before);
		run_idle(f);
		assert_int_equal(f->log.seg_count, SEGMENTS_READY + 1);
		assert_int_equal(f->log.free_count, SEGMENTS_READY);
	}
	mails_free(&ms);
}

static void
segments_that_are_needed_are_folded_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct mails ms;
	struct waiter w;
	uint64_t n = 0;

	mails_init(&ms);
	while (f->folds == 0 && n < 200) {
		append(f, &w, 500000, true);
		run_until(f, &w);
		assert_int_equal(w.told, 1);
		mail_tie(mail_add(&ms, (struct qid){ ++n, 0 }), f->log.active);
		run_idle(f);
	}
	assert_int_equal(f->folds, 1);
	assert_ptr_equal(f->folded, TAILQ_FIRST(&f->log.segs));
	assert_int_equal(f->log.seg_count, SEGMENTS_MAX);
	/* And when all is let go, all is free again. */
	mails_free(&ms);
	segments_maintain(&f->log);
	assert_ptr_equal(TAILQ_FIRST(&f->log.segs), f->log.active);
}

/* Names have four digits, and a bad disk may use up many of them. */
static void
segment_never_takes_the_name_of_another(void **state)
{
	struct fixture *f = *state;
	struct stat before[2];
	struct stat after;
	struct waiter w;
	char name[SEG_NAME];

	for (uint32_t i = 0; i < 2; i++) {
		seg_name(i, name);
		assert_int_equal(fstatat(f->dir, name, &before[i], 0), 0);
	}
	f->log.next_slot = 10000;
	for (uint64_t at = 0; at < SEG_SIZE_MIN / 2; at += 100000) {
		append(f, &w, 100000, true);
		run_until(f, &w);
	}
	run_idle(f);
	assert_int_equal(f->log.free_count, SEGMENTS_READY);
	for (uint32_t i = 0; i < 2; i++) {
		seg_name(i, name);
		assert_int_equal(fstatat(f->dir, name, &after, 0), 0);
		assert_int_equal(after.st_ino, before[i].st_ino);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(full_segment_is_followed_by_the_next),
		T(no_segment_is_made_for_mails_that_end_soon),
		T(segments_that_are_needed_are_folded_at_the_end),
		T(segment_never_takes_the_name_of_another),
	};

	log_level(LOG_FAIL + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
