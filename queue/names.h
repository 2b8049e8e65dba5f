#ifndef QUEUE_NAMES_H
#define QUEUE_NAMES_H

#include <stddef.h>

#include "common/base/attr.h"
#include "queue/id.h"

/* names - the ids that files of a directory are named by. */
struct names {
	struct qid *ids; /* owned */
	size_t count;
	size_t cap;
};

#define NAMES_INIT                                                             \
	{                                                                      \
		.ids = NULL                                                    \
	}

/* What to do with other names; ID.new is removed. */
struct queue;
struct names_bad {
	struct queue *q;
	void (*odd)(struct queue *q, int dir, const char *name); /* or NULL */
	size_t odd_count;
};

/*
 * Add those of a directory, which is closed. Returns 0, or -1 with errno.
 */
int names_read(struct names *n, int dir, struct names_bad *bad) MUST_USE;

/* In their order. */
void names_sort(struct names *n);

void names_free(struct names *n);

#endif
