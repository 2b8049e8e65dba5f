#ifndef QUEUE_REMOVE_H
#define QUEUE_REMOVE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "queue/id.h"

/*
 * remove - the files of mails that are over, or have gone back to the log.
 *
 * A file whose removal is not durable may be there again after a crash; the
 * record that its mail is over has to stand in the log until then.
 */
struct mail;
struct queue;
struct seg;

struct removals {
	uint64_t count;  /* files removed so far */
	uint64_t synced; /* of them known to be gone for good */
	bool syncing;
};

/* ID or ID.new of deferred/; also where there is none. */
void remove_file(struct queue *q, struct qid id, const char *suffix);

/* The files of a mail that is over, whichever it has. */
void remove_files(struct queue *q, const struct mail *m);

/* For struct log_ops. */
bool remove_may_free(void *arg, struct seg *s);

#endif
