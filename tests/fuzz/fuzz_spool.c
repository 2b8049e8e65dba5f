/* libFuzzer: what recovery reads: records, chunks, deferred files, deltas. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "queue/chunk.h"
#include "queue/hot.h"
#include "queue/old.h"
#include "queue/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A body of any kind: whatever reads must apply or be refused. */
static void
try_body(struct mail_hot *h, const struct record *r)
{
	struct envelope e;
	struct qid id;

	if (record_valid(r) && r->kind != RECORD_VOID &&
	    record_id(r->body, &id) == -1)
		abort();
	if (r->kind == RECORD_MAIL && envelope_get(&e, r->body) == 0 &&
	    e.count > RECORD_RCPT_MAX)
		abort();
	if (h != NULL && hot_apply(h, r) == 0 && !record_valid(r) &&
	    r->kind >= RECORD_EXPANDED && r->kind <= RECORD_STATE)
		abort();
}

/* A mail in memory never counts its recipients wrongly. */
static void
check_counts(const struct mail_hot *h)
{
	uint32_t open = 0;

	for (uint32_t i = 0; i < h->count; i++)
		open += !rcpt_over(&h->rcpts[i]);
	if (open != h->open || h->busy != 0)
		abort();
}

/* What a snapshot says must lead from the same base to the same state. */
static void
check_snapshot(const struct mail_hot *h, struct slice base)
{
	struct buf b = BUF_INIT((size_t)1 << 26);
	struct mail_hot *again = hot_new(base, NULL, NULL);

	if (again == NULL || hot_snapshot(h, h->env.id, &b) == -1 ||
	    hot_apply_all(again, buf_slice(&b)) == -1)
		abort();
	if (again->count != h->count || again->open != h->open ||
	    again->held != h->held || again->finished != h->finished)
		abort();
	check_counts(again);
	hot_free(again);
	buf_free(&b);
}

static void
try_delta(struct slice base, struct slice delta)
{
	struct mail_hot *h = hot_new(base, NULL, NULL);

	if (h == NULL)
		return;
	if (hot_apply_all(h, delta) == 0) {
		check_counts(h);
		check_snapshot(h, base);
	}
	hot_free(h);
}

/* The same bytes with CRCs that fit, so that the parsers behind see them. */
static void
try_stamped(const uint8_t *data, size_t size)
{
	size_t room = record_size(size);
	char *rec = calloc(1, room);
	struct record r;
	size_t used;

	record_frame(
	    rec, (enum record_kind)(data[0] % (RECORD_END + 1)), size - 1);
	memcpy(rec + RECORD_HEAD, data + 1, size - 1);
	(void)record_stamp(rec, 1);
	if (record_read(slice_of(rec, room), 1, &r, &used) != RECORD_OK)
		abort();
	try_body(NULL, &r);
	free(rec);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct qid id = { 1, 2 };
	struct slice in = slice_of(data, size);
	struct chunk_head head;
	struct record r;
	struct old o;
	size_t cut;
	size_t used;

	(void)record_read(in, 0, &r, &used);
	(void)chunk_head_read(in, 0, &head);
	(void)!old_parse(in, id, &o);
	if (size < 3)
		return 0;
	try_stamped(data, size);
	cut = MIN((size_t)data[0] << 8 | data[1], size - 2);
	try_delta(slice_sub(in, 2, cut), slice_sub(in, 2 + cut, size));
	return 0;
}
