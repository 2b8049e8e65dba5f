#include "queue/log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "queue/retire.h"
#include "queue/segments.h"

#define GROUP_BYTES (4U * 1024 * 1024) /* of one write */
#define RETRY_S     1

static void
kick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	log_start(arg);
}

static void
retry(evutil_socket_t fd, short what, void *arg)
{
	struct log *l = arg;

	(void)fd;
	(void)what;
	if (!l->broken) { /* only segments were short */
		l->making_failed = false;
		segments_maintain(l);
		return;
	}
	l->probing = true;
	l->making_failed = false;
	segments_maintain(l);
	/* Nobody is let in before a write has shown that it works again. */
	if (l->open == NULL && STAILQ_EMPTY(&l->closed) &&
	    log_append(l, RECORD_VOID, SLICE("probe of the disk"), SLICE_EMPTY,
		NULL) == NULL)
		(void)event_add(l->on_retry, &(struct timeval){ RETRY_S, 0 });
	log_start(l);
}

int
log_init(struct log *l, const struct log_setup *setup)
{
	*l = (struct log){ .base = setup->base,
		.slow = setup->slow,
		.io = setup->io,
		.ops = setup->ops,
		.arg = setup->arg,
		.dir = setup->dir,
		.seg_size = setup->seg_size,
		.next_number = 1,
		.next_seq = 1 };
	TAILQ_INIT(&l->segs);
	TAILQ_INIT(&l->free);
	TAILQ_INIT(&l->doomed);
	STAILQ_INIT(&l->closed);
	chunk_stock_init(&l->stock);
	l->on_kick = event_new(l->base, -1, 0, kick, l);
	l->on_retry = event_new(l->base, -1, 0, retry, l);
	l->worker = worker_new(l->base);
	if (l->on_kick != NULL && l->on_retry != NULL && l->worker != NULL)
		return 0;
	log_free(l);
	return -1;
}

/* Tell those who wait for this chunk; all, or only who may be refused. */
static void
chunk_tell(struct chunk *c, int error, bool refusable_only)
{
	struct log_waiter *w = c->waiters;

	c->waiters = NULL;
	c->last = &c->waiters;
	while (w != NULL) {
		struct log_waiter *next = w->next;

		if (refusable_only && !w->refusable) {
			w->next = NULL;
			*c->last = w;
			c->last = &w->next;
		} else {
			if (error != 0)
				record_void(c->data + w->at);
			w->done(w, error);
		}
		w = next;
	}
}

static void
close_segs(struct seg_list *list)
{
	struct seg *s;

	while ((s = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, s, link);
		seg_close(s);
	}
}

void
log_stop(struct log *l)
{
	struct chunk *c;

	worker_free(l->worker);
	l->worker = NULL;
	if (l->open != NULL)
		STAILQ_INSERT_TAIL(&l->closed, l->open, link);
	l->open = NULL;
	while ((c = STAILQ_FIRST(&l->closed)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->closed, link);
		chunk_tell(c, ECANCELED, false);
		chunk_release(c);
	}
}

void
log_free(struct log *l)
{
	if (l->worker != NULL)
		log_stop(l);
	chunk_stock_free(&l->stock);
	close_segs(&l->segs);
	close_segs(&l->free);
	close_segs(&l->doomed);
	if (l->on_kick != NULL)
		event_free(l->on_kick);
	if (l->on_retry != NULL)
		event_free(l->on_retry);
	l->on_kick = NULL;
	l->on_retry = NULL;
}

/* -- writing ------------------------------------------------------------- */

size_t
log_body_max(const struct log *l)
{
	return MIN((size_t)RECORD_MAX, (size_t)l->seg_size / 2);
}

int
log_takes_mail(const struct log *l)
{
	const struct seg *s = l->active;

	if (l->broken)
		return EIO;
	/* Another is on its way: half of this one is kept for results. */
	if (l->making && s != NULL && s->used < s->size / 2)
		return 0;
	return l->free_count == 0 ? ENOSPC : 0;
}

bool
log_idle(const struct log *l)
{
	return !l->flight.running && l->open == NULL &&
	       STAILQ_EMPTY(&l->closed);
}

static void
close_open(struct log *l)
{
	if (l->open == NULL)
		return;
	STAILQ_INSERT_TAIL(&l->closed, l->open, link);
	l->open = NULL;
}

char *
log_append(struct log *l, enum record_kind kind, struct slice head,
    struct slice tail, struct log_waiter *w)
{
	size_t body = head.len + tail.len;
	size_t need = record_size(body);
	struct chunk *c = l->open;
	char *p;

	if (body > log_body_max(l)) {
		errno = EMSGSIZE;
		return NULL;
	}
	if (c != NULL && need > c->cap - c->used)
		close_open(l);
	if (l->open == NULL)
		l->open = chunk_new(&l->stock, body);
	c = l->open;
	if (c == NULL)
		return NULL;
	p = chunk_add(c, kind, head, tail);
	assert(p != NULL);
	if (w != NULL) {
		w->next = NULL;
		w->chunk = c;
		w->at = (uint32_t)(p - c->data - RECORD_HEAD);
		*c->last = w;
		c->last = &w->next;
	}
	if (!l->flight.running && !l->broken)
		event_active(l->on_kick, EV_TIMEOUT, 1);
	return p;
}

/* Nothing can be written: what may be refused is, the rest waits. */
static void
log_break(struct log *l, int error)
{
	struct chunk *c;

	if (!l->broken)
		log_error("event=log-broken error=%s", strerror(error));
	l->broken = true;
	l->probing = false;
	event_add(l->on_retry, &(struct timeval){ RETRY_S, 0 });
	close_open(l);
	STAILQ_FOREACH(c, &l->closed, link)
	chunk_tell(c, error, true);
	l->ops->changed(l->arg);
}

static void
flight_failed(struct log *l, int error)
{
	struct seg_batch *b = &l->flight.batch;

	l->syncs_failed++;
	l->failures++;
	log_error("event=sync-failed segment=%llu slot=%u error=%s",
	    (unsigned long long)b->seg->number, b->seg->slot, strerror(error));
	b->seg->state = SEG_BAD;
	if (l->active == b->seg)
		l->active = NULL;
	for (unsigned i = b->count; i > 0; i--)
		STAILQ_INSERT_HEAD(&l->closed, b->chunks[i - 1], link);
	if (l->failures > 1)
		log_break(l, error);
	else
		log_start(l);
	segments_maintain(l);
}

static void
flight_landed(struct log *l)
{
	struct chunk *chunks[ARRAY_LEN(l->flight.chunks)];
	struct seg_batch *b = &l->flight.batch;
	struct seg *s = b->seg;
	unsigned n = b->count;
	uint64_t at = b->at;
	bool was_broken = l->broken;
	bool half_full;

	l->failures = 0;
	l->broken = false;
	l->probing = false;
	l->writes++;
	l->durable = b->sequence + n - 1;
	l->next_seq = b->sequence + n;
	if (s->is_new) {
		l->tail = s->tail;
		retire_doomed(l, s);
	}
	s->is_new = false;
	memcpy(chunks, b->chunks, n * sizeof(struct chunk *));
	for (unsigned i = 0; i < n; i++) {
		chunks[i]->seg = s;
		chunks[i]->at = at;
		at += chunk_padded(chunks[i]);
	}
	half_full = s->used < s->size / 2 && at >= s->size / 2;
	s->used = at;
	s->pins++;
	log_start(l); /* the disk shall not wait for what follows */
	for (unsigned i = 0; i < n; i++) {
		chunk_tell(chunks[i], 0, false);
		chunk_release(chunks[i]);
	}
	s->pins--;
	segments_untied(l, s);
	if (half_full)
		segments_maintain(l);
	if (was_broken || half_full)
		l->ops->changed(l->arg);
}

static void
flight_done(struct worker_job *j)
{
	struct log_flight *f = (struct log_flight *)j;
	struct log *l = f->log;

	f->running = false;
	if (j->error == 0)
		flight_landed(l);
	else
		flight_failed(l, j->error);
}

static void
flight_run(struct worker_job *j)
{
	struct log_flight *f = (struct log_flight *)j;

	if (seg_write(&f->batch) == -1)
		j->error = errno == 0 ? EIO : errno;
}

/*
 * A segment that still counted when the last head was written, and is used
 * anew: torn, the first write would leave its old head, and some of what
 * was in it, to be believed.
 */
static bool
needs_head(const struct log *l, const struct seg *s)
{
	return s->is_new && s->was != 0 && s->was >= l->tail;
}

/* Put as many chunks as the segment and one write take into the flight. */
static void
flight_load(struct log *l)
{
	struct seg_batch *b = &l->flight.batch;
	uint64_t room = l->active->size - l->active->used;
	struct chunk *c;
	size_t sum = 0;

	*b = (struct seg_batch){ .seg = l->active,
		.chunks = l->flight.chunks,
		.sequence = l->next_seq,
		.durable = l->durable,
		.tail = TAILQ_FIRST(&l->segs)->number,
		.at = l->active->used,
		.head_first = needs_head(l, l->active),
		.io = l->io };
	while ((c = STAILQ_FIRST(&l->closed)) != NULL &&
	       b->count < ARRAY_LEN(l->flight.chunks)) {
		sum += chunk_padded(c);
		if (sum > room || (b->count > 0 && sum > GROUP_BYTES))
			break;
		STAILQ_REMOVE_HEAD(&l->closed, link);
		b->chunks[b->count++] = c;
	}
}

void
log_start(struct log *l)
{
	struct chunk *c;

	if (l->flight.running || (l->broken && !l->probing))
		return;
	close_open(l);
	c = STAILQ_FIRST(&l->closed);
	if (c == NULL)
		return;
	if (l->active == NULL ||
	    chunk_padded(c) > l->active->size - l->active->used)
		segments_switch(l);
	if (l->active == NULL) {
		log_break(l, ENOSPC);
		return;
	}
	flight_load(l);
	assert(l->flight.batch.count > 0);
	l->flight.log = l;
	l->flight.job.run = flight_run;
	l->flight.job.done = flight_done;
	l->flight.running = true;
	worker_add(l->worker, &l->flight.job);
}
