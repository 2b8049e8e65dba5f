#ifndef QUEUE_ID_H
#define QUEUE_ID_H

#include <stdint.h>

#include "common/base/slice.h"

/*
 * id - the name of a mail: unique for ever, sorting by time.
 *
 * The time goes up by at least one for every id of one start of queue, so
 * it is also the counter; the nonce is new at every start, so that neither
 * a clock set back nor a copied virtual machine makes an id twice. As text:
 * 11 and 13 digits to the base of 32, whose order as bytes is that of time.
 */
struct qid {
	uint64_t time_us; /* wall clock, never going back within a start */
	uint64_t nonce;
};

#define QID_TEXT 25 /* characters with the NUL */

struct qid_source {
	uint64_t last_us;
	uint64_t nonce;
};

/* A new nonce; ids made from now on are above last_us. */
void qid_source_init(struct qid_source *s, uint64_t last_us);

struct qid qid_next(struct qid_source *s);

/* Writes 24 characters and a NUL. */
void qid_text(struct qid id, char text[QID_TEXT]);

/* Returns 0, or -1 with errno EINVAL when text is no id. */
int qid_parse(struct slice text, struct qid *id) MUST_USE;

/* <0, 0, >0: the order of the texts. */
int qid_compare(struct qid a, struct qid b);

#endif
