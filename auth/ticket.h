#ifndef AUTH_TICKET_H
#define AUTH_TICKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * ticket - what stands for a login that was good: random, for one service,
 * good once and for a time. A front gets one for a login and an usher turns
 * it in; a session that goes to sleep gets one by which it comes back. Who
 * that session belongs to is known here and nowhere else: ushers come and
 * go, and fronts are told nothing.
 */
#define TICKET_SIZE 32

/* Of logins, which are turned in at once. */
#define TICKET_LIFE_MS 30000
#define TICKETS_MAX    ((size_t)8192)

/* Of sleeping sessions. */
#define RETURNS_MAX ((size_t)200000)

struct tickets;

/* What a ticket stands for. */
struct ticket_worth {
	uint8_t service; /* enum ipc_service */
	uint32_t uid;
	char user[321];
	char home[513];
};

/* Which front holds it (0: any), until when it is good. */
struct ticket_terms {
	uint32_t front;
	int64_t now_ms;
	int64_t life_ms;
	size_t most; /* tickets of one uid */
};

/* When there are max of them: no more of them, or without the oldest. */
enum tickets_full { TICKETS_REFUSE, TICKETS_DROP_OLDEST };

struct tickets *tickets_new(size_t max, enum tickets_full full) MUST_USE;
void tickets_free(struct tickets *t);

/* Draw one; false when there are too many, of that uid or in all. */
bool tickets_issue(struct tickets *t, const struct ticket_worth *worth,
    const struct ticket_terms *terms,
    unsigned char ticket[TICKET_SIZE]) MUST_USE;

/*
 * Turn one in. True with its worth when it exists, is young enough and is
 * for this service. It is gone in any case.
 */
bool tickets_redeem(struct tickets *t, struct slice ticket, uint8_t service,
    int64_t now_ms, struct ticket_worth *worth) MUST_USE;

/* Forget one, or (its front has gone) many. */
void tickets_drop(struct tickets *t, struct slice ticket);
void tickets_drop_front(struct tickets *t, uint8_t service, uint32_t front);

/* How many a uid has. */
size_t tickets_of(const struct tickets *t, uint32_t uid);
size_t tickets_count(const struct tickets *t);

#endif
