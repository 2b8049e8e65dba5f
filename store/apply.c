#include <errno.h>
#include <stdlib.h>

#include "store/box.h"
#include "store/name.h"

/* What records do to the account: folders, counts, subscriptions. */

static int
unclean(void)
{
	errno = EUCLEAN;
	return -1;
}

typedef int apply_fn(
    struct account *a, const struct record *r, struct folder *f);

/* What a CREATE says of one mailbox. */
struct created {
	uint32_t uidvalidity;
	uint32_t uses; /* FOLDER_USES and FOLDER_SUBSCRIBED */
	struct slice name;
};

/* b is the block of the mailbox that was made. */
static int
add_created(struct account *a, const struct record *r, const struct block *b,
    const struct created *c)
{
	struct folder *f;

	if (folder_by_id(a, b->id) != NULL)
		return 0; /* known from its directory */
	f = folder_add(a, b->id, c->name);
	if (f == NULL)
		return a->recovering && errno == EEXIST ? 0 : -1;
	f->uidvalidity = c->uidvalidity;
	f->uses = c->uses & FOLDER_USES;
	f->created = r->pos;
	f->folded = r->pos + 1;
	f->checked = a->j.now.epoch;
	f->n = b->n;
	f->last = r->pos;
	f->given = r->pos + 1;
	return 0;
}

static int
apply_create(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	struct created c;
	struct block b;

	(void)f;
	for (unsigned i = 0; i < r->blocks; i++) {
		c.uidvalidity = wire_u32(&in);
		c.uses = wire_u32(&in);
		c.name = wire_bytes(&in, NAME_MAX_BYTES);
		if (in.failed || c.uidvalidity == 0 || c.name.len == 0)
			return unclean();
		a->last_uidvalidity = MAX(a->last_uidvalidity, c.uidvalidity);
		if ((c.uses & FOLDER_SUBSCRIBED) != 0)
			map_put(&a->subscribed, c.name, a);
		record_block(r, i, &b);
		if (add_created(a, r, &b, &c) == -1)
			return -1;
	}
	return wire_done(&in) == -1 || r->blocks == 0 ? unclean() : 0;
}

static int
apply_delete(struct account *a, const struct record *r, struct folder *f)
{
	(void)r;
	if (f != NULL)
		folder_bury(a, f);
	return 0;
}

static int
apply_rename(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	uint32_t count = wire_u32(&in);
	struct slice name;
	uint32_t id;

	for (uint32_t i = 0; i < count; i++) {
		id = wire_u32(&in);
		(void)wire_bytes(&in, NAME_MAX_BYTES);
		name = wire_bytes(&in, NAME_MAX_BYTES);
		if (in.failed)
			return unclean();
		f = folder_by_id(a, id);
		if (f != NULL && folder_rename(a, f, name) == -1 &&
		    !a->recovering)
			return -1;
	}
	return wire_done(&in) == -1 ? unclean() : 0;
}

static int
apply_subscribe(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	bool on = wire_u8(&in) != 0;
	struct slice name = wire_bytes(&in, NAME_MAX_BYTES);

	(void)f;
	if (wire_done(&in) == -1 || name.len == 0)
		return unclean();
	if (on)
		map_put(&a->subscribed, name, a);
	else
		map_del(&a->subscribed, name);
	return 0;
}

static int
apply_items(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	struct keyword_defs defs;

	(void)a;
	if (f == NULL)
		return 0;
	f->touched += r->len / 64;
	if (record_defs(&in, &defs) == -1)
		return -1;
	return folder_define_keywords(f, &defs);
}

static int
apply_flags(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	struct uidset set = UIDSET_INIT;
	struct flag_change c;
	int rc;

	(void)a;
	if (f == NULL)
		return 0;
	rc = record_flags(&in, &c);
	if (rc == 0)
		rc = record_ranges(&in, &set);
	if (rc == 0)
		f->touched += MIN(uidset_size(&set), f->n.exists);
	uidset_free(&set);
	return rc == 0 ? folder_define_keywords(f, &c.defs) : -1;
}

static int
apply_fold(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	uint64_t folded = wire_u64(&in);
	uint64_t before = wire_u64(&in);

	(void)a;
	if (wire_done(&in) == -1)
		return unclean();
	if (f == NULL)
		return 0;
	f->folded = folded;
	f->folded_before = before;
	f->tail = 0;
	f->touched = 0;
	return 0;
}

static int
apply_check(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	uint64_t epoch = wire_u64(&in);

	(void)a;
	if (wire_done(&in) == -1)
		return unclean();
	if (f == NULL)
		return 0;
	f->checked = epoch;
	f->sure = 0;
	return 0;
}

static int
apply_state(struct account *a, const struct record *r, struct folder *f)
{
	struct wire_in in = wire_in(r->payload);
	uint32_t sure;

	(void)a;
	if (f == NULL || r->payload.len == 0)
		return 0;
	sure = wire_u32(&in);
	if (wire_done(&in) == -1)
		return unclean();
	if (f->sure == 0)
		f->sure = sure;
	return 0;
}

static apply_fn *const by_type[RECORD_TYPES] = {
	[RECORD_CREATE] = apply_create,
	[RECORD_DELETE] = apply_delete,
	[RECORD_RENAME] = apply_rename,
	[RECORD_SUBSCRIBE] = apply_subscribe,
	[RECORD_TAKEIN] = apply_items,
	[RECORD_APPEND] = apply_items,
	[RECORD_COPY] = apply_items,
	[RECORD_MOVE] = apply_items,
	[RECORD_ADOPT] = apply_items,
	[RECORD_FLAGS] = apply_flags,
	[RECORD_FOLD] = apply_fold,
	[RECORD_CHECK] = apply_check,
	[RECORD_STATE] = apply_state,
};

static int
apply_block(struct account *a, const struct record *r, const struct block *b)
{
	struct folder *f = folder_by_id(a, b->id);
	int rc = 0;

	if (f == NULL || r->pos <= f->last)
		return 0; /* deleted later, or known from its directory */
	if (b->n.uidnext != f->n.uidnext)
		f->given = r->pos + 1;
	f->n = b->n;
	f->last = r->pos;
	f->tail += r->len;
	/* Every handle gets it, even where one is found damaged. */
	for (struct mailbox *mb = a->boxes; mb != NULL; mb = mb->next)
		if (mb->f == f && box_apply(mb, r, b) == -1)
			rc = -1;
	/* That ends the mailbox, not the account. */
	return rc == -1 && errno != EUCLEAN ? -1 : 0;
}

int
account_apply(struct account *a, const struct record *r)
{
	struct folder *f = NULL;
	struct block b;

	if (r->blocks > 0) {
		record_block(r, 0, &b);
		f = folder_by_id(a, b.id);
		if (f != NULL && r->pos <= f->last)
			f = NULL;
	}
	for (unsigned i = 0; i < r->blocks; i++) {
		record_block(r, i, &b);
		if (apply_block(a, r, &b) == -1)
			return -1;
	}
	if (record_has_items(r->type))
		a->moved = r->pos + r->len;
	return by_type[r->type] == NULL ? 0 : by_type[r->type](a, r, f);
}
