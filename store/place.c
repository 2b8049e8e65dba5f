/* Leaving an open mailbox, and coming back to what its client knows. */
#include <errno.h>
#include <string.h>

#include "store/box.h"

int
mailbox_place(const struct mailbox *mb, struct mailbox_place *p)
{
	const struct uidset *recent = &mb->recent;

	if (mb->damaged || mb->f->gone || mb->dying.count > 0 ||
	    mb->changed.count > 0 || mb->view_end != box_total(mb)) {
		errno = EAGAIN;
		return -1;
	}
	if (recent->count > PLACE_RANGES) {
		errno = E2BIG;
		return -1;
	}
	*p = (struct mailbox_place){
		.id = mb->f->id,
		.uidvalidity = mb->f->uidvalidity,
		.pos = mb->a->j.pos,
		.exists = box_view_count(mb),
		.keywords = mb->keywords_told,
		.readonly = mb->readonly,
		.recent_count = (uint32_t)recent->count,
	};
	for (size_t i = 0; i < recent->count; i++)
		p->recent[i] = recent->ranges[i];
	return 0;
}

/* What the place says of the session has to fit the mailbox. */
static int
restore(struct mailbox *mb, const struct mailbox_place *p)
{
	const struct uid_range *r;

	mb->readonly = p->readonly;
	mb->keywords_told = p->keywords;
	for (uint32_t i = 0; i < p->recent_count; i++) {
		r = &p->recent[i];
		if (uidset_add(&mb->recent, r->first, r->last) == -1)
			return -1;
	}
	if (box_view_count(mb) == p->exists &&
	    p->keywords <= mb->f->keyword_count)
		return 0;
	errno = ESTALE;
	return -1;
}

struct mailbox *
mailbox_return(struct account *a, const struct mailbox_place *p)
{
	struct mailbox *mb;
	struct folder *f;

	if (account_replay(a) == -1)
		return NULL;
	f = folder_by_id(a, p->id);
	if (f == NULL) {
		errno = ENOENT;
		return NULL;
	}
	if (f->uidvalidity != p->uidvalidity || p->pos > a->j.pos ||
	    p->recent_count > PLACE_RANGES) {
		errno = ESTALE;
		return NULL;
	}
	mb = box_open_since(a, f, p->pos);
	if (mb != NULL && restore(mb, p) == 0)
		return mb;
	mailbox_close(mb);
	errno = ESTALE;
	return NULL;
}
