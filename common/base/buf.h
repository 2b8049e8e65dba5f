#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/slice.h"

/*
 * buf - growable byte string with a hard ceiling.
 *
 * Bytes [0, len) are content and may include NUL; data[len] is NUL once
 * anything was appended. A buf never holds more than max bytes, so a peer
 * cannot make a process grow without limit. Content already consumed from
 * the front is skipped by `head` and moved away only when room is needed.
 */
struct buf {
	char *data;  /* first unread byte; NULL while empty and unallocated */
	size_t len;  /* unread bytes, the NUL not counted */
	size_t max;  /* ceiling for len, in bytes */
	char *alloc; /* owned */
	size_t cap;  /* bytes allocated at alloc */
};

#define BUF_INIT(limit)                                                        \
	{                                                                      \
		.data = NULL, .max = (limit)                                   \
	}

/* An empty buf with this ceiling. */
void buf_init(struct buf *b, size_t max);

/*
 * Append n bytes copied from src, which must not point into b. Returns 0,
 * or -1 with errno ENOBUFS (over max) or ENOMEM; b is then unchanged.
 */
int buf_append(struct buf *b, const void *src, size_t n) MUST_USE;

/* The same for a slice, a string, one byte. */
int buf_append_slice(struct buf *b, struct slice s) MUST_USE;
int buf_append_str(struct buf *b, const char *s) MUST_USE;
int buf_append_byte(struct buf *b, char c) MUST_USE;

/* Append formatted text; errors as buf_append(). */
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3) MUST_USE;
int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
    PRINTF(2, 0) MUST_USE;

/*
 * Room for n more bytes at the end, to be filled by the caller, who then
 * says with buf_commit() how many were. NULL and errno as buf_append().
 */
char *buf_reserve(struct buf *b, size_t n) MUST_USE;
void buf_commit(struct buf *b, size_t n);

/* Drop n bytes from the front; n may not exceed len. */
void buf_consume(struct buf *b, size_t n);

/* Keep only the first n bytes. */
void buf_truncate(struct buf *b, size_t n);

/* What b holds, valid until b changes. */
struct slice buf_slice(const struct buf *b);

/* The content as a string; "" when empty. Valid until b changes. */
const char *buf_str(const struct buf *b);

/* The content now belongs to the caller, who free()s it; b is empty. */
char *buf_take(struct buf *b, size_t *len) MUST_USE;

/* Release the content; max is kept. Calling it again is harmless. */
void buf_free(struct buf *b);

/* Overwrite the content with zeros, then release it: for secrets. */
void buf_wipe(struct buf *b);

#endif
