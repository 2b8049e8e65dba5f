#ifndef ROUTER_TRANSPORT_H
#define ROUTER_TRANSPORT_H

#include "router/lookup.h"

/*
 * transport - how mail for a domain leaves, from transport-maps. Values:
 *
 *	relay:[host]:port   to that host; smtp: is the same word
 *	relay:domain        to the mail servers of that domain
 *	:[host]:port        the same
 *	local:              to a mailbox here
 *	error:5.1.6 words   refuse; without a code 5.0.0
 *	retry:4.4.1 words   not now; without a code 4.0.0
 *	discard:            away with it
 */
enum transport_kind {
	TRANSPORT_NONE, /* nothing is said: by MX or relay-host */
	TRANSPORT_RELAY,
	TRANSPORT_LOCAL,
	TRANSPORT_FAIL,
	TRANSPORT_DEFER,
	TRANSPORT_DISCARD,
};

struct transport {
	enum transport_kind kind;
	char next_hop[321];
	char enhanced[16];
	char text[400];
};

/*
 * Understand a value of transport-maps. One that is not understood becomes
 * TRANSPORT_DEFER with words about it, and false is returned, for the log.
 */
bool transport_parse(struct slice value, struct transport *t);

/*
 * Is text a next hop: "domain", "[host]", "[address]", each perhaps with
 * ":port"?
 */
bool transport_next_hop_fine(struct slice text);

/*
 * What the tables say about an address: tried are the address, its domain,
 * and, unless the domain is ours (what says where all mail goes does not
 * mean that), its parents as ".parent", and "*". False when a table could
 * not be read.
 */
bool transport_find(const struct lookup *lookup, const struct path *path,
    bool ours, struct transport *t) MUST_USE;

#endif
