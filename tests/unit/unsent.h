#ifndef TESTS_UNIT_UNSENT_H
#define TESTS_UNIT_UNSENT_H

#include <errno.h>

#include "common/ipc/chan.h"

/*
 * Frames of one type that find no memory when they are to be sent, for
 * programs that the Makefile links for it (UNSENT).
 */
static struct {
	uint16_t type;
	unsigned after; /* so many still find some */
	unsigned times; /* so many then do not */
} unsent;

/* clang-format off */
int __real_ipc_send_scratch(struct ipc_chan *c, uint16_t type, uint16_t flags,
    uint32_t request, int fd);
int __wrap_ipc_send_scratch(struct ipc_chan *c, uint16_t type, uint16_t flags,
    uint32_t request, int fd);
/* clang-format on */

static void
unsent_set(uint16_t type, unsigned after, unsigned times)
{
	unsent.type = type;
	unsent.after = after;
	unsent.times = times;
}

int
__wrap_ipc_send_scratch(
    struct ipc_chan *c, uint16_t type, uint16_t flags, uint32_t request, int fd)
{
	if (type != unsent.type || unsent.times == 0)
		return __real_ipc_send_scratch(c, type, flags, request, fd);
	if (unsent.after > 0) {
		unsent.after--;
		return __real_ipc_send_scratch(c, type, flags, request, fd);
	}
	unsent.times--;
	errno = ENOBUFS;
	return -1;
}

#endif
