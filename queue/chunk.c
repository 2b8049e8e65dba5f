#include "queue/chunk.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/crc32c.h"
#include "common/base/mem.h"
#include "common/base/wire.h"

#define SPARES_MAX 16U

void
chunk_stock_init(struct chunk_stock *s)
{
	STAILQ_INIT(&s->spare);
	s->spares = 0;
	s->bytes = 0;
}

static void
chunk_free(struct chunk *c)
{
	free(c->data);
	free(c);
}

void
chunk_stock_free(struct chunk_stock *s)
{
	struct chunk *c;

	while ((c = STAILQ_FIRST(&s->spare)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->spare, link);
		chunk_free(c);
	}
	s->spares = 0;
}

static size_t
page_up(size_t n)
{
	return (n + CHUNK_PAGE - 1) & ~(size_t)(CHUNK_PAGE - 1);
}

static struct chunk *
chunk_alloc(size_t cap)
{
	struct chunk *c = xcalloc(1, sizeof(*c));

	c->data = aligned_alloc(CHUNK_PAGE, cap);
	if (c->data == NULL) {
		free(c);
		return NULL;
	}
	c->cap = cap;
	return c;
}

struct chunk *
chunk_new(struct chunk_stock *s, size_t body)
{
	size_t cap = page_up(CHUNK_HEAD + record_size(body));
	struct chunk *c = NULL;

	if (cap <= CHUNK_BYTES) {
		cap = CHUNK_BYTES;
		c = STAILQ_FIRST(&s->spare);
	}
	if (c != NULL) {
		STAILQ_REMOVE_HEAD(&s->spare, link);
		s->spares--;
	} else {
		c = chunk_alloc(cap);
	}
	if (c == NULL)
		return NULL;
	s->bytes += c->cap;
	c->stock = s;
	c->used = CHUNK_HEAD;
	c->count = 0;
	c->refs = 1;
	c->waiters = NULL;
	c->last = &c->waiters;
	c->seg = NULL;
	return c;
}

void
chunk_hold(struct chunk *c)
{
	c->refs++;
}

void
chunk_release(struct chunk *c)
{
	struct chunk_stock *s;

	if (c == NULL)
		return;
	assert(c->refs > 0);
	if (--c->refs > 0)
		return;
	s = c->stock;
	s->bytes -= c->cap;
	if (c->cap != CHUNK_BYTES || s->spares >= SPARES_MAX) {
		chunk_free(c);
		return;
	}
	STAILQ_INSERT_HEAD(&s->spare, c, link);
	s->spares++;
}

char *
chunk_add(struct chunk *c, enum record_kind kind, struct slice head,
    struct slice tail)
{
	size_t body = head.len + tail.len;
	char *at = c->data + c->used;

	if (record_size(body) > c->cap - c->used)
		return NULL;
	record_frame(at, kind, body);
	at += RECORD_HEAD;
	memcpy(at, head.p, head.len);
	if (tail.len > 0)
		memcpy(at + head.len, tail.p, tail.len);
	c->used += record_size(body);
	c->count++;
	return at;
}

size_t
chunk_padded(const struct chunk *c)
{
	return page_up(c->used);
}

void
chunk_stamp(struct chunk *c, const struct chunk_head *h, uint32_t seed)
{
	char *p = c->data;
	size_t at = CHUNK_HEAD;

	while (at < c->used)
		at += record_stamp(p + at, seed);
	assert(at == c->used);
	memset(p, 0, CHUNK_HEAD);
	memset(p + c->used, 0, chunk_padded(c) - c->used);
	wire_set_u32(p, CHUNK_MAGIC);
	wire_set_u64(p + 8, h->sequence);
	wire_set_u64(p + 16, h->durable);
	wire_set_u64(p + 24, h->segment);
	wire_set_u64(p + 32, h->tail);
	wire_set_u32(p + 40, (uint32_t)(c->used - CHUNK_HEAD));
	wire_set_u32(p + 44, c->count);
	wire_set_u32(p + 4, crc32c(seed, p + 8, CHUNK_HEAD - 8));
}

bool
chunk_head_read(struct slice in, uint32_t seed, struct chunk_head *h)
{
	if (in.len < CHUNK_HEAD || wire_get_u32(in.p) != CHUNK_MAGIC ||
	    wire_get_u32(in.p + 4) != crc32c(seed, in.p + 8, CHUNK_HEAD - 8))
		return false;
	h->sequence = wire_get_u64(in.p + 8);
	h->durable = wire_get_u64(in.p + 16);
	h->segment = wire_get_u64(in.p + 24);
	h->tail = wire_get_u64(in.p + 32);
	h->length = wire_get_u32(in.p + 40);
	h->count = wire_get_u32(in.p + 44);
	return h->length <= in.len - CHUNK_HEAD;
}
