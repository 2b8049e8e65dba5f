#include "queue/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/chan.h"
#include "queue/life.h"
#include "queue/outcome.h"
#include "queue/queue.h"
#include "queue/send.h"
#include "queue/task.h"

#define BULK_EVERY 4U /* tasks, one is bulk while there are both */

void
agents_init(struct agents *as)
{
	*as = (struct agents){ .slots = NULL };
	TAILQ_INIT(&as->all);
}

/* -- jobs ---------------------------------------------------------------- */

static uint64_t
job_new(struct agents *as, struct task *t)
{
	struct job_slot *s;
	uint32_t i;

	if (as->first_free == 0) {
		uint32_t cap = as->slot_count == 0 ? 64 : as->slot_count * 2;

		as->slots = xreallocarray(as->slots, cap, sizeof(*as->slots));
		for (i = cap; i > as->slot_count; i--) {
			as->slots[i - 1] =
			    (struct job_slot){ .next_free = as->first_free };
			as->first_free = i;
		}
		as->slot_count = cap;
	}
	i = as->first_free - 1;
	s = &as->slots[i];
	as->first_free = s->next_free;
	s->task = t;
	s->generation++;
	as->active++;
	return (uint64_t)s->generation << 32 | i;
}

static void
job_free(struct agents *as, uint64_t job)
{
	uint32_t i = (uint32_t)job;

	as->slots[i].task = NULL;
	as->slots[i].next_free = as->first_free;
	as->first_free = i + 1;
	as->active--;
}

static struct task *
job_find(const struct agents *as, uint64_t job)
{
	uint32_t i = (uint32_t)job;

	if (i >= as->slot_count || as->slots[i].generation != job >> 32)
		return NULL;
	return as->slots[i].task;
}

/* The task is with its agent no longer. */
static void
take_back(struct queue *q, struct task *t)
{
	struct agent *a = t->agent;

	TAILQ_REMOVE(&a->jobs, t, link);
	a->job_count--;
	job_free(&q->agents, t->job);
	t->agent = NULL;
}

/* -- agents -------------------------------------------------------------- */

static int
kind_of(enum proc p)
{
	if (p == PROC_DELIVER)
		return AGENT_LOCAL;
	if (p == PROC_RELAY)
		return AGENT_RELAY;
	return p == PROC_BOUNCE ? AGENT_BOUNCE : -1;
}

static struct agent *
agent_of(const struct queue *q, const struct ipc_chan *c)
{
	struct agent *a;

	TAILQ_FOREACH(a, &q->agents.all, link)
	if (a->chan == c)
		return a;
	return NULL;
}

void
agent_up(struct queue *q, struct ipc_chan *c)
{
	int kind = kind_of(ipc_chan_peer(c));
	struct agent *a;

	if (kind == -1)
		return;
	a = xcalloc(1, sizeof(*a));
	a->chan = c;
	a->kind = (enum agent_kind)kind;
	TAILQ_INIT(&a->jobs);
	TAILQ_INSERT_TAIL(&q->agents.all, a, link);
}

/* A warning has a time of its own: the next delivery keeps its. */
static void
put_off(const struct task *t, uint32_t number, int64_t next_s)
{
	if (t->kind == WORK_BOUNCE_DELAY)
		t->mail->hot->warn_s = next_s;
	else
		outcome_put_off(t->mail, number, next_s);
}

/* What it had is as if it had never been sent, but for the doubt. */
static void
lost_job(struct queue *q, struct task *t)
{
	struct mail *m = t->mail;
	struct mail_hot *h = m->hot;

	take_back(q, t);
	(void)sched_done(&q->sched, t, UINT8_MAX, clock_boot_ms());
	for (uint32_t n = t->first; n != RCPT_NONE; n = h->rcpts[n].next) {
		h->rcpts[n].flags |= RCPT_UNSURE;
		/* A second away: what kills agents shall not do it in a row. */
		put_off(t, n, queue_wall_s(q) + 1);
	}
	task_free(q, t);
	life_settle(q, m);
}

void
agent_down(struct queue *q, struct ipc_chan *c)
{
	struct agent *a = agent_of(q, c);
	struct task *t;

	if (a == NULL)
		return;
	TAILQ_REMOVE(&q->agents.all, a, link);
	if (a->job_count > 0)
		log_warn("event=agent-lost agent=%s jobs=%zu",
		    proc_name(ipc_chan_peer(c)), a->job_count);
	while ((t = TAILQ_FIRST(&a->jobs)) != NULL)
		lost_job(q, t);
	free(a);
	agents_run(q);
	queue_check_stop(q);
}

void
agents_free(struct queue *q)
{
	struct agent *a;

	while ((a = TAILQ_FIRST(&q->agents.all)) != NULL)
		agent_down(q, a->chan);
	free(q->agents.slots);
}

void
agent_drained(struct queue *q, struct ipc_chan *c)
{
	struct agent *a = agent_of(q, c);

	if (a == NULL)
		return;
	a->full = false;
	agents_run(q);
}

void
agent_credit(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	struct agent *a = agent_of(q, c);
	struct ipc_credit m;

	if (a == NULL || ipc_credit_decode(&m, f->payload) == -1 ||
	    m.jobs > AGENT_CREDITS_MAX) {
		ipc_chan_fail(c, "credit");
		return;
	}
	a->credits = m.jobs == 0 ? 0 /* it is leaving */
				 : MIN(a->credits + m.jobs, AGENT_CREDITS_MAX);
	agents_run(q);
}

void
agent_peer_state(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_peer_state m;

	if (ipc_peer_state_decode(&m, f->payload) == -1) {
		ipc_chan_fail(c, "peer_state");
		return;
	}
	sched_group(&q->sched, m.next_hop, m.group, clock_boot_ms());
	agents_run(q);
}

/* -- sending ------------------------------------------------------------- */

/* A quarter of what it can take is kept for what is fresh. */
static bool
can_take(struct agent *a, enum agent_kind kind, enum task_rank rank)
{
	size_t kept = rank == TASK_FRESH ? 0 : (a->credits + a->job_count) / 4;

	if (a->kind != kind || a->credits <= kept || a->full)
		return false;
	a->full = ipc_chan_backlog(a->chan) > IPC_OUT_HIGH;
	return !a->full;
}

/*
 * One that can take a job. Of several relays each destination has one it
 * comes to first, because that one may hold a connection to it.
 */
static struct agent *
pick(const struct queue *q, enum task_rank rank, const struct dest *d)
{
	struct agent *first = NULL;
	struct agent *a;
	uint64_t best = 0;

	TAILQ_FOREACH(a, &q->agents.all, link)
	{
		uint64_t key[2];
		uint64_t score;

		if (!can_take(a, d->kind, rank))
			continue;
		if (d->kind != AGENT_RELAY)
			return a;
		key[0] = map_hash(slice_of(d->name, d->name_len));
		key[1] = ipc_chan_instance(a->chan);
		score = map_hash(slice_of(key, sizeof(key)));
		if (first == NULL || score > best) {
			first = a;
			best = score;
		}
	}
	return first;
}

static struct slice
sender_of(const struct task *t)
{
	const struct mail_hot *h = t->mail->hot;

	return rcpt_sender(h, &h->rcpts[t->first]);
}

static int
send_one(struct queue *q, struct agent *a, struct task *t)
{
	t->agent = a;
	t->job = job_new(&q->agents, t);
	TAILQ_INSERT_TAIL(&a->jobs, t, link);
	a->job_count++;
	if (send_work(q, a, t) == 0) {
		a->credits--;
		return 0;
	}
	log_warn("event=work-not-sent agent=%s errno=%d",
	    proc_name(ipc_chan_peer(a->chan)), errno);
	take_back(q, t);
	return -1;
}

/* 1 when a task was sent, 0 when there is none or nobody takes one. */
static int
run_rank(
    struct queue *q, enum agent_kind kind, enum task_rank rank, int64_t now_ms)
{
	const struct dest *d = sched_turn(&q->sched, kind, rank);
	struct agent *a;
	struct task *t;

	if (d == NULL)
		return 0;
	a = pick(q, rank, d);
	if (a == NULL)
		return 0;
	t = sched_next(&q->sched, kind, rank, now_ms);
	if (send_one(q, a, t) == 0)
		return 1;
	sched_put_back(&q->sched, t, sender_of(t), now_ms);
	if ((t->mail->flags & MAIL_HELD) != 0) { /* its content is gone */
		life_task_over(q, t);
		return 1;
	}
	a->full = true; /* until it drains, or for a second */
	queue_retry_soon(q);
	return 0;
}

/* What is fresh goes first, but not always. */
static int
run_one(struct queue *q, enum agent_kind kind, int64_t now_ms)
{
	bool bulk = ++q->agents.turn % BULK_EVERY == 0;

	if (run_rank(q, kind, bulk ? TASK_BULK : TASK_FRESH, now_ms) == 1)
		return 1;
	return run_rank(q, kind, bulk ? TASK_FRESH : TASK_BULK, now_ms);
}

void
agents_retry(struct queue *q)
{
	struct agent *a;

	TAILQ_FOREACH(a, &q->agents.all, link)
	a->full = false;
	agents_run(q);
}

void
agents_run(struct queue *q)
{
	int64_t now_ms;

	if (q->agents.running || q->stopping || q->sched.queued == 0)
		return;
	q->agents.running = true;
	now_ms = clock_boot_ms();
	for (int kind = 0; kind < AGENT_KINDS; kind++)
		while (run_one(q, (enum agent_kind)kind, now_ms) == 1)
			continue;
	q->agents.running = false;
}

/* -- results ------------------------------------------------------------- */

static void
bounce_result(struct queue *q, struct task *t, const struct ipc_result *m)
{
	struct rcpt *r = &t->mail->hot->rcpts[m->number];

	if (m->status == STATUS_DEFERRED) {
		put_off(t, m->number,
		    queue_wall_s(q) + sched_backoff_s(&q->sched, t->dest, 3));
		return;
	}
	if (m->status == STATUS_FAILED)
		log_warn("event=bounce-failed to=%.*s reason=%.*s",
		    SLICE_FMT(r->address), SLICE_FMT(m->text));
	r->flags |= RCPT_DIRTY;
	if (t->kind == WORK_BOUNCE_DELAY) {
		r->flags |= OUTCOME_WARNED;
	} else if (t->kind == WORK_BOUNCE_FAILURE) {
		outcome_set(t->mail, m->number, RCPT_BOUNCED);
	} else {
		/* The notice was what kept it open. */
		r->flags &= (uint8_t)~OUTCOME_NOTICE;
		t->mail->hot->open--;
		t->mail->hot->changed = true;
	}
}

static void
delivery_result(struct queue *q, struct task *t, const struct ipc_result *m)
{
	struct reason why = { .code = m->code,
		.enhanced = m->enhanced,
		.text = m->text,
		.remote = m->remote };

	switch (m->status) {
	case STATUS_DONE:
		outcome_done(q, t->mail, m->number, &why, m->dsn_passed != 0);
		break;
	case STATUS_FAILED:
		outcome_failed(q, t->mail, m->number, &why);
		break;
	default:
		outcome_deferred(q, t->mail, m->number, &why, t->dest);
		if (m->blame == BLAME_UNSURE)
			t->mail->hot->rcpts[m->number].flags |= RCPT_UNSURE;
		break;
	}
}

/* All that waits for a destination that just died. */
static void
put_off_all(struct queue *q, const struct dest *d)
{
	struct task *t;

	while ((t = sched_first(d)) != NULL)
		life_put_off(q, t->mail, d->limits);
}

static void
job_over(struct queue *q, struct task *t)
{
	struct dest *d = t->dest;
	bool died;

	take_back(q, t);
	died = sched_done(&q->sched, t, t->blame, clock_boot_ms());
	d->in_hand = true; /* other mails of it may go, and new ones come */
	life_unpark(q, t);
	life_task_over(q, t);
	if (died)
		put_off_all(q, d);
	d->in_hand = false;
	agents_run(q);
	queue_set_timer(q);
	queue_check_stop(q);
}

void
agent_result(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_result m;
	struct task *t;

	if (ipc_result_decode(&m, f->payload) == -1 || m.status < STATUS_DONE ||
	    m.status > STATUS_FAILED) {
		ipc_chan_fail(c, "result");
		return;
	}
	t = job_find(&q->agents, m.job);
	if (t == NULL || t->agent->chan != c || !task_drop(t, m.number)) {
		ipc_chan_fail(c, "result of no job");
		return;
	}
	if (m.blame == BLAME_CONTENT) {
		send_damaged(q, t);
		outcome_put_off(t->mail, m.number, 0);
	} else if (t->dest->kind == AGENT_BOUNCE) {
		bounce_result(q, t, &m);
	} else {
		delivery_result(q, t, &m);
	}
	if (m.blame <= BLAME_POLICY)
		t->blame = MAX(t->blame, m.blame);
	if (t->left == 0)
		job_over(q, t);
}
