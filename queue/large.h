#ifndef QUEUE_LARGE_H
#define QUEUE_LARGE_H

#include <stdbool.h>
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
 * gets the id of its mail, which is as young as others that come now, then
 * its directory is synced, and only then the mail's record is written. A
 * file whose sender went away or changed its mind is removed.
 */
struct ipc_chan;
struct ipc_frame;
struct queue;

TAILQ_HEAD(large_list, large);

struct large {
	struct worker_job job; /* first member: the syncs */
	struct queue *q;
	uint64_t number; /* as the sender knows it */
	struct qid id;
	struct qid mail_id;     /* what it is called when it is synced */
	bool renamed;           /* to that */
	TAILQ_ENTRY(large) age; /* in larges.syncing, by mail_id */
	struct ipc_chan *chan;  /* NULL: its sender is gone */
	bool stranger;          /* smtpd's, which takes from anybody */
	int fd;                 /* owned */
	int dir;
	uint64_t length; /* as it must be */
	void (*synced)(struct large *l, int error);
	void *arg;
};

struct larges {
	struct map by_number;
	uint64_t next; /* begins anywhere: old numbers name no new file */
	struct large_list syncing;
	size_t alive; /* named or being synced: each has a descriptor */
	size_t strangers;
};

#define LARGES_MAX 512U
/* Slow clients by the hundred must not stop our own users' mail. */
#define LARGES_STRANGERS_MAX (LARGES_MAX / 4 * 3)

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
 * The oldest id that a mail whose file is being synced will have; a mail
 * that is there may be older. False when there is none.
 */
bool large_oldest(const struct queue *q, struct qid *id);

/*
 * Make file and name durable in the worker and check the length; synced is
 * called with 0 or errno (EBADMSG: not this long).
 */
void large_sync(struct queue *q, struct large *l);

/* The file belongs to a mail now; or is removed. l is freed. */
void large_keep(struct queue *q, struct large *l);
void large_discard(struct queue *q, struct large *l);

/* large/ID, for reading; -1 with errno. */
int large_open(const struct queue *q, struct qid id) MUST_USE;

/* Remove large/ID; tolerates that there is none. */
void large_remove(const struct queue *q, struct qid id);

#endif
