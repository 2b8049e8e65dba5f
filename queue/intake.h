#ifndef QUEUE_INTAKE_H
#define QUEUE_INTAKE_H

#include <stddef.h>
#include <sys/queue.h>

#include "common/base/buf.h"

/*
 * intake - mails come in: SUBMIT and what follows it becomes one record,
 * and SUBMITTED is sent when that is durable.
 */
struct commit;
struct ipc_chan;
struct ipc_frame;
struct queue;

struct incoming;

TAILQ_HEAD(commits, commit);
TAILQ_HEAD(incomings, incoming);

struct intake {
	struct incomings kept; /* not whole yet, or with a file to sync */
	size_t kept_bytes;     /* held by them */
	size_t kept_max;
	size_t backlog_max;     /* in memory beyond what mails may take */
	struct commits commits; /* not durable yet */
	size_t commit_count;
	struct buf head; /* scratch: all of a record but the content */
};

void intake_init(struct intake *in);
void intake_free(struct queue *q);

/* SUBMIT, SUBMIT_MORE. */
void intake_submit(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);
void intake_more(struct queue *q, struct ipc_chan *c, struct ipc_frame *f);

/* Nobody there wants answers any more. */
void intake_peer_down(struct queue *q, struct ipc_chan *c);

#endif
