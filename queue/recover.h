#ifndef QUEUE_RECOVER_H
#define QUEUE_RECOVER_H

#include "common/base/attr.h"

/*
 * recover - what a start does, after a clean stop or any crash alike: the
 * names in deferred/, then the log on top of them. Mails are known then and
 * not read; that happens when they come due, which all are at first.
 *
 * Needs nobody: what is damaged is set aside in corrupt/ and reported.
 */
struct queue;

/*
 * Make the directories that are missing and open all of them. Returns 0, or
 * -1 after logging why.
 */
int recover_open(struct queue *q) MUST_USE;

/* With the lock held: read everything. 0, or -1 after logging why. */
int recover_all(struct queue *q) MUST_USE;

#endif
