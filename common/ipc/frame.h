#ifndef COMMON_IPC_FRAME_H
#define COMMON_IPC_FRAME_H

#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/ipc/chan.h"

/* Frames as bytes: the pure half of a channel. */
#define FRAME_HEADER 12

/*
 * The first frame in bytes: 1 with f and its whole size, 0 when more bytes
 * are needed, -1 when the length is impossible. f borrows from bytes.
 */
int frame_parse(struct slice bytes, struct ipc_frame *f, size_t *size) MUST_USE;

/* Append f. -1 with errno as buf_append(), EMSGSIZE over the maximum. */
int frame_put(struct buf *b, const struct ipc_frame *f) MUST_USE;

/* NULL when f may go from one to the other, or what is wrong with it. */
const char *frame_check(
    const struct ipc_frame *f, enum proc from, enum proc to) MUST_USE;

/* Put one descriptor into msg, whose control buffer has room for it. */
void frame_put_fd(struct msghdr *msg, int fd);

/*
 * The descriptors that came with msg, at most cap; any more are closed.
 * They belong to the caller.
 */
size_t frame_take_fds(struct msghdr *msg, int *fds, size_t cap) MUST_USE;

#endif
