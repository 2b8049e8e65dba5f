#ifndef AUTH_CACHE_H
#define AUTH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * cache - passwords that were right a short time ago, so that a client that
 * connects every minute costs no yescrypt. Neither passwords nor hashes are
 * kept: an entry is the HMAC-SHA256 of user, stored hash and password under
 * a key that was drawn at start and lives only here. A changed password
 * changes the stored hash, and so misses; so does a user who is gone.
 */
#define CACHE_TAG_SIZE 32

struct cache;

struct cache *cache_new(void) MUST_USE;
void cache_free(struct cache *c); /* wipes it */

/* The tag of these three. */
void cache_tag(const struct cache *c, struct slice user, struct slice hash,
    struct slice secret, unsigned char tag[CACHE_TAG_SIZE]);

bool cache_has(const struct cache *c, const unsigned char tag[CACHE_TAG_SIZE],
    int64_t now_ms);

/* Remember until then; the entry that ends first makes room. */
void cache_put(
    struct cache *c, const unsigned char tag[CACHE_TAG_SIZE], int64_t until_ms);

#endif
