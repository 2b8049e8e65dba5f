#ifndef COMMON_EVENT_WORKER_H
#define COMMON_EVENT_WORKER_H

#include <stdbool.h>

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

/* Nothing given, nothing running, nothing to take up. */
bool worker_idle(const struct worker *p);

/*
 * Let what was given finish, end the thread and free. done() of jobs that
 * finish now is called. NULL is fine.
 */
void worker_free(struct worker *p);

#endif
