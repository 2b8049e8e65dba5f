#ifndef RELAY_OUTCOME_H
#define RELAY_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc/messages.h"
#include "common/smtp/reply.h"

/* outcome - how an attempt ended for a recipient, and what queue is told. */
#define OUTCOME_TEXT_MAX   1000 /* with NUL; fits RESULT.text */
#define OUTCOME_REMOTE_MAX 320  /* with NUL; fits RESULT.remote */

struct outcome {
	enum ipc_status status;
	enum ipc_blame blame;
	uint16_t code; /* the remote's, 0 without */
	char enhanced[SMTP_ENHANCED_MAX];
	char text[OUTCOME_TEXT_MAX];
	char remote[OUTCOME_REMOTE_MAX];
};

/* Our own words, printf style, about remote (may be ""). */
void outcome_say(struct outcome *o, enum ipc_status status,
    const char *enhanced, const char *remote, const char *fmt, ...)
    PRINTF(5, 6);

/*
 * What a reply means for the recipients it speaks of: 2xx done, 5xx
 * failed, the rest deferred. blame follows the code: 421 and X.7.x that
 * are temporary ask us to slow down.
 */
void outcome_reply(
    struct outcome *o, const struct smtp_reply *r, const char *remote);

/* A 5xx that means "later" (RFC 5321 §4.5.3.1.10): 552 to RCPT as 452. */
void outcome_soften(struct outcome *o);

#endif
