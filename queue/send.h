#ifndef QUEUE_SEND_H
#define QUEUE_SEND_H

#include "common/base/attr.h"

/*
 * send - a task becomes WORK.
 */
struct agent;
struct queue;
struct task;

/* Send a job. Returns 0, or -1 with errno; nothing was sent then. */
int send_work(struct queue *q, struct agent *a, struct task *t) MUST_USE;

/* An agent says that the content is not what was taken in: hold the mail. */
void send_damaged(struct queue *q, struct task *t);

#endif
