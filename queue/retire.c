#include "queue/retire.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "queue/log.h"

bool
retire_spares(const struct log *l, const struct seg *s)
{
	return s->state != SEG_BAD && s->size == l->seg_size;
}

void
retire_now(struct log *l, struct seg *s)
{
	char name[SEG_NAME];

	seg_name(s->slot, name);
	if (unlinkat(l->dir, name, 0) == -1)
		log_warn("event=segment-not-removed slot=%u error=%s", s->slot,
		    strerror(errno));
	seg_close(s);
}

void
retire_later(struct log *l, struct seg *s)
{
	if (s->is_new) /* nothing durable was ever in there */
		retire_now(l, s);
	else
		TAILQ_INSERT_TAIL(&l->doomed, s, link);
}

void
retire_doomed(struct log *l, const struct seg *s)
{
	struct seg *next;
	struct seg *old;

	for (old = TAILQ_FIRST(&l->doomed); old != NULL; old = next) {
		next = TAILQ_NEXT(old, link);
		if (old->number >= s->tail)
			continue;
		TAILQ_REMOVE(&l->doomed, old, link);
		retire_now(l, old);
	}
}
