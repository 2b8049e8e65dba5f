#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "queue/admin.h"
#include "queue/agent.h"
#include "queue/fold.h"
#include "queue/intake.h"
#include "queue/large.h"
#include "queue/log.h"
#include "queue/mail.h"
#include "queue/remove.h"
#include "queue/route.h"
#include "queue/sched.h"
#include "queue/space.h"
#include "queue/token.h"

/*
 * queue - all of the daemon but its start: the spool, the mails, and the
 * channels to those who bring and take them. main.c connects it with the
 * daemon's life; tests drive it over pairs of their own.
 */
struct config;
struct event;
struct event_base;
struct ipc_chan;
struct ipc_frame;

#define QUEUE_CHANS_MAX 4096U /* processes master has at most */

struct queue_counts {
	uint64_t accepted;
	uint64_t refused;
	uint64_t finished;
	uint64_t deferrals;
	uint64_t failures;
	uint64_t expired;
	uint64_t corrupt;
};

struct queue {
	struct event_base *base;     /* lent */
	const struct config *config; /* lent; changes at a reload */
	int root;                    /* lent: the spool */
	int lock_fd;
	int log_dir;
	int deferred_dir;
	int large_dir;
	int corrupt_dir;
	bool ready; /* locked and recovered */
	bool stopping;
	int64_t start_wall_s;
	int64_t start_boot_ms;
	int64_t armed_ms;       /* what on_tick waits for */
	int64_t crowded_ms;     /* no room for mails that are due, until then */
	int64_t stop_by_ms;     /* stopping: by then at the latest */
	struct event *on_tick;  /* something is due */
	struct event *on_retry; /* agents_retry() */
	struct event *on_lock;  /* another queue holds the lock: ask again */

	struct worker *slow; /* makes segments, folds */
	struct worker *sync; /* large files */
	struct log log;
	struct mails mails;
	struct qid_source ids;
	struct tokens tokens;
	struct fold fold;
	struct removals removals;
	struct intake intake;
	struct larges larges;
	struct space space;
	struct routing routing;
	struct sched sched;
	struct agents agents;
	struct admin admin;
	struct queue_counts counts;

	struct ipc_chan *chans[QUEUE_CHANS_MAX]; /* that are up */
	unsigned chan_count;
	void (*on_drained)(void *arg); /* stopping, and nothing is under way */
	void *drained_arg;
};

struct queue_setup {
	struct event_base *base;
	const struct config *config;
	int root;
	const struct seg_io *io; /* NULL but in tests */
};

/*
 * Take the lock, recover, begin. While another process has the lock, it
 * goes on trying by itself; q->ready says when it came so far. Returns 0,
 * or -1 after logging why.
 */
int queue_open(struct queue *q, const struct queue_setup *setup) MUST_USE;

/*
 * Write what waits to be written and release everything. Channels are the
 * caller's to close, before.
 */
void queue_close(struct queue *q);

/* A channel is there, is gone, or can be written to again. */
void queue_peer_up(struct queue *q, struct ipc_chan *c);
void queue_peer_down(struct queue *q, struct ipc_chan *c);
void queue_peer_drained(struct queue *q, struct ipc_chan *c);

/* Any frame that is no answer. */
void queue_frame(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);

/* Another configuration is in force. */
void queue_reload(struct queue *q, const struct config *config);

/*
 * Take no more mail and give out no more work; drained() is called when the
 * agents have answered and all is written, or after grace_ms.
 */
void queue_stop(
    struct queue *q, uint32_t grace_ms, void (*drained)(void *arg), void *arg);

/* See whether a stop is through: called where work ends. */
void queue_check_stop(struct queue *q);

/* key=value for people. */
void queue_status(const struct queue *q, char *text, size_t cap);

/*
 * Wall seconds for deadlines: what the clock said at the start, and the
 * time since by the boot clock, so that setting the clock expires nothing.
 */
int64_t queue_wall_s(const struct queue *q);

/* No try is planned further ahead than so many seconds. */
int64_t queue_longest_s(const struct queue *q);

/* Boot milliseconds of a moment given in wall seconds; never past. */
int64_t queue_boot_ms(const struct queue *q, int64_t wall_s);

/* agents_retry() in a second. */
void queue_retry_soon(struct queue *q);

/* Something is due at another time than before: set the timer anew. */
void queue_set_timer(struct queue *q);

#endif
