#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include <stdint.h>
#include <sys/queue.h>

#include "common/base/recent.h"

/*
 * route - asks router where recipients go.
 *
 * A question without an answer (router died, or is not there) is asked
 * again when router is back; a mail waits in memory meanwhile.
 *
 * A recipient who is one place is not asked about again for a moment.
 */
struct ask;
struct event;
struct ipc_chan;
struct mail;
struct queue;

TAILQ_HEAD(ask_list, ask);

struct routing {
	struct ipc_chan *chan;   /* NULL: router is down */
	struct ask_list waiting; /* to be asked when it is back */
	struct event *on_retry;  /* ... or has room for them */
	unsigned asked;          /* of router, not answered */

	struct recent recent;   /* what router said of a recipient */
	struct ask_list known;  /* answered by that */
	struct event *on_known; /* ... in this pass of the loop */
};

void route_init(struct queue *q);
void route_free(struct queue *q);

/* Ask about a recipient of a hot mail, who is busy until it is answered. */
void route_ask(struct queue *q, struct mail *m, uint32_t number);

void route_up(struct queue *q, struct ipc_chan *c);
void route_down(struct queue *q, struct ipc_chan *c);

#endif
