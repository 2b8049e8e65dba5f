#ifndef RELAY_POOL_H
#define RELAY_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"
#include "relay/session.h"

/*
 * pool - connections with nothing to do at the moment. A mail for the same
 * next hop that comes soon takes one over; the rest say QUIT.
 */
#define POOL_IDLE_MAX 200  /* the one idle longest makes room */
#define POOL_WAIT_MS  5000 /* then QUIT */

struct pool;

/* changed(arg), may be NULL: a connection has gone. Never NULL. */
struct pool *pool_new(void (*changed)(void *arg), void *arg) MUST_USE;

/* Closes what is in it. */
void pool_free(struct pool *p);

/* Give a session that is READY; it is the pool's from now on. */
void pool_put(struct pool *p, struct slice next_hop, struct session *s);

/* Give one that may only say QUIT. */
void pool_quit(struct pool *p, struct session *s);

/* One for this next hop, the caller's from now on, or NULL. */
struct session *pool_take(struct pool *p, struct slice next_hop);

/* All say QUIT. */
void pool_drain(struct pool *p);

/* Connections in it, those saying QUIT included. */
size_t pool_count(const struct pool *p);

#endif
