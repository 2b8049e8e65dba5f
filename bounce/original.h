#ifndef BOUNCE_ORIGINAL_H
#define BOUNCE_ORIGINAL_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/ipc/work.h"

/* original - what of the mail goes back with the report. */
struct original {
	struct buf text; /* owned: all of the content, or its header only */
	bool whole;
	bool missing;   /* the disk gives none of it; text is empty */
	bool eight_bit; /* the text holds bytes over 127 */
};

/*
 * Read it: whole when want_whole and not over the limit, else its header.
 * CRLF line ends throughout, the last line ended. Where the disk does not
 * give it, what came of its header until then: a report without it tells its
 * sender more than none. 0, or -1 with errno ENOMEM.
 */
int original_read(
    struct original *o, const struct work *w, bool want_whole) MUST_USE;

void original_free(struct original *o);

/* Its Message-ID if that is one, else an empty slice; borrowed. */
struct slice original_message_id(const struct original *o);

#endif
