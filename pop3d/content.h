#ifndef POP3D_CONTENT_H
#define POP3D_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * content - messages as a multi-line response carries them (RFC 1939 §3).
 * Pure; fed in chunks of any size.
 */

/*
 * Dots at the start of a line are doubled. A line starts behind every LF,
 * also a bare one, because there are clients that think so and would take
 * the dot for the end.
 */
struct stuffing {
	char last[2]; /* the last two bytes fed */
};

#define STUFFING_INIT                                                          \
	{                                                                      \
		.last = { '\r', '\n' }                                         \
	}

/* Append chunk to out, stuffed. Errors as buf_append(). */
int stuffing_feed(
    struct stuffing *st, struct slice chunk, struct buf *out) MUST_USE;

/* CRLF where the message lacks one, and the line with the dot. */
int stuffing_end(struct stuffing *st, struct buf *out) MUST_USE;

/* The header, the empty line and so many lines: what TOP shows. */
struct top {
	uint64_t lines; /* of the body, still wanted */
	bool body;
	unsigned seen; /* of this line: 0 nothing, 1 a CR, 2 more */
	bool done;
};

#define TOP_INIT(n)                                                            \
	{                                                                      \
		.lines = (n)                                                   \
	}

/* How many bytes of chunk belong to it; done is set at its end. */
size_t top_take(struct top *t, struct slice chunk);

#endif
