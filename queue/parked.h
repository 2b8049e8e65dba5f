#ifndef QUEUE_PARKED_H
#define QUEUE_PARKED_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/id.h"

/*
 * parked - mails that wait for a shorter queue before a destination, by id,
 * in the order they came. Zeroed memory is an empty one.
 */
struct parked {
	struct qid *ids; /* owned */
	size_t end;
	size_t cap;
	size_t at; /* those before it are taken */
};

void parked_add(struct parked *p, struct qid id);

/* Take the first one. False when there is none. */
bool parked_take(struct parked *p, struct qid *id);

size_t parked_count(const struct parked *p);

void parked_free(struct parked *p);

#endif
