#include <errno.h>

#include "common/base/mem.h"
#include "store/box.h"

/* What records do to the messages of an open mailbox. */

static int
unclean(struct mailbox *mb)
{
	mb->damaged = true;
	errno = EUCLEAN;
	return -1;
}

static void
kill_entry(struct mailbox *mb, uint32_t index, struct entry *e, bool moved)
{
	if ((e->state & ENTRY_DEAD) != 0)
		return;
	e->state |= ENTRY_DEAD;
	if (moved)
		e->state |= ENTRY_MOVED;
	indexes_push(&mb->dying, index);
}

static struct entry *
new_entry(struct mailbox *mb)
{
	if (mb->added_count == mb->added_cap) {
		mb->added_cap = mb->added_cap == 0 ? 16 : mb->added_cap * 2;
		mb->added =
		    xreallocarray(mb->added, mb->added_cap, sizeof(*mb->added));
	}
	return &mb->added[mb->added_count++];
}

static int
add_item(struct mailbox *mb, const struct record *r, const struct item *item)
{
	uint32_t index = box_find(mb, item->uid);
	struct entry *e;

	if (mb->damaged)
		return unclean(mb);
	if (mb->rebuilding) {
		/* A message without a file is not coming back. */
		if (index == box_total(mb))
			return 0;
		e = box_entry(mb, index);
		if (e->uid != item->uid || e->id != item->id)
			return 0;
	} else {
		if (index != box_total(mb) || item->uid >= mb->given)
			return unclean(mb);
		e = new_entry(mb);
	}
	*e = (struct entry){
		.uid = item->uid,
		.flags = item->flags,
		.zone_min = item->zone_min,
		.keywords = item->keywords,
		.modseq = r->pos,
		.size = item->size,
		.date_s = item->date_s,
		.id = item->id,
		.saved_s = r->time_s,
		.name_flags = (uint8_t)item->flags,
	};
	return 0;
}

static int
apply_items(struct mailbox *mb, const struct record *r)
{
	struct items items;
	struct block target;
	struct item item;
	uint32_t index;

	record_block(r, 0, &target);
	if (record_items(r, &items) == -1)
		return unclean(mb);
	while (record_item(&items, &item)) {
		if (r->type == RECORD_MOVE && items.from_id == mb->f->id) {
			index = box_find_exact(mb, item.from_uid);
			if (index != UINT32_MAX)
				kill_entry(
				    mb, index, box_entry(mb, index), true);
		}
		if (target.id == mb->f->id && add_item(mb, r, &item) == -1)
			return -1;
	}
	return mb->damaged ? unclean(mb) : 0;
}

static void
change_flags(struct entry *e, const struct flag_change *c, uint64_t pos)
{
	e->flags = (uint16_t)((e->flags & ~(unsigned)c->remove) | c->add);
	e->keywords = (e->keywords & ~c->keywords_remove) | c->keywords_add;
	e->modseq = pos;
}

static int
apply_flags(struct mailbox *mb, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	struct uidset set = UIDSET_INIT;
	bool news = mb->a->author != mb;
	struct flag_change c;
	struct entry *e;
	int rc = -1;

	if (record_flags(&in, &c) == -1 || record_ranges(&in, &set) == -1)
		goto out;
	for (size_t i = 0; i < set.count; i++) {
		uint32_t index = box_find(mb, set.ranges[i].first);

		if ((c.remove & MESSAGE_SEEN) != 0)
			mb->unseen_hint = MIN(mb->unseen_hint, index);
		for (; index < box_total(mb); index++) {
			e = box_entry(mb, index);
			if (e == NULL)
				goto out;
			if (e->uid > set.ranges[i].last)
				break;
			change_flags(e, &c, r->pos);
			if (!news || (e->state & ENTRY_TOLD) != 0)
				continue;
			e->state |= ENTRY_TOLD;
			indexes_push(&mb->changed, index);
		}
	}
	rc = mb->damaged ? -1 : 0;
out:
	uidset_free(&set);
	return rc == 0 ? 0 : unclean(mb);
}

static int
apply_expunge(struct mailbox *mb, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	struct uidset set = UIDSET_INIT;
	struct entry *e;
	int rc = -1;

	if (record_ranges(&in, &set) == -1)
		goto out;
	for (size_t i = 0; i < set.count; i++) {
		uint32_t index = box_find(mb, set.ranges[i].first);

		for (; index < box_total(mb); index++) {
			e = box_entry(mb, index);
			if (e == NULL)
				goto out;
			if (e->uid > set.ranges[i].last)
				break;
			kill_entry(mb, index, e, r->type == RECORD_LOST);
		}
	}
	rc = mb->damaged ? -1 : 0;
out:
	uidset_free(&set);
	return rc == 0 ? 0 : unclean(mb);
}

static int
mark_moved(struct mailbox *mb, const struct indexes *x)
{
	struct entry *e;

	for (size_t i = 0; i < x->count; i++) {
		e = box_entry(mb, x->at[i]);
		if (e == NULL)
			return unclean(mb);
		e->state |= ENTRY_MOVED;
	}
	return 0;
}

static int
apply_moved(struct mailbox *mb, const struct record *r)
{
	(void)r;
	if (mark_moved(mb, &mb->removed) == -1)
		return -1;
	return mark_moved(mb, &mb->dying);
}

typedef int apply_fn(struct mailbox *mb, const struct record *r);

static apply_fn *const by_type[RECORD_TYPES] = {
	[RECORD_TAKEIN] = apply_items,
	[RECORD_APPEND] = apply_items,
	[RECORD_COPY] = apply_items,
	[RECORD_MOVE] = apply_items,
	[RECORD_ADOPT] = apply_items,
	[RECORD_FLAGS] = apply_flags,
	[RECORD_EXPUNGE] = apply_expunge,
	[RECORD_LOST] = apply_expunge,
	[RECORD_MOVED] = apply_moved,
};

int
box_apply(struct mailbox *mb, const struct record *r, const struct block *b)
{
	if (r->pos < mb->pos)
		return 0; /* `records` holds it already */
	mb->pos = r->pos + 1;
	mb->given = MAX(mb->given, b->n.uidnext);
	if (mb->damaged)
		return unclean(mb);
	return by_type[r->type] == NULL ? 0 : by_type[r->type](mb, r);
}
