#ifndef IMAPD_FETCH_CONTENT_H
#define IMAPD_FETCH_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"
#include "common/mime/tree.h"

/*
 * content - the bytes of one message, read no further than they are asked
 * for. One at a time in a session, whose buffers it uses.
 */
struct session;

struct content {
	struct session *s;
	int fd;           /* -1: not open */
	uint64_t size;    /* bytes of the file */
	struct slice got; /* the beginning that was read */
	void *map;        /* all of a large one, or NULL */
	bool parsed;      /* s->tree is of this one */
};

/* Open; -1 with errno, ENOENT when the message is gone. */
int content_open(struct content *c, struct session *s, uint32_t uid) MUST_USE;
void content_close(struct content *c);

/*
 * The header with its empty line; all of it; all of it taken apart, in
 * c->s->tree. -1 with errno. Borrowed until content_close().
 */
int content_header(struct content *c, struct slice *header) MUST_USE;
int content_all(struct content *c, struct slice *message) MUST_USE;
int content_tree(struct content *c) MUST_USE;

#endif
