#ifndef STORE_TOKEN_H
#define STORE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

struct account;

/*
 * tokens - what has been delivered into this account, by drop_token().
 * Private to the library. Only drops marked as retries are looked up, so
 * they are read out of the journal (and journal/tokens, what remains of
 * removed segments) when the first one is met.
 */
struct tokens;

/* Under the lock: all known tokens, or NULL. */
struct tokens *tokens_read(struct account *a) MUST_USE;
bool tokens_has(const struct tokens *t, uint64_t id);
void tokens_add(struct tokens *t, uint64_t id);
void tokens_free(struct tokens *t);

/*
 * Before a segment is removed: add those of its tokens to journal/tokens
 * that the queue may still come back with, and forget those it cannot.
 */
int tokens_keep(struct account *a, uint64_t base) MUST_USE;

#endif
