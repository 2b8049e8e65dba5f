#ifndef ROUTER_EXPAND_H
#define ROUTER_EXPAND_H

#include "common/base/map.h"
#include "router/find.h"
#include "router/route.h"

/*
 * expand - the inside of route.c: addresses still to be looked at. Each
 * knows the one it came from, so that loops are seen.
 */
struct item {
	struct path path;
	size_t parent;  /* index of the item it came from; own when none */
	unsigned depth; /* aliases it came through */
	bool literal;   /* \user: only the mailbox */
	size_t owner;   /* index into owners, + 1; 0: none */
};

struct expansion {
	const struct config *config;
	const struct lookup *lookup;
	struct route_answer *answer;
	struct item *items; /* owned; looked at in order */
	size_t count;
	size_t cap;
	char **owners; /* owned, each owned */
	size_t owner_count;
	struct map expanded; /* address to its item's index + 1 */
	struct map answered; /* home and tag, or address: already a result */
	bool failed;         /* a table: forget all and say "later" */
	bool too_many;
	bool looped;
};

void expansion_init(struct expansion *x, const struct config *c,
    const struct lookup *lookup, struct route_answer *a);
void expansion_free(struct expansion *x);

/* One more address to look at; sets too_many when there is no room. */
void expansion_add(struct expansion *x, const struct item *item);

/* Is the item (or one it came from) this address already? */
bool expansion_descends(
    const struct expansion *x, size_t at, const struct path *path);

/*
 * Take the targets of item `at` apart and add them, its tag handed on where
 * they are in our domains. Targets that cannot be followed become results.
 */
void expansion_follow(struct expansion *x, size_t at, const struct found *f);

/* Add one result, unless it is there. */
void expansion_answer(struct expansion *x, const struct ipc_route *m);

/* A ROUTE_FAIL or ROUTE_DEFER for this address. */
void expansion_refuse(struct expansion *x, const char *address,
    const char *enhanced, const char *text);

#endif
