#include "pop3d/content.h"

#include <string.h>

/* The first dot of s behind a LF, or NULL. */
static const char *
find_dot(struct slice s)
{
	const char *at = s.p;
	const char *end = s.p + s.len;

	while (at < end) {
		at = memchr(at, '\n', (size_t)(end - at));
		if (at == NULL || ++at == end)
			return NULL;
		if (*at == '.')
			return at;
	}
	return NULL;
}

int
stuffing_feed(struct stuffing *st, struct slice chunk, struct buf *out)
{
	struct slice rest = chunk;
	const char *dot;

	if (chunk.len == 0)
		return 0;
	if (st->last[1] == '\n' && chunk.p[0] == '.' &&
	    buf_append_byte(out, '.') == -1)
		return -1;
	while ((dot = find_dot(rest)) != NULL) {
		size_t n = (size_t)(dot - rest.p);

		/* Up to the dot, and that; the other one begins the rest. */
		if (buf_append(out, rest.p, n) == -1 ||
		    buf_append_byte(out, '.') == -1)
			return -1;
		rest = slice_sub(rest, n, rest.len - n);
	}
	if (buf_append_slice(out, rest) == -1)
		return -1;
	st->last[0] = chunk.len > 1 ? chunk.p[chunk.len - 2] : st->last[1];
	st->last[1] = chunk.p[chunk.len - 1];
	return 0;
}

int
stuffing_end(struct stuffing *st, struct buf *out)
{
	if ((st->last[0] != '\r' || st->last[1] != '\n') &&
	    buf_append_str(out, "\r\n") == -1)
		return -1;
	return buf_append_str(out, ".\r\n");
}

size_t
top_take(struct top *t, struct slice chunk)
{
	size_t i = 0;

	while (i < chunk.len && !t->done) {
		const char *lf = memchr(chunk.p + i, '\n', chunk.len - i);
		size_t end = lf == NULL ? chunk.len : (size_t)(lf - chunk.p);

		if (end == i + 1 && chunk.p[i] == '\r' && t->seen == 0)
			t->seen = 1;
		else if (end > i)
			t->seen = 2;
		if (lf == NULL)
			return chunk.len;
		i = end + 1;
		if (t->body)
			t->lines--;
		else
			t->body = t->seen < 2;
		t->seen = 0;
		t->done = t->body && t->lines == 0;
	}
	return i;
}
