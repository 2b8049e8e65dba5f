#ifndef QUEUE_OUTCOME_H
#define QUEUE_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * outcome - what became of a recipient. Only the state in memory changes,
 * marked as dirty; life_settle() writes it down.
 */
struct dest;
struct mail;
struct mail_hot;
struct queue;

struct reason {
	uint16_t code; /* of SMTP, or 0 */
	struct slice enhanced;
	struct slice text;
	struct slice remote;
};

/*
 * Delivered, or taken over. how: who said what, for the report of success;
 * reported: somebody else tells the sender.
 */
void outcome_done(struct queue *q, struct mail *m, uint32_t number,
    const struct reason *how, bool reported);

/* Not now. After the deadline of the mail it is a failure. */
void outcome_deferred(struct queue *q, struct mail *m, uint32_t number,
    const struct reason *why, const struct dest *d);

/* Has it been here, and tried, for so long? */
bool outcome_waited(
    const struct queue *q, const struct mail_hot *h, int64_t for_s);

/* Never. */
void outcome_failed(
    struct queue *q, struct mail *m, uint32_t number, const struct reason *why);

/* Nobody has to hear of it any more. */
void outcome_set(struct mail *m, uint32_t number, uint8_t status);

/* To be tried at this time (wall seconds), without an attempt. */
void outcome_put_off(struct mail *m, uint32_t number, int64_t next_s);

#endif
