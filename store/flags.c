#include <errno.h>

#include "store/write.h"

/* STORE: one record for any number of messages. */

struct plan {
	struct flag_change change;
	const struct store_request *request;
	struct counts n;
	struct uidset *refused;
};

static bool
pick(struct visit *v, uint32_t index, struct entry *e)
{
	struct plan *p = v->ctx;
	unsigned flags =
	    (e->flags & ~(unsigned)p->change.remove) | p->change.add;
	uint64_t keywords =
	    (e->keywords & ~p->change.keywords_remove) | p->change.keywords_add;
	unsigned differ = flags ^ e->flags;

	(void)index;
	if (p->request->conditional &&
	    e->modseq > p->request->unchanged_since) {
		if (p->refused != NULL &&
		    uidset_add(p->refused, e->uid, e->uid) == -1)
			v->failed = true;
		return false;
	}
	if (differ == 0 && keywords == e->keywords)
		return false;
	if ((differ & MESSAGE_SEEN) != 0)
		p->n.unseen += (flags & MESSAGE_SEEN) != 0 ? -1U : 1U;
	if ((differ & MESSAGE_DELETED) != 0)
		p->n.deleted += (flags & MESSAGE_DELETED) != 0 ? 1U : -1U;
	return true;
}

static int
plan(struct plan *p, const struct folder *f)
{
	const struct store_request *q = p->request;
	struct flag_change *c = &p->change;
	uint64_t bits;

	if ((q->flags & ~(unsigned)MESSAGE_FLAGS) != 0) {
		errno = EINVAL;
		return -1;
	}
	if (write_keywords(f, q->keywords, q->keyword_count, &bits, &c->defs) ==
	    -1)
		return -1;
	if (q->how == STORE_REMOVE) {
		c->remove = (uint16_t)q->flags;
		c->keywords_remove = bits;
		c->defs.count = 0; /* nobody has those */
		return 0;
	}
	c->add = (uint16_t)q->flags;
	c->keywords_add = bits;
	if (q->how == STORE_REPLACE) {
		c->remove = (uint16_t)(MESSAGE_FLAGS & ~q->flags);
		c->keywords_remove = ~bits;
	}
	p->n = f->n;
	return 0;
}

static int
write_change(
    struct mailbox *mb, const struct plan *p, const struct uidset *picked)
{
	struct account *a = mb->a;
	struct account_change c = { .type = RECORD_FLAGS, .visible = true };
	int rc;

	c.blocks = 1;
	c.folders[0] = mb->f;
	c.n[0] = p->n;
	if (record_start(&a->out, 1) == -1 ||
	    record_put_flags(&a->out, &p->change) == -1 ||
	    record_put_ranges(&a->out, picked) == -1)
		return -1;
	a->author = mb;
	rc = account_append(a, &c);
	a->author = NULL;
	return rc;
}

int
mailbox_store(struct mailbox *mb, const struct uidset *uids,
    const struct store_request *request, struct uidset *changed,
    struct uidset *refused)
{
	struct uidset picked = UIDSET_INIT;
	struct plan p = { .request = request, .refused = refused };
	struct visit v = { .mb = mb, .pick = pick, .ctx = &p };
	int rc = -1;

	if (changed != NULL)
		uidset_clear(changed);
	if (refused != NULL)
		uidset_clear(refused);
	v.picked = changed != NULL ? changed : &picked;
	if (write_begin(mb) == -1)
		return -1;
	if (plan(&p, mb->f) == -1)
		goto out;
	p.n = mb->f->n;
	if (write_visit(&v, uids) == -1)
		goto out;
	rc = v.picked->count == 0 ? 0 : write_change(mb, &p, v.picked);
out:
	account_unlock(mb->a);
	if (rc == 0 && v.picked->count > 0)
		box_touch(mb->a, mb->f);
	uidset_free(&picked);
	return rc;
}
