#ifndef QUEUE_TOKEN_H
#define QUEUE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "queue/id.h"

/*
 * token - the last submissions by their tokens, so that who asks again gets
 * the same answer. A ring: the oldest is forgotten for the newest. After a
 * restart it is filled from the log, which reaches further back than anyone
 * asks again.
 *
 * Every source (enum ipc_source, by which the peer is known) has tokens of
 * its own: nobody can take those of another, even where they can be guessed.
 */
#define TOKEN_BYTES 16U
#define TOKEN_KEPT  32768U

struct token_row {
	unsigned char token[TOKEN_BYTES];
	struct qid id;
	uint32_t next; /* row + 1 of the same bucket; 0: none */
	uint8_t source;
	bool used;
};

struct tokens {
	struct token_row *rows; /* owned */
	uint32_t *buckets;      /* owned; row + 1 */
	uint32_t next;          /* row to be used next */
};

void tokens_init(struct tokens *t);
void tokens_free(struct tokens *t);

/* Remember; a token that is there already gets the new id. */
void token_add(
    struct tokens *t, const void *token, uint8_t source, struct qid id);

/* Was there a mail with this token? Fills id. */
bool token_find(
    const struct tokens *t, const void *token, uint8_t source, struct qid *id);

/* Forget: its mail was refused after all. */
void token_drop(struct tokens *t, const void *token, uint8_t source);

#endif
