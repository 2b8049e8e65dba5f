#ifndef IMAPD_FRONT_FRAME_H
#define IMAPD_FRONT_FRAME_H

#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/slice.h"

/*
 * front_frame - where a command ends: lines end in CRLF, and a line that
 * ends in a literal's size (RFC 3501 §4.3, RFC 7888) goes on behind that
 * many bytes. Strangers talk here, so a command is small.
 */
#define FRAME_MAX         8192 /* a whole command, literals included */
#define FRAME_LITERAL_MAX 4096
#define FRAME_LITERALS    8

enum frame_result {
	FRAME_DONE,    /* the first *used bytes are a command */
	FRAME_MORE,    /* wait for input */
	FRAME_ASK,     /* send a continuation request, then call again */
	FRAME_LONG,    /* too long: drop *used bytes, skip to the next CRLF */
	FRAME_REFUSED, /* a literal we do not ask for: drop *used bytes */
	FRAME_FATAL,   /* the same, but its bytes are coming: hang up */
};

/* How far a command was looked at; all zero before its first byte. */
struct front_frame {
	size_t line; /* offset of the line being read */
	size_t scan; /* no CRLF begins before this offset */
	unsigned literals;
};

enum frame_result frame_next(
    struct front_frame *f, struct slice in, size_t *used) MUST_USE;

#endif
