#ifndef QUEUE_NOTE_H
#define QUEUE_NOTE_H

#include <stdbool.h>

#include "queue/record.h"

/*
 * note - what happens to a mail is written to the log.
 */
struct mail;
struct queue;

/*
 * A record of m was appended: tie m to the segment it goes to (or an older
 * one), unless it is tied already.
 */
void note_tied(struct queue *q, struct mail *m);

/* Append the results that are not written yet, without waiting for them. */
void note_results(struct queue *q, struct mail *m);

/* The same for hold, release and delete. */
void note_state(struct queue *q, struct mail *m, enum state_op op);

/*
 * The mail is over: when that is durable, its files are removed and it is
 * forgotten. reason is for the log, a literal.
 */
void note_end(struct queue *q, struct mail *m, const char *reason);

#endif
