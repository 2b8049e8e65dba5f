#include "queue/plan.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "queue/life.h"
#include "queue/note.h"
#include "queue/outcome.h"
#include "queue/queue.h"
#include "queue/task.h"

#define AGAIN_S 60 /* where no record could be written */

/* Routed, and not in a task yet. */
static bool
is_routed(const struct rcpt *r)
{
	return r->route != NULL && r->task == NULL &&
	       (r->flags & RCPT_BUSY) != 0 && r->status == RCPT_WAITING;
}

static int
route_key(const struct route *r, struct buf *key)
{
	size_t from;

	buf_truncate(key, 0);
	if (buf_append_byte(key, (char)r->kind) == -1 ||
	    wire_put_bytes(key, r->next_hop) == -1 ||
	    wire_put_bytes(key, r->home) == -1 ||
	    wire_put_bytes(key, r->tag) == -1)
		return -1;
	from = key->len;
	if (buf_append_slice(key, r->address) == -1)
		return -1;
	for (size_t i = from; i < key->len; i++)
		key->data[i] = ascii_lower(key->data[i]);
	return 0;
}

/* The same place twice in one mail gets one copy. */
static void
find_duplicates(struct mail_hot *h)
{
	struct map seen = MAP_INIT;
	struct buf key = BUF_INIT(8192);

	if (h->count < 2)
		return;
	for (uint32_t i = 0; i < h->count; i++) {
		struct rcpt *r = &h->rcpts[i];

		if (r->route == NULL || (r->flags & RCPT_BUSY) == 0 ||
		    r->status != RCPT_WAITING ||
		    route_key(r->route, &key) == -1)
			continue;
		if (map_get(&seen, buf_slice(&key)) == NULL) {
			(void)map_put(&seen, buf_slice(&key), h);
		} else if (is_routed(r)) {
			rcpt_set_status(h, i, RCPT_DUPLICATE);
			rcpt_set_busy(h, i, false);
			h->redirected = true;
			h->unwritten = true;
		}
	}
	map_free(&seen);
	buf_free(&key);
}

/* -- the record of an expansion ------------------------------------------ */

struct expanding {
	struct log_waiter w; /* first member */
	struct queue *q;
	struct mail *m;
};

static int
put_expanded(const struct mail_hot *h, struct qid id, struct buf *b)
{
	if (expanded_begin(id, b) == -1)
		return -1;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct rcpt *r = &h->rcpts[i];
		struct expansion x = { .number = i,
			.parent = r->parent,
			.address = r->address,
			.sender = r->sender };

		x.what = EXPANSION_NEW;
		if (i >= h->env.count && expansion_put(&x, b) == -1)
			return -1;
		if (r->status == RCPT_EXPANDED)
			x.what = EXPANSION_OF;
		else if (r->status == RCPT_DUPLICATE)
			x.what = EXPANSION_DUPLICATE;
		else
			continue;
		if (expansion_put(&x, b) == -1)
			return -1;
	}
	return 0;
}

static void
expanded_written(struct log_waiter *w, int error)
{
	struct expanding *e = (struct expanding *)w;
	struct queue *q = e->q;
	struct mail *m = e->m;

	free(e);
	m->hot->asking--;
	if (error == 0 && m->hot->asking == 0)
		plan_mail(q, m);
}

/* False when nothing can be appended: as good as no memory. */
static bool
write_expanded(struct queue *q, struct mail *m)
{
	struct buf b = BUF_INIT(RECORD_MAX);
	struct expanding *e = xcalloc(1, sizeof(*e));
	bool ok;

	e->w.done = expanded_written;
	e->q = q;
	e->m = m;
	ok = put_expanded(m->hot, m->id, &b) == 0 &&
	     log_append(&q->log, RECORD_EXPANDED, buf_slice(&b), SLICE_EMPTY,
		 &e->w) != NULL;
	buf_free(&b);
	if (!ok) {
		free(e);
		return false;
	}
	note_tied(q, m);
	m->hot->unwritten = false;
	m->hot->changed = true; /* a fold under way may have written less */
	m->hot->asking++;       /* for the disk, this time */
	return true;
}

/* -- tasks --------------------------------------------------------------- */

static void
release(struct mail_hot *h, uint32_t number)
{
	free(h->rcpts[number].route);
	h->rcpts[number].route = NULL;
	rcpt_set_busy(h, number, false);
}

static struct dest *
dest_of(struct queue *q, const struct route *r)
{
	if (r->kind == ROUTE_LOCAL)
		return sched_dest(&q->sched, AGENT_LOCAL, SLICE_EMPTY);
	return sched_dest(&q->sched, AGENT_RELAY, r->next_hop);
}

static void
add_to_task(struct mail *m, struct dest *d, uint32_t number)
{
	struct mail_hot *h = m->hot;
	struct task *t = d->filling;

	if (t == NULL || t->count >= TASK_RCPTS_MAX ||
	    !slice_eq(rcpt_sender(h, &h->rcpts[t->first]),
		rcpt_sender(h, &h->rcpts[number]))) {
		t = task_new(
		    m, d, d->kind == AGENT_LOCAL ? WORK_LOCAL : WORK_RELAY);
		d->filling = t;
	}
	task_add(t, number);
}

static void
fill_tasks(struct queue *q, struct mail *m)
{
	int64_t now_ms = clock_boot_ms();
	struct mail_hot *h = m->hot;
	int64_t until;

	for (uint32_t i = 0; i < h->count; i++) {
		struct rcpt *r = &h->rcpts[i];
		struct dest *d;

		if (!is_routed(r))
			continue;
		d = dest_of(q, r->route);
		if (dest_dead(d, now_ms, &until)) {
			until += (int64_t)rand_below(
			    (uint64_t)(until - now_ms) / 4 + 1);
			outcome_put_off(m, i,
			    queue_wall_s(q) + (until - now_ms + 999) / 1000);
			release(h, i);
			continue;
		}
		add_to_task(m, d, i);
	}
}

/* A long queue before it: the mail waits on disk, not in memory. */
static bool
park(struct queue *q, struct mail *m, struct task *t)
{
	size_t most = (size_t)q->config->queue_memory_mails / 4;
	struct mail_hot *h = m->hot;
	struct dest *d = t->dest;

	if (d->queued < most || TAILQ_NEXT(t, bound) != NULL ||
	    TAILQ_FIRST(&h->tasks) != t || h->asking > 0 ||
	    dest_waiting_of(d, rcpt_sender(h, &h->rcpts[t->first])) < most / 8)
		return false;
	if ((m->flags & MAIL_LISTED) == 0)
		parked_add(&d->parked, m->id);
	mail_flag(&q->mails, m, MAIL_PARKED | MAIL_LISTED, 0);
	task_free(q, t);
	return true;
}

static void
make_tasks(struct queue *q, struct mail *m)
{
	struct task *next;
	struct task *t;

	fill_tasks(q, m);
	for (t = TAILQ_FIRST(&m->hot->tasks); t != NULL; t = next) {
		next = TAILQ_NEXT(t, bound);
		t->dest->filling = NULL;
		if (t->agent == NULL && t->flow == NULL && !park(q, m, t))
			task_queue(q, t);
	}
	agents_run(q);
	life_settle(q, m);
}

void
plan_mail(struct queue *q, struct mail *m)
{
	struct mail_hot *h = m->hot;

	if ((m->flags & (MAIL_HELD | MAIL_DOOMED)) == 0)
		find_duplicates(h);
	if (h->unwritten && write_expanded(q, m))
		return;
	if (h->unwritten)
		log_error("event=expansion-not-written");
	if ((m->flags & (MAIL_HELD | MAIL_DOOMED)) == 0 && !h->unwritten) {
		make_tasks(q, m);
		return;
	}
	for (uint32_t i = 0; i < h->count; i++)
		if (is_routed(&h->rcpts[i])) {
			if (h->unwritten)
				outcome_put_off(
				    m, i, queue_wall_s(q) + AGAIN_S);
			release(h, i);
		}
	life_settle(q, m);
}

/* -- bounces ------------------------------------------------------------- */

static bool
wants_warning(
    const struct queue *q, const struct mail_hot *h, const struct rcpt *r)
{
	int64_t after = q->config->queue_delay_warning;

	if (after == 0 || h->warn_s > queue_wall_s(q) ||
	    r->status != RCPT_WAITING || r->attempts == 0 ||
	    (r->flags & OUTCOME_WARNED) != 0 || rcpt_sender(h, r).len == 0)
		return false;
	/* RFC 3461 §4.1: without NOTIFY the sender may hear of delays. */
	if (r->notify != 0 && (r->notify & IPC_NOTIFY_DELAY) == 0)
		return false;
	return outcome_waited(q, h, after);
}

/* What the bounce daemon is to tell of this one now; 0: nothing. */
static uint8_t
bounce_kind(
    const struct queue *q, const struct mail_hot *h, const struct rcpt *r)
{
	int64_t now = queue_wall_s(q);

	if ((r->flags & RCPT_BUSY) != 0)
		return 0;
	if (r->status == RCPT_FAILED)
		return r->next_s <= now ? WORK_BOUNCE_FAILURE : 0;
	if (r->status == RCPT_DONE && (r->flags & OUTCOME_NOTICE) != 0)
		return r->next_s <= now ? WORK_BOUNCE_SUCCESS : 0;
	return wants_warning(q, h, r) ? WORK_BOUNCE_DELAY : 0;
}

unsigned
plan_bounces(struct queue *q, struct mail *m)
{
	struct task *last[WORK_BOUNCE_SUCCESS + 1] = { NULL };
	struct mail_hot *h = m->hot;
	struct dest *d = NULL;
	unsigned made = 0;

	for (uint32_t i = 0; i < h->count; i++) {
		struct rcpt *r = &h->rcpts[i];
		uint8_t kind = bounce_kind(q, h, r);
		struct task *t = last[kind];

		if (kind == 0)
			continue;
		if (d == NULL)
			d = sched_dest(&q->sched, AGENT_BOUNCE, SLICE_EMPTY);
		if (t == NULL || t->count >= TASK_RCPTS_MAX ||
		    !slice_eq(rcpt_sender(h, &h->rcpts[t->first]),
			rcpt_sender(h, r))) {
			t = task_new(m, d, kind);
			last[kind] = t;
			made++;
		}
		task_add(t, i);
	}
	if (made > 0) {
		struct task *t;

		TAILQ_FOREACH(t, &h->tasks, bound)
		if (t->agent == NULL && t->flow == NULL)
			task_queue(q, t);
		agents_run(q);
	}
	return made;
}
