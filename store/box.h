#ifndef STORE_BOX_H
#define STORE_BOX_H

#include "store/fname.h"
#include "store/records.h"
#include "store/state.h"

/*
 * box - an open mailbox inside. Private to the library.
 *
 * Messages have an *index*: 0 … records.count - 1 in the file, then those
 * added since, ascending by UID. An index never changes while the mailbox
 * is open. The view is the indexes below view_end without those in
 * `removed`; sequence number and index follow from each other by it.
 */
struct indexes {
	uint32_t *at; /* owned */
	size_t count;
	size_t cap;
};

struct cache;

struct mailbox {
	struct mailbox *next; /* in account.boxes */
	struct account *a;
	struct folder *f;
	bool readonly;
	bool damaged;
	bool rebuilding; /* entries come from names: see check.c */
	bool ahead;      /* it knows what the folder does not */
	bool rebuilt;    /* from names, or ahead of the folder */
	uint32_t given;  /* UIDs below were, as `records` and journal say */
	uint64_t pos;    /* all records below are applied */
	struct records records;
	struct entry *added; /* owned */
	uint32_t added_count;
	uint32_t added_cap;
	uint32_t view_end;
	uint64_t told;          /* folder.given that is known to be durable */
	struct indexes removed; /* dead and out of the view, ascending */
	struct indexes dying;   /* dead, the client does not know yet */
	struct indexes changed; /* flags changed by others, not told yet */
	struct uidset recent;   /* UIDs that are \Recent in this session */
	uint32_t unseen_hint;   /* no message without \Seen below this index */
	unsigned keywords_told;
	bool moved; /* expunged files seen so far are known to be away */
	struct mailbox_expunged *told_expunged; /* of the last refresh */
	uint32_t *told_changed;
	int dir;             /* the folder's directory */
	int cur;             /* -1 until a file is wanted */
	struct cache *cache; /* NULL until wanted */
};

static inline uint32_t
box_total(const struct mailbox *mb)
{
	return mb->records.head.count + mb->added_count;
}

/* Entry of an index below box_total(); NULL (EUCLEAN) when damaged. */
static inline struct entry *
box_entry(struct mailbox *mb, uint32_t index)
{
	if (index < mb->records.head.count)
		return records_entry(&mb->records, index);
	return &mb->added[index - mb->records.head.count];
}

/* -- box.c --------------------------------------------------------- */

/*
 * Load a folder's messages, up to the account's position. A damaged one is
 * rebuilt, one not compared in this epoch is (under the lock, taken when
 * locked is false).
 */
struct mailbox *box_open(
    struct account *a, struct folder *f, bool locked) MUST_USE;
void box_close(struct mailbox *mb);

/*
 * Load it as it was at a position of the journal; what came since is news.
 * Only one that needs no repair. ESTALE when its records are gone.
 */
struct mailbox *box_open_since(
    struct account *a, struct folder *f, uint64_t since) MUST_USE;

/* First index with this UID or a greater one; box_total() when none. */
uint32_t box_find(struct mailbox *mb, uint32_t uid);
/* Index of exactly this UID, or UINT32_MAX. */
uint32_t box_find_exact(struct mailbox *mb, uint32_t uid);

/* Index of a sequence number of the view, and back; 0: not in the view. */
uint32_t box_index(const struct mailbox *mb, uint32_t seq);
uint32_t box_seq(const struct mailbox *mb, uint32_t index);
uint32_t box_view_count(const struct mailbox *mb);
/* How many indexes below this one are removed. */
uint32_t box_removed_below(const struct mailbox *mb, uint32_t index);

int box_cur(struct mailbox *mb) MUST_USE;
void box_file_name(
    const struct mailbox *mb, const struct entry *e, char name[FNAME_MAX + 1]);

void indexes_push(struct indexes *x, uint32_t index);
/* Ascending, each once. */
void indexes_sort(struct indexes *x);
/* Add all of from, both sorted; from is empty afterwards. */
void indexes_merge(struct indexes *x, struct indexes *from);

/* -- change.c ------------------------------------------------------ */

/*
 * Apply a record that touches the mailbox (b is its block). mb->pos is
 * raised behind it; a record below mb->pos is passed over.
 */
int box_apply(
    struct mailbox *mb, const struct record *r, const struct block *b) MUST_USE;

/* -- check.c ------------------------------------------------------- */

/*
 * Under the lock: compare cur/ with what is known, adopt what is unknown,
 * drop what is lost. The mailbox is current.
 */
int box_check(struct mailbox *mb) MUST_USE;

/* Read all messages from the names in cur/, before the journal is applied. */
int box_rebuild(struct mailbox *mb) MUST_USE;
/*
 * … and after it, or where `records` is ahead: write down what was found, so
 * that no UID is given again.
 */
int box_rebuilt(struct mailbox *mb) MUST_USE;

/* -- fold.c -------------------------------------------------------- */

/* Is it time to write `records` anew? */
bool box_fold_due(const struct mailbox *mb);
bool folder_fold_due(const struct folder *f);
/*
 * Remove the files of expunged messages, and say so in the journal. A step
 * removes some: 1 when there are more, and 0 or -1. What was removed is
 * known to this open mailbox only, so go on with the same one.
 */
int box_move_expunged(struct mailbox *mb) MUST_USE;
/*
 * Write `records` as of now. Nothing happens when another one is at it; 1
 * when files of expunged messages are to be removed before.
 */
int box_fold(struct mailbox *mb) MUST_USE;

/* -- helpers of the writers ---------------------------------------- */

void counts_add(struct counts *n, unsigned flags, uint64_t size);
void counts_remove(struct counts *n, const struct entry *e);

/* Release the cache; cache.c. */
void cache_close(struct mailbox *mb);

/* Wake those who watch the folder. */
void box_touch(struct account *a, struct folder *f);

#endif
