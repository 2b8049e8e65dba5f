#include "queue/life.h"

#include <errno.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "queue/load.h"
#include "queue/note.h"
#include "queue/outcome.h"
#include "queue/plan.h"
#include "queue/queue.h"
#include "queue/task.h"

#define LOADS_A_PASS 16
#define CROWDED_MS   100
#define PARKED_S     60 /* at most, where nobody makes room */
#define NEVER        INT64_MAX

/* May one more mail be in memory? */
static bool
has_room(const struct queue *q)
{
	return q->mails.hot < (size_t)q->config->queue_memory_mails &&
	       q->log.stock.bytes + q->mails.hot_bytes <
		   (size_t)q->config->queue_memory;
}

void
life_accepted(struct queue *q, struct mail *m)
{
	m->state = MAIL_HOT;
	if ((m->flags & MAIL_DOOMED) == 0 && (q->stopping || !has_room(q))) {
		load_cool(q, m);
		heap_set(&q->mails.due, &m->due, clock_boot_ms());
		queue_set_timer(q);
		return;
	}
	life_go(q, m);
}

void
life_go(struct queue *q, struct mail *m)
{
	struct mail_hot *h = m->hot;
	int64_t now = queue_wall_s(q);

	mail_flag(&q->mails, m, 0, MAIL_PARKED);
	if ((m->flags & (MAIL_HELD | MAIL_DOOMED)) == 0) {
		for (uint32_t i = 0; i < h->count; i++) {
			const struct rcpt *r = &h->rcpts[i];

			if (r->status == RCPT_WAITING && r->next_s <= now &&
			    (r->flags & RCPT_BUSY) == 0)
				route_ask(q, m, i);
		}
	}
	life_settle(q, m);
}

/*
 * When something of it is due again, in wall seconds. Bounces are not while
 * other things are under way.
 */
static int64_t
next_of(const struct queue *q, const struct mail_hot *h, bool quiet)
{
	int64_t warn =
	    MAX(h->env.arrived + q->config->queue_delay_warning, h->warn_s);
	int64_t next = NEVER;

	for (uint32_t i = 0; i < h->count; i++) {
		const struct rcpt *r = &h->rcpts[i];

		if (rcpt_over(r) || (r->flags & RCPT_BUSY) != 0 ||
		    (!quiet && r->status != RCPT_WAITING))
			continue;
		next = MIN(next, r->next_s);
		/* A warning is sent when it is late, not at the next try. */
		if (r->status == RCPT_WAITING && r->attempts > 0 &&
		    (r->flags & OUTCOME_WARNED) == 0 &&
		    q->config->queue_delay_warning > 0 &&
		    warn > queue_wall_s(q))
			next = MIN(next, warn);
	}
	return next;
}

/* For a parked one there is no place now, whenever its recipients are due. */
static void
set_due(struct queue *q, struct mail *m, int64_t next_s)
{
	if ((m->flags & MAIL_PARKED) != 0)
		next_s = MAX(next_s, queue_wall_s(q) + PARKED_S);
	if (next_s == NEVER)
		heap_remove(&q->mails.due, &m->due);
	else
		heap_set(&q->mails.due, &m->due, queue_boot_ms(q, next_s));
	queue_set_timer(q);
}

static void
go_cold(struct queue *q, struct mail *m, int64_t next_s)
{
	load_cool(q, m);
	set_due(q, m, next_s);
}

void
life_settle(struct queue *q, struct mail *m)
{
	struct mail_hot *h = m->hot;
	bool quiet;

	if (m->state != MAIL_HOT)
		return; /* settled already, where its task was sent at once */
	quiet = h->busy == 0 && h->asking == 0;
	if (quiet && (h->open == 0 || h->finished)) {
		note_end(q, m, "finished");
		return;
	}
	if (quiet && (m->flags & MAIL_DOOMED) != 0) {
		note_end(q, m, "deleted");
		return;
	}
	note_results(q, m);
	if ((m->flags & (MAIL_HELD | MAIL_DOOMED)) != 0) {
		if (quiet)
			go_cold(q, m, NEVER);
		else
			set_due(q, m, NEVER);
		return;
	}
	if (quiet && !q->stopping && plan_bounces(q, m) > 0) {
		if (m->state != MAIL_HOT)
			return; /* its content is gone: settled and held */
		quiet = false;
	}
	if (quiet)
		go_cold(q, m, next_of(q, h, true));
	else
		set_due(q, m, next_of(q, h, false));
}

void
life_task_over(struct queue *q, struct task *t)
{
	struct mail *m = t->mail;

	task_free(q, t);
	life_settle(q, m);
}

/* One that waits there. Its mail is not settled yet. */
static void
put_off(struct queue *q, struct task *t)
{
	static const struct reason dead = { .code = 451,
		.enhanced = { "4.4.1", 5 },
		.text = { "the destination does not answer", 31 } };
	struct mail *m = t->mail;
	struct mail_hot *h = m->hot;
	int64_t now_ms = clock_boot_ms();
	int64_t now = queue_wall_s(q);
	int64_t until = now_ms;
	uint32_t next;

	(void)dest_dead(t->dest, now_ms, &until);
	until += (int64_t)rand_below((uint64_t)(until - now_ms) / 4 + 1);
	for (uint32_t n = t->first; n != RCPT_NONE; n = next) {
		next = h->rcpts[n].next;
		/* It failed for another mail just now: that counts here. */
		if (outcome_waited(q, h, sched_lifetime_s(&q->sched, t->dest)))
			outcome_deferred(q, m, n, &dead, t->dest);
		else
			outcome_put_off(m, n, now + (until - now_ms) / 1000);
	}
	task_free(q, t);
}

void
life_put_off(struct queue *q, struct mail *m, const struct limits *l)
{
	struct task *next;
	struct task *t;

	for (t = TAILQ_FIRST(&m->hot->tasks); t != NULL; t = next) {
		next = TAILQ_NEXT(t, bound);
		if (t->flow != NULL && t->dest->limits == l)
			put_off(q, t);
	}
	life_settle(q, m); /* once: it looks at all recipients */
}

bool
life_load_due(struct queue *q, int64_t now_ms)
{
	for (int i = 0; i < LOADS_A_PASS; i++) {
		struct heap_node *n = heap_first(&q->mails.due);
		struct mail *m = (struct mail *)n;

		if (n == NULL || n->due > now_ms || route_crowded(q))
			return false;
		if (m->hot == NULL && !has_room(q)) {
			/* It makes way for those that are in memory. */
			q->crowded_ms = now_ms + CROWDED_MS;
			heap_set(&q->mails.due, n, q->crowded_ms);
			continue;
		}
		heap_remove(&q->mails.due, n);
		if (m->hot == NULL && load_mail(q, m) == -1)
			continue;
		if (m->state == MAIL_HOT)
			life_go(q, m);
	}
	return true;
}

void
life_unpark(struct queue *q, struct task *t)
{
	size_t most = (size_t)q->config->queue_memory_mails / 8;
	struct dest *d = t->dest;
	struct qid id;

	if (d->queued > most)
		return;
	for (size_t i = d->queued; i < 2 * most && parked_take(&d->parked, &id);
	     i++) {
		struct mail *m = mail_find(&q->mails, id);

		if (m == NULL)
			continue;
		mail_flag(&q->mails, m, 0, MAIL_LISTED);
		if (m->state == MAIL_COLD && (m->flags & MAIL_PARKED) != 0)
			heap_set(&q->mails.due, &m->due, clock_boot_ms());
	}
	queue_set_timer(q);
}

/* -- the administrator --------------------------------------------------- */

/* Hot, whatever it was; or -1. */
static int
need_hot(struct queue *q, struct mail *m)
{
	if (m->state != MAIL_COLD)
		return 0;
	return load_mail(q, m);
}

/* Tasks that are not out yet come back. */
static void
drop_tasks(struct queue *q, struct mail *m)
{
	struct task *next;
	struct task *t;

	for (t = TAILQ_FIRST(&m->hot->tasks); t != NULL; t = next) {
		next = TAILQ_NEXT(t, bound);
		if (t->agent == NULL)
			task_free(q, t);
	}
}

static void
log_admin(const struct mail *m, const char *what)
{
	char id[QID_TEXT];

	qid_text(m->id, id);
	log_info("event=%s id=%s by=administrator", what, id);
}

int
life_hold(struct queue *q, struct mail *m)
{
	if (need_hot(q, m) == -1)
		return -1;
	if (m->state == MAIL_ENDING || (m->flags & MAIL_HELD) != 0) {
		life_settle(q, m);
		return 0;
	}
	log_admin(m, "held");
	note_state(q, m, STATE_HOLD);
	mail_flag(&q->mails, m, MAIL_HELD, 0);
	m->hot->held = true;
	m->hot->stated = true;
	m->hot->changed = true;
	drop_tasks(q, m);
	life_settle(q, m);
	return 0;
}

int
life_release(struct queue *q, struct mail *m)
{
	if (need_hot(q, m) == -1)
		return -1;
	if (m->state == MAIL_ENDING || (m->flags & MAIL_HELD) == 0) {
		life_settle(q, m);
		return 0;
	}
	log_admin(m, "released");
	note_state(q, m, STATE_RELEASE);
	mail_flag(&q->mails, m, 0, MAIL_HELD);
	m->hot->held = false;
	m->hot->stated = true;
	m->hot->changed = true;
	if (m->state == MAIL_HOT)
		life_go(q, m);
	return 0;
}

int
life_delete(struct queue *q, struct mail *m)
{
	if (m->state == MAIL_ENDING || (m->flags & MAIL_DOOMED) != 0)
		return 0;
	if (need_hot(q, m) == -1) {
		if ((m->flags & MAIL_CORRUPT) == 0)
			return -1;
		log_admin(m, "deleted");
		note_end(q, m, "deleted");
		return 0;
	}
	log_admin(m, "deleted");
	note_state(q, m, STATE_DELETE);
	mail_flag(&q->mails, m, MAIL_DOOMED, MAIL_HELD);
	drop_tasks(q, m);
	life_settle(q, m);
	return 0;
}

int
life_flush(struct queue *q, struct mail *m)
{
	if ((m->flags & (MAIL_HELD | MAIL_DOOMED)) != 0 ||
	    m->state == MAIL_ENDING)
		return 0;
	if (m->state == MAIL_COLD) {
		mail_flag(&q->mails, m, MAIL_FLUSH, 0);
		heap_set(&q->mails.due, &m->due, clock_boot_ms());
		queue_set_timer(q);
		return 0;
	}
	for (uint32_t i = 0; i < m->hot->count; i++)
		m->hot->rcpts[i].next_s = 0;
	if (m->state == MAIL_HOT)
		life_go(q, m);
	return 0;
}
