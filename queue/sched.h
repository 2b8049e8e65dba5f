#ifndef QUEUE_SCHED_H
#define QUEUE_SCHED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/attr.h"
#include "common/base/heap.h"
#include "common/base/map.h"
#include "queue/hot.h"
#include "queue/limits.h"
#include "queue/parked.h"

/*
 * sched - what goes out next.
 *
 * A task is one mail for one destination: a part of its recipients. Tasks
 * wait in their destination's queue, in a flow for each sender; flows are
 * served in turn, so that one sender's thousands do not delay another's
 * single mail. Destinations that may send are served in turn as well.
 *
 * First tries of mails with few recipients are fresh, all else is bulk. Each
 * rank has flows and turns of its own; agents take what is fresh first, but
 * not always, and keep some of their credits for it (agent.c).
 *
 * How much goes to a destination at a time is learnt: a window that grows
 * by a fraction with every success and shrinks with every failure to
 * connect. After as many failures in a row as fit into the window the
 * destination is dead: all that waits for it is put off, and when the time
 * has come a single task probes it. Destinations that share their mail
 * servers (PEER_STATE) share the limits.
 *
 * Pure but for memory and the clock, which callers hand in.
 */
struct agent;
struct config;
struct config_destination;
struct mail;

enum agent_kind { AGENT_LOCAL, AGENT_RELAY, AGENT_BOUNCE, AGENT_KINDS };
enum task_rank { TASK_FRESH, TASK_BULK, TASK_RANKS };

#define TASK_RCPTS_MAX 100U /* RFC 5321 §4.5.3.1.8 */

struct dest;
struct flow;

struct task {
	TAILQ_ENTRY(task) link;  /* in flow->tasks, or agent->jobs */
	TAILQ_ENTRY(task) bound; /* in the mail's tasks */
	struct mail *mail;
	struct dest *dest;
	struct flow *flow;   /* while it waits */
	struct agent *agent; /* once it is sent */
	uint64_t job;
	uint8_t kind;   /* enum ipc_work_kind */
	uint8_t rank;   /* enum task_rank; the same while it waits */
	uint32_t first; /* of those in it, through rcpt.next; or RCPT_NONE */
	uint32_t last;
	uint32_t count; /* all there were */
	uint32_t left;  /* not answered yet */
	uint8_t blame;  /* the worst of the answers */
};

struct flow {
	TAILQ_ENTRY(flow) ring;
	struct task_list tasks; /* all of one rank */
	size_t count;
	size_t sender_len;
	char sender[];
};

TAILQ_HEAD(flow_ring, flow);

/* What waits before a destination, of one rank. */
struct line {
	TAILQ_ENTRY(line) ready; /* in sched->ready, when is_ready */
	bool is_ready;
	struct dest *dest;
	struct map flows; /* by sender */
	struct flow_ring ring;
	size_t count; /* tasks */
};

TAILQ_HEAD(line_list, line);

struct dest {
	TAILQ_ENTRY(dest) member;
	TAILQ_ENTRY(dest) any; /* in sched->dests */
	enum agent_kind kind;
	bool in_hand; /* by a caller: not to be forgotten just now */
	struct limits *limits;
	const struct config_destination *config; /* NULL: none of its own */
	struct line lines[TASK_RANKS];
	size_t queued; /* in both */
	size_t sent;
	struct task *filling; /* while tasks of a mail are made */
	struct parked parked; /* mails that found the queue long */
	size_t name_len;
	char name[];
};

struct sched {
	const struct config *config;
	struct map by_name[AGENT_KINDS];
	struct map groups;
	struct dest_list dests;
	size_t dest_count;
	struct line_list ready[AGENT_KINDS][TASK_RANKS];
	struct heap wakes; /* of limits */
	size_t queued;     /* tasks waiting in all */
};

void sched_init(struct sched *s, const struct config *config);

/* Everything but tasks, which must be gone. */
void sched_free(struct sched *s);

/* Other limits came with another configuration. */
void sched_reload(struct sched *s, const struct config *config);

/* The destination of this name, made when it is new. */
struct dest *sched_dest(
    struct sched *s, enum agent_kind kind, struct slice next_hop);

/* Is it to be left alone for now? Until when (boot ms), when it is. */
bool dest_dead(const struct dest *d, int64_t now_ms, int64_t *until_ms);

/* Put a task into its destination's queue, for a sender. */
void sched_add(
    struct sched *s, struct task *t, struct slice sender, int64_t now_ms);

/* How many tasks of this sender wait there. */
size_t dest_waiting_of(const struct dest *d, struct slice sender);

/* Take a waiting task out again. */
void sched_remove(struct sched *s, struct task *t);

/* Whose turn it is to send something of this rank, or NULL. */
const struct dest *sched_turn(
    const struct sched *s, enum agent_kind kind, enum task_rank rank);

/*
 * The task whose turn it is, counted as sent; or NULL. sched_put_back() when
 * it could not be sent after all.
 */
struct task *sched_next(
    struct sched *s, enum agent_kind kind, enum task_rank rank, int64_t now_ms);
void sched_put_back(
    struct sched *s, struct task *t, struct slice sender, int64_t now_ms);

/*
 * A sent task has ended. blame: enum ipc_blame. True when this made the
 * destination dead: what waits for it (sched_first()) is to be put off.
 */
bool sched_done(struct sched *s, struct task *t, uint8_t blame, int64_t now_ms);

/* Any waiting task of the destination's group, or NULL. */
struct task *sched_first(const struct dest *d);

/* next_hop shares the servers of this group. */
void sched_group(
    struct sched *s, struct slice next_hop, struct slice group, int64_t now_ms);

/* Let those go on whose time has come. The next time, or INT64_MAX. */
int64_t sched_wake(struct sched *s, int64_t now_ms);

/* By the administrator: no destination is dead or slow any more. */
void sched_flush(struct sched *s, int64_t now_ms);

/*
 * Seconds until the next attempt after so many: 1, 2, 4 times the first
 * wait, then 5 times and doubling up to the longest, with up to a tenth of
 * jitter taken off.
 */
int64_t sched_backoff_s(
    const struct sched *s, const struct dest *d, uint32_t attempts);

/* How long a mail for there is tried, in seconds. */
int64_t sched_lifetime_s(const struct sched *s, const struct dest *d);

#endif
