#include "common/ipc/frame.h"

#include <errno.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/wire.h"

int
frame_parse(struct slice bytes, struct ipc_frame *f, size_t *size)
{
	uint32_t length;

	*f = (struct ipc_frame){ .fd = -1 };
	if (bytes.len < FRAME_HEADER)
		return 0;
	length = wire_get_u32(bytes.p);
	f->type = wire_get_u16(bytes.p + 4);
	f->flags = wire_get_u16(bytes.p + 6);
	f->request = wire_get_u32(bytes.p + 8);
	if (length > IPC_MAX_PAYLOAD)
		return -1;
	if (bytes.len - FRAME_HEADER < length)
		return 0;
	f->payload = slice_of(bytes.p + FRAME_HEADER, length);
	*size = FRAME_HEADER + (size_t)length;
	return 1;
}

int
frame_put(struct buf *b, const struct ipc_frame *f)
{
	char head[FRAME_HEADER];
	size_t before = b->len;

	if (f->payload.len > IPC_MAX_PAYLOAD) {
		errno = EMSGSIZE;
		return -1;
	}
	wire_set_u32(head, (uint32_t)f->payload.len);
	wire_set_u16(head + 4, f->type);
	wire_set_u16(head + 6, f->flags);
	wire_set_u32(head + 8, f->request);
	if (buf_append(b, head, sizeof(head)) == -1)
		return -1;
	if (buf_append_slice(b, f->payload) == -1) {
		buf_truncate(b, before);
		return -1;
	}
	return 0;
}

const char *
frame_check(const struct ipc_frame *f, enum proc from, enum proc to)
{
	const struct ipc_rule *r = ipc_rule_of(f->type);

	if (r == NULL)
		return "unknown type";
	if ((r->from & PROC_BIT(from)) == 0 || (r->to & PROC_BIT(to)) == 0)
		return "not allowed";
	if (f->payload.len > r->max)
		return "too long";
	if ((f->flags & ~r->flags) != 0)
		return "flags not allowed";
	return NULL;
}

void
frame_put_fd(struct msghdr *msg, int fd)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
}

size_t
frame_take_fds(struct msghdr *msg, int *fds, size_t cap)
{
	struct cmsghdr *cmsg;
	size_t n = 0;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	     cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t count;

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		count = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int),
			    sizeof(int));
			if (n < cap)
				fds[n++] = fd;
			else
				fd_close(fd);
		}
	}
	return n;
}
