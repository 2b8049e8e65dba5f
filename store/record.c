#include "store/record.h"

#include <errno.h>

#include "store/mailbox.h"

#define NAME_BYTES 255 /* of a file */

static int
unclean(void)
{
	errno = EUCLEAN;
	return -1;
}

/* No mailbox has changed after the record that says so. */
static bool
blocks_valid(const struct record *r)
{
	struct block b;

	for (unsigned i = 0; i < r->blocks; i++) {
		record_block(r, i, &b);
		if (b.n.modseq > r->pos)
			return false;
	}
	return true;
}

int
record_parse(struct record *r, uint64_t pos, const char *raw, uint32_t len)
{
	uint32_t blocks;

	if (len < RECORD_HEADER)
		return unclean();
	*r = (struct record){ .pos = pos, .len = len, .raw = raw };
	r->type = wire_get_u16(raw + 8);
	r->blocks = wire_get_u16(raw + 10);
	r->time_s = wire_get_u32(raw + 12);
	blocks = (uint32_t)r->blocks * RECORD_BLOCK;
	if (r->type == RECORD_NONE || r->type >= RECORD_TYPES ||
	    blocks > len - RECORD_HEADER)
		return unclean();
	r->payload = slice_of(
	    raw + RECORD_HEADER + blocks, len - RECORD_HEADER - blocks);
	return blocks_valid(r) ? 0 : unclean();
}

void
record_block(const struct record *r, unsigned i, struct block *b)
{
	const char *p = r->raw + RECORD_HEADER + (size_t)i * RECORD_BLOCK;

	b->id = wire_get_u32(p);
	b->prev = wire_get_u64(p + 4);
	b->n.exists = wire_get_u32(p + 12);
	b->n.unseen = wire_get_u32(p + 16);
	b->n.deleted = wire_get_u32(p + 20);
	b->n.recent = wire_get_u32(p + 24);
	b->n.recent_uid = wire_get_u32(p + 28);
	b->n.uidnext = wire_get_u32(p + 32);
	b->n.bytes = wire_get_u64(p + 36);
	b->n.modseq = wire_get_u64(p + 44);
	b->n.unmoved = (wire_get_u32(p + 52) & 1) != 0;
}

bool
record_find(const struct record *r, uint32_t id, struct block *b)
{
	const char *p = r->raw + RECORD_HEADER;

	for (unsigned i = 0; i < r->blocks; i++, p += RECORD_BLOCK) {
		if (wire_get_u32(p) == id) {
			record_block(r, i, b);
			return true;
		}
	}
	return false;
}

int
record_start(struct buf *b, unsigned blocks)
{
	size_t n = RECORD_HEADER + (size_t)blocks * RECORD_BLOCK;
	char *p;

	buf_truncate(b, 0);
	p = buf_reserve(b, n);
	if (p == NULL)
		return -1;
	memset(p, 0, n);
	wire_set_u16(p + 10, (uint16_t)blocks);
	buf_commit(b, n);
	return 0;
}

void
record_set_block(struct buf *b, unsigned i, const struct block *block)
{
	char *p = b->data + RECORD_HEADER + (size_t)i * RECORD_BLOCK;

	wire_set_u32(p, block->id);
	wire_set_u64(p + 4, block->prev);
	wire_set_u32(p + 12, block->n.exists);
	wire_set_u32(p + 16, block->n.unseen);
	wire_set_u32(p + 20, block->n.deleted);
	wire_set_u32(p + 24, block->n.recent);
	wire_set_u32(p + 28, block->n.recent_uid);
	wire_set_u32(p + 32, block->n.uidnext);
	wire_set_u64(p + 36, block->n.bytes);
	wire_set_u64(p + 44, block->n.modseq);
	wire_set_u32(p + 52, block->n.unmoved ? 1 : 0);
}

/* -- payloads ------------------------------------------------------ */

static int
put_defs(struct buf *b, const struct keyword_defs *d)
{
	if (wire_put_u8(b, (uint8_t)d->first) == -1 ||
	    wire_put_u8(b, (uint8_t)d->count) == -1)
		return -1;
	for (unsigned i = 0; i < d->count; i++)
		if (wire_put_bytes(b, d->names[i]) == -1)
			return -1;
	return 0;
}

int
record_defs(struct wire_in *in, struct keyword_defs *d)
{
	d->first = wire_u8(in);
	d->count = wire_u8(in);
	if (d->first + d->count > KEYWORDS_MAX)
		return unclean();
	for (unsigned i = 0; i < d->count; i++) {
		d->names[i] = wire_bytes(in, KEYWORD_MAX_SIZE);
		if (d->names[i].len == 0)
			return unclean();
	}
	return in->failed ? unclean() : 0;
}

bool
record_has_items(unsigned type)
{
	return type == RECORD_TAKEIN || type == RECORD_APPEND ||
	       type == RECORD_COPY || type == RECORD_MOVE ||
	       type == RECORD_ADOPT;
}

int
record_put_items(struct buf *b, const struct items *head)
{
	if (put_defs(b, &head->defs) == -1 ||
	    wire_put_u32(b, head->from_id) == -1 ||
	    wire_put_u32(b, head->from_uidvalidity) == -1 ||
	    wire_put_u32(b, head->count) == -1)
		return -1;
	return 0;
}

/* Bytes of an item before its source. */
#define ITEM_FIXED 49

int
record_put_item(struct buf *b, const struct item *item)
{
	char p[ITEM_FIXED];

	wire_set_u32(p, item->uid);
	wire_set_u16(p + 4, item->flags);
	wire_set_u16(p + 6, (uint16_t)item->zone_min);
	wire_set_u64(p + 8, item->keywords);
	wire_set_u64(p + 16, item->id);
	wire_set_u64(p + 24, item->size);
	wire_set_u64(p + 32, (uint64_t)item->date_s);
	wire_set_u32(p + 40, item->from_uid);
	wire_set_u32(p + 44, 0);
	p[48] = (char)item->from_flags;
	if (buf_append(b, p, sizeof(p)) == -1)
		return -1;
	return wire_put_bytes(b, item->source);
}

static bool
get_item(struct wire_in *in, struct item *item)
{
	const char *p = wire_raw(in, ITEM_FIXED).p;

	if (in->failed)
		return false;
	item->uid = wire_get_u32(p);
	item->flags = wire_get_u16(p + 4);
	item->zone_min = (int16_t)wire_get_u16(p + 6);
	item->keywords = wire_get_u64(p + 8);
	item->id = wire_get_u64(p + 16);
	item->size = wire_get_u64(p + 24);
	item->date_s = (int64_t)wire_get_u64(p + 32);
	item->from_uid = wire_get_u32(p + 40);
	item->from_flags = (uint8_t)p[48];
	item->source = wire_bytes(in, NAME_BYTES);
	return !in->failed;
}

/* A name that stays in its directory. */
static bool
source_valid(struct slice s)
{
	return s.len == 0 ||
	       (memchr(s.p, '/', s.len) == NULL &&
		   memchr(s.p, '\0', s.len) == NULL &&
		   !slice_eq(s, SLICE(".")) && !slice_eq(s, SLICE("..")));
}

int
record_items(const struct record *r, struct items *items)
{
	struct wire_in in = wire_in(r->payload);
	struct wire_in check;
	struct item item;
	uint32_t last = 0;

	if (record_defs(&in, &items->defs) == -1)
		return -1;
	items->from_id = wire_u32(&in);
	items->from_uidvalidity = wire_u32(&in);
	items->count = wire_u32(&in);
	items->rest = in;
	check = in;
	for (uint32_t i = 0; i < items->count; i++) {
		if (!get_item(&check, &item) || item.uid <= last ||
		    (item.flags & ~(unsigned)MESSAGE_FLAGS) != 0 ||
		    !source_valid(item.source))
			return unclean();
		last = item.uid;
	}
	return wire_done(&check) == 0 ? 0 : unclean();
}

bool
record_item(struct items *items, struct item *item)
{
	return items->rest.rest.len > 0 && get_item(&items->rest, item);
}

int
record_put_flags(struct buf *b, const struct flag_change *c)
{
	if (put_defs(b, &c->defs) == -1 || wire_put_u16(b, c->add) == -1 ||
	    wire_put_u16(b, c->remove) == -1 ||
	    wire_put_u64(b, c->keywords_add) == -1 ||
	    wire_put_u64(b, c->keywords_remove) == -1)
		return -1;
	return 0;
}

int
record_flags(struct wire_in *in, struct flag_change *c)
{
	if (record_defs(in, &c->defs) == -1)
		return -1;
	c->add = wire_u16(in) & MESSAGE_FLAGS;
	c->remove = wire_u16(in) & MESSAGE_FLAGS;
	c->keywords_add = wire_u64(in);
	c->keywords_remove = wire_u64(in);
	return in->failed ? unclean() : 0;
}

int
record_put_ranges(struct buf *b, const struct uidset *set)
{
	if (wire_put_u32(b, (uint32_t)set->count) == -1)
		return -1;
	for (size_t i = 0; i < set->count; i++)
		if (wire_put_u32(b, set->ranges[i].first) == -1 ||
		    wire_put_u32(b, set->ranges[i].last) == -1)
			return -1;
	return 0;
}

int
record_ranges(struct wire_in *in, struct uidset *set)
{
	uint32_t count = wire_u32(in);
	uint32_t before = 0;
	uint32_t first;
	uint32_t last;

	uidset_clear(set);
	for (uint32_t i = 0; i < count; i++) {
		first = wire_u32(in);
		last = wire_u32(in);
		if (in->failed || first <= before || last < first ||
		    uidset_add(set, first, last) == -1)
			return unclean();
		before = last;
	}
	return wire_done(in) == 0 ? 0 : unclean();
}
