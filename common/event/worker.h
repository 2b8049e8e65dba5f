#ifndef COMMON_EVENT_WORKER_H
#define COMMON_EVENT_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"

/*
 * worker - a thread that waits for the disk, so that the loop does not.
 *
 * Jobs run one after the other in the thread; what they leave is taken up
 * in the loop, in the same order. A job touches nothing but itself while it
 * runs.
 */
struct event_base;
struct worker;

struct worker_job {
	struct worker_job *next;
	void (*run)(struct worker_job *j);  /* in the thread */
	void (*done)(struct worker_job *j); /* in the loop; may free j */
	int error;                          /* for run() to leave an errno */
};

/* Start the thread. NULL with errno. */
struct worker *worker_new(struct event_base *base) MUST_USE;

/* j is the caller's and stays where it is until done() is called. */
void worker_add(struct worker *p, struct worker_job *j);

/* One that writes whole file systems out. */
#define WORKER_SYNC_MAX 16
struct worker_sync {
	struct worker_job job; /* first member; of it, done is the caller's */
	int fds[WORKER_SYNC_MAX]; /* borrowed until then, one of each */
	size_t count;
};

/* syncfs() of all; job.error is the first errno of those that failed. */
void worker_add_sync(struct worker *p, struct worker_sync *s);

/* Nothing given, nothing running, nothing to take up. */
bool worker_idle(const struct worker *p);

/*
 * Let what was given finish, end the thread and free. done() of jobs that
 * finish now is called. NULL is fine.
 */
void worker_free(struct worker *p);

#endif
