#include "common/smtp/line.h"

#include <string.h>

/* No end in sight: keep at most max bytes, and a CR whose LF may follow. */
static enum smtp_line
line_open(struct smtp_liner *l, struct slice in, size_t *used)
{
	if (!l->skipping && in.len < l->max)
		return SMTP_LINE_MORE;
	l->skipping = true;
	*used = in.len;
	if (in.len > 0 && in.p[in.len - 1] == '\r')
		(*used)--;
	return SMTP_LINE_MORE;
}

enum smtp_line
smtp_line_next(
    struct smtp_liner *l, struct slice in, struct slice *line, size_t *used)
{
	const char *lf = in.len == 0 ? NULL : memchr(in.p, '\n', in.len);
	size_t n;

	*used = 0;
	*line = SLICE_EMPTY;
	if (lf == NULL)
		return line_open(l, in, used);
	n = (size_t)(lf - in.p);
	*used = n + 1;
	if (n == 0 || in.p[n - 1] != '\r') {
		l->skipping = false;
		return SMTP_LINE_BARE_LF;
	}
	if (l->skipping || n + 1 > l->max) {
		l->skipping = false;
		return SMTP_LINE_LONG;
	}
	*line = slice_of(in.p, n - 1);
	if (memchr(in.p, '\r', n - 1) != NULL ||
	    memchr(in.p, '\0', n - 1) != NULL)
		return SMTP_LINE_BAD;
	return SMTP_LINE_OK;
}
