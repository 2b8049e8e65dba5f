#include "imapd/parse_frame.h"

#include <string.h>

#include "common/base/ascii.h"
#include "common/base/num.h"

void
parse_frame_reset(struct parse_frame *f)
{
	*f = (struct parse_frame){ .seen = 0 };
}

bool
parse_frame_literal(struct slice line, uint64_t *n, bool *sync)
{
	size_t end = line.len;
	size_t at;

	*sync = true;
	if (end == 0 || line.p[--end] != '}')
		return false;
	if (end > 0 && line.p[end - 1] == '+') {
		*sync = false;
		end--;
	}
	for (at = end; at > 0 && ascii_digit(line.p[at - 1]);)
		at--;
	if (at == 0 || line.p[at - 1] != '{')
		return false;
	/* literal8 (RFC 3516) is not offered: no part of this */
	if (at > 1 && line.p[at - 2] == '~')
		return false;
	return num_parse(slice_sub(line, at, end - at), INT64_MAX, n) == 0;
}

enum parse_step
parse_frame_look(struct parse_frame *f, struct slice in)
{
	const char *lf = NULL;
	struct slice line;

	if (f->seen < in.len)
		lf = memchr(in.p + f->seen, '\n', in.len - f->seen);
	if (lf == NULL) {
		f->seen = MAX(f->seen, in.len);
		if (in.len > f->line && in.len - f->line > PARSE_LINE_MAX)
			return PARSE_LONG;
		return in.len > PARSE_COMMAND_MAX ? PARSE_TOO_MUCH : PARSE_MORE;
	}
	f->end = (size_t)(lf - in.p) + 1;
	line = slice_sub(in, f->line, f->end - f->line);
	f->seen = f->end;
	if (line.len > PARSE_LINE_MAX)
		return PARSE_LONG;
	if (line.len < 2 || line.p[line.len - 2] != '\r')
		return PARSE_BARE_LF;
	line.len -= 2;
	if (parse_frame_literal(line, &f->literal, &f->sync))
		return PARSE_LITERAL;
	return f->end > PARSE_COMMAND_MAX ? PARSE_TOO_MUCH : PARSE_COMMAND;
}

void
parse_frame_take_literal(struct parse_frame *f)
{
	f->line = f->end + (size_t)f->literal;
	f->seen = f->line;
}
