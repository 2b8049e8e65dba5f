#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include "common/ipc/chan.h"
#include "relay/mx.h"
#include "relay/next_hop.h"
#include "relay/outcome.h"
#include "relay/settings.h"
#include "relay/target.h"

/*
 * route - the way to a next hop: asks resolver and hands out one target
 * after the other, in the order of RFC 5321 §5.1. Hosts are looked up only
 * when their turn comes.
 */
#define ROUTE_TARGETS_MAX 10 /* handed out for one mail */

struct route;

enum route_step {
	ROUTE_TARGET = 0, /* *t is the next one */
	ROUTE_WAIT,       /* wake() will be called; ask again then */
	ROUTE_OVER,       /* no more; route_why() when there was none */
};

/*
 * The way to hop. settings is borrowed; wake(arg) is called at most once for
 * every ROUTE_WAIT, never from inside a call of ours. Never NULL.
 */
struct route *route_new(const struct settings *settings,
    const struct next_hop *hop, void (*wake)(void *arg), void *arg) MUST_USE;

/* NULL is fine. */
void route_free(struct route *r);

/*
 * The next target. resolver is the channel there is now, NULL while it is
 * down (a temporary failure); it may end before the next call.
 */
enum route_step route_next(
    struct route *r, struct ipc_chan *resolver, struct target *t) MUST_USE;

/* Once a target was handed out: mx_group() of the domain, or "". */
void route_group(const struct route *r, char group[MX_GROUP_MAX]);

/*
 * After ROUTE_OVER without any target: what it means for the recipients.
 * After ROUTE_OVER with targets: what kept us from further ones; status 0
 * when nothing did.
 */
const struct outcome *route_why(const struct route *r);

#endif
