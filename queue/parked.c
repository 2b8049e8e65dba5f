#include "queue/parked.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* What was taken from the front is room again. */
static void
close_up(struct parked *p)
{
	size_t n = parked_count(p);

	if (p->at > 0)
		memmove(p->ids, p->ids + p->at, n * sizeof(*p->ids));
	p->at = 0;
	p->end = n;
}

void
parked_add(struct parked *p, struct qid id)
{
	if (p->end == p->cap && p->at >= p->cap / 2)
		close_up(p);
	if (p->end == p->cap) {
		p->cap = p->cap == 0 ? 64 : p->cap * 2;
		p->ids = xreallocarray(p->ids, p->cap, sizeof(*p->ids));
	}
	p->ids[p->end++] = id;
}

bool
parked_take(struct parked *p, struct qid *id)
{
	if (p->at == p->end)
		return false;
	*id = p->ids[p->at++];
	if (p->at == p->end) {
		p->at = 0;
		p->end = 0;
	}
	return true;
}

size_t
parked_count(const struct parked *p)
{
	return p->end - p->at;
}

void
parked_free(struct parked *p)
{
	free(p->ids);
	*p = (struct parked){ .ids = NULL };
}
