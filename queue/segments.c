#include "queue/segments.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "queue/log.h"
#include "queue/retire.h"

void
segments_add_sealed(struct log *l, struct seg *s)
{
	s->state = SEG_SEALED;
	TAILQ_INSERT_TAIL(&l->segs, s, link);
	l->seg_count++;
	l->next_slot = MAX(l->next_slot, s->slot + 1);
	l->next_number = MAX(l->next_number, s->number + 1);
}

void
segments_add_free(struct log *l, struct seg *s)
{
	l->next_slot = MAX(l->next_slot, s->slot + 1);
	l->next_number = MAX(l->next_number, s->number + 1);
	if (!retire_spares(l, s)) {
		retire_now(l, s);
		return;
	}
	s->state = SEG_FREE;
	TAILQ_INSERT_TAIL(&l->free, s, link);
	l->seg_count++;
	l->free_count++;
}

static int
add_made(struct log *l, uint32_t slot)
{
	bool fresh;
	struct seg *s = seg_open(l->dir, slot, &fresh);

	if (s == NULL)
		return -1;
	segments_add_free(l, s);
	return 0;
}

int
segments_make_first(struct log *l)
{
	while (l->free_count < 2) {
		uint32_t slot = seg_free_slot(l->dir, l->next_slot);

		if (seg_create(l->dir, slot, l->seg_size) == -1 ||
		    add_made(l, slot) == -1)
			return -1;
	}
	return 0;
}

struct make_job {
	struct worker_job job;
	struct log *log;
	int dir;
	uint32_t slot;
	uint64_t size;
};

static void
make_run(struct worker_job *j)
{
	struct make_job *m = (struct make_job *)j;

	if (seg_create(m->dir, m->slot, m->size) == -1)
		j->error = errno;
}

static void
make_done(struct worker_job *j)
{
	struct make_job *m = (struct make_job *)j;
	struct log *l = m->log;

	l->making = false;
	if (j->error == 0 && add_made(l, m->slot) == -1)
		j->error = errno;
	if (j->error != 0) {
		log_error("event=segment-not-made slot=%u error=%s", m->slot,
		    strerror(j->error));
		l->making_failed = true; /* empty old ones instead */
		if (!event_pending(l->on_retry, EV_TIMEOUT, NULL))
			event_add(l->on_retry, &(struct timeval){ 10, 0 });
	}
	free(m);
	segments_maintain(l);
	log_start(l);
	l->ops->changed(l->arg);
}

static void
make_more(struct log *l)
{
	struct make_job *m = xcalloc(1, sizeof(*m));

	m->job.run = make_run;
	m->job.done = make_done;
	m->log = l;
	m->dir = l->dir;
	m->slot = seg_free_slot(l->dir, l->next_slot);
	m->size = l->seg_size;
	l->making = true;
	worker_add(l->slow, &m->job);
}

/* s holds nothing that counts any more. */
static void
free_seg(struct log *l, struct seg *s)
{
	TAILQ_REMOVE(&l->segs, s, link);
	l->seg_count--;
	s->folding = false;
	if (retire_spares(l, s))
		segments_add_free(l, s);
	else
		retire_later(l, s);
}

static struct seg *
oldest(const struct log *l)
{
	struct seg *s = TAILQ_FIRST(&l->segs);

	return s == l->active ? NULL : s;
}

/* Free the oldest ones nobody needs. */
static bool
free_untied(struct log *l)
{
	struct seg *s;
	bool any = false;

	while ((s = oldest(l)) != NULL && TAILQ_EMPTY(&s->mails)) {
		if (s->pins > 0 ||
		    (l->flight.running && l->flight.batch.seg == s) ||
		    !l->ops->may_free(l->arg, s))
			break;
		free_seg(l, s);
		any = true;
	}
	return any;
}

/*
 * Older ones are mostly free soon after a segment is begun: where not by its
 * half, they are too few. A start after a crash needs a free one at once.
 */
static bool
is_late(const struct log *l)
{
	const struct seg *s = l->active;

	return l->seg_count <= SEGMENTS_READY || l->free_count == 0 ||
	       s == NULL || s->used >= s->size / 2;
}

/*
 * One more would do: up to as many as there should be; and where none is
 * left, one, without which nothing ends that keeps the others.
 */
static bool
may_make(const struct log *l)
{
	bool stuck = l->active == NULL && l->free_count == 0;

	return !l->making_failed &&
	       l->seg_count < (stuck ? SEGMENTS_LIMIT : SEGMENTS_MAX);
}

void
segments_maintain(struct log *l)
{
	bool any = free_untied(l);
	struct seg *s = oldest(l);

	if (l->free_count < SEGMENTS_READY && !l->making) {
		if (may_make(l)) {
			if (is_late(l))
				make_more(l);
		} else if (s != NULL && !s->folding &&
			   !TAILQ_EMPTY(&s->mails)) {
			s->folding = true;
			l->ops->fold(l->arg, s);
		}
	}
	if (!any)
		return;
	if (!log_idle(l) && !l->flight.running)
		event_active(l->on_kick, EV_TIMEOUT, 1);
	l->ops->changed(l->arg);
}

void
segments_untied(struct log *l, struct seg *s)
{
	if (s == oldest(l) && TAILQ_EMPTY(&s->mails))
		segments_maintain(l);
}

static struct seg *
next_seg(struct log *l)
{
	struct seg *s = TAILQ_FIRST(&l->free);
	struct seg *first = TAILQ_FIRST(&l->segs);
	struct seg_start start = { .number = l->next_number,
		.first = l->next_seq,
		.durable = l->durable,
		.tail = first == NULL ? l->next_number : first->number };

	if (s == NULL)
		return NULL;
	l->next_number++;
	TAILQ_REMOVE(&l->free, s, link);
	l->free_count--;
	TAILQ_INSERT_TAIL(&l->segs, s, link);
	seg_begin(s, &start);
	return s;
}

void
segments_switch(struct log *l)
{
	struct seg *old = l->active;

	if (old != NULL && old->state == SEG_ACTIVE)
		old->state = SEG_SEALED;
	l->active = next_seg(l);
	if (l->active != NULL)
		log_debug("event=segment number=%llu slot=%u free=%u",
		    (unsigned long long)l->active->number, l->active->slot,
		    l->free_count);
	segments_maintain(l);
	l->ops->changed(l->arg);
}

struct seg *
segments_current(struct log *l)
{
	if (l->active == NULL)
		segments_switch(l);
	return l->active != NULL ? l->active : TAILQ_LAST(&l->segs, seg_list);
}
