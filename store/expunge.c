#include "store/write.h"

/* EXPUNGE is a record; the files go later (fold.c). */

struct plan {
	bool any; /* whatever the flags */
	struct counts n;
};

static bool
pick(struct visit *v, uint32_t index, struct entry *e)
{
	struct plan *p = v->ctx;

	(void)index;
	if (!p->any && (e->flags & MESSAGE_DELETED) == 0)
		return false;
	counts_remove(&p->n, e);
	p->n.unmoved = true;
	return true;
}

static int
write_expunge(
    struct mailbox *mb, const struct plan *p, const struct uidset *picked)
{
	struct account *a = mb->a;
	struct account_change c = { .type = RECORD_EXPUNGE, .visible = true };

	c.blocks = 1;
	c.folders[0] = mb->f;
	c.n[0] = p->n;
	if (record_start(&a->out, 1) == -1 ||
	    record_put_ranges(&a->out, picked) == -1)
		return -1;
	return account_append(a, &c);
}

static int
expunge(struct mailbox *mb, const struct uidset *uids, bool any,
    struct uidset *gone)
{
	struct uidset picked = UIDSET_INIT;
	struct plan p = { .any = any };
	struct visit v = { .mb = mb, .pick = pick, .ctx = &p };
	bool some;
	int rc;

	if (gone != NULL)
		uidset_clear(gone);
	v.picked = gone != NULL ? gone : &picked;
	if (write_begin(mb) == -1)
		return -1;
	p.n = mb->f->n;
	rc = write_visit(&v, uids != NULL ? uids : &write_all_uids);
	some = v.picked->count > 0;
	if (rc == 0 && some)
		rc = write_expunge(mb, &p, v.picked);
	account_unlock(mb->a);
	uidset_free(&picked);
	if (rc == -1 || !some)
		return rc;
	account_want_work(mb->a);
	box_touch(mb->a, mb->f);
	return account_sync(mb->a);
}

int
mailbox_expunge(
    struct mailbox *mb, const struct uidset *uids, struct uidset *gone)
{
	return expunge(mb, uids, false, gone);
}

int
mailbox_remove(
    struct mailbox *mb, const struct uidset *uids, struct uidset *gone)
{
	return expunge(mb, uids, true, gone);
}
