#include "store/uidset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* Index of the first range that ends at uid or behind. */
static size_t
find(const struct uidset *s, uint32_t uid)
{
	size_t low = 0;
	size_t high = s->count;
	size_t mid;

	/* Most sets are built and asked in ascending order. */
	if (high > 0 && s->ranges[high - 1].last < uid)
		return high;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (s->ranges[mid].last < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int
insert(struct uidset *s, size_t at, struct uid_range r)
{
	if (s->count == s->cap) {
		if (s->cap >= UIDSET_MAX_RANGES) {
			errno = ENOBUFS;
			return -1;
		}
		s->cap = s->cap == 0 ? 8 : s->cap * 2;
		s->ranges =
		    xreallocarray(s->ranges, s->cap, sizeof(*s->ranges));
	}
	memmove(&s->ranges[at + 1], &s->ranges[at],
	    (s->count - at) * sizeof(*s->ranges));
	s->ranges[at] = r;
	s->count++;
	return 0;
}

int
uidset_add(struct uidset *s, uint32_t first, uint32_t last)
{
	struct uid_range r = { MIN(first, last), MAX(first, last) };
	size_t at;
	size_t end;

	if (r.first == 0) {
		errno = EINVAL;
		return -1;
	}
	/* Ranges that overlap or touch [first, last] melt into one. */
	at = find(s, r.first - 1);
	end = at;
	while (end < s->count &&
	       (r.last == UINT32_MAX || s->ranges[end].first <= r.last + 1))
		end++;
	if (end == at)
		return insert(s, at, r);
	s->ranges[at].first = MIN(r.first, s->ranges[at].first);
	s->ranges[at].last = MAX(r.last, s->ranges[end - 1].last);
	memmove(&s->ranges[at + 1], &s->ranges[end],
	    (s->count - end) * sizeof(*s->ranges));
	s->count -= end - at - 1;
	return 0;
}

bool
uidset_has(const struct uidset *s, uint32_t uid)
{
	size_t at = find(s, uid);

	return uid != 0 && at < s->count && s->ranges[at].first <= uid;
}

uint64_t
uidset_size(const struct uidset *s)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s->count; i++)
		n += (uint64_t)s->ranges[i].last - s->ranges[i].first + 1;
	return n;
}

int
uidset_format(const struct uidset *s, struct buf *b)
{
	const struct uid_range *r;
	size_t len = b->len;

	for (size_t i = 0; i < s->count; i++) {
		r = &s->ranges[i];
		if (buf_printf(b, "%s%u", i == 0 ? "" : ",", r->first) == -1 ||
		    (r->last != r->first &&
			buf_printf(b, ":%u", r->last) == -1)) {
			buf_truncate(b, len);
			return -1;
		}
	}
	return 0;
}

void
uidset_clear(struct uidset *s)
{
	s->count = 0;
}

void
uidset_free(struct uidset *s)
{
	free(s->ranges);
	*s = (struct uidset)UIDSET_INIT;
}
