#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "store/account.h"
#include "store/record.h"

/*
 * journal - the account's one append-only history. Private to the library.
 *
 * It is written in segments journal/NNNNNNNN (hexadecimal: the base). A
 * *position* is base << 28 | offset in the segment; it names a record for
 * ever, only grows, and is what IMAP calls a mod-sequence. The base of a
 * segment is greater than every one before it and not below the seconds
 * since 1970 at its creation; a segment written before the last boot is
 * never appended to again. So no position comes back, whatever is lost.
 *
 * Every checksum is seeded with the segment's nonce and the position: what
 * stood there before, or stands elsewhere, never passes for a record.
 *
 * Reading needs no lock: a record is there when it is whole. Writing goes
 * under journal_lock(), after reading to the end. Behind the end there are
 * zeros, so that most records only overwrite what the file has already.
 */
#define JOURNAL_SHIFT 28
#define JOURNAL_START 64         /* offset of the first record */
#define JOURNAL_ROLL  (8U << 20) /* a segment over this gets a successor */
/* In the lock file: state of the drop box when it was empty; takein.c. */
#define JOURNAL_DROP_AT 128
/* … and when expunged/ was purged; purge.c. */
#define JOURNAL_PURGED_AT 160
#define JOURNAL_OFFSET    ((UINT64_C(1) << JOURNAL_SHIFT) - 1)

struct journal_segment {
	int fd; /* owned; -1 when none */
	uint64_t base;
	uint64_t nonce;
	uint64_t prev;  /* base of the one before, 0: none */
	uint64_t epoch; /* base of the first one of this boot */
	uint8_t boot_id[16];
	bool durable; /* its name is, and all before it */
	/*
	 * What stands before this position was there before fd, and whether
	 * its writing failed fd need not know; again.c. 0: it does.
	 */
	uint64_t unseen;
};

/*
 * The file journal/lock holds besides the lock itself what the next holder
 * must know. It survives processes, not boots.
 */
struct journal_page {
	uint8_t boot_id[16];
	uint64_t epoch;
	uint64_t pending; /* the record here may lack its file operations */
	uint64_t lost;    /* bytes of damage cut off and not made good yet */
};

struct journal_window {
	char *data; /* owned */
	size_t cap;
	size_t len;
	uint64_t pos; /* position of data[0] */
};

/* How long is a lock worth waiting for? */
enum journal_patience {
	PATIENCE_FULL,       /* as the config says: a client asked for it */
	PATIENCE_COURTESY,   /* what nobody asked for */
	PATIENCE_BACKGROUND, /* what can as well be done later */
};

struct journal {
	int dir;     /* owned */
	int lock_fd; /* owned */
	struct account_wait wait;
	enum journal_patience patience;
	bool vain; /* the last full wait was */
	bool busy_told;
	uint8_t boot_id[16]; /* of this boot, for new segments */
	bool locked;
	bool dirty;       /* written to now.fd and not synced */
	bool failed;      /* a sync did: no more from this handle */
	uint64_t pos;     /* read up to here, in now */
	uint64_t written; /* the end of what this handle wrote last */
	uint64_t size;    /* of now at least, under the lock; 0: not known */
	struct journal_segment now;
	uint64_t sealed; /* end of the seal that led to now; 0: not known */
	struct journal_segment past[2]; /* for journal_at() */
	unsigned past_next;
	struct journal_window ahead; /* of journal_next() */
	struct journal_window back;  /* of journal_at() */
};

/* Take over dir, the open directory journal/. */
int journal_open(struct journal *j, int dir) MUST_USE;
void journal_close(struct journal *j);
/* Give back what can be read again. Records that were lent are gone. */
void journal_rest(struct journal *j);

/*
 * One writer at a time; waits. EBUSY and ECANCELED where that comes to an
 * end (account.h), ESTALE when the lock file was removed.
 */
int journal_lock(struct journal *j) MUST_USE;
void journal_unlock(struct journal *j);

/*
 * One at a time for chores that need no journal lock: folding a mailbox (its
 * id), the snapshot (0). -1 with errno EAGAIN or EACCES when somebody is at
 * it.
 */
int journal_try(struct journal *j, uint32_t chore) MUST_USE;
void journal_release(struct journal *j, uint32_t chore);

/* -1 with errno EUCLEAN when there is none that is whole. */
int journal_page_read(const struct journal *j, struct journal_page *p) MUST_USE;
int journal_page_write(
    struct journal *j, const struct journal_page *p) MUST_USE;

/* Go on reading at pos. ENOENT when its segment is not there. */
int journal_seek(struct journal *j, uint64_t pos) MUST_USE;

/*
 * The next record: 1, or 0 at the end (or before what is not a record), or
 * -1. Follows from segment to segment where one was sealed. The record is
 * behind j->pos when it returns.
 */
int journal_next(struct journal *j, struct record *r) MUST_USE;

/* Where the whole records end by now, those not read yet included. */
uint64_t journal_end(struct journal *j);

/*
 * The record at pos; lent until the next call of this. EUCLEAN when there is
 * none, ENOENT without its segment.
 */
int journal_at(struct journal *j, uint64_t pos, struct record *r) MUST_USE;

/*
 * Under the lock, after journal_next() came to the end: what stands there,
 * zeros only (0 bytes), or the beginning of a record whose writer was killed
 * (torn), or damage to what may have been told, as a whole record behind it
 * shows, too. journal_cut() removes it; damage is set aside.
 */
struct segment_tail {
	uint64_t bytes; /* up to the last one that is not zero */
	bool torn;
};

int journal_tail(struct journal *j, struct segment_tail *t) MUST_USE;
int journal_cut(struct journal *j, const struct segment_tail *t) MUST_USE;

/*
 * Under the lock, at the end: finish and append the record in b. It is at
 * j->pos then; journal_pass() steps behind it. On error nothing was written.
 */
int journal_append(struct journal *j, struct buf *b, unsigned type) MUST_USE;
void journal_pass(struct journal *j, size_t len);

/*
 * Under the lock, at the end: go on in a new segment when it is time, or at
 * once with force. epoch 0: an epoch begins with it.
 */
int journal_roll(struct journal *j, uint64_t epoch, bool force) MUST_USE;

/*
 * Make a segment that nothing leads to, the first of an epoch; base must be
 * over every other one. The caller seeks to its JOURNAL_START.
 */
int journal_create(
    struct journal *j, uint64_t base, uint64_t prev, uint64_t epoch) MUST_USE;

/* Everything appended is durable when it returns 0. */
int journal_sync(struct journal *j) MUST_USE;

/*
 * The journal is durable up to pos at least, whoever wrote it. Costs nothing
 * when somebody's sync has included it.
 */
int journal_sync_to(struct journal *j, uint64_t pos) MUST_USE;

/*
 * Before a sync that is to cover all from position `from` on: write again
 * what that sync alone would not vouch for. before: the segment before now,
 * open, where the sync must include it, else without fd. EUCLEAN when it is
 * not there any more.
 */
int journal_again(struct journal *j, const struct journal_segment *before,
    uint64_t from) MUST_USE;

/* Recovery believes nobody's word: the next sync is done in any case. */
int journal_forget_synced(struct journal *j) MUST_USE;

/* Bases of all segments, ascending; the caller free()s them. */
int journal_list(
    const struct journal *j, uint64_t **bases, size_t *count) MUST_USE;
int journal_remove(struct journal *j, uint64_t base) MUST_USE;

#endif
