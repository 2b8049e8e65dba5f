#ifndef QUEUE_TASK_H
#define QUEUE_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

/*
 * task - part of a mail's recipients on their way to one destination. The
 * struct stands in sched.h.
 */
struct dest;
struct mail;
struct queue;
struct task;

/* An empty one of a hot mail; kind: enum ipc_work_kind. */
struct task *task_new(struct mail *m, struct dest *d, uint8_t kind) MUST_USE;

/* Add a recipient, who is busy from now on. */
void task_add(struct task *t, uint32_t number);

/* Take a recipient out, busy no longer. False when it is not in there. */
bool task_drop(struct task *t, uint32_t number);

/* Give the task to the schedule. */
void task_queue(struct queue *q, struct task *t);

/*
 * Release it: out of the schedule when it waits there; recipients that are
 * left are busy no longer.
 */
void task_free(struct queue *q, struct task *t);

#endif
