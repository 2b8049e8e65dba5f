#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include <stddef.h>

#include "common/base/attr.h"

/*
 * For memory of a fixed, small size: these log and end the process when
 * there is none, because nothing sensible could follow. What a peer can
 * make large belongs into a struct buf with a ceiling.
 */

/* n zeroed elements; the caller free()s. Never NULL. */
void *xcalloc(size_t n, size_t size) MUST_USE;

/* p (or NULL) grown or shrunk to n elements. Never NULL. */
void *xreallocarray(void *p, size_t n, size_t size) MUST_USE;

/* A copy the caller free()s; NULL for NULL. */
char *xstrdup(const char *s) MUST_USE;

/* A formatted string the caller free()s. */
char *xasprintf(const char *fmt, ...) PRINTF(1, 2) MUST_USE;

#endif
