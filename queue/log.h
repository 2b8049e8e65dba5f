#ifndef QUEUE_LOG_H
#define QUEUE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/attr.h"
#include "common/base/slice.h"
#include "common/event/worker.h"
#include "queue/chunk.h"
#include "queue/seg.h"

/*
 * log - group commit over the segments (segments.h).
 *
 * Records are appended to a chunk in memory; when no write is under way,
 * all there is goes out in one write and one sync, at the end of the pass
 * of the loop that brought it. What comes meanwhile waits for that to end
 * and goes next. There is no timer.
 *
 * Invariants:
 *  - One write is under way at most. It goes behind the last durable chunk
 *    of the active segment, never over it.
 *  - A failed sync is never repeated on its segment (spool.md, S4): that is
 *    sealed as bad and its chunks go, stamped anew, to the next one under
 *    the same sequence numbers, which the head of the next one claims.
 */
struct log;

struct log_waiter {
	struct log_waiter *next;
	struct chunk *chunk; /* where the record stands */
	uint32_t at;         /* offset of its head in the chunk */
	bool refusable;      /* a mail not yet acknowledged: may be refused */
	/*
	 * error 0: durable, in chunk->seg at chunk->at + at. Else errno:
	 * the record will not be there. w is the owner's again.
	 */
	void (*done)(struct log_waiter *w, int error);
};

struct log_ops {
	/* Health or free segments changed: log_takes_mail() may differ. */
	void (*changed)(void *arg);
	/* Tie no mail to this segment any more; segments_untied() when done. */
	void (*fold)(void *arg, struct seg *s);
	/*
	 * Are all removals of files durable that records of s stood for? If
	 * not, call segments_maintain() when they are.
	 */
	bool (*may_free)(void *arg, struct seg *s);
};

TAILQ_HEAD(seg_list, seg);

struct log_flight {
	struct worker_job job;
	struct seg_batch batch;
	struct chunk *chunks[64];
	bool running;
	struct log *log;
};

struct log {
	struct event_base *base;
	struct worker *worker; /* writes; the log's own */
	struct worker *slow;   /* makes segments; shared */
	const struct seg_io *io;
	const struct log_ops *ops;
	void *arg;
	int dir; /* lent */
	uint64_t seg_size;
	struct seg_list segs;   /* holding records, by number */
	struct seg_list free;   /* in the order of reuse */
	struct seg_list doomed; /* retire.h */
	unsigned seg_count;
	unsigned free_count;
	struct seg *active;
	uint64_t next_number;
	uint64_t next_seq;
	uint64_t durable; /* sequence number; 0: none */
	uint64_t tail;    /* oldest segment that counts by the last head */
	uint32_t next_slot;

	struct chunk_stock stock;
	struct chunk *open;
	struct chunk_list closed; /* to be written next */
	struct log_flight flight;
	unsigned failures; /* of syncs, one after the other */
	bool broken;       /* failed twice, or no segment: waits for retry */
	bool probing;      /* broken, and a write shows whether still */
	bool making;
	bool making_failed;
	struct event *on_kick;
	struct event *on_retry;
	uint64_t writes; /* for status */
	uint64_t syncs_failed;
};

struct log_setup {
	struct event_base *base;
	struct worker *slow;
	int dir;
	uint64_t seg_size;
	const struct seg_io *io; /* NULL but in tests */
	const struct log_ops *ops;
	void *arg;
};

/* Starts the write thread. 0, or -1 with errno. */
int log_init(struct log *l, const struct log_setup *setup) MUST_USE;

/*
 * Write what can be written and end the thread. Waiters that are left get
 * ECANCELED. Records that were appended are still readable.
 */
void log_stop(struct log *l);

/* Close all; nobody holds a chunk or is tied to a segment any more. */
void log_free(struct log *l);

/*
 * Append a record whose body is head and tail together. w (or NULL) is told
 * what became of it. Returns the body, which lives as long as w->chunk is
 * held, or NULL with errno: ENOMEM, EMSGSIZE (never fits a segment).
 */
char *log_append(struct log *l, enum record_kind kind, struct slice head,
    struct slice tail, struct log_waiter *w) MUST_USE;

/* May a new mail be appended? 0, or ENOSPC, EIO. */
int log_takes_mail(const struct log *l);

/* The longest body that can be appended. */
size_t log_body_max(const struct log *l);

/* Write what waits, where nothing is under way. */
void log_start(struct log *l);

/* Nothing waits to be written. */
bool log_idle(const struct log *l);

#endif
