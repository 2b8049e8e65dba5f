#ifndef COMMON_BASE_MAP_H
#define COMMON_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * map - hash table from byte strings to pointers. Keys are copied; values
 * belong to the caller. The hash is keyed with a random secret of the
 * process, so that a stranger cannot make keys collide. Open addressing,
 * at most three quarters full.
 */
struct map_entry; /* private */

struct map {
	struct map_entry *entries;
	size_t cap;  /* a power of two, or 0 */
	size_t used; /* entries and tombs */
	size_t count;
};

#define MAP_INIT                                                               \
	{                                                                      \
		.entries = NULL                                                \
	}

/* The value of key, or NULL. */
void *map_get(const struct map *m, struct slice key);
void *map_get_u64(const struct map *m, uint64_t key);

/* Set or replace; value must not be NULL. Returns the value replaced. */
void *map_put(struct map *m, struct slice key, void *value);
void *map_put_u64(struct map *m, uint64_t key, void *value);

/* Remove and return the value, or NULL. */
void *map_del(struct map *m, struct slice key);
void *map_del_u64(struct map *m, uint64_t key);

/*
 * Walk: *at starts at 0; false when no entry is left. Removing the entry
 * just returned is allowed, adding is not.
 */
bool map_next(const struct map *m, size_t *at, struct slice *key, void **value);

/* Release the table and the copies of the keys. */
void map_free(struct map *m);

/* SipHash-1-3 keyed with the secret of this process. */
uint64_t map_hash(struct slice s);

#endif
