#include "store/token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "store/state.h"

/*
 * journal/tokens: the low-water mark, then entries of {u64 token, queue id};
 * all strings counted. A damaged one ends where it is damaged: the tokens
 * behind are old.
 */
#define FILE_NOW "tokens"
#define FILE_NEW "tokens.new"
#define FILE_MAX ((size_t)64 << 20)

/* Tokens, and where they are, so that a lost message frees its token. */
struct place {
	uint32_t folder;
	uint32_t uid;
	uint64_t id;
};

struct tokens {
	struct map known;     /* token → this */
	struct place *places; /* owned; of the segment being read */
	size_t count;
	size_t cap;
};

bool
tokens_has(const struct tokens *t, uint64_t id)
{
	return map_get_u64(&t->known, id) != NULL;
}

void
tokens_add(struct tokens *t, uint64_t id)
{
	map_put_u64(&t->known, id, t);
}

void
tokens_free(struct tokens *t)
{
	if (t == NULL)
		return;
	map_free(&t->known);
	free(t->places);
	free(t);
}

static void
note_item(struct tokens *t, uint32_t folder, const struct item *item)
{
	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? 64 : t->cap * 2;
		t->places =
		    xreallocarray(t->places, t->cap, sizeof(*t->places));
	}
	t->places[t->count++] = (struct place){
		.folder = folder,
		.uid = item->uid,
		.id = item->id,
	};
	tokens_add(t, item->id);
}

/* A message whose file a power cut took is to be taken in again. */
static int
forget_lost(struct tokens *t, uint32_t folder, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	struct uidset set = UIDSET_INIT;

	if (record_ranges(&in, &set) == -1)
		return -1;
	for (size_t i = 0; i < t->count; i++)
		if (t->places[i].folder == folder &&
		    uidset_has(&set, t->places[i].uid))
			map_del_u64(&t->known, t->places[i].id);
	uidset_free(&set);
	return 0;
}

static int
read_record(struct tokens *t, const struct record *r)
{
	struct items items;
	struct item item;
	struct block b;

	if (r->blocks == 0)
		return 0;
	record_block(r, 0, &b);
	if (r->type == RECORD_LOST)
		return forget_lost(t, b.id, r);
	if (r->type != RECORD_TAKEIN && r->type != RECORD_ADOPT)
		return 0;
	if (record_items(r, &items) == -1)
		return -1;
	while (record_item(&items, &item))
		note_item(t, b.id, &item);
	return 0;
}

/* Every record of a segment, up to its end or what is damaged in it. */
static int
read_segment(struct account *a, struct tokens *t, uint64_t base)
{
	uint64_t pos = base << JOURNAL_SHIFT | JOURNAL_START;
	struct record r;

	while (journal_at(&a->j, pos, &r) == 0) {
		if (read_record(t, &r) == -1)
			return -1;
		pos += r.len;
	}
	return errno == EUCLEAN || errno == ENOENT ? 0 : -1;
}

typedef int token_fn(void *ctx, uint64_t id, struct slice queue_id);

static int
read_file(struct account *a, struct buf *b, struct slice *low, token_fn *each,
    void *ctx)
{
	struct wire_in in;
	struct slice queue_id;
	uint64_t id;

	*low = SLICE_EMPTY;
	if (file_read_at(a->j.dir, FILE_NOW, b) == -1)
		return errno == ENOENT ? 0 : -1;
	in = wire_in(buf_slice(b));
	*low = wire_bytes(&in, DROP_TOKEN_MAX);
	while (in.rest.len > 0) {
		id = wire_u64(&in);
		queue_id = wire_bytes(&in, DROP_TOKEN_MAX);
		if (in.failed)
			break;
		if (each(ctx, id, queue_id) == -1)
			return -1;
	}
	return 0;
}

static int
know(void *ctx, uint64_t id, struct slice queue_id)
{
	(void)queue_id;
	tokens_add(ctx, id);
	return 0;
}

struct tokens *
tokens_read(struct account *a)
{
	struct tokens *t = xcalloc(1, sizeof(*t));
	struct buf b = BUF_INIT(FILE_MAX);
	uint64_t *bases = NULL;
	struct slice low;
	size_t n = 0;
	int rc;

	rc = read_file(a, &b, &low, know, t);
	if (rc == 0)
		rc = journal_list(&a->j, &bases, &n);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = read_segment(a, t, bases[i]);
	buf_free(&b);
	free(bases);
	if (rc == 0)
		return t;
	tokens_free(t);
	return NULL;
}

/* -- keeping ------------------------------------------------------- */

struct keeping {
	struct buf out;
	char low[DROP_TOKEN_MAX + 1]; /* the highest seen */
};

/* Queue ids sort by time: below the mark no mail is unfinished. */
static int
keep(void *ctx, uint64_t id, struct slice queue_id)
{
	struct keeping *k = ctx;
	char copy[DROP_TOKEN_MAX + 1];

	if (slice_copy(copy, sizeof(copy), queue_id) == -1 ||
	    (*copy != '\0' && strcmp(copy, k->low) < 0))
		return 0;
	if (wire_put_u64(&k->out, id) == -1)
		return -1;
	return wire_put_bytes(&k->out, queue_id);
}

static int
each_in_segment(struct account *a, uint64_t base, token_fn *each, void *ctx)
{
	uint64_t pos = base << JOURNAL_SHIFT | JOURNAL_START;
	struct drop_name d;
	struct record r;
	struct items items;
	struct item item;

	for (; journal_at(&a->j, pos, &r) == 0; pos += r.len) {
		if ((r.type != RECORD_TAKEIN && r.type != RECORD_ADOPT) ||
		    record_items(&r, &items) == -1)
			continue;
		while (record_item(&items, &item)) {
			if (drop_name_parse(item.source, &d) == -1)
				d = (struct drop_name){ .queue_id = "" };
			if (each(ctx, item.id, slice_str(d.queue_id)) == -1)
				return -1;
		}
	}
	return 0;
}

static void
raise_low(struct keeping *k, struct slice low)
{
	char copy[DROP_TOKEN_MAX + 1];

	if (slice_copy(copy, sizeof(copy), low) == 0 &&
	    strcmp(copy, k->low) > 0)
		memcpy(k->low, copy, sizeof(copy));
}

/* The mark travels with the drops; the newest segment has the best one. */
static void
find_low(struct account *a, uint64_t base, struct keeping *k)
{
	uint64_t pos = base << JOURNAL_SHIFT | JOURNAL_START;
	struct drop_name d;
	struct record r;
	struct items items;
	struct item item;

	for (; journal_at(&a->j, pos, &r) == 0; pos += r.len) {
		if (r.type != RECORD_TAKEIN || record_items(&r, &items) == -1)
			continue;
		while (record_item(&items, &item))
			if (drop_name_parse(item.source, &d) == 0)
				raise_low(k, slice_str(d.low));
	}
}

int
tokens_keep(struct account *a, uint64_t base)
{
	struct buf before = BUF_INIT(FILE_MAX);
	struct keeping k = { .low = "" };
	struct slice low;
	int rc;

	buf_init(&k.out, FILE_MAX);
	find_low(a, base, &k);
	find_low(a, a->j.now.base, &k);
	rc = file_read_at(a->j.dir, FILE_NOW, &before);
	if (rc == 0) {
		struct wire_in in = wire_in(buf_slice(&before));

		raise_low(&k, wire_bytes(&in, DROP_TOKEN_MAX));
	}
	buf_truncate(&before, 0);
	if (wire_put_bytes(&k.out, slice_str(k.low)) == -1 ||
	    read_file(a, &before, &low, keep, &k) == -1 ||
	    each_in_segment(a, base, keep, &k) == -1)
		rc = -1;
	else
		rc = file_publish(
		    a->j.dir, FILE_NEW, FILE_NOW, buf_slice(&k.out), 0600);
	buf_free(&before);
	buf_free(&k.out);
	return rc;
}
