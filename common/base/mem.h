#ifndef COMMON_BASE_MEM_H
#define COMMON_BASE_MEM_H

#include <stdbool.h>
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

/*
 * Nothing will be done for a while: give back to the system what is free,
 * the part of the stack that was used and is not any more included.
 */
void mem_rest(void);

/*
 * Bytes that were asked for and not freed, those of threads too, as malloc()
 * counts; of memory apart (apart.h) all that was ever in use. 0 with ASan,
 * which has a heap of its own.
 */
size_t mem_in_use(void);

/*
 * For a process that forks others, once it is set up: what it has freed is
 * taken for ever, so that what children allocate lies together behind it and
 * pages they share stay shared. What is taken is not touched. It has no
 * effect on what is freed later.
 */
void mem_settle(void);

/*
 * What will be allocated next lies behind p, taken just now, of n bytes: have
 * some pages there in one go, which costs a third of asking for each as it is
 * written to. Nothing happens where the kernel cannot (before Linux 5.14).
 */
void mem_expect(void *p, size_t n);

/*
 * On: what is allocated from here on lies in pages that forked children do
 * not get (apart.h); it may be freed at any time. Returns what it was. It has
 * an effect only in programs that are linked for it.
 */
bool mem_apart(bool on);

/*
 * A forked child says so before it allocates: those pages are not there, and
 * what the kernel puts into their place is memory like any other.
 */
void mem_forked(void);

#endif
