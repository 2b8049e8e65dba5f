#include "pop3d/line.h"

#include <string.h>

enum pop3_line_result
pop3_line_next(struct slice in, size_t max, struct pop3_line *line)
{
	const char *end = NULL;

	*line = (struct pop3_line){ .text = SLICE_EMPTY };
	if (in.len >= 2)
		end = memmem(in.p, MIN(in.len, max), "\r\n", 2);
	if (end == NULL && in.len < max)
		return LINE_MORE;
	if (end == NULL) {
		line->used = pop3_line_skip(in, &line->ended);
		return LINE_LONG;
	}
	line->text = slice_of(in.p, (size_t)(end - in.p));
	line->used = line->text.len + 2;
	line->ended = true;
	if (line->text.len == 0)
		return LINE_OK;
	if (memchr(line->text.p, '\0', line->text.len) != NULL ||
	    memchr(line->text.p, '\r', line->text.len) != NULL ||
	    memchr(line->text.p, '\n', line->text.len) != NULL)
		return LINE_BAD;
	return LINE_OK;
}

size_t
pop3_line_skip(struct slice in, bool *ended)
{
	const char *end;

	end = in.len < 2 ? NULL : memmem(in.p, in.len, "\r\n", 2);
	*ended = end != NULL;
	if (end != NULL)
		return (size_t)(end - in.p) + 2;
	/* A CR at the end may be half of the CRLF. */
	if (in.len > 0 && in.p[in.len - 1] == '\r')
		return in.len - 1;
	return in.len;
}

struct slice
pop3_line_verb(struct slice text, struct slice *argument)
{
	struct slice verb;

	*argument = slice_cut(text, ' ', &verb);
	return verb;
}
