#ifndef COMMON_BASE_BASE64_H
#define COMMON_BASE_BASE64_H

#include "common/base/buf.h"

/* RFC 4648 §4. Append the encoding of s, without line breaks. */
int base64_encode(struct buf *b, struct slice s) MUST_USE;

/*
 * Append what s stands for. Strict: padding where it belongs, no other
 * bytes. -1 with errno EINVAL for anything else, or as buf_append().
 */
int base64_decode(struct buf *b, struct slice s) MUST_USE;

#endif
