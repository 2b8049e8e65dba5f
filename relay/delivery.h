#ifndef RELAY_DELIVERY_H
#define RELAY_DELIVERY_H

#include "common/ipc/work.h"
#include "relay/outcome.h"
#include "relay/settings.h"

/*
 * delivery - one job of the queue's: finds a server for it, hands the mail
 * over, and says what became of each recipient. What is refused for good
 * is final; where a host cannot be reached or says "later", the next host
 * is tried (RFC 5321 §5.1), within the limits below.
 */
#define DELIVERY_SESSIONS_MAX 2    /* hosts that got as far as MAIL */
#define DELIVERY_ROUNDS_MAX   2000 /* transactions for one job */

struct delivery;
struct event_base;
struct ipc_chan;
struct pool;

/* What deliveries share, and whom they tell. */
struct delivery_env {
	struct event_base *base;
	const struct settings *settings;
	struct pool *pool;
	void *arg;
	/* The channel to resolver, or NULL while there is none. */
	struct ipc_chan *(*resolver)(void *arg);
	/* The fate of w->rcpts[rcpt]; told once for each. */
	void (*result)(void *arg, const struct work *w, size_t rcpt,
	    const struct outcome *o, bool dsn_passed);
	/* The way to w's next hop leads over this set of hosts; may be NULL. */
	void (*group)(void *arg, const struct work *w, const char *group);
	/* All have been told; the owner frees d, now or later. */
	void (*finished)(void *arg, struct delivery *d);
};

/*
 * Begin with w, which is the delivery's from now on. Callbacks come from
 * the event loop, never from inside this call. env is borrowed; owner is
 * what delivery_owner() gives back. Never NULL.
 */
struct delivery *delivery_new(
    const struct delivery_env *env, struct work *w, void *owner) MUST_USE;

/* Closes its connection without telling anybody. NULL is fine. */
void delivery_free(struct delivery *d);

const struct work *delivery_work(const struct delivery *d);
void *delivery_owner(const struct delivery *d);

#endif
