#ifndef TESTS_UNIT_QUEUE_LOG_FIXTURE_H
#define TESTS_UNIT_QUEUE_LOG_FIXTURE_H

/* A log on a directory of its own and a disk that fails when it is told to. */
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "queue/log.h"
#include "queue/segments.h"
#include "tests/unit/queue/disk.h"
#include "tests/unit/tmp.h"

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

static inline void
on_done(struct log_waiter *w, int error)
{
	struct waiter *mine = (struct waiter *)w;

	mine->told = 1 + error;
	mine->order = ++told_so_far;
}

static inline void
on_changed(void *arg)
{
	((struct fixture *)arg)->changes++;
}

static inline void
on_fold(void *arg, struct seg *s)
{
	struct fixture *f = arg;

	f->folds++;
	f->folded = s;
}

static inline bool
may_free(void *arg, struct seg *s)
{
	(void)arg;
	(void)s;
	return true;
}

static const struct log_ops ops = { on_changed, on_fold, may_free };

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct log_setup ls = {
		.seg_size = SEG_SIZE_MIN, .io = &disk_io, .ops = &ops, .arg = f
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
	if (log_init(&f->log, &ls) == -1 || segments_make_first(&f->log) == -1)
		return -1;
	*state = f;
	return 0;
}

static inline int
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

static inline void
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
static inline void
run_until(struct fixture *f, const struct waiter *w)
{
	for (int i = 0; i < 10000 && w->told == 0; i++)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	assert_int_not_equal(w->told, 0);
}

static inline void
run_idle(struct fixture *f)
{
	for (int i = 0; i < 10000; i++) {
		if (log_idle(&f->log) && !f->log.making)
			return;
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	}
	fail();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
