#ifndef COMMON_SMTP_LINE_H
#define COMMON_SMTP_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/slice.h"

/*
 * line - command lines out of a stream of bytes (RFC 5321 §2.3.8: CRLF
 * ends a line, CR and LF have no other meaning). Pure: the caller keeps the
 * bytes, shows them again with more behind, and drops what was used.
 */
enum smtp_line {
	SMTP_LINE_OK = 0,
	SMTP_LINE_MORE,    /* no whole line yet */
	SMTP_LINE_LONG,    /* a line over max ended here; it was dropped */
	SMTP_LINE_BAD,     /* a whole line with a bare CR or a NUL in it */
	SMTP_LINE_BARE_LF, /* an LF without CR: nothing tells where lines end */
};

struct smtp_liner {
	size_t max;    /* longest line, its CRLF included */
	bool skipping; /* dropping the rest of a line that is too long */
};

/*
 * Look for a line at the start of in. *line is it, without CRLF, borrowed
 * from in, on SMTP_LINE_OK and SMTP_LINE_BAD. *used bytes of in are done
 * with once the line is; it may be more than 0 with SMTP_LINE_MORE, so a
 * line without end needs no more memory than max.
 */
enum smtp_line smtp_line_next(struct smtp_liner *l, struct slice in,
    struct slice *line, size_t *used) MUST_USE;

#endif
