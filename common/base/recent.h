#ifndef COMMON_BASE_RECENT_H
#define COMMON_BASE_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * recent - answers that came a moment ago, so that the same question need
 * not be asked again at once. As old as an answer that was a moment on its
 * way: nothing may be kept here that would be wrong to use then.
 *
 * A table of fixed size; a new answer takes the place of another one, and
 * one that is not found, or was never kept, is asked for. Zeroed memory is
 * an empty table.
 */
#define RECENT_SLOTS 512
#define RECENT_MS    100
#define RECENT_BYTES 1024U /* key and value; longer ones are not kept */

struct recent_answer; /* private */

struct recent {
	struct recent_answer *slots[RECENT_SLOTS];
	int64_t cleared_ms;
};

/* Keep a copy of what was asked for at asked_ms (boot clock). */
void recent_put(
    struct recent *r, struct slice key, struct slice value, int64_t asked_ms);

/* The value, valid until the next change of r. False: ask. */
bool recent_get(const struct recent *r, struct slice key, int64_t now_ms,
    struct slice *value);

/*
 * Forget all, and what was asked for until now; nothing is left to release.
 */
void recent_clear(struct recent *r, int64_t now_ms);

/*
 * For who has just changed what others ask about: when this returns nobody
 * goes by an older answer any more.
 */
void recent_wait(void);

#endif
