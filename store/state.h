#ifndef STORE_STATE_H
#define STORE_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/base/map.h"
#include "store/account.h"
#include "store/drop.h"
#include "store/journal.h"
#include "store/mailbox.h"

/*
 * What an open account is inside. Private to the library.
 *
 * Invariants:
 *  - Everything here is what the journal says up to j.pos: the snapshot
 *    `account`, then every record behind it, applied by account_apply(),
 *    whoever wrote it.
 *  - A record is appended first, then the files are moved as it says
 *    (files.h), both under one hold of the lock. The lock page names the
 *    record while its files may not be done, so the next holder does what
 *    a killed one could not. After a power cut all records since the last
 *    checkpoint are gone through again.
 *  - A UID is told only after the journal is synced up to folder.given. What
 *    the snapshot knows is.
 */
struct folder {
	uint32_t id;
	uint32_t uidvalidity;
	unsigned uses; /* FOLDER_USES */
	char *name;    /* canonical; owned */
	char *disk;    /* its directory under mail/, "" for INBOX; owned */
	struct counts n;
	uint64_t last;    /* position of its latest record */
	uint64_t given;   /* the latest that gave UIDs ends here; 0: old */
	uint64_t created; /* … and of its first */
	uint64_t folded;  /* `records` holds all below, at least */
	uint64_t folded_before; /* `records.1` */
	uint64_t checked;       /* epoch in which cur/ was compared */
	/*
	 * Not 0: with a part of the journal, UIDs from here to UIDNEXT may
	 * have been lost. Until checked.
	 */
	uint32_t sure;
	uint64_t tail;    /* bytes of records since folded */
	uint64_t touched; /* messages in them */
	unsigned keyword_count;
	char *keywords[KEYWORDS_MAX]; /* owned */
	bool gone; /* deleted; kept for those who have it open */
};

#define FOLDERS_MAX       10000
#define SUBSCRIPTIONS_MAX (2 * FOLDERS_MAX)

struct account {
	struct account_config config;
	int home;
	int mail;
	int drop; /* drop/new; -1 when there is none */
	struct journal j;
	struct folder **folders; /* by id, ascending */
	size_t folder_count;
	size_t folder_cap;
	struct folder **graves; /* deleted ones */
	size_t grave_count;
	struct map by_name;    /* canonical name → struct folder */
	struct map subscribed; /* name → any */
	uint32_t next_id;
	uint32_t last_uidvalidity;
	char low[DROP_TOKEN_MAX + 1]; /* the queue's low-water mark */
	uint64_t epoch;
	uint64_t snapshot;     /* position of the snapshot read or written */
	uint64_t snapshot_now; /* … of the one that others have written */
	uint64_t checkpoint;   /* all file operations up to here are durable */
	uint64_t moved; /* records that move messages end here, at most */
	struct mailbox *boxes;        /* open ones */
	struct buf out;               /* the record being built */
	const struct mailbox *author; /* of the record being applied */
	bool recovering;  /* records may contradict what directories said */
	int64_t dirty_ms; /* clock_boot_ms() of the oldest change not synced */
	int stuck;        /* errno that keeps a pending record's files back */
	int64_t work_ms;  /* when account_work() is wanted; 0: not */
	unsigned work_failed;    /* steps in a row that could not be done */
	struct mailbox *tidying; /* among boxes; its work is not all done */
	struct purge *purge;     /* of expunged/, under way; owned */
	bool purge_now;          /* there is something for it at once */
	int64_t rest_ms;         /* no snapshot before: the last one failed */
	struct timespec empty;   /* mtime at which the drop box was */
	int tmp;                 /* of the append under way, lent; or -1 */
};

/* -- account.c ----------------------------------------------------- */

/*
 * Take the lock, replay to the end, finish what a killed holder left.
 * account_unlock() keeps errno.
 */
int account_lock(struct account *a) MUST_USE;
void account_unlock(struct account *a);

/* Replay what was appended since; no lock needed. */
int account_replay(struct account *a) MUST_USE;

/*
 * Under the lock: append the record in a->out (record_start() made), fill
 * the blocks of its folders with their new counts, apply it here, and do its
 * file operations. visible: clients see the change, so HIGHESTMODSEQ becomes
 * its position.
 */
#define CHANGE_FOLDERS 5

struct account_change {
	unsigned type;
	bool visible;
	unsigned blocks;
	const struct folder *folders[CHANGE_FOLDERS];
	struct counts n[CHANGE_FOLDERS];
};

int account_append(struct account *a, struct account_change *c) MUST_USE;

/*
 * Under the lock, after the files of an APPEND or COPY could not be put in
 * place: expunge what the record added, before anybody was told. Keeps
 * errno. Where that fails, too, the record stays, pending.
 */
void account_undo(
    struct account *a, struct folder *f, const struct counts *before);

/* There is background work other than syncing. */
void account_want_work(struct account *a);

/* Release without any work; keeps errno. */
void account_free(struct account *a);

/* -- apply.c ------------------------------------------------------- */

/* Change the state as the record says. EUCLEAN when it cannot be. */
int account_apply(struct account *a, const struct record *r) MUST_USE;

/* -- table.c ------------------------------------------------------- */

struct folder *folder_by_id(const struct account *a, uint32_t id);
struct folder *folder_by_name(const struct account *a, struct slice canonical);

/* Canonical form first; -1/NULL with ENOENT or name_canonical()'s errors. */
struct folder *folder_find(const struct account *a, struct slice name) MUST_USE;

/* A new one in the table; name is copied. EEXIST, EUCLEAN for a bad id. */
struct folder *folder_add(
    struct account *a, uint32_t id, struct slice name) MUST_USE;
int folder_rename(
    struct account *a, struct folder *f, struct slice name) MUST_USE;
/* Out of the table; the struct lives until the account is closed. */
void folder_bury(struct account *a, struct folder *f);
void folder_table_free(struct account *a);

int folder_define_keywords(
    struct folder *f, const struct keyword_defs *d) MUST_USE;
/* The bit of a keyword, or -1. */
int folder_keyword(const struct folder *f, struct slice name);

/*
 * The directory of a folder, or a file in it, as a path below mail/.
 * file may be "". Names fit by construction.
 */
#define FOLDER_PATH_MAX 320
void folder_path(
    const struct folder *f, const char *file, char path[FOLDER_PATH_MAX]);

/* -- snapshot.c ---------------------------------------------------- */

/* Read `account` (or what it was before). ENOENT, EUCLEAN. */
int snapshot_read(struct account *a) MUST_USE;
/* The position of `account` as it is now, whoever wrote it, or 0. */
uint64_t snapshot_peek(const struct account *a);
/* Write it for a->j.pos. */
int snapshot_write(struct account *a) MUST_USE;

/* -- recover.c ----------------------------------------------------- */

/*
 * Under the lock, with a lock page of another boot or none: build the state
 * from what there is, start a new epoch, redo the files.
 */
int account_recover(struct account *a) MUST_USE;

/* Damage of page->lost bytes was cut off: let no UID come back. */
int account_repair(struct account *a, struct journal_page *page) MUST_USE;

/* Under the lock: the same, where the journal is known to have reached pos. */
int account_cut_short(struct account *a, uint64_t pos) MUST_USE;

#endif
