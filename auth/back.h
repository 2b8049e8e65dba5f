#ifndef AUTH_BACK_H
#define AUTH_BACK_H

#include "auth/login.h"

/*
 * back - what is asked about sessions that sleep: the usher asks for a
 * ticket for one, the front of it may drop that, and the usher turns it in
 * when the session is to come back.
 */

/* Answer a RETURN_ASK. */
void back_ask(struct auth *a, struct ipc_chan *c, uint32_t request,
    const struct ipc_return_ask *ask);

/*
 * Is it one for a session that sleeps? Only while its user is still who he
 * was and may still use the service.
 */
bool back_redeem(struct auth *a, const struct ipc_ticket_ask *ask,
    struct ticket_worth *worth) MUST_USE;

/* A front has gone, and its sleeping sessions with it. */
void back_front_gone(struct auth *a, const struct ipc_chan *c);

#endif
