#ifndef TESTS_FUZZ_WALK_H
#define TESTS_FUZZ_WALK_H

/* walk - what a server said, line by line, for models that judge it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/slice.h"

struct walk {
	struct slice out; /* not judged yet */
	const char *doing;
};

/* A disagreement: say what stood where, then end as a finding. */
static inline void
walk_fail(const struct walk *w, const char *why)
{
	(void)fprintf(stderr, "model: %s\nafter: %.200s\nnext:  %.*s\n", why,
	    w->doing == NULL ? "" : w->doing, (int)MIN(w->out.len, (size_t)300),
	    w->out.len == 0 ? "" : w->out.p);
	abort();
}

/* The next line, without its CRLF; false when nothing is left. */
static inline bool
walk_line(struct walk *w, struct slice *line)
{
	const char *end;

	if (w->out.len == 0)
		return false;
	end = memmem(w->out.p, w->out.len, "\r\n", 2);
	if (end == NULL)
		walk_fail(w, "half a line was said");
	*line = slice_sub(w->out, 0, (size_t)(end - w->out.p));
	w->out = slice_sub(w->out, line->len + 2, w->out.len);
	return true;
}

static inline bool
walk_begins(struct slice line, const char *with)
{
	return line.len >= strlen(with) &&
	       memcmp(line.p, with, strlen(with)) == 0;
}

#endif
