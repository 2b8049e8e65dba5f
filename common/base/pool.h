#ifndef COMMON_BASE_POOL_H
#define COMMON_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"

/*
 * pool - structs of one size in pages of their own, for a process that
 * forks: what it makes and frees at each turn then leaves no holes in the
 * heap, where its children would allocate in pages they share with it.
 * Pages are kept for ever.
 */
struct pool {
	size_t size;   /* of a struct; set by the owner */
	bool unshared; /* forked children do not have them; as well */
	void *free;    /* the first free one, which points to the next */
};

#define POOL_INIT(type)                                                        \
	{                                                                      \
		.size = sizeof(type), .free = NULL                             \
	}

/* A zeroed struct. Never NULL. */
void *pool_get(struct pool *pool) MUST_USE;

/* It is wiped; NULL is fine. */
void pool_put(struct pool *pool, void *p);

#endif
