#include "queue/sched.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "common/ipc/message_list.h"
#include "queue/limits.h"
#include "queue/mail.h"

#define FAILURES_MIN 3U   /* in a row, before a destination is dead */
#define SLOW_MS      5000 /* no more for so long after a 421 */
#define DESTS_KEPT   4096U
#define DEAD_KEPT    (4 * DESTS_KEPT)
#define DEAD_MAX_S   1800

static void dest_update(struct sched *s, struct dest *d, int64_t now_ms);

/* -- destinations -------------------------------------------------------- */

static const struct config_destination *
config_of(const struct config *c, struct slice name)
{
	for (size_t i = 0; i < c->destination_count; i++)
		if (slice_ieq(slice_str(c->destinations[i].name), name))
			return &c->destinations[i];
	return NULL;
}

void
sched_init(struct sched *s, const struct config *config)
{
	*s = (struct sched){ .config = config, .groups = MAP_INIT };
	TAILQ_INIT(&s->dests);
	for (int i = 0; i < AGENT_KINDS; i++)
		for (int rank = 0; rank < TASK_RANKS; rank++)
			TAILQ_INIT(&s->ready[i][rank]);
}

/* In the list of those that may send, or not. */
static void
line_ready(struct sched *s, struct line *line, bool ready)
{
	struct dest *d = line->dest;
	struct line_list *list = &s->ready[d->kind][line - d->lines];

	if (ready == line->is_ready)
		return;
	line->is_ready = ready;
	if (ready)
		TAILQ_INSERT_TAIL(list, line, ready);
	else
		TAILQ_REMOVE(list, line, ready);
}

static void
dest_free(struct sched *s, struct dest *d)
{
	(void)map_del(&s->by_name[d->kind], slice_of(d->name, d->name_len));
	for (int rank = 0; rank < TASK_RANKS; rank++) {
		line_ready(s, &d->lines[rank], false);
		map_free(&d->lines[rank].flows);
	}
	TAILQ_REMOVE(&s->dests, d, any);
	s->dest_count--;
	limits_leave(s, d);
	parked_free(&d->parked);
	free(d);
}

void
sched_free(struct sched *s)
{
	struct dest *d;

	while ((d = TAILQ_FIRST(&s->dests)) != NULL)
		dest_free(s, d);
	for (int i = 0; i < AGENT_KINDS; i++)
		map_free(&s->by_name[i]);
	map_free(&s->groups);
	heap_free(&s->wakes);
}

void
sched_reload(struct sched *s, const struct config *config)
{
	struct dest *d;

	s->config = config;
	TAILQ_FOREACH(d, &s->dests, any)
	d->config = config_of(config, slice_of(d->name, d->name_len));
	TAILQ_FOREACH(d, &s->dests, any)
	if (d == TAILQ_FIRST(&d->limits->members))
		limits_configure(s, d->limits);
}

/*
 * Has taught us nothing, and nothing waits for it. That it is dead is
 * remembered, but not of everyone who ever was.
 */
static bool
is_idle(const struct sched *s, const struct dest *d)
{
	return d->queued == 0 && d->sent == 0 && d->filling == NULL &&
	       !d->in_hand && parked_count(&d->parked) == 0 &&
	       (!d->limits->dead || s->dest_count > DEAD_KEPT);
}

/* Look at a few, at others every time. */
static void
forget_some(struct sched *s)
{
	for (int i = 0; i < 4 && !TAILQ_EMPTY(&s->dests); i++) {
		struct dest *d = TAILQ_FIRST(&s->dests);

		TAILQ_REMOVE(&s->dests, d, any);
		TAILQ_INSERT_TAIL(&s->dests, d, any);
		if (is_idle(s, d))
			dest_free(s, d);
	}
}

struct dest *
sched_dest(struct sched *s, enum agent_kind kind, struct slice next_hop)
{
	struct dest *d = map_get(&s->by_name[kind], next_hop);

	if (d != NULL)
		return d;
	if (s->dest_count >= DESTS_KEPT)
		forget_some(s);
	d = xcalloc(1, sizeof(*d) + next_hop.len + 1);
	d->kind = kind;
	d->name_len = next_hop.len;
	if (next_hop.len > 0)
		memcpy(d->name, next_hop.p, next_hop.len);
	for (int rank = 0; rank < TASK_RANKS; rank++) {
		d->lines[rank].dest = d;
		TAILQ_INIT(&d->lines[rank].ring);
	}
	d->config = config_of(s->config, next_hop);
	(void)map_put(&s->by_name[kind], next_hop, d);
	TAILQ_INSERT_TAIL(&s->dests, d, any);
	s->dest_count++;
	limits_join(s, limits_new(), d);
	return d;
}

bool
dest_dead(const struct dest *d, int64_t now_ms, int64_t *until_ms)
{
	const struct limits *l = d->limits;

	if (!l->dead || l->until_ms <= now_ms)
		return false;
	*until_ms = l->until_ms;
	return true;
}

static void
dest_update(struct sched *s, struct dest *d, int64_t now_ms)
{
	struct limits *l = d->limits;
	bool may = d->queued > 0 && limits_allow(l, now_ms);

	if (d->queued > 0 && !may &&
	    (l->until_ms > now_ms || l->next_ms > now_ms))
		heap_set(&s->wakes, &l->wake, MAX(l->until_ms, l->next_ms));
	for (int rank = 0; rank < TASK_RANKS; rank++)
		line_ready(s, &d->lines[rank], may && d->lines[rank].count > 0);
}

static void
group_update(struct sched *s, struct limits *l, int64_t now_ms)
{
	struct dest *d;

	TAILQ_FOREACH(d, &l->members, member)
	dest_update(s, d, now_ms);
}

/* -- flows --------------------------------------------------------------- */

static struct flow *
flow_of(struct line *line, struct slice sender)
{
	struct flow *f = map_get(&line->flows, sender);

	if (f != NULL)
		return f;
	f = xcalloc(1, sizeof(*f) + sender.len + 1);
	f->sender_len = sender.len;
	if (sender.len > 0)
		memcpy(f->sender, sender.p, sender.len);
	TAILQ_INIT(&f->tasks);
	TAILQ_INSERT_TAIL(&line->ring, f, ring);
	(void)map_put(&line->flows, sender, f);
	return f;
}

static void
flow_left(struct line *line, struct flow *f)
{
	if (f->count > 0)
		return;
	TAILQ_REMOVE(&line->ring, f, ring);
	(void)map_del(&line->flows, slice_of(f->sender, f->sender_len));
	free(f);
}

size_t
dest_waiting_of(const struct dest *d, struct slice sender)
{
	size_t sum = 0;

	for (int rank = 0; rank < TASK_RANKS; rank++) {
		const struct flow *f = map_get(&d->lines[rank].flows, sender);

		sum += f == NULL ? 0 : f->count;
	}
	return sum;
}

static void
add_at(struct sched *s, struct task *t, struct slice sender, bool in_front)
{
	struct line *line = &t->dest->lines[t->rank];
	struct flow *f = flow_of(line, sender);

	t->flow = f;
	if (in_front)
		TAILQ_INSERT_HEAD(&f->tasks, t, link);
	else
		TAILQ_INSERT_TAIL(&f->tasks, t, link);
	f->count++;
	line->count++;
	t->dest->queued++;
	s->queued++;
}

void
sched_add(struct sched *s, struct task *t, struct slice sender, int64_t now_ms)
{
	add_at(s, t, sender, false);
	dest_update(s, t->dest, now_ms);
}

static void
unqueue(struct sched *s, struct task *t)
{
	struct flow *f = t->flow;

	TAILQ_REMOVE(&f->tasks, t, link);
	t->flow = NULL;
	f->count--;
	t->dest->lines[t->rank].count--;
	t->dest->queued--;
	s->queued--;
}

void
sched_remove(struct sched *s, struct task *t)
{
	struct line *line = &t->dest->lines[t->rank];
	struct flow *f = t->flow;

	unqueue(s, t);
	flow_left(line, f);
	if (line->count == 0)
		line_ready(s, line, false);
}

struct task *
sched_first(const struct dest *d)
{
	const struct dest *other;

	TAILQ_FOREACH(other, &d->limits->members, member)
	for (int rank = 0; rank < TASK_RANKS; rank++) {
		const struct flow *f = TAILQ_FIRST(&other->lines[rank].ring);

		if (f != NULL)
			return TAILQ_FIRST(&f->tasks);
	}
	return NULL;
}

/* -- sending ------------------------------------------------------------- */

const struct dest *
sched_turn(const struct sched *s, enum agent_kind kind, enum task_rank rank)
{
	const struct line *line = TAILQ_FIRST(&s->ready[kind][rank]);

	return line == NULL ? NULL : line->dest;
}

struct task *
sched_next(
    struct sched *s, enum agent_kind kind, enum task_rank rank, int64_t now_ms)
{
	struct line *line = TAILQ_FIRST(&s->ready[kind][rank]);
	struct limits *l;
	struct task *t;
	struct dest *d;
	struct flow *f;

	if (line == NULL)
		return NULL;
	d = line->dest;
	l = d->limits;
	f = TAILQ_FIRST(&line->ring);
	t = TAILQ_FIRST(&f->tasks);
	unqueue(s, t);
	/* The next time it is the turn of another sender, and destination. */
	TAILQ_REMOVE(&line->ring, f, ring);
	TAILQ_INSERT_TAIL(&line->ring, f, ring);
	flow_left(line, f);
	TAILQ_REMOVE(&s->ready[kind][rank], line, ready);
	TAILQ_INSERT_TAIL(&s->ready[kind][rank], line, ready);
	d->sent++;
	l->active++;
	if (l->dead)
		l->probe = t;
	if (l->gap_ms > 0)
		l->next_ms = now_ms + l->gap_ms;
	if (l->member_count > 1)
		group_update(s, l, now_ms);
	else
		dest_update(s, d, now_ms);
	return t;
}

void
sched_put_back(
    struct sched *s, struct task *t, struct slice sender, int64_t now_ms)
{
	struct limits *l = t->dest->limits;

	t->dest->sent--;
	l->active--;
	if (l->probe == t)
		l->probe = NULL;
	add_at(s, t, sender, true);
	group_update(s, l, now_ms);
}

static void
succeeded(struct limits *l)
{
	if (l->dead)
		log_info("event=destination state=alive name=%.*s",
		    (int)TAILQ_FIRST(&l->members)->name_len,
		    TAILQ_FIRST(&l->members)->name);
	l->dead = false;
	l->failures = 0;
	l->dead_wait_ms = 0;
	l->window = MIN(l->window + 1.0 / l->window, l->window_max);
}

static int64_t
jitter(int64_t v)
{
	return v < 10 ? v : v - (int64_t)rand_below((uint64_t)v / 10 + 1);
}

/* True when it is dead from now on, or still. */
static bool
failed(const struct sched *s, struct limits *l, int64_t now_ms)
{
	int64_t first = s->config->queue_retry_min * 1000;
	int64_t most = MIN(s->config->queue_retry_max, DEAD_MAX_S) * 1000;
	const struct dest *d = TAILQ_FIRST(&l->members);

	l->failures++;
	l->window = MAX(l->window - 1.0, 1.0);
	if (l->failures < FAILURES_MIN || (double)l->failures < l->window)
		return false;
	if (l->dead && l->until_ms > now_ms)
		return false; /* one that was sent before */
	l->dead_wait_ms = l->dead_wait_ms == 0
			      ? first
			      : MIN(l->dead_wait_ms * 2, MAX(most, first));
	l->dead = true;
	l->window = MIN(LIMITS_WINDOW_FIRST, l->window_max);
	l->until_ms = now_ms + jitter(l->dead_wait_ms);
	log_info("event=destination state=dead name=%.*s failures=%u "
		 "for_ms=%lld",
	    (int)d->name_len, d->name, l->failures,
	    (long long)(l->until_ms - now_ms));
	return true;
}

bool
sched_done(struct sched *s, struct task *t, uint8_t blame, int64_t now_ms)
{
	struct dest *d = t->dest;
	struct limits *l = d->limits;
	bool now_dead = false;

	d->sent--;
	l->active--;
	if (l->probe == t)
		l->probe = NULL;
	if (blame == BLAME_CONNECT && d->kind == AGENT_RELAY) {
		now_dead = failed(s, l, now_ms);
	} else if (blame == BLAME_POLICY && d->kind == AGENT_RELAY) {
		l->window = MAX(l->window - 1.0, 1.0);
		l->until_ms = MAX(l->until_ms, now_ms + SLOW_MS);
	} else if (blame == BLAME_NONE) {
		succeeded(l);
	}
	group_update(s, l, now_ms);
	return now_dead;
}

/* Others that share its old limits may go on without what it sent. */
static void
change_limits(struct sched *s, struct dest *d, struct limits *l, int64_t now_ms)
{
	struct limits *old = d->limits;
	bool shared = old->member_count > 1;
	int64_t next_ms = old->next_ms;

	limits_leave(s, d);
	limits_join(s, l, d);
	if (l->gap_ms > 0)
		l->next_ms = MAX(l->next_ms, next_ms);
	if (shared)
		group_update(s, old, now_ms);
	group_update(s, l, now_ms);
}

void
sched_group(
    struct sched *s, struct slice next_hop, struct slice group, int64_t now_ms)
{
	struct dest *d = map_get(&s->by_name[AGENT_RELAY], next_hop);
	struct limits *l = map_get(&s->groups, group);

	if (d == NULL || group.len == 0 || (l != NULL && d->limits == l))
		return;
	if (l == NULL && d->limits->group == NULL) {
		l = d->limits; /* the first of a group */
		l->group = slice_dup(group);
		(void)map_put(&s->groups, group, l);
		return;
	}
	if (l == NULL) { /* its servers changed, and it is alone with them */
		l = limits_new();
		l->group = slice_dup(group);
		(void)map_put(&s->groups, group, l);
	}
	change_limits(s, d, l, now_ms);
}

int64_t
sched_wake(struct sched *s, int64_t now_ms)
{
	struct heap_node *n;

	while ((n = heap_first(&s->wakes)) != NULL && n->due <= now_ms) {
		struct limits *l = (struct limits *)n;

		heap_remove(&s->wakes, n);
		group_update(s, l, now_ms);
	}
	return n == NULL ? INT64_MAX : n->due;
}

void
sched_flush(struct sched *s, int64_t now_ms)
{
	struct dest *d;

	TAILQ_FOREACH(d, &s->dests, any)
	d->limits->until_ms = MIN(d->limits->until_ms, now_ms);
	TAILQ_FOREACH(d, &s->dests, any)
	dest_update(s, d, now_ms);
}

/* -- times --------------------------------------------------------------- */

int64_t
sched_backoff_s(const struct sched *s, const struct dest *d, uint32_t attempts)
{
	int64_t first = s->config->queue_retry_min;
	int64_t most = s->config->queue_retry_max;
	int64_t wait;

	if (d != NULL && d->config != NULL && d->config->retry_min_s > 0)
		first = d->config->retry_min_s;
	if (d != NULL && d->config != NULL && d->config->retry_max_s > 0)
		most = d->config->retry_max_s;
	if (attempts <= 1)
		wait = first;
	else if (attempts <= 3)
		wait = first << (attempts - 1);
	else
		wait = (5 * first) << MIN(attempts - 4, 30U);
	return jitter(MIN(wait, MAX(most, first)));
}

int64_t
sched_lifetime_s(const struct sched *s, const struct dest *d)
{
	if (d != NULL && d->config != NULL && d->config->lifetime_s > 0)
		return d->config->lifetime_s;
	return s->config->queue_lifetime;
}
