#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/wire.h"
#include "store/uidset.h"

/*
 * record - one entry of the account's journal. Private to the library.
 *
 *	u32 length  u32 crc  u16 type  u16 blocks  u32 time
 *	blocks: what each mailbox touched looks like afterwards
 *	payload, by type
 *
 * A block carries the position of the record before that touched the same
 * mailbox, and the mailbox's counts after this one: so the state of every
 * mailbox is known without reading a message, and a rarely used mailbox
 * replays its own records only.
 */
enum record_type {
	RECORD_NONE,
	RECORD_CREATE,    /* for each block: uidvalidity, uses, name */
	RECORD_DELETE,    /* name */
	RECORD_RENAME,    /* count; id, old name, new name */
	RECORD_SUBSCRIBE, /* on, name */
	RECORD_TAKEIN,    /* items; sources are names in drop/new */
	RECORD_APPEND,    /* items; sources are names in mail/tmp */
	RECORD_COPY,      /* items; sources are messages of a mailbox */
	RECORD_MOVE,      /* the same; the second block is the source's */
	RECORD_ADOPT,     /* items; sources are names in the cur/ itself */
	RECORD_FLAGS,     /* keyword names, masks, UID ranges */
	RECORD_EXPUNGE,   /* UID ranges */
	RECORD_LOST,      /* UID ranges: files found missing */
	RECORD_RECENT,    /* */
	RECORD_MOVED,     /* files of all expunged so far are away */
	RECORD_FOLD,      /* positions of records and records.1 */
	RECORD_CHECK,     /* cur/ was compared in this epoch */
	RECORD_STATE,     /* repaired counts; or: first UID not sure */
	RECORD_SEAL,      /* base of the next segment */
	RECORD_TYPES
};

#define RECORD_HEADER 16
#define RECORD_BLOCK  56
#define RECORD_MAX    ((size_t)64 << 20)

/* What is known of a mailbox without opening it. */
struct counts {
	uint32_t exists;
	uint32_t unseen;
	uint32_t deleted;
	uint32_t recent; /* messages above recent_uid */
	uint32_t
	    recent_uid; /* \Recent up to here has been given to a session */
	uint32_t uidnext;
	uint64_t bytes;
	uint64_t modseq; /* HIGHESTMODSEQ */
	bool unmoved;    /* files of expunged messages are still in cur/ */
};

struct block {
	uint32_t id;
	uint64_t prev; /* position of the mailbox's record before; 0: none */
	struct counts n;
};

/* A record as read: bytes are lent by the journal until its next call. */
struct record {
	uint64_t pos;
	uint32_t len;
	uint16_t type;
	uint16_t blocks;
	uint32_t time_s;
	const char *raw;
	struct slice payload;
};

/*
 * Take apart len bytes whose checksum was found right. -1 with errno
 * EUCLEAN when lengths disagree or the type is not known.
 */
int record_parse(
    struct record *r, uint64_t pos, const char *raw, uint32_t len) MUST_USE;

/* Block i of a parsed record. */
void record_block(const struct record *r, unsigned i, struct block *b);

/* Find the block of a mailbox; false when the record does not touch it. */
bool record_find(const struct record *r, uint32_t id, struct block *b);

/*
 * Writing: record_start() leaves room for the header and so many blocks,
 * the payload is put behind with wire_put_x(), record_set_block() fills a
 * block, and the journal the header.
 */
int record_start(struct buf *b, unsigned blocks) MUST_USE;
void record_set_block(struct buf *b, unsigned i, const struct block *block);

/* -- payloads ------------------------------------------------------ */

/* A message that comes into a mailbox. */
struct item {
	uint32_t uid;
	uint16_t flags; /* also those of its file's name */
	int16_t zone_min;
	uint64_t keywords;
	uint64_t id;
	uint64_t size;
	int64_t date_s;
	uint32_t from_uid;   /* COPY, MOVE: where its file is */
	uint8_t from_flags;  /* flags in the name of that file */
	struct slice source; /* the others: name of the file */
};

/* Keyword names defined by a record: bits first, first + 1, … */
#define KEYWORD_DEFS_MAX 64
struct keyword_defs {
	unsigned first;
	unsigned count;
	struct slice names[KEYWORD_DEFS_MAX];
};

struct items {
	struct keyword_defs defs;
	uint32_t from_id; /* COPY, MOVE: the mailbox they come from */
	uint32_t from_uidvalidity;
	uint32_t count;
	struct wire_in rest;
};

bool record_has_items(unsigned type);

/* The keyword names at the start of a payload. EUCLEAN. */
int record_defs(struct wire_in *in, struct keyword_defs *defs) MUST_USE;

/* Write the head, then count items. Errors as buf_append(). */
int record_put_items(struct buf *b, const struct items *head) MUST_USE;
int record_put_item(struct buf *b, const struct item *item) MUST_USE;

/*
 * Read: -1 with errno EUCLEAN when the payload is malformed; every item is
 * checked here, so that record_item() only returns false at the end.
 */
int record_items(const struct record *r, struct items *items) MUST_USE;
bool record_item(struct items *items, struct item *item);

struct flag_change {
	struct keyword_defs defs;
	uint16_t add;
	uint16_t remove;
	uint64_t keywords_add;
	uint64_t keywords_remove;
};

/* FLAGS: the change and the ranges; EXPUNGE: the ranges alone. */
int record_put_flags(struct buf *b, const struct flag_change *c) MUST_USE;
int record_put_ranges(struct buf *b, const struct uidset *set) MUST_USE;
int record_flags(struct wire_in *in, struct flag_change *c) MUST_USE;
/* Ascending and disjoint, or EUCLEAN. set is cleared first. */
int record_ranges(struct wire_in *in, struct uidset *set) MUST_USE;

#endif
