#ifndef ROUTER_VERDICT_H
#define ROUTER_VERDICT_H

#include <stdint.h>

#include "common/ipc/messages.h"
#include "router/lookup.h"

/*
 * verdict - may this client send this from here to there? Rules and
 * answers only; tables are asked through lookup.
 */
struct config;

struct verdict {
	uint16_t code;
	char enhanced[16];
	char text[480];
};

/*
 * trust_user: the asker may say who is logged in (submission, not port 25).
 */
void verdict_decide(const struct config *c, const struct lookup *lookup,
    const struct ipc_verdict_ask *ask, bool trust_user, struct verdict *v);

#endif
