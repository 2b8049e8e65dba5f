#ifndef STORE_UIDSET_H
#define STORE_UIDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * uidset - a set of UIDs (or of sequence numbers) as ranges: sorted,
 * disjoint and not adjacent, so that 1:10000 is one range whatever the
 * mailbox holds. 0 is never a member.
 */
struct uid_range {
	uint32_t first;
	uint32_t last; /* included; never below first */
};

struct uidset {
	struct uid_range *ranges; /* owned */
	size_t count;
	size_t cap;
};

#define UIDSET_INIT                                                            \
	{                                                                      \
		.ranges = NULL                                                 \
	}

/* No set a client sends has more ranges than this. */
#define UIDSET_MAX_RANGES (1U << 20)

/*
 * Add first to last, in either order. Ascending additions are the cheap
 * ones. Returns 0, or -1 with errno EINVAL (0 is no UID) or ENOBUFS (more
 * than UIDSET_MAX_RANGES); the set is then unchanged.
 */
int uidset_add(struct uidset *s, uint32_t first, uint32_t last) MUST_USE;

bool uidset_has(const struct uidset *s, uint32_t uid);

/* How many numbers the set holds. */
uint64_t uidset_size(const struct uidset *s);

/* Append as IMAP writes it, "1:3,7"; errors as buf_append(). */
int uidset_format(const struct uidset *s, struct buf *b) MUST_USE;

/* Empty it and keep the memory; release the memory. */
void uidset_clear(struct uidset *s);
void uidset_free(struct uidset *s);

#endif
