#ifndef QUEUE_CHUNK_H
#define QUEUE_CHUNK_H

#include <stdint.h>
#include <sys/queue.h>

#include "common/base/attr.h"
#include "common/base/slice.h"
#include "queue/record.h"

/*
 * chunk - records on their way into the log: memory aligned for O_DIRECT,
 * with a head of its own, written as it stands. After that it goes on
 * living as long as a mail in memory borrows its envelope and content from
 * it, so that nothing is copied twice.
 *
 * Head, CHUNK_HEAD bytes, then records:
 *
 *	u32 magic            u32 CRC of the next 56 bytes
 *	u64 sequence number  u64 the last one known durable
 *	u64 segment number   u64 the oldest segment that counts
 *	u32 bytes of records u32 number of records, zeros
 *
 * then zeros up to a multiple of 4 KiB. A page that holds a durable record
 * is never written again.
 */
#define CHUNK_PAGE  4096U
#define CHUNK_HEAD  64U
#define CHUNK_BYTES (128U * 1024) /* the usual capacity */
#define CHUNK_MAGIC 0x4b43484dU

struct chunk {
	STAILQ_ENTRY(chunk) link; /* in the log's lists */
	char *data;               /* owned, aligned */
	size_t cap;
	size_t used;    /* bytes, the head counted */
	uint32_t count; /* records */
	unsigned refs;
	struct chunk_stock *stock;  /* where it came from */
	struct log_waiter *waiters; /* in order */
	struct log_waiter **last;   /* where the next one goes */
	struct seg *seg;            /* once written */
	uint64_t at;                /* offset in the segment */
};

STAILQ_HEAD(chunk_list, chunk);

/* Chunks kept for reuse, and how much memory all of them take. */
struct chunk_stock {
	struct chunk_list spare;
	unsigned spares;
	size_t bytes; /* of chunks alive, spare ones not counted */
};

void chunk_stock_init(struct chunk_stock *s);
void chunk_stock_free(struct chunk_stock *s);

/*
 * An empty chunk with room for at least one record of this body length,
 * and one reference. NULL with errno ENOMEM.
 */
struct chunk *chunk_new(struct chunk_stock *s, size_t body) MUST_USE;
void chunk_hold(struct chunk *c);
void chunk_release(struct chunk *c); /* NULL is fine */

/*
 * Append a record whose body is head and tail together. Returns the body,
 * which lives as long as the chunk, or NULL when it does not fit.
 */
char *chunk_add(struct chunk *c, enum record_kind kind, struct slice head,
    struct slice tail) MUST_USE;

/* Bytes it takes in a segment. */
size_t chunk_padded(const struct chunk *c);

/* What the head says beside the length and count. */
struct chunk_head {
	uint64_t sequence;
	uint64_t durable;
	uint64_t segment;
	uint64_t tail;
	uint32_t length;
	uint32_t count;
};

/* Write the head and all CRCs; the chunk is ready to be written then. */
void chunk_stamp(struct chunk *c, const struct chunk_head *h, uint32_t seed);

/* Is there a head at the start of in? Fills h. */
bool chunk_head_read(struct slice in, uint32_t seed, struct chunk_head *h);

#endif
