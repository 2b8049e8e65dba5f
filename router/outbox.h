#ifndef ROUTER_OUTBOX_H
#define ROUTER_OUTBOX_H

#include "common/ipc/chan.h"
#include "router/route.h"

/*
 * outbox - answers on their way to one peer, in slices: a list with
 * thousands of addresses waits while the channel is full and lets other
 * answers pass.
 */
struct outbox;

struct outbox *outbox_new(struct ipc_chan *c) MUST_USE;

/* The channel has ended; what was not sent is forgotten. */
void outbox_free(struct outbox *o);

/*
 * Send an answer, now or as the channel drains. Takes what is in a, which
 * is empty and fresh afterwards.
 */
void outbox_send(struct outbox *o, uint32_t request, struct route_answer *a);

/* The channel has room again. */
void outbox_drained(struct outbox *o);

#endif
