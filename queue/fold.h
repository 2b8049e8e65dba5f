#ifndef QUEUE_FOLD_H
#define QUEUE_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/event/worker.h"
#include "queue/id.h"

/*
 * fold - empty the oldest segment: what lives in it becomes a file each.
 *
 *	write ID.new of each mail, some in every pass of the loop
 *	one sync for all of them
 *	rename them to ID
 *	one sync for the names
 *	tie them to the segment no more
 *
 * A crash anywhere leaves the segment as it was, and recovery removes what
 * is called .new. A record of the mail logged between the first and the
 * last step ties it to the segment that was active at the start of it.
 * Where a file cannot be made, mails move to the log's tail instead, if that
 * gains room there; else it is tried again after a second.
 */
struct event;
struct log_waiter;
struct mail;
struct queue;
struct seg;

enum fold_phase {
	FOLD_IDLE,
	FOLD_WRITE,
	FOLD_SYNC,
	FOLD_RENAME,
	FOLD_SYNC_NAMES,
};

struct fold {
	enum fold_phase phase;
	struct seg *seg;   /* being emptied */
	struct seg *since; /* active when it began */
	struct qid *ids;   /* owned: written */
	size_t count;
	size_t cap;
	size_t at;
	bool to_log; /* no files: to the tail */
	unsigned moving;
	uint64_t number; /* of the segment, and how often it was begun */
	unsigned rounds;
	unsigned patience; /* so often a mail that cannot be read is kept */
	struct worker_job job;
	struct event *on_step;
};

/* 0, or -1 with errno. */
int fold_init(struct queue *q) MUST_USE;
void fold_free(struct queue *q);

/* For struct log_ops. */
void fold_segment(void *arg, struct seg *s);

#endif
