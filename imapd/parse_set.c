#include <stdlib.h>

#include "common/base/mem.h"
#include "imapd/parse.h"

#define RANGES_FIRST 4

static bool
read_end(struct parse *p, uint32_t *n)
{
	if (parse_skip(p, '*')) {
		*n = 0;
		return true;
	}
	return parse_nz_number(p, n);
}

/* The length of a command bounds how many there can be. */
static struct parse_range *
add_range(struct parse_set *set)
{
	if (set->count == set->cap) {
		set->cap = set->cap == 0 ? RANGES_FIRST : set->cap * 2;
		set->ranges =
		    xreallocarray(set->ranges, set->cap, sizeof(*set->ranges));
	}
	return &set->ranges[set->count++];
}

bool
parse_set(struct parse *p, struct parse_set *set)
{
	*set = (struct parse_set){ .ranges = NULL };
	do {
		struct parse_range *r = add_range(set);

		if (!read_end(p, &r->first))
			return false;
		r->last = r->first;
		if (parse_skip(p, ':') && !read_end(p, &r->last))
			return false;
	} while (parse_skip(p, ','));
	return true;
}

void
parse_set_free(struct parse_set *set)
{
	free(set->ranges);
	*set = (struct parse_set){ .ranges = NULL };
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct parse_range *x = a;
	const struct parse_range *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

void
parse_set_sort(struct parse_set *set, uint32_t star)
{
	for (size_t i = 0; i < set->count; i++) {
		struct parse_range *r = &set->ranges[i];
		bool open = r->first == 0 || r->last == 0;
		uint32_t first = r->first == 0 ? star : r->first;
		uint32_t last = r->last == 0 ? star : r->last;

		/* 559:* is the last message even when there is no 559 */
		if (open) {
			first = MIN(first, star);
			last = MIN(last, star);
		}
		r->first = MIN(first, last);
		r->last = MAX(first, last);
	}
	if (set->count > 1)
		qsort(set->ranges, set->count, sizeof(*set->ranges),
		    compare_ranges);
}
