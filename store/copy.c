#include <errno.h>

#include "store/write.h"

/*
 * COPY is a hard link, MOVE a rename. The record comes first: from then on
 * the target has the messages, and whoever takes the lock next finishes
 * what a killed copier did not link.
 */

struct copying {
	bool move;
	struct folder *target;
	struct items head;
	struct buf items;     /* encoded */
	struct counts before; /* of the target */
	struct counts n;
	struct counts left;     /* of the source */
	int bits[KEYWORDS_MAX]; /* of the target, by those of the source */
	struct copy_result *result;
};

#define BIT_UNKNOWN (-2)

/* Where the target has no room for a keyword, it is left behind. */
static uint64_t
map_keywords(struct copying *c, const struct folder *f, uint64_t keywords)
{
	uint64_t out = 0;

	for (unsigned i = 0; i < f->keyword_count; i++) {
		if ((keywords >> i & 1) == 0)
			continue;
		if (c->bits[i] == BIT_UNKNOWN)
			c->bits[i] = write_keyword(c->target,
			    slice_str(f->keywords[i]), &c->head.defs);
		if (c->bits[i] >= 0)
			out |= UINT64_C(1) << c->bits[i];
	}
	return out;
}

static bool
pick(struct visit *v, uint32_t index, struct entry *e)
{
	struct copying *c = v->ctx;
	struct item item = {
		.uid = c->n.uidnext,
		.flags = e->flags,
		.zone_min = e->zone_min,
		.id = e->id,
		.size = e->size,
		.date_s = e->date_s,
		.from_uid = e->uid,
		.from_flags = e->name_flags,
	};

	(void)index;
	if (e->keywords != 0)
		item.keywords = map_keywords(c, v->mb->f, e->keywords);
	if (item.uid == UINT32_MAX) {
		errno = EOVERFLOW;
		v->failed = true;
		return false;
	}
	if (record_put_item(&c->items, &item) == -1 ||
	    uidset_add(&c->result->from, e->uid, e->uid) == -1 ||
	    uidset_add(&c->result->to, item.uid, item.uid) == -1) {
		v->failed = true;
		return false;
	}
	c->head.count++;
	c->n.uidnext++;
	c->n.recent++;
	counts_add(&c->n, e->flags, e->size);
	counts_remove(&c->left, e);
	return true;
}

static int
write_copy(struct mailbox *mb, struct copying *c)
{
	struct account *a = mb->a;
	bool two = c->move && c->target != mb->f;
	struct account_change change = {
		.type = c->move ? RECORD_MOVE : RECORD_COPY,
		.visible = true,
		.blocks = two ? 2 : 1,
		.folders = { c->target, mb->f },
		.n = { c->n, c->left },
	};

	if (c->move && !two) { /* into itself: new UIDs, same messages */
		change.n[0].exists = c->before.exists;
		change.n[0].unseen = c->before.unseen;
		change.n[0].deleted = c->before.deleted;
		change.n[0].bytes = c->before.bytes;
	}
	c->head.from_id = mb->f->id;
	c->head.from_uidvalidity = mb->f->uidvalidity;
	if (record_start(&a->out, change.blocks) == -1 ||
	    record_put_items(&a->out, &c->head) == -1 ||
	    buf_append_slice(&a->out, buf_slice(&c->items)) == -1)
		return -1;
	if (account_append(a, &change) == 0)
		return 0;
	/* A move is not undone: it stays pending until it can be done. */
	if (!c->move && c->target->n.uidnext != c->before.uidnext)
		account_undo(a, c->target, &c->before);
	return -1;
}

static int
copy_locked(struct mailbox *mb, const struct uidset *uids, struct slice target,
    struct copying *c)
{
	struct uidset picked = UIDSET_INIT;
	struct visit v = { .mb = mb, .pick = pick, .ctx = c };
	int rc;

	c->target = folder_find(mb->a, target);
	if (c->target == NULL || write_ready(mb->a, c->target, 1) == -1)
		return -1;
	c->before = c->target->n;
	c->n = c->before;
	c->left = mb->f->n;
	c->result->uidvalidity = c->target->uidvalidity;
	v.picked = &picked;
	rc = write_visit(&v, uids);
	uidset_free(&picked);
	if (rc == 0 && c->head.count > 0)
		rc = write_copy(mb, c);
	return rc;
}

static int
copy(struct mailbox *mb, const struct uidset *uids, struct slice target,
    struct copying *c)
{
	int rc;

	uidset_clear(&c->result->from);
	uidset_clear(&c->result->to);
	for (size_t i = 0; i < KEYWORDS_MAX; i++)
		c->bits[i] = BIT_UNKNOWN;
	buf_init(&c->items, RECORD_MAX);
	rc = mb->readonly && !c->move ? write_lock(mb) : write_begin(mb);
	if (rc == 0) {
		rc = mb->damaged ? -1 : copy_locked(mb, uids, target, c);
		if (mb->damaged)
			errno = EUCLEAN;
		account_unlock(mb->a);
	}
	buf_free(&c->items);
	if (rc == -1) {
		uidset_clear(&c->result->from);
		uidset_clear(&c->result->to);
		return -1;
	}
	if (c->head.count == 0)
		return 0;
	box_touch(mb->a, c->target);
	if (c->move)
		box_touch(mb->a, mb->f);
	return account_sync(mb->a);
}

int
mailbox_copy(struct mailbox *mb, const struct uidset *uids, struct slice target,
    struct copy_result *result)
{
	struct copying c = { .move = false, .result = result };

	return copy(mb, uids, target, &c);
}

int
mailbox_move(struct mailbox *mb, const struct uidset *uids, struct slice target,
    struct copy_result *result)
{
	struct copying c = { .move = true, .result = result };

	return copy(mb, uids, target, &c);
}

void
copy_result_free(struct copy_result *r)
{
	uidset_free(&r->from);
	uidset_free(&r->to);
}
