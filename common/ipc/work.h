#ifndef COMMON_IPC_WORK_H
#define COMMON_IPC_WORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/ipc/chan.h"

/*
 * work - a job as a delivery agent holds it: the WORK frame and the
 * WORK_MORE frames behind it, put together and checked. Queue's word is
 * checked like any other peer's: within these limits, or it is refused.
 */
#define WORK_RCPT_MAX    100000
#define WORK_FRAMES_MAX  16384 /* queue puts ten recipients or more in one */
#define WORK_CONTENT_MAX ((size_t)16 * 1024 * 1024) /* inline, one job */

struct work {
	struct ipc_work m;           /* fields; recipients, content: below */
	struct ipc_work_rcpt *rcpts; /* owned; slices into the frames */
	size_t rcpt_count;
	struct slice content; /* all of it, unless it is behind fd */
	int fd;               /* owned; -1 when the content is inline */

	struct ipc_chan *c; /* who sent it; NULL once that ended */
	char **frames;      /* owned payload copies the slices point into */
	size_t frame_count;
	struct buf joined; /* content of several frames */
};

/*
 * What is being put together on one channel: one job at most, for queue
 * sends the frames of a job in a row.
 */
struct work_intake {
	struct work *partial; /* owned; NULL between jobs */
	uint32_t request;     /* its number */
};

#define WORK_INTAKE_INIT                                                       \
	{                                                                      \
		.partial = NULL                                                \
	}

/*
 * A WORK or WORK_MORE frame came. 1: *out is whole and the caller's; 0: more
 * frames follow; -1: it breaks the rules, and the caller ends the channel.
 * A descriptor is taken out of f.
 */
int work_take(struct work_intake *in, struct ipc_chan *c, struct ipc_frame *f,
    struct work **out) MUST_USE;

/* The channel ended: forget what is not whole. */
void work_intake_clear(struct work_intake *in);

/* Bytes of content there are to read; m.length for a descriptor. */
uint64_t work_length(const struct work *w);

/*
 * Up to cap bytes of content from offset at into dst. How many, 0 at the
 * end, -1 with errno.
 */
ssize_t work_read(
    const struct work *w, uint64_t at, void *dst, size_t cap) MUST_USE;

/* NULL is fine. */
void work_free(struct work *w);

#endif
