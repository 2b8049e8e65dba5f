#ifndef COMMON_SMTP_XTEXT_H
#define COMMON_SMTP_XTEXT_H

#include <stdbool.h>

#include "common/base/buf.h"

/*
 * xtext (RFC 3461 §4): printable ASCII as it is but '+' and '=', any other
 * byte as "+" and two upper-case hex digits.
 */

/* Append s encoded; bytes of 0x80 and above too. Errors as buf_append(). */
int smtp_xtext_encode(struct buf *b, struct slice s) MUST_USE;

/*
 * Append what s stands for. -1 with errno EINVAL when it is no xtext or
 * stands for a control byte (what is decoded may go into a header); else
 * as buf_append(). 8-bit bytes as they are only with utf8 (RFC 6533 §3).
 */
int smtp_xtext_decode(struct buf *b, struct slice s, bool utf8) MUST_USE;

/* Would smtp_xtext_decode() take it? */
bool smtp_xtext_valid(struct slice s, bool utf8);

/*
 * Append s, which is UTF-8, in the form of RFC 6533 §3 that is ASCII: "\x{E9}"
 * for what is not, all else as it is. EINVAL where s is no UTF-8; else as
 * buf_append().
 */
int smtp_unitext_encode(struct buf *b, struct slice s) MUST_USE;

#endif
