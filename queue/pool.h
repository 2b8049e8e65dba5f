#ifndef QUEUE_POOL_H
#define QUEUE_POOL_H

#include <stdbool.h>

#include "common/base/attr.h"

/*
 * pool - a thread that waits for the disk, so that the loop does not.
 *
 * Jobs run one after the other in the thread; what they leave is taken up
 * in the loop, in the same order. A job touches nothing but itself while it
 * runs.
 */
struct event_base;
struct pool;

struct pool_job {
	struct pool_job *next;
	void (*run)(struct pool_job *j);  /* in the thread */
	void (*done)(struct pool_job *j); /* in the loop; may free j */
	int error;                        /* for run() to leave an errno */
};

/* Start the thread. NULL with errno. */
struct pool *pool_new(struct event_base *base) MUST_USE;

/* j is the caller's and stays where it is until done() is called. */
void pool_add(struct pool *p, struct pool_job *j);

/* Nothing given, nothing running, nothing to take up. */
bool pool_idle(const struct pool *p);

/*
 * Let what was given finish, end the thread and free. done() of jobs that
 * finish now is called. NULL is fine.
 */
void pool_free(struct pool *p);

#endif
