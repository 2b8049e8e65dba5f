#ifndef COMMON_BASE_SLICE_H
#define COMMON_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "common/base/attr.h"

/*
 * slice - bytes lent by somebody else. Never NUL-terminated by contract,
 * never freed by the holder, valid as long as the lender says.
 */
struct slice {
	const char *p; /* may be NULL when len is 0 */
	size_t len;
};

#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })
#define SLICE_EMPTY    ((struct slice){ NULL, 0 })

/* %.*s arguments of a slice; the log escapes and bounds what it prints. */
#define SLICE_FMT(s) (int)MIN((s).len, (size_t)4096), (s).p

static inline struct slice
slice_of(const void *p, size_t len)
{
	return (struct slice){ p, len };
}

static inline struct slice
slice_str(const char *s)
{
	return (struct slice){ s, s == NULL ? 0 : strlen(s) };
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* Bytes from off on, at most len of them; never beyond s. */
static inline struct slice
slice_sub(struct slice s, size_t off, size_t len)
{
	if (s.p == NULL)
		return SLICE_EMPTY;
	if (off > s.len)
		off = s.len;
	if (len > s.len - off)
		len = s.len - off;
	return (struct slice){ s.p + off, len };
}

/* Equal when ASCII letters are compared without case. */
bool slice_ieq(struct slice a, struct slice b);

/* Does s begin with prefix, ASCII letters without case? */
bool slice_istarts(struct slice s, struct slice prefix);

/* Without spaces and tabs at both ends. */
struct slice slice_trim(struct slice s);

/*
 * Cut s at the first byte c: head gets what stands before it, and the
 * rest after it is returned. Without c, head is all and the rest is empty.
 */
struct slice slice_cut(struct slice s, char c, struct slice *head);

/*
 * Copy s and a NUL into dst of cap bytes. Returns 0, or -1 with errno
 * ENOBUFS when it does not fit or EINVAL when s holds a NUL; dst is then "".
 */
int slice_copy(char *dst, size_t cap, struct slice s) MUST_USE;

/* A NUL-terminated copy the caller free()s; dies when memory is gone. */
char *slice_dup(struct slice s) MUST_USE;

#endif
