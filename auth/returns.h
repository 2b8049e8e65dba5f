#ifndef AUTH_RETURNS_H
#define AUTH_RETURNS_H

#include "auth/ticket.h"

/*
 * returns - tickets by which sessions that sleep come back: random, for one
 * front of one service, good once. Who a sleeping session belongs to is
 * known here and nowhere else: ushers come and go, and fronts are told
 * nothing.
 */
#define RETURNS_MAX 200000

struct returns;

struct returns *returns_new(void) MUST_USE;
void returns_free(struct returns *r);

/* Which front holds it, until when it is good. */
struct return_terms {
	uint32_t front;
	int64_t now_ms;
	int64_t life_ms;
	size_t most; /* tickets of one uid */
};

/* Draw one; false when there are too many, of that uid or in all. */
bool returns_issue(struct returns *r, const struct ticket_worth *worth,
    const struct return_terms *terms,
    unsigned char ticket[TICKET_SIZE]) MUST_USE;

/* As tickets_redeem(). */
bool returns_redeem(struct returns *r, struct slice ticket, uint8_t service,
    int64_t now_ms, struct ticket_worth *worth) MUST_USE;

/* Forget one, or (its front has gone) many. */
void returns_drop(struct returns *r, struct slice ticket);
void returns_drop_front(struct returns *r, uint8_t service, uint32_t front);

/* How many a uid has. */
size_t returns_of(const struct returns *r, uint32_t uid);
size_t returns_count(const struct returns *r);

#endif
