#include "queue/token.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"

#define BUCKETS (2 * TOKEN_KEPT)

void
tokens_init(struct tokens *t)
{
	t->rows = xcalloc(TOKEN_KEPT, sizeof(*t->rows));
	t->buckets = xcalloc(BUCKETS, sizeof(*t->buckets));
	t->next = 0;
}

void
tokens_free(struct tokens *t)
{
	free(t->rows);
	free(t->buckets);
	*t = (struct tokens){ .rows = NULL };
}

/* Senders choose tokens: the hash is keyed. */
static uint32_t *
bucket_of(const struct tokens *t, const void *token)
{
	return &t->buckets[map_hash(slice_of(token, TOKEN_BYTES)) &
			   (BUCKETS - 1)];
}

static struct token_row *
find(const struct tokens *t, const void *token, uint8_t source)
{
	uint32_t i = *bucket_of(t, token);

	for (; i != 0; i = t->rows[i - 1].next)
		if (t->rows[i - 1].source == source &&
		    memcmp(t->rows[i - 1].token, token, TOKEN_BYTES) == 0)
			return &t->rows[i - 1];
	return NULL;
}

static void
unlink_row(struct tokens *t, const struct token_row *row)
{
	uint32_t n = (uint32_t)(row - t->rows) + 1;
	uint32_t *at = bucket_of(t, row->token);

	while (*at != n)
		at = &t->rows[*at - 1].next;
	*at = row->next;
}

void
token_add(struct tokens *t, const void *token, uint8_t source, struct qid id)
{
	struct token_row *row = find(t, token, source);
	uint32_t *b;

	if (row != NULL) {
		row->id = id;
		return;
	}
	row = &t->rows[t->next];
	if (row->used)
		unlink_row(t, row);
	memcpy(row->token, token, TOKEN_BYTES);
	row->id = id;
	row->source = source;
	row->used = true;
	b = bucket_of(t, token);
	row->next = *b;
	*b = t->next + 1;
	t->next = (t->next + 1) % TOKEN_KEPT;
}

bool
token_find(
    const struct tokens *t, const void *token, uint8_t source, struct qid *id)
{
	const struct token_row *row = find(t, token, source);

	if (row == NULL)
		return false;
	*id = row->id;
	return true;
}

void
token_drop(struct tokens *t, const void *token, uint8_t source)
{
	struct token_row *row = find(t, token, source);

	if (row == NULL)
		return;
	unlink_row(t, row);
	row->used = false;
}
