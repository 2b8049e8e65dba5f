#ifndef QUEUE_LIFE_H
#define QUEUE_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

/*
 * life - a mail's way from its commit to its end.
 *
 *	life_accepted   its record is durable
 *	life_go         hot: whatever is due is asked of router
 *	plan (plan.h)   all asked is answered: tasks
 *	life_task_over  a task's recipients have their results
 *	life_settle     nothing is under way: write down, and bounce, wait
 *	                for another time, or end
 *
 * The record of the end is durable before anything of the mail is removed.
 */
struct limits;
struct mail;
struct queue;
struct task;

void life_accepted(struct queue *q, struct mail *m);

/* Start what is due of a hot mail. m may be cold or gone afterwards. */
void life_go(struct queue *q, struct mail *m);

/*
 * Something of a hot mail has ended. Writes down what is new, and decides
 * how it goes on. m may be cold or gone afterwards.
 */
void life_settle(struct queue *q, struct mail *m);

/* A task is over: release it, and settle its mail. */
void life_task_over(struct queue *q, struct task *t);

/* What waits for these destinations, which are dead, is put off. */
void life_put_off(struct queue *q, struct mail *m, const struct limits *l);

/*
 * Read back mails that are due, some in a pass. True when there are more
 * than this pass took.
 */
bool life_load_due(struct queue *q, int64_t now_ms);

/* There may be room before a destination again. */
void life_unpark(struct queue *q, struct task *t);

/*
 * By the administrator. 0, or -1 with errno: EBADMSG for a damaged mail
 * (which can only be deleted), EIO and others when it cannot be read.
 */
int life_hold(struct queue *q, struct mail *m) MUST_USE;
int life_release(struct queue *q, struct mail *m) MUST_USE;
int life_delete(struct queue *q, struct mail *m) MUST_USE;
int life_flush(struct queue *q, struct mail *m) MUST_USE;

#endif
