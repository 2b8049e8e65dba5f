#ifndef QUEUE_LARGE_H
#define QUEUE_LARGE_H

#include <stdint.h>
#include <sys/queue.h>

#include "common/base/attr.h"
#include "common/base/map.h"
#include "common/event/worker.h"
#include "queue/id.h"

/*
 * large - contents too long for the log, each in large/ID.
 *
 * queue makes the file and hands the descriptor to the sender, who writes
 * it; SUBMIT then names it. It is synced here through the same open file,
 * then its directory, and only then the mail's record is written. A file
 * whose sender went away or changed its mind is removed.
 */
struct ipc_chan;
struct ipc_frame;
struct queue;

struct large {
	struct worker_job job; /* first member: the syncs */
	struct queue *q;
	uint64_t number; /* as the sender knows it */
	struct qid id;
	struct ipc_chan *chan; /* NULL: its sender is gone */
	int fd;                /* owned */
	int dir;
	uint64_t length; /* as it must be */
	void (*synced)(struct large *l, int error);
	void *arg;
};

struct larges {
	struct map by_number;
	uint64_t next;
};

#define LARGES_MAX 512U

void larges_init(struct larges *ls);
void larges_free(struct larges *ls);

/* LARGE_ASK and LARGE_DROP. */
void large_ask(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);
void large_drop(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);

/* The sender is gone: remove what it left. */
void large_peer_down(struct queue *q, struct ipc_chan *c);

/*
 * The file of this number, which this sender may use, taken out of the
 * list; the caller ends it with large_keep() or large_discard(). NULL when
 * there is none.
 */
struct large *large_take(struct queue *q, struct ipc_chan *c, uint64_t number);

/*
 * Make file and name durable in the worker and check the length; synced is
 * called with 0 or errno (EBADMSG: not this long).
 */
void large_sync(struct queue *q, struct large *l);

/* The file belongs to a mail now; or is removed. l is freed. */
void large_keep(struct large *l);
void large_discard(struct queue *q, struct large *l);

/* large/ID, for reading; -1 with errno. */
int large_open(const struct queue *q, struct qid id) MUST_USE;

/* Remove large/ID; tolerates that there is none. */
void large_remove(const struct queue *q, struct qid id);

#endif
