#ifndef IMAPD_FRONT_ARGS_H
#define IMAPD_FRONT_ARGS_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * front_args - a cursor over one command as frame_next() found it, with the
 * literals in place. Pure; every function either takes what it names and
 * returns true, or returns false, after which the command is bad.
 */
struct front_args {
	struct slice rest; /* not read yet, the last CRLF included */
};

/* tag = 1*<any ASTRING-CHAR except "+"> (RFC 3501 §9). */
bool args_tag(struct front_args *a, struct slice *tag) MUST_USE;

/* Exactly one space. */
bool args_space(struct front_args *a) MUST_USE;

/* This very byte. */
bool args_byte(struct front_args *a, char c) MUST_USE;

bool args_atom(struct front_args *a, struct slice *atom) MUST_USE;

/* A quoted string or literal, appended to value without its dress. */
bool args_string(struct front_args *a, struct buf *value) MUST_USE;

/* A string or a run of ASTRING-CHARs. */
bool args_astring(struct front_args *a, struct buf *value) MUST_USE;

/* Only the CRLF is left. */
bool args_end(const struct front_args *a) MUST_USE;

#endif
