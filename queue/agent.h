#ifndef QUEUE_AGENT_H
#define QUEUE_AGENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "queue/sched.h"

/*
 * agent - deliver, the relays and bounce: work goes out within the credits
 * they gave, results come in. When one dies, what it had goes back to wait,
 * marked as of unknown outcome.
 */
struct ipc_chan;
struct ipc_frame;
struct queue;

#define AGENT_CREDITS_MAX 100000U

struct agent {
	TAILQ_ENTRY(agent) link;
	struct ipc_chan *chan;
	enum agent_kind kind;
	uint32_t credits;
	uint32_t request; /* number of the last WORK */
	bool full;        /* reads too slowly: until it has drained */
	struct task_list jobs;
	size_t job_count;
};

TAILQ_HEAD(agent_list, agent);

struct job_slot {
	struct task *task; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* slot + 1; 0: none */
};

struct agents {
	struct agent_list all;
	struct job_slot *slots; /* owned */
	uint32_t slot_count;
	uint32_t first_free; /* slot + 1 */
	size_t active;       /* jobs out */
	unsigned turn;       /* of what is fresh, or of bulk */
	bool running;        /* agents_run() is on the stack */
};

void agents_init(struct agents *as);
void agents_free(struct queue *q);

void agent_up(struct queue *q, struct ipc_chan *c);
void agent_down(struct queue *q, struct ipc_chan *c);
void agent_drained(struct queue *q, struct ipc_chan *c);

/* CREDIT, RESULT, PEER_STATE. */
void agent_credit(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);
void agent_result(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);
void agent_peer_state(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);

/* What could not be sent for want of descriptors or room: try again. */
void agents_retry(struct queue *q);

/* Send what may be sent. */
void agents_run(struct queue *q);

#endif
