#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/log.h"
#include "store/files.h"
#include "store/write.h"

/* Removing expunged files, and folding the journal into `records`. */

#define FOLD_BYTES   ((uint64_t)65536)
#define FOLD_TOUCHED ((uint64_t)2000)
#define MOVE_STEP    256 /* files of one step of account_work() */

bool
box_fold_due(const struct mailbox *mb)
{
	return folder_fold_due(mb->f);
}

bool
folder_fold_due(const struct folder *f)
{
	uint64_t size = (uint64_t)f->n.exists * sizeof(struct entry);

	return f->tail > MAX(FOLD_BYTES, size / 8) ||
	       f->touched > MAX(FOLD_TOUCHED, (uint64_t)f->n.exists / 4);
}

/* -- expunged files ------------------------------------------------ */

/* Removes at most *room files; what was removed is marked so. */
static int
remove_listed(struct mailbox *mb, const struct indexes *x, size_t *room)
{
	char name[FNAME_MAX + 1];
	struct entry *e;

	for (size_t i = 0; i<x->count && * room> 0; i++) {
		e = box_entry(mb, x->at[i]);
		if (e == NULL) {
			mb->damaged = true;
			errno = EUCLEAN;
			return -1;
		}
		if ((e->state & ENTRY_MOVED) != 0)
			continue;
		box_file_name(mb, e, name);
		if (files_remove(mb->a, mb->cur, name) == -1)
			return -1;
		e->state |= ENTRY_MOVED;
		--*room;
	}
	return 0;
}

/* 1: there may be more than room. */
static int
remove_dead(struct mailbox *mb, size_t room)
{
	if (box_cur(mb) == -1 || remove_listed(mb, &mb->removed, &room) == -1 ||
	    remove_listed(mb, &mb->dying, &room) == -1)
		return -1;
	return room == 0 ? 1 : 0;
}

/* Under the lock: what came since the last step is removed, too. */
static int
tell_moved(struct mailbox *mb)
{
	struct account *a = mb->a;
	struct account_change c = { .type = RECORD_MOVED, .blocks = 1 };
	int rc;

	rc = remove_dead(mb, MOVE_STEP);
	if (rc != 0 || mb->f->gone)
		return rc;
	c.folders[0] = mb->f;
	c.n[0] = mb->f->n;
	c.n[0].unmoved = false;
	if (record_start(&a->out, 1) == -1)
		return -1;
	return account_append(a, &c);
}

int
box_move_expunged(struct mailbox *mb)
{
	int rc;

	if (!mb->f->n.unmoved || mb->damaged || mb->f->gone)
		return 0;
	rc = remove_dead(mb, MOVE_STEP);
	if (rc != 0)
		return rc;
	if (account_lock(mb->a) == -1)
		return -1;
	rc = tell_moved(mb);
	account_unlock(mb->a);
	return rc;
}

/* -- folding ------------------------------------------------------- */

struct cursor {
	struct mailbox *mb;
	uint32_t at;
	struct counts n; /* of what was written */
};

static const struct entry *
next_living(void *ctx)
{
	struct cursor *c = ctx;
	const struct entry *e;

	while (c->at < box_total(c->mb)) {
		e = box_entry(c->mb, c->at++);
		if (e == NULL) {
			c->mb->damaged = true;
			errno = EUCLEAN;
			return NULL;
		}
		if ((e->state & ENTRY_DEAD) != 0)
			continue;
		counts_add(&c->n, e->flags, e->size);
		c->n.recent += e->uid > c->n.recent_uid;
		return e;
	}
	errno = 0;
	return NULL;
}

/* The counts travel from record to record: an error would live for ever. */
static int
correct_counts(struct mailbox *mb, const struct counts *n)
{
	struct account_change c = { .type = RECORD_STATE, .blocks = 1 };
	const struct counts *f = &mb->f->n;

	if (n->exists == f->exists && n->unseen == f->unseen &&
	    n->deleted == f->deleted && n->bytes == f->bytes &&
	    n->recent == f->recent)
		return 0;
	log_warn("event=store-counts mailbox=%s exists=%u/%u unseen=%u/%u "
		 "recent=%u/%u",
	    mb->f->name, f->exists, n->exists, f->unseen, n->unseen, f->recent,
	    n->recent);
	c.folders[0] = mb->f;
	c.n[0] = *n;
	return record_start(&mb->a->out, 1) == -1 ? -1
						  : account_append(mb->a, &c);
}

static int
write_records(struct mailbox *mb, struct cursor *cursor, uint64_t *folded)
{
	struct records_source source = { next_living, cursor, true };
	struct folder *f = mb->f;
	struct records_head head = {
		.id = f->id,
		.uidvalidity = f->uidvalidity,
		.pos = mb->a->j.pos,
		.before = f->folded,
		.last = f->last,
		.created = f->created,
		.n = f->n,
		.uses = f->uses,
		.keyword_count = f->keyword_count,
	};

	for (unsigned i = 0; i < f->keyword_count; i++)
		head.keywords[i] = f->keywords[i];
	*folded = head.pos;
	return records_write(mb->dir, &head, &source);
}

static int
tell_folded(
    struct mailbox *mb, const struct counts *n, uint64_t folded, uint64_t at)
{
	struct account *a = mb->a;
	struct account_change c = { .type = RECORD_FOLD, .blocks = 1 };
	int rc = 0;

	if (account_lock(a) == -1)
		return -1;
	/* Comparable only while nobody has changed it meanwhile. */
	if (mb->f->last == at && !mb->f->gone)
		rc = correct_counts(mb, n);
	c.folders[0] = mb->f;
	c.n[0] = mb->f->n;
	if (rc == 0 && !mb->f->gone && record_start(&a->out, 1) == 0 &&
	    wire_put_u64(&a->out, folded) == 0 &&
	    wire_put_u64(&a->out, mb->f->folded) == 0)
		rc = account_append(a, &c);
	account_unlock(a);
	return rc;
}

static int
fold_alone(struct mailbox *mb)
{
	struct cursor cursor = { .mb = mb };
	uint64_t folded;
	uint64_t at;
	int rc;

	if (account_replay(mb->a) == -1)
		return -1;
	/* `records` does not name the expunged: their files go first. */
	rc = box_move_expunged(mb);
	if (rc != 0)
		return rc;
	if (mb->damaged || mb->f->gone)
		return 0;
	/*
	 * `records` must not know what a power cut would take out of the
	 * journal, others' records included: so sync even without a change
	 * of our own.
	 */
	if (journal_sync_to(&mb->a->j, mb->a->j.pos) == -1)
		return -1;
	cursor.n = mb->f->n;
	cursor.n.exists = 0;
	cursor.n.unseen = 0;
	cursor.n.deleted = 0;
	cursor.n.recent = 0;
	cursor.n.bytes = 0;
	at = mb->f->last;
	if (write_records(mb, &cursor, &folded) == -1)
		return -1;
	return tell_folded(mb, &cursor.n, folded, at);
}

int
box_fold(struct mailbox *mb)
{
	int rc;

	if (journal_try(&mb->a->j, mb->f->id) == -1)
		return errno == EAGAIN || errno == EACCES ? 0 : -1;
	rc = fold_alone(mb);
	journal_release(&mb->a->j, mb->f->id);
	return rc;
}
