#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "queue/log.h"
#include "queue/mail.h"
#include "tests/unit/tmp.h"

/* Written to by the log's thread: how its disk behaves. */
static struct {
	atomic_int writes;
	atomic_int syncs;
	atomic_int fail_syncs; /* so many from now on */
	atomic_int slow_us;
} disk;

static ssize_t
disk_write(int fd, const void *p, size_t n, off_t at)
{
	disk.writes++;
	return pwrite_all(fd, p, n, at) == -1 ? -1 : (ssize_t)n;
}

static int
disk_sync(int fd)
{
	disk.syncs++;
	if (disk.slow_us > 0)
		usleep((useconds_t)disk.slow_us);
	if (disk.fail_syncs > 0) {
		disk.fail_syncs--;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static const struct seg_io failing = { disk_write, disk_sync };

struct fixture {
	char path[TMP_PATH];
	int dir;
	struct event_base *base;
	struct worker *slow;
	struct log log;
	unsigned folds;
	unsigned changes;
	struct seg *folded;
};

struct waiter {
	struct log_waiter w;
	int told; /* 1 + errno */
	unsigned order;
};

static unsigned told_so_far;

static void
on_done(struct log_waiter *w, int error)
{
	struct waiter *mine = (struct waiter *)w;

	mine->told = 1 + error;
	mine->order = ++told_so_far;
}

static void
on_changed(void *arg)
{
	((struct fixture *)arg)->changes++;
}

static void
on_fold(void *arg, struct seg *s)
{
	struct fixture *f = arg;

	f->folds++;
	f->folded = s;
}

static bool
may_free(void *arg, struct seg *s)
{
	(void)arg;
	(void)s;
	return true;
}

static const struct log_ops ops = { on_changed, on_fold, may_free };

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct log_setup ls = {
		.seg_size = SEG_SIZE_MIN, .io = &failing, .ops = &ops, .arg = f
	};

	disk.writes = 0;
	disk.syncs = 0;
	disk.fail_syncs = 0;
	disk.slow_us = 0;
	told_so_far = 0;
	if (tmp_make(f->path) == -1)
		return -1;
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
	f->base = event_base_new();
	f->slow = worker_new(f->base);
	ls.base = f->base;
	ls.slow = f->slow;
	ls.dir = f->dir;
	if (log_init(&f->log, &ls) == -1 || log_make_first(&f->log) == -1)
		return -1;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	log_stop(&f->log);
	worker_free(f->slow);
	log_free(&f->log);
	event_base_free(f->base);
	(void)close(f->dir);
	assert_int_equal(tmp_remove(f->path), 0);
	free(f);
	return 0;
}

static void
append(struct fixture *f, struct waiter *w, size_t len, bool refusable)
{
	char *body = calloc(1, len);

	memset(body, 'r', len);
	*w = (struct waiter){ .w.done = on_done, .w.refusable = refusable };
	assert_non_null(log_append(
	    &f->log, RECORD_END, slice_of(body, len), SLICE_EMPTY, &w->w));
	free(body);
}

/* Run the loop until this one was told. */
static void
run_until(struct fixture *f, const struct waiter *w)
{
	for (int i = 0; i < 10000 && w->told == 0; i++)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	assert_int_not_equal(w->told, 0);
}

static void
run_idle(struct fixture *f)
{
	for (int i = 0; i < 10000; i++) {
		if (log_idle(&f->log) && !f->log.making)
			return;
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	}
	fail();
}

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
	assert_int_equal(f->log.seg_count, LOG_READY + 1);
	assert_int_equal(f->log.free_count, LOG_READY);
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
		assert_int_equal(f->log.free_count, LOG_READY - 1);
		mail_remove(&ms, m);
		log_untied(&f->log, before);
		run_idle(f);
		assert_int_equal(f->log.seg_count, LOG_READY + 1);
		assert_int_equal(f->log.free_count, LOG_READY);
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
	assert_int_equal(f->log.seg_count, LOG_SEGS_MAX);
	/* And when all is let go, all is free again. */
	mails_free(&ms);
	log_maintain(&f->log);
	assert_ptr_equal(TAILQ_FIRST(&f->log.segs), f->log.active);
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
	log_add_sealed(&f->log, sealed);
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
	assert_int_equal(f->log.free_count, LOG_READY);
	for (uint32_t i = 0; i < 2; i++) {
		seg_name(i, name);
		assert_int_equal(fstatat(f->dir, name, &after, 0), 0);
		assert_int_equal(after.st_ino, before[i].st_ino);
	}
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		T(full_segment_is_followed_by_the_next),
		T(no_segment_is_made_for_mails_that_end_soon),
		T(segments_that_are_needed_are_folded_at_the_end),
		T(no_mail_is_taken_into_the_last_segment),
		T(mail_is_taken_while_a_segment_is_made),
		T(segment_never_takes_the_name_of_another),
		T(record_too_long_is_refused),
	};

	log_level(LOG_FAIL + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
