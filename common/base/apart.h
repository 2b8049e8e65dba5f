#ifndef COMMON_BASE_APART_H
#define COMMON_BASE_APART_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"

/*
 * apart - memory a forking process keeps to itself.
 *
 * After a fork each page is shared until one side writes to it; that write
 * copies it. A process that forks for every client would copy all it works
 * with each time. What is allocated here lies in pages that children do not
 * get at all: nothing is copied, no child has what was meant for another,
 * and the heap they allocate in stays as it was before the first fork.
 *
 * Programs that are linked for it (APART in the Makefile) have malloc() and
 * its kin answered from here while mem_apart() is on (mem.h).
 */

/* n bytes, aligned as malloc()'s, or NULL: too large, or no room left. */
void *apart_alloc(size_t n) MUST_USE;

void apart_free(void *p);

/* Is p one of ours? */
bool apart_has(const void *p);

/* How many bytes p may hold; at least what was asked for. */
size_t apart_size(const void *p);

/* Bytes that were ever in use at a time; they stay ours. */
size_t apart_taken(void);

/* Is memory to be had from here now? */
bool apart_is_on(void);

#endif
