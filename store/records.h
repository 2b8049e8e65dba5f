#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "store/record.h"

/*
 * records - the messages of one mailbox at a journal position, in a file of
 * fixed-size entries sorted by UID. Private to the library.
 *
 *	page 0    head: ids, position, counts, names of keywords, CRC
 *	page 1 …  entries of 64 bytes, 64 a page
 *	          CRC32C of each page of entries
 *
 * The file is never written in place: folding writes a new one aside, syncs
 * it and renames it; the one before stays as records.1. It is mapped
 * privately, so a session applies later changes to its own copies of the
 * pages they touch and shares all others. Opening reads the head only; a
 * page's checksum is looked at when an entry of it is first wanted. What the
 * disk cannot read, or is not there any more, is damage like any other.
 */
#define RECORDS_FILE    "records"
#define RECORDS_BEFORE  "records.1"
#define RECORDS_DAMAGED "records.damaged"

/* Private bits of an entry; never set on disk. */
enum entry_state {
	ENTRY_DEAD = 1 << 0,  /* expunged */
	ENTRY_MOVED = 1 << 1, /* … and its file is away */
	ENTRY_TOLD = 1 << 2,  /* on the list of changed ones */
};

struct entry {
	uint32_t uid;
	uint16_t flags; /* MESSAGE_FLAGS */
	int16_t zone_min;
	uint64_t keywords;
	uint64_t modseq;
	uint64_t size;
	int64_t date_s;
	uint64_t id;
	uint32_t saved_s;
	uint8_t name_flags; /* flags in the name of the file */
	uint8_t state;      /* enum entry_state */
	uint8_t spare[10];
};

struct records_head {
	uint32_t id;
	uint32_t uidvalidity;
	uint64_t pos;    /* all records below are in the file */
	uint64_t before; /* the same of records.1 */
	uint64_t last;   /* the mailbox's latest record at or before pos */
	uint64_t created;
	struct counts n;
	uint32_t count;        /* entries */
	uint32_t first_unseen; /* index; count when there is none */
	unsigned uses;
	unsigned keyword_count;
	const char *keywords[KEYWORD_DEFS_MAX]; /* in the mapping */
};

struct records {
	char *map; /* NULL: empty, no file */
	size_t map_len;
	struct entry *entries;
	const char *crcs;
	bool crcs_there;   /* have been read from the disk */
	uint8_t *verified; /* a bit a page; owned */
	uint64_t inode;
	struct records_head head;
};

/*
 * Map dir/file. ENOENT; EUCLEAN when it is not whole or of another mailbox
 * than id (0: any).
 */
int records_open(
    struct records *rs, int dir, const char *file, uint32_t id) MUST_USE;
void records_close(struct records *rs);

/*
 * Whose is the directory at/path? *id as its `records` or `records.1` says, 0
 * where neither does: 1. 0 when there is no such directory; -1 where want of
 * memory or of descriptors keeps that from being told.
 */
int records_owner(int at, const char *path, uint32_t *id) MUST_USE;

/*
 * A page of it was found damaged: the file gets another name, so the next
 * open repairs, unless somebody has put a new one there already.
 */
void records_condemn(const struct records *rs, int dir);

/* Entry i, or NULL with errno EUCLEAN when its page is damaged. */
struct entry *records_check(struct records *rs, uint32_t i);

static inline bool
records_verified(const struct records *rs, uint32_t page)
{
	return (rs->verified[page / 8] & (1U << (page % 8))) != 0;
}

static inline struct entry *
records_entry(struct records *rs, uint32_t i)
{
	uint32_t page = i / 64;

	if (records_verified(rs, page))
		return &rs->entries[i];
	return records_check(rs, i);
}

/*
 * Write a new file from head (count and first_unseen are filled in here) and
 * the entries next() gives until NULL, and put it in place. sync: durable on
 * return.
 */
struct records_source {
	const struct entry *(*next)(void *ctx);
	void *ctx;
	bool sync;
};

int records_write(int dir, struct records_head *head,
    const struct records_source *source) MUST_USE;

#endif
