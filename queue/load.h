#ifndef QUEUE_LOAD_H
#define QUEUE_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

/*
 * load - mails between memory and disk.
 */
struct mail;
struct queue;

/*
 * Read a cold mail back and apply what happened since. Returns 0; or -1:
 * it cannot be read now, and has been given another time, or it is damaged
 * for good: set aside, marked and held.
 */
int load_mail(struct queue *q, struct mail *m) MUST_USE;

/*
 * Give up what a hot mail has in memory; what happened to it stays as
 * delta. It has no tasks and nobody asks for it.
 */
void load_cool(struct queue *q, struct mail *m);

/*
 * Have a mail in memory for a moment, whatever it is doing: a cold one is
 * read and put back as it was, due when it was. -1 as load_mail(), and then
 * load_peek_end() does nothing.
 */
struct load_peek {
	int64_t due_ms;
	unsigned flags;
	bool cold;
	bool was_due;
};
int load_peek(struct queue *q, struct mail *m, struct load_peek *p) MUST_USE;
void load_peek_end(struct queue *q, struct mail *m, const struct load_peek *p);

/* A damaged mail: its file goes to corrupt/, and it is held. */
void load_set_aside(struct queue *q, struct mail *m);

#endif
