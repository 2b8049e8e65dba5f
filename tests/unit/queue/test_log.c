#include "queue/mail.h"
#include "tests/unit/queue/log_fixture.h"

static void
commits_of_one_pass_share_one_sync(void **state)
{
	struct fixture *f = *state;
	struct waiter w[100];

	for (int i = 0; i < 100; i++)
		append(f, &w[i], 200, true);
	run_until(f, &w[99]);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(w[i].told, 1);
		assert_int_equal(w[i].order, i + 1);
	}
	assert_int_equal(disk.syncs, 1);
}

static void
commits_during_a_sync_share_the_next(void **state)
{
	struct fixture *f = *state;
	struct waiter first;
	struct waiter w[50];

	disk.slow_us = 20000;
	append(f, &first, 200, true);
	assert_int_equal(event_base_loop(f->base, EVLOOP_NONBLOCK), 0);
	for (int i = 0; i < 50; i++)
		append(f, &w[i], 200, true);
	run_until(f, &w[49]);
	assert_int_equal(disk.syncs, 2);
	assert_int_equal(first.order, 1);
}

static void
nothing_is_told_before_its_sync(void **state)
{
	struct fixture *f = *state;
	struct waiter w;

	disk.slow_us = 20000;
	append(f, &w, 200, true);
	assert_int_equal(event_base_loop(f->base, EVLOOP_NONBLOCK), 0);
	assert_int_equal(w.told, 0);
	run_until(f, &w);
	assert_int_equal(disk.syncs, 1);
}

static void
failed_sync_seals_its_segment_and_the_next_gets_the_records(void **state)
{
	struct fixture *f = *state;
	struct waiter before;
	struct waiter w[3];
	struct seg *bad;

	append(f, &before, 100, true);
	run_until(f, &before);
	bad = f->log.active;
	disk.fail_syncs = 1;
	for (int i = 0; i < 3; i++)
		append(f, &w[i], 100, true);
	run_until(f, &w[2]);
	assert_int_equal(w[0].told, 1);
	assert_int_equal(disk.syncs, 3);
	assert_ptr_not_equal(f->log.active, bad);
	/* Nobody needs the bad one: its file is gone. */
	assert_int_equal(f->log.syncs_failed, 1);
	run_idle(f);
}

static void
two_failed_syncs_refuse_mail_and_keep_results(void **state)
{
	struct fixture *f = *state;
	struct waiter mail;
	struct waiter result;

	disk.fail_syncs = 2;
	append(f, &mail, 100, true);
	append(f, &result, 100, false);
	run_until(f, &mail);
	assert_int_equal(mail.told, 1 + EIO);
	assert_int_equal(result.told, 0);
	assert_int_equal(log_takes_mail(&f->log), EIO);
	/* It tries again by itself, and all is well. */
	run_until(f, &result);
	assert_int_equal(result.told, 1);
	run_idle(f);
	assert_int_equal(log_takes_mail(&f->log), 0);
}

struct replayed {
	unsigned kinds[RECORD_END + 1];
};

static void
count_record(void *arg, struct seg *s, const struct record *r, uint64_t at)
{
	struct replayed *n = arg;

	(void)s;
	(void)at;
	n->kinds[r->kind]++;
}

static void
no_damage(void *arg, struct seg *s, struct slice bytes, uint64_t at)
{
	(void)arg;
	(void)s;
	(void)bytes;
	(void)at;
	fail();
}

static void
refused_mail_does_not_come_back(void **state)
{
	struct fixture *f = *state;
	struct replayed n = { { 0 } };
	struct seg_replay r = { .is_last = true,
		.arg = &n,
		.record = count_record,
		.damage = no_damage };
	struct waiter mail;
	struct waiter result;

	disk.fail_syncs = 2;
	append(f, &mail, 100, true);
	append(f, &result, 100, false);
	run_until(f, &result);
	assert_int_equal(seg_replay(f->log.active, &r), 0);
	assert_int_equal(n.kinds[RECORD_END], 1); /* the result only */
	assert_int_equal(r.records, 2);
	run_idle(f);
}

static void
no_mail_is_taken_into_the_last_segment(void **state)
{
	struct fixture *f = *state;
	struct mails ms;
	struct waiter w;
	uint64_t n = 0;

	mails_init(&ms);
	while (log_takes_mail(&f->log) == 0 && n < 300) {
		append(f, &w, 500000, true);
		run_until(f, &w);
		mail_tie(mail_add(&ms, (struct qid){ ++n, 0 }), f->log.active);
		run_idle(f);
	}
	assert_int_equal(log_takes_mail(&f->log), ENOSPC);
	/* Results go on, for most of a whole segment. */
	for (uint64_t at = 0; at < SEG_SIZE_MIN / 2; at += 100000) {
		append(f, &w, 100000, false);
		run_until(f, &w);
		assert_int_equal(w.told, 1);
	}
	mails_free(&ms);
}

struct held_job {
	struct worker_job job;
	atomic_bool may_end;
};

static void
wait_for_leave(struct worker_job *j)
{
	while (!((struct held_job *)j)->may_end)
		usleep(1000);
}

static void
no_more(struct worker_job *j)
{
	(void)j;
}

/* As after a start with one free segment, on a disk that is busy. */
static void
mail_is_taken_while_a_segment_is_made(void **state)
{
	struct fixture *f = *state;
	struct held_job held = { .job = {
				     .run = wait_for_leave, .done = no_more } };
	struct seg *sealed = TAILQ_FIRST(&f->log.free);
	struct mails ms;
	struct waiter w;

	mails_init(&ms);
	TAILQ_REMOVE(&f->log.free, sealed, link);
	f->log.free_count--;
	f->log.seg_count--;
	segments_add_sealed(&f->log, sealed);
	mail_tie(mail_add(&ms, (struct qid){ 1, 0 }), sealed);
	worker_add(f->slow, &held.job);
	append(f, &w, 1000, true);
	run_until(f, &w);
	assert_int_equal(f->log.free_count, 0);
	/* But not more than half of it. */
	while (f->log.active->used < f->log.active->size / 2) {
		f->changes = 0;
		assert_int_equal(log_takes_mail(&f->log), 0);
		append(f, &w, 500000, true);
		run_until(f, &w);
		assert_int_equal(w.told, 1);
	}
	assert_int_equal(f->changes, 1);
	assert_int_equal(log_takes_mail(&f->log), ENOSPC);
	held.may_end = true;
	run_idle(f);
	assert_int_equal(log_takes_mail(&f->log), 0);
	mails_free(&ms);
}

static void
record_too_long_is_refused(void **state)
{
	struct fixture *f = *state;
	char *body = calloc(1, SEG_SIZE_MIN);

	errno = 0;
	assert_null(log_append(&f->log, RECORD_MAIL,
	    slice_of(body, SEG_SIZE_MIN), SLICE_EMPTY, NULL));
	assert_int_equal(errno, EMSGSIZE);
	free(body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(commits_of_one_pass_share_one_sync),
		T(commits_during_a_sync_share_the_next),
		T(nothing_is_told_before_its_sync),
		T(failed_sync_seals_its_segment_and_the_next_gets_the_records),
		T(two_failed_syncs_refuse_mail_and_keep_results),
		T(refused_mail_does_not_come_back),
		T(no_mail_is_taken_into_the_last_segment),
		T(mail_is_taken_while_a_segment_is_made),
		T(record_too_long_is_refused),
	};

	log_level(LOG_FAIL + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
