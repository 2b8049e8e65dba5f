#include "store/mailbox.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "store/errors.h"
#include "store/write.h"

/* -- \Recent ------------------------------------------------------- */

/*
 * Who may change the mailbox and finds messages above the watermark takes
 * them as \Recent and moves it; the others see them as recent, too.
 */
static int
claim_recent(struct mailbox *mb)
{
	struct account *a = mb->a;
	struct account_change c = { .type = RECORD_RECENT, .blocks = 1 };
	uint32_t from;
	int rc = 0;

	if (mb->f->n.recent_uid + 1 >= mb->f->n.uidnext)
		return 0;
	if (mb->readonly)
		return uidset_add(
		    &mb->recent, mb->f->n.recent_uid + 1, mb->f->n.uidnext - 1);
	if (account_lock(a) == -1)
		return -1;
	from = mb->f->n.recent_uid + 1;
	if (!mb->f->gone && from < mb->f->n.uidnext) {
		c.folders[0] = mb->f;
		c.n[0] = mb->f->n;
		c.n[0].recent = 0;
		c.n[0].recent_uid = mb->f->n.uidnext - 1;
		rc = record_start(&a->out, 1);
		if (rc == 0)
			rc = account_append(a, &c);
		if (rc == 0)
			rc = uidset_add(&mb->recent, from, mb->f->n.recent_uid);
	}
	account_unlock(a);
	return rc;
}

static uint32_t
recent_count(struct mailbox *mb)
{
	uint32_t n = 0;

	for (size_t i = 0; i < mb->recent.count; i++)
		n += mailbox_seq(mb, mb->recent.ranges[i].last + 1) -
		     mailbox_seq(mb, mb->recent.ranges[i].first);
	return n;
}

/* -- refresh ------------------------------------------------------- */

/* Sequence numbers of the dying, highest first; then they leave the view. */
static void
tell_expunged(struct mailbox *mb, struct mailbox_changes *c)
{
	struct indexes *x = &mb->dying;
	const struct entry *e;
	size_t n = 0;

	indexes_sort(x);
	mb->told_expunged = xreallocarray(
	    mb->told_expunged, x->count + 1, sizeof(*mb->told_expunged));
	for (size_t i = x->count; i-- > 0;) {
		if (x->at[i] >= mb->view_end)
			continue;            /* came and went unseen */
		e = box_entry(mb, x->at[i]); /* was read to be killed */
		mb->told_expunged[n++] = (struct mailbox_expunged){
			.seq = box_seq(mb, x->at[i]),
			.uid = e->uid,
		};
	}
	c->expunged = mb->told_expunged;
	c->expunged_count = n;
	indexes_merge(&mb->removed, x);
}

/* Messages that came and went since the last refresh never were. */
static void
drop_unseen_dead(struct mailbox *mb)
{
	struct indexes unseen = { .at = NULL };
	size_t kept = 0;

	indexes_sort(&mb->dying);
	for (size_t i = 0; i < mb->dying.count; i++) {
		if (mb->dying.at[i] < mb->view_end)
			mb->dying.at[kept++] = mb->dying.at[i];
		else
			indexes_push(&unseen, mb->dying.at[i]);
	}
	mb->dying.count = kept;
	indexes_merge(&mb->removed, &unseen);
	free(unseen.at);
}

static void
tell_changed(struct mailbox *mb, struct mailbox_changes *c)
{
	struct indexes *x = &mb->changed;
	struct entry *e;
	uint32_t seq;
	size_t n = 0;

	indexes_sort(x);
	mb->told_changed = xreallocarray(
	    mb->told_changed, x->count + 1, sizeof(*mb->told_changed));
	for (size_t i = 0; i < x->count; i++) {
		e = box_entry(mb, x->at[i]);
		if (e != NULL)
			e->state &= (uint8_t)~ENTRY_TOLD;
		seq = box_seq(mb, x->at[i]);
		if (seq != 0)
			mb->told_changed[n++] = seq;
	}
	x->count = 0;
	c->changed = mb->told_changed;
	c->changed_count = n;
}

static int
refresh(struct mailbox *mb, bool expunges, struct mailbox_changes *c)
{
	uint32_t before = box_view_count(mb);

	*c = (struct mailbox_changes){ .expunged = NULL };
	if (mb->damaged) {
		errno = EUCLEAN;
		return -1;
	}
	c->deleted = mb->f->gone;
	if (!mb->f->gone && claim_recent(mb) == -1 && !error_is_room(errno)) {
		if (errno != EBUSY || mb->a->j.patience == PATIENCE_FULL)
			return -1;
		c->busy = true;
	}
	/* What is told from here on must not be taken back. */
	if (mb->told < mb->f->given &&
	    journal_sync_to(&mb->a->j, mb->f->given) == -1)
		return -1;
	mb->told = mb->f->given;
	if (expunges)
		tell_expunged(mb, c);
	else
		drop_unseen_dead(mb);
	c->expunges_wait = mb->dying.count > 0;
	mb->view_end = box_total(mb);
	c->exists = box_view_count(mb);
	c->exists_changed = c->exists + c->expunged_count > before;
	tell_changed(mb, c);
	c->recent = recent_count(mb);
	c->keywords_changed = mb->f->keyword_count > mb->keywords_told;
	mb->keywords_told = mb->f->keyword_count;
	return 0;
}

/* Where the disk is full, who could make room is let in all the same. */
static int
takein_if_room(struct account *a)
{
	int rc = account_takein(a);

	return rc == -1 && error_is_room(errno) ? 0 : rc;
}

/* What needs the lock waits, if that is long in coming, for the next time. */
int
mailbox_refresh(
    struct mailbox *mb, bool expunges, struct mailbox_changes *changes)
{
	struct account *a = mb->a;
	bool busy;
	int rc;

	*changes = (struct mailbox_changes){ .expunged = NULL };
	a->j.patience = PATIENCE_COURTESY;
	rc = takein_if_room(a);
	busy = rc == -1 && errno == EBUSY;
	if ((rc == 0 || busy) && account_replay(a) == 0)
		rc = refresh(mb, expunges, changes);
	else
		rc = -1;
	a->j.patience = PATIENCE_FULL;
	changes->busy = changes->busy || busy;
	return rc;
}

/* -- open and close ------------------------------------------------ */

struct mailbox *
mailbox_open(struct account *a, struct slice name, bool readonly)
{
	struct mailbox_changes c;
	struct mailbox *mb;
	struct folder *f;

	if (takein_if_room(a) == -1 || account_replay(a) == -1)
		return NULL;
	f = folder_find(a, name);
	if (f == NULL)
		return NULL;
	mb = box_open(a, f, false);
	if (mb == NULL)
		return NULL;
	mb->readonly = readonly;
	if (refresh(mb, true, &c) == 0)
		return mb;
	box_close(mb);
	return NULL;
}

void
mailbox_close(struct mailbox *mb)
{
	if (mb == NULL)
		return;
	if (box_fold_due(mb))
		account_want_work(mb->a);
	box_close(mb);
}

const char *
mailbox_name(const struct mailbox *mb)
{
	return mb->f->name;
}

bool
mailbox_readonly(const struct mailbox *mb)
{
	return mb->readonly;
}

void
mailbox_make_writable(struct mailbox *mb)
{
	mb->readonly = false;
}

void
mailbox_status(struct mailbox *mb, struct mailbox_status *s)
{
	const struct counts *n = &mb->f->n;

	*s = (struct mailbox_status){
		.id = mb->f->id,
		.uidvalidity = mb->f->uidvalidity,
		.uidnext = n->uidnext,
		.exists = box_view_count(mb),
		.recent = recent_count(mb),
		.unseen = n->unseen,
		.deleted = n->deleted,
		.highestmodseq = n->modseq,
		.bytes = n->bytes,
	};
}

const char *
mailbox_keyword(const struct mailbox *mb, unsigned bit)
{
	return bit < mb->f->keyword_count ? mb->f->keywords[bit] : NULL;
}

unsigned
mailbox_keyword_count(const struct mailbox *mb)
{
	return mb->f->keyword_count;
}

int
mailbox_keyword_find(const struct mailbox *mb, struct slice name)
{
	return folder_keyword(mb->f, name);
}
