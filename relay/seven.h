#ifndef RELAY_SEVEN_H
#define RELAY_SEVEN_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * seven - a mail for a server that takes seven bits only (RFC 6152 §3):
 * each part that holds 8-bit bytes becomes quoted-printable, everything
 * else stays as it is.
 *
 * Appends to out. 0, or -1 with errno EBADMSG (there are 8-bit bytes where
 * MIME has no words for them, as in a header), or as buf_append().
 */
int seven_bit(struct buf *out, struct slice message) MUST_USE;

#endif
