#ifndef COMMON_BASE_UTF8_H
#define COMMON_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Well-formed per RFC 3629: no overlong form, no surrogate. */
bool utf8_valid(struct slice s);

/* Any byte of 0x80 and above? */
bool utf8_has_8bit(struct slice s);

/*
 * The code point at the start of s and in *len its bytes; -1 and *len 1
 * where s is not well-formed. s must not be empty.
 */
int32_t utf8_next(struct slice s, size_t *len);

/* Append a code point. EINVAL for a surrogate or one over 0x10ffff. */
int utf8_put(struct buf *b, uint32_t code) MUST_USE;

#endif
