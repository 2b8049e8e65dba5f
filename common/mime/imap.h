#ifndef COMMON_MIME_IMAP_H
#define COMMON_MIME_IMAP_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/mime/tree.h"

/*
 * imap - what IMAP says about a message, as it goes on the wire (RFC 3501
 * §7.4.2): functions of the bytes alone, so that the result can be kept.
 * All return 0, or -1 as buf_append(), b then being as it was.
 */

/*
 * Append s as a quoted string, or as a literal where it holds what a quoted
 * string must not (CR, LF, 8-bit). NUL, which no string of RFC 3501 may
 * hold, becomes '?'.
 */
int mime_imap_string(struct buf *b, struct slice s) MUST_USE;

/* The same, as an atom where that is possible (and it is not NIL). */
int mime_imap_astring(struct buf *b, struct slice s) MUST_USE;

/* mime_imap_string(), or NIL when s.p is NULL. */
int mime_imap_nstring(struct buf *b, struct slice s) MUST_USE;

/*
 * Append the ENVELOPE of a message with this header. Of fields that occur
 * twice the first counts; To, Cc and Bcc are taken together (RFC 5322
 * §4.5.3).
 */
int mime_imap_envelope(struct buf *b, struct slice header) MUST_USE;

/* Append BODY, or with extended BODYSTRUCTURE. */
int mime_imap_structure(
    struct buf *b, const struct mime_tree *t, bool extended) MUST_USE;

#endif
