#ifndef POP3D_LINE_H
#define POP3D_LINE_H

#include <stdbool.h>

#include "common/base/attr.h"
#include "common/base/slice.h"

/*
 * line - the lines both the front and the session read, and how a command
 * divides into verb and argument. Only CRLF ends a line; what holds a bare
 * CR or LF, or a NUL, is no command.
 */
#define POP3_LINE_MAX 255 /* of a command, CRLF included (RFC 2449 §4) */

enum pop3_line_result {
	LINE_OK,
	LINE_MORE, /* no CRLF yet, and there may still come one */
	LINE_LONG, /* over max, with or without its CRLF */
	LINE_BAD,  /* holds a byte no line may hold */
};

/*
 * The first line of in: text without CRLF, and in *used its length with
 * it. For LINE_LONG and LINE_BAD, *used tells what to throw away now; when
 * the CRLF has not come yet (*ended false) pop3_line_skip() goes on.
 */
struct pop3_line {
	struct slice text;
	size_t used;
	bool ended;
};
enum pop3_line_result pop3_line_next(
    struct slice in, size_t max, struct pop3_line *line) MUST_USE;

/* How much of in belongs to a line being skipped; *ended at its CRLF. */
size_t pop3_line_skip(struct slice in, bool *ended) MUST_USE;

/* "VERB argument": the argument is what stands behind the first space. */
struct slice pop3_line_verb(struct slice text, struct slice *argument);

#endif
