#ifndef COMMON_MIME_CHARSET_H
#define COMMON_MIME_CHARSET_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * charset - text of any character set to UTF-8. US-ASCII, UTF-8,
 * ISO-8859-1 and -15 and windows-1252 are done here; for others ICU is
 * called, which is touched at the first such text only.
 */

/* Is this name known (empty stands for US-ASCII)? */
bool charset_known(struct slice name);

/*
 * Append text in UTF-8. Bytes that mean nothing, and all 8-bit bytes of an
 * unknown character set, become U+FFFD. Errors as buf_append().
 */
int charset_to_utf8(
    struct buf *b, struct slice name, struct slice text) MUST_USE;

/*
 * Append text, which is UTF-8, in a form in which equal means equal
 * without case (RFC 5051 in spirit: simple case folding of Unicode; ASCII
 * alone is folded without ICU). Errors as buf_append().
 */
int charset_fold(struct buf *b, struct slice text) MUST_USE;

/* Append text, which is UTF-8, in normal form C. Errors as above, EILSEQ. */
int charset_nfc(struct buf *b, struct slice text) MUST_USE;

#endif
