#ifndef QUEUE_SPACE_H
#define QUEUE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"

/*
 * space - may mail come in? Says so to all senders, at once when it
 * changes (spool.md, S5).
 */
struct event;
struct ipc_chan;
struct queue;

struct space_answer {
	uint16_t code; /* 250, or what MAIL is to be answered with */
	const char *enhanced;
	const char *text;
};

struct space {
	struct space_answer now;
	uint64_t free_bytes; /* when looked at last */
	uint64_t free_files;
	int64_t looked_ms;
	struct event *on_look;
};

/* 0, or -1 with errno. */
int space_init(struct queue *q) MUST_USE;
void space_free(struct queue *q);

/* Is there room for so many more bytes in files of their own? */
bool space_for(struct queue *q, uint64_t bytes);

/* Look again and tell everybody what is new. */
void space_update(struct queue *q);

/* Tell one sender how things stand. */
void space_tell(struct queue *q, struct ipc_chan *c);

/* What a mail that comes now is answered with, when code is not 250. */
const struct space_answer *space_now(struct queue *q);

#endif
