#ifndef RESOLVER_QUERY_H
#define RESOLVER_QUERY_H

#include <stddef.h>
#include <stdint.h>

#include "common/ipc/chan.h"

/*
 * query - the questions of our peers that are under way. Each is answered
 * once: by the DNS, by QUERY_WAIT_MS, or not at all when its asker has
 * gone. Beyond the limits the answer is DNS_TEMPFAIL at once, so that no
 * peer can take the others' share.
 */
#define QUERY_PEER_MAX 1000  /* under way for one peer */
#define QUERY_ALL_MAX  4000  /* and in all, those given up included */
#define QUERY_WAIT_MS  30000 /* then the asker hears DNS_TEMPFAIL */

struct context;
struct event_base;
struct queries;

struct query_counts {
	uint64_t asked;
	uint64_t refused; /* over a limit */
	uint64_t late;    /* no answer in time */
	size_t open;
};

/* Never NULL. */
struct queries *queries_new(struct event_base *base) MUST_USE;

/* A RESOLVE_ASK came: answer it by way of context, now or later. */
void queries_ask(struct queries *qs, struct context *context,
    struct ipc_chan *c, struct ipc_frame *f);

/* The channel has ended: nobody waits there any more. */
void queries_peer_gone(struct queries *qs, struct ipc_chan *c);

struct query_counts queries_counts(const struct queries *qs);

#endif
