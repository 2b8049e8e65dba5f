#ifndef AUTH_TICKET_H
#define AUTH_TICKET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * ticket - what a front gets for a login and an usher turns in: random, for
 * one service, good once and for half a minute.
 */
#define TICKET_SIZE    32
#define TICKET_LIFE_MS 30000
#define TICKETS_MAX    8192 /* then the oldest is worth nothing any more */

struct tickets;

/* What a ticket stands for. */
struct ticket_worth {
	uint8_t service; /* enum ipc_service */
	uint32_t uid;
	char user[321];
	char home[513];
};

struct tickets *tickets_new(void) MUST_USE;
void tickets_free(struct tickets *t);

/* Draw one. */
void tickets_issue(struct tickets *t, const struct ticket_worth *worth,
    int64_t now_ms, unsigned char ticket[TICKET_SIZE]);

/*
 * Turn one in. True with its worth when it exists, is young enough and is
 * for this service. It is gone in any case.
 */
bool tickets_redeem(struct tickets *t, struct slice ticket, uint8_t service,
    int64_t now_ms, struct ticket_worth *worth) MUST_USE;

#endif
