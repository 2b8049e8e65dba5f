#ifndef STORE_WRITE_H
#define STORE_WRITE_H

#include "store/box.h"

/* What the verbs that change messages share. Private to the library. */

/*
 * Take the lock for a change of which mb is a part. ENOENT when it was
 * deleted, EUCLEAN when damaged; then the lock is not held.
 */
int write_lock(struct mailbox *mb) MUST_USE;

/* The same for a change of mb itself: EPERM when it is read-only. */
int write_begin(struct mailbox *mb) MUST_USE;

/*
 * Under the lock: f may get new UIDs. Makes sure that its cur/ was compared
 * with the journal since the last unclean stop: what a power cut left there
 * must have its UIDs first. EOVERFLOW when n UIDs are not left.
 */
int write_ready(struct account *a, struct folder *f, uint64_t n) MUST_USE;

/*
 * Bits of keywords by name. Those the folder does not have yet get the next
 * bits and are listed in defs. EOVERFLOW when there are too many, EINVAL for
 * what is no keyword.
 */
int write_keywords(const struct folder *f, const struct slice *names, size_t n,
    uint64_t *bits, struct keyword_defs *defs) MUST_USE;

/* One more name; its bit, or -1. */
int write_keyword(const struct folder *f, struct slice name,
    struct keyword_defs *defs) MUST_USE;

/*
 * Visit the living messages of the view with UIDs of the set. The UIDs for
 * which pick() says true are gathered in *picked, in ranges that span the
 * gaps, so as few as there can be. EUCLEAN, or what pick() left in errno
 * when it sets *failed.
 */
struct visit {
	struct mailbox *mb;
	bool (*pick)(struct visit *v, uint32_t index, struct entry *e);
	void *ctx;
	struct uidset *picked;
	bool failed;
};

int write_visit(struct visit *v, const struct uidset *uids) MUST_USE;

/* All UIDs, for verbs that may go without a set. */
extern const struct uidset write_all_uids;

#endif
