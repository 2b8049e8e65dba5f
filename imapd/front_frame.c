#include "imapd/front_frame.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/num.h"

enum literal_kind { LITERAL_NONE, LITERAL_SYNC, LITERAL_NON_SYNC };

/* Does the line end inside a quoted string? Then "{3}" is part of it. */
static bool
ends_quoted(struct slice line)
{
	bool quoted = false;
	size_t i;

	for (i = 0; i < line.len; i++) {
		if (line.p[i] == '"')
			quoted = !quoted;
		else if (line.p[i] == '\\' && quoted)
			i++;
	}
	return quoted;
}

/* "{n}" or "{n+}" at the end; sizes beyond any number are UINT64_MAX. */
static enum literal_kind
literal_at_end(struct slice line, uint64_t *size)
{
	enum literal_kind kind = LITERAL_SYNC;
	const char *open;
	struct slice digits;

	if (line.len < 3 || line.p[line.len - 1] != '}')
		return LITERAL_NONE;
	open = memrchr(line.p, '{', line.len);
	if (open == NULL || ends_quoted(line))
		return LITERAL_NONE;
	digits = slice_of(open + 1, line.len - (size_t)(open - line.p) - 2);
	if (digits.len > 1 && digits.p[digits.len - 1] == '+') {
		kind = LITERAL_NON_SYNC;
		digits.len--;
	}
	if (num_parse(digits, UINT32_MAX, size) == -1) {
		if (errno != ERANGE)
			return LITERAL_NONE;
		*size = UINT64_MAX;
	}
	return kind;
}

/* A line has come whole: the command ends with it, or a literal follows. */
static enum frame_result
frame_line(struct front_frame *f, struct slice line, size_t next)
{
	uint64_t size = 0;
	enum literal_kind kind = literal_at_end(line, &size);

	if (kind == LITERAL_NONE)
		return FRAME_DONE;
	f->literals++;
	if (size > FRAME_LITERAL_MAX || next + size > FRAME_MAX - 2 ||
	    f->literals > FRAME_LITERALS)
		return kind == LITERAL_SYNC ? FRAME_REFUSED : FRAME_FATAL;
	f->line = next + (size_t)size;
	f->scan = f->line;
	return kind == LITERAL_SYNC ? FRAME_ASK : FRAME_MORE;
}

enum frame_result
frame_next(struct front_frame *f, struct slice in, size_t *used)
{
	enum frame_result result;
	const char *end;
	size_t limit = MIN(in.len, (size_t)FRAME_MAX);

	*used = 0;
	while (f->scan < limit) {
		end = memmem(in.p + f->scan, limit - f->scan, "\r\n", 2);
		if (end == NULL) {
			/* The last byte may be the CR of a CRLF. */
			f->scan = limit - 1;
			break;
		}
		*used = (size_t)(end - in.p) + 2;
		result = frame_line(
		    f, slice_of(in.p + f->line, *used - 2 - f->line), *used);
		if (result != FRAME_MORE)
			return result;
		*used = 0;
	}
	if (in.len < FRAME_MAX || f->scan >= in.len)
		return FRAME_MORE;
	*used = f->line; /* a CRLF within a literal ends nothing */
	return FRAME_LONG;
}
