#ifndef AUTH_MEMO_H
#define AUTH_MEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * memo - passwords that were right a short time ago, so that a client that
 * connects every minute costs no yescrypt. Neither passwords nor hashes are
 * kept: an entry is the HMAC-SHA256 of user, stored hash and password under
 * a key that was drawn at start and lives only here. A changed password
 * changes the stored hash, and so misses; so does a user who is gone.
 */
#define MEMO_TAG_SIZE 32

struct memo;

struct memo *memo_new(void) MUST_USE;
void memo_free(struct memo *c); /* wipes it */

/* The tag of these three. */
void memo_tag(const struct memo *c, struct slice user, struct slice hash,
    struct slice secret, unsigned char tag[MEMO_TAG_SIZE]);

bool memo_has(const struct memo *c, const unsigned char tag[MEMO_TAG_SIZE],
    int64_t now_ms);

/* Remember until then; the entry that ends first makes room. */
void memo_put(
    struct memo *c, const unsigned char tag[MEMO_TAG_SIZE], int64_t until_ms);

#endif
