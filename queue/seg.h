#ifndef QUEUE_SEG_H
#define QUEUE_SEG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "common/base/attr.h"
#include "common/base/slice.h"
#include "queue/record.h"

/*
 * seg - one file of the log, log/NNNN.seg: written through once when it is
 * made, then used again and again without zeroing.
 *
 * The head takes the first page. It holds the segment's number (rising with
 * every use of any file) and a nonce that is new with every use: all CRCs
 * inside start from it, so nothing of an earlier use passes for a record.
 * Chunks (chunk.h) follow, each on a page boundary, with sequence numbers
 * that go on over all segments. The head says with which one the segment
 * begins; that ends the segment before it, whatever else stands there.
 */
#define SEG_HEAD     4096U
#define SEG_SIZE_MIN (4U * 1024 * 1024)

enum seg_state {
	SEG_FREE,   /* may be used anew */
	SEG_ACTIVE, /* is written */
	SEG_SEALED, /* holds records that count */
	SEG_BAD,    /* a sync failed: sealed, and never used again */
};

/* How to write and sync; tests put failures here. */
struct seg_io {
	ssize_t (*write)(int fd, const void *p, size_t n, off_t at);
	int (*sync)(int fd);
};

struct mail;
TAILQ_HEAD(mail_tied, mail);

struct seg {
	TAILQ_ENTRY(seg) link; /* in the log's list, by number */
	uint32_t slot;         /* the name of the file */
	enum seg_state state;
	int fd;           /* writes; -1 when closed */
	int read_fd;      /* buffered reads */
	bool direct;      /* fd is O_DIRECT */
	bool is_new;      /* the head is not written yet */
	bool folding;     /* it is being emptied */
	unsigned pins;    /* a fold, records whose mails are not tied yet */
	uint64_t unlinks; /* removals to be durable before it is free; +1 */
	uint64_t size;
	uint64_t used; /* where the next chunk goes */
	uint64_t number;
	uint64_t was; /* its number in its use before; 0: none */
	unsigned char nonce[16];
	uint32_t seed;
	uint64_t first;         /* sequence number it begins with */
	uint64_t durable;       /* known durable when it was begun */
	uint64_t tail;          /* oldest segment that counted then */
	struct mail_tied mails; /* kept by mail.c: they need this segment */
};

/* "0007.seg" */
#define SEG_NAME 16
void seg_name(uint32_t slot, char name[SEG_NAME]);

/* The first slot from this one on whose name is not taken. */
uint32_t seg_free_slot(int dir, uint32_t slot);

/*
 * Make the file of a slot, full of zeros and durable under its name. Slow:
 * for a worker. Returns 0, or -1 with errno; nothing is left then.
 */
int seg_create(int dir, uint32_t slot, uint64_t size) MUST_USE;

/*
 * Open the file of a slot and read its head. NULL with errno; EBADMSG when
 * there is no valid head, which is no error of a file never used: *fresh.
 */
struct seg *seg_open(int dir, uint32_t slot, bool *fresh) MUST_USE;

/* Close and free; the file stays. NULL is fine. */
void seg_close(struct seg *s);

/* What a use of a segment begins with. */
struct seg_start {
	uint64_t number;
	uint64_t first;
	uint64_t durable;
	uint64_t tail;
};

/* Begin to use it anew: a new nonce. The head goes with the first write. */
void seg_begin(struct seg *s, const struct seg_start *start);

struct chunk;
struct chunk_list;

/* One write of several chunks, the next ones in order. */
struct seg_batch {
	struct seg *seg;
	struct chunk **chunks;
	unsigned count;
	uint64_t sequence; /* of the first */
	uint64_t durable;
	uint64_t tail;
	uint64_t at;             /* offset in the segment */
	bool head_first;         /* a new head is durable before all else */
	const struct seg_io *io; /* NULL: pwritev and fdatasync */
};

/*
 * Stamp, write and sync; the segment's used is not moved. Only touches the
 * chunks and the descriptor: for a thread. Returns 0 or -1 with errno.
 */
int seg_write(struct seg_batch *b) MUST_USE;

/* -- reading back -------------------------------------------------------- */

struct seg_replay {
	uint64_t end; /* sequence the next segment begins with */
	bool is_last; /* there is none: the end is where it breaks off */
	void *arg;
	/* Each record, with the offset of its head. */
	void (*record)(
	    void *arg, struct seg *s, const struct record *r, uint64_t at);
	/* Damage below what was known durable; bytes were salvaged from. */
	void (*damage)(
	    void *arg, struct seg *s, struct slice bytes, uint64_t at);
	/* filled in */
	uint64_t next; /* one above the last good sequence */
	uint64_t tail; /* the highest tail seen */
	uint64_t records;
	uint64_t damaged; /* places */
};

/*
 * Give all records in order. Returns 0, or -1 with errno when the file
 * cannot be read at all; unreadable parts count as damage.
 */
int seg_replay(struct seg *s, struct seg_replay *r) MUST_USE;

/*
 * Read one record back: its body of known length at the offset of its head.
 * to must hold record_size(len). Returns 0, or -1 with errno; EBADMSG when
 * it is not what was written.
 */
int seg_read(struct seg *s, uint64_t at, size_t len, char *to) MUST_USE;

#endif
