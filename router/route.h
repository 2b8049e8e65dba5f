#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include "common/ipc/messages.h"
#include "router/lookup.h"

/*
 * route - where does an address go? Aliases are followed to their ends;
 * the answer is a list of mailboxes, next hops and refusals, without
 * doubles. Everything is found before anything is answered: when a table
 * fails halfway the answer is one ROUTE_DEFER and the queue asks again.
 */
struct config;

#define ROUTE_NESTING_MAX 32    /* aliases of aliases of aliases */
#define ROUTE_RESULTS_MAX 20000 /* addresses behind one */

/* Encoded ROUTE payloads, each behind its u32 length. */
struct route_answer {
	struct buf payloads;
	size_t count;
};

void route_answer_init(struct route_answer *a);
void route_answer_free(struct route_answer *a);

/* Cut the next payload off the front; false when none is left. */
bool route_answer_next(struct route_answer *a, struct slice *payload);

/* Fill a, which is fresh, with at least one route. */
void route_find(const struct config *c, const struct lookup *lookup,
    struct slice recipient, struct route_answer *a);

#endif
