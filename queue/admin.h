#ifndef QUEUE_ADMIN_H
#define QUEUE_ADMIN_H

#include <stdint.h>
#include <sys/queue.h>

/*
 * admin - the administrator's questions. A list can be long: it is sent in
 * pieces, as fast as it is read. What changes mails is answered when the
 * change is durable.
 */
struct ipc_chan;
struct ipc_frame;
struct queue;
struct listing;
struct change;
struct event;

TAILQ_HEAD(listings, listing);
TAILQ_HEAD(changes, change);

struct admin {
	struct listings listings;
	struct changes changes;
	struct event *on_more;
};

/* 0, or -1 with errno. */
int admin_init(struct queue *q) __attribute__((warn_unused_result));
void admin_free(struct queue *q);

void admin_ask(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);

/* Can be written to again; is gone. */
void admin_drained(struct queue *q, struct ipc_chan *c);
void admin_peer_down(struct queue *q, struct ipc_chan *c);

#endif
