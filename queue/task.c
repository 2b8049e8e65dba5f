#include "queue/task.h"

#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "queue/queue.h"

#define FRESH_RCPTS 20U /* a mail with more at a time is bulk */

struct task *
task_new(struct mail *m, struct dest *d, uint8_t kind)
{
	struct task *t = xcalloc(1, sizeof(*t));

	t->mail = m;
	t->dest = d;
	t->kind = kind;
	t->first = RCPT_NONE;
	t->last = RCPT_NONE;
	TAILQ_INSERT_TAIL(&m->hot->tasks, t, bound);
	return t;
}

void
task_add(struct task *t, uint32_t number)
{
	struct mail_hot *h = t->mail->hot;

	h->rcpts[number].task = t;
	h->rcpts[number].next = RCPT_NONE;
	if (t->last == RCPT_NONE)
		t->first = number;
	else
		h->rcpts[t->last].next = number;
	t->last = number;
	t->count++;
	t->left++;
	rcpt_set_busy(h, number, true);
}

/* Its link is free for another task, or to be asked about. */
static void
unlink_rcpt(struct task *t, uint32_t number)
{
	struct rcpt *rcpts = t->mail->hot->rcpts;
	uint32_t before = RCPT_NONE;
	uint32_t *at = &t->first;

	while (*at != number) {
		before = *at;
		at = &rcpts[before].next;
	}
	*at = rcpts[number].next;
	if (t->last == number)
		t->last = before;
	rcpts[number].next = RCPT_NONE;
}

bool
task_drop(struct task *t, uint32_t number)
{
	struct mail_hot *h = t->mail->hot;

	if (number >= h->count || h->rcpts[number].task != t)
		return false;
	unlink_rcpt(t, number);
	h->rcpts[number].task = NULL;
	rcpt_set_busy(h, number, false);
	t->left--;
	return true;
}

static enum task_rank
rank_of(const struct mail_hot *h, const struct task *t)
{
	if (h->busy > FRESH_RCPTS || h->rcpts[t->first].attempts > 0)
		return TASK_BULK;
	return TASK_FRESH;
}

void
task_queue(struct queue *q, struct task *t)
{
	const struct mail_hot *h = t->mail->hot;

	t->rank = (uint8_t)rank_of(h, t);
	sched_add(
	    &q->sched, t, rcpt_sender(h, &h->rcpts[t->first]), clock_boot_ms());
}

void
task_free(struct queue *q, struct task *t)
{
	struct mail_hot *h = t->mail->hot;

	if (t->flow != NULL)
		sched_remove(&q->sched, t);
	while (t->first != RCPT_NONE)
		(void)task_drop(t, t->first);
	TAILQ_REMOVE(&h->tasks, t, bound);
	free(t);
}
