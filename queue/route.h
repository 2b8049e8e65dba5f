#ifndef QUEUE_ROUTE_H
#define QUEUE_ROUTE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/recent.h"
#include "queue/hot.h"

/*
 * route - asks router where recipients go.
 *
 * Router has a few questions at a time; mails take turns, and one about
 * which nothing was asked yet comes before those that had a turn already. So
 * a new mail does not wait behind the recipients of a very large one.
 *
 * A question without an answer (router died, or is not there) is asked
 * again when router is back; a mail waits in memory meanwhile.
 *
 * A recipient who is one place is not asked about again for a moment.
 */
struct event;
struct ipc_chan;
struct mail;
struct queue;

struct routing {
	struct ipc_chan *chan; /* NULL: router is down */
	unsigned asked;        /* of router, not answered */

	struct turn_list first_turns; /* mails, with recipients to ask about */
	struct turn_list turns;       /* ... that had one already */
	size_t waiting;               /* recipients of both */
	unsigned turn_count;
	struct event *on_turn;

	struct recent recent; /* what router said of a recipient */
};

void route_init(struct queue *q);
void route_free(struct queue *q);

/* Ask about a recipient of a hot mail, who is busy until it is answered. */
void route_ask(struct queue *q, struct mail *m, uint32_t number);

/* Does router have enough to do, so that more mails in memory are no use? */
bool route_crowded(const struct queue *q);

/* Router is there, or has room again. */
void route_up(struct queue *q, struct ipc_chan *c);
void route_down(struct queue *q, struct ipc_chan *c);

#endif
