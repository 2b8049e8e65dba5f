#include "queue/mail.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/wire.h"

#define FIRST_BUCKETS 1024U

void
mails_init(struct mails *ms)
{
	*ms = (struct mails){ .due = HEAP_INIT };
	TAILQ_INIT(&ms->order);
	ms->bucket_count = FIRST_BUCKETS;
	ms->buckets = xcalloc(ms->bucket_count, sizeof(struct mail *));
}

void
mails_free(struct mails *ms)
{
	struct mail *m;

	while ((m = TAILQ_FIRST(&ms->order)) != NULL)
		mail_remove(ms, m);
	free(ms->buckets);
	heap_free(&ms->due);
}

/* Ids are made here, not by strangers: this need not withstand anybody. */
static struct mail **
bucket_of(const struct mails *ms, struct qid id)
{
	uint64_t h = (id.time_us ^ id.nonce) * 0x9e3779b97f4a7c15ULL;

	return &ms->buckets[(h >> 32) & (ms->bucket_count - 1)];
}

static void
grow(struct mails *ms)
{
	struct mail *m;

	free(ms->buckets);
	ms->bucket_count *= 2;
	ms->buckets = xcalloc(ms->bucket_count, sizeof(struct mail *));
	TAILQ_FOREACH(m, &ms->order, order)
	{
		struct mail **b = bucket_of(ms, m->id);

		m->hash_next = *b;
		*b = m;
	}
}

/* New ids are above all others, but at recovery they come in any order. */
static void
insert_ordered(struct mails *ms, struct mail *m)
{
	struct mail *after = TAILQ_LAST(&ms->order, mail_order);

	while (after != NULL && qid_compare(after->id, m->id) > 0)
		after = TAILQ_PREV(after, mail_order, order);
	if (after == NULL)
		TAILQ_INSERT_HEAD(&ms->order, m, order);
	else
		TAILQ_INSERT_AFTER(&ms->order, after, m, order);
}

struct mail *
mail_add(struct mails *ms, struct qid id)
{
	struct mail *m = xcalloc(1, sizeof(*m));
	struct mail **b;

	m->id = id;
	m->state = MAIL_COLD;
	insert_ordered(ms, m);
	ms->count++;
	if (ms->count > ms->bucket_count) {
		grow(ms);
		return m;
	}
	b = bucket_of(ms, id);
	m->hash_next = *b;
	*b = m;
	return m;
}

struct mail *
mail_find(const struct mails *ms, struct qid id)
{
	struct mail *m = *bucket_of(ms, id);

	while (m != NULL && qid_compare(m->id, id) != 0)
		m = m->hash_next;
	return m;
}

void
mail_remove(struct mails *ms, struct mail *m)
{
	struct mail **b = bucket_of(ms, m->id);

	while (*b != m)
		b = &(*b)->hash_next;
	*b = m->hash_next;
	TAILQ_REMOVE(&ms->order, m, order);
	heap_remove(&ms->due, &m->due);
	mail_flag(ms, m, 0, MAIL_HELD);
	mail_tie(m, NULL);
	if (m->hot != NULL)
		mail_cooled(ms, m);
	ms->count--;
	free(m->delta);
	free(m);
}

struct mail *
mails_first(const struct mails *ms)
{
	return TAILQ_FIRST(&ms->order);
}

void
mail_tie(struct mail *m, struct seg *s)
{
	if (m->seg != NULL)
		TAILQ_REMOVE(&m->seg->mails, m, tied);
	m->seg = s;
	if (s != NULL)
		TAILQ_INSERT_TAIL(&s->mails, m, tied);
}

void
mail_flag(struct mails *ms, struct mail *m, unsigned set, unsigned clear)
{
	bool was = (m->flags & MAIL_HELD) != 0;
	bool is;

	m->flags = (uint16_t)((m->flags & ~clear) | set);
	is = (m->flags & MAIL_HELD) != 0;
	if (is && !was)
		ms->held++;
	else if (was && !is)
		ms->held--;
}

void
mail_heated(struct mails *ms, struct mail *m, struct mail_hot *h)
{
	assert(m->hot == NULL);
	m->hot = h;
	ms->hot++;
	ms->hot_bytes += h->store_len;
}

void
mail_cooled(struct mails *ms, struct mail *m)
{
	assert(m->hot != NULL);
	/* What was added: its base may have become another since. */
	ms->hot_bytes -= m->hot->store_len;
	hot_free(m->hot);
	m->hot = NULL;
	ms->hot--;
}

void
mail_delta_add(struct mail *m, const struct record *r)
{
	size_t n = 5 + r->body.len;
	char *at;

	assert(n <= UINT32_MAX - m->delta_len);
	m->delta = xreallocarray(m->delta, m->delta_len + n, 1);
	at = m->delta + m->delta_len;
	wire_set_u32(at, (uint32_t)r->body.len);
	at[4] = (char)r->kind;
	memcpy(at + 5, r->body.p, r->body.len);
	m->delta_len += (uint32_t)n;
}

void
mail_delta_set(struct mail *m, char *delta, size_t len)
{
	free(m->delta);
	m->delta = delta;
	m->delta_len = (uint32_t)len;
}
