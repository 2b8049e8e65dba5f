#include "common/login/sleep.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "common/base/wire.h"
#include "common/ipc/frame.h"

union control {
	char bytes[CMSG_SPACE(SLEEP_FDS * sizeof(int))];
	struct cmsghdr align;
};

int
sleep_note_put(struct buf *b, const struct sleep_note *n)
{
	if (wire_put_u32(b, n->wake_ms) == -1)
		return -1;
	return wire_put_bytes(b, n->state);
}

int
sleep_note_parse(struct slice bytes, struct sleep_note *n)
{
	struct wire_in w = wire_in(bytes);

	n->wake_ms = wire_u32(&w);
	n->state = wire_bytes(&w, SLEEP_STATE_MAX);
	return wire_done(&w);
}

int
sleep_send(int to, struct slice bytes, const int *fds, size_t count)
{
	char copy[SLEEP_NOTE_MAX];
	union control control = { .bytes = "" };
	struct iovec iov = { copy, bytes.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	ssize_t n;

	if (bytes.len > sizeof(copy) || count > SLEEP_FDS) {
		errno = EMSGSIZE;
		return -1;
	}
	memcpy(copy, bytes.p, bytes.len);
	if (count > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	do
		n = sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	return n == -1 ? -1 : 0;
}

ssize_t
sleep_receive(int from, void *bytes, size_t cap, int fds[SLEEP_FDS])
{
	union control control;
	struct iovec iov = { bytes, cap };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	size_t got;
	ssize_t n;

	for (size_t i = 0; i < SLEEP_FDS; i++)
		fds[i] = -1;
	do
		n = recvmsg(from, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return n;
	got = frame_take_fds(&msg, fds, SLEEP_FDS);
	if ((msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0)
		return n;
	while (got > 0)
		fd_close(fds[--got]);
	for (size_t i = 0; i < SLEEP_FDS; i++)
		fds[i] = -1;
	errno = EMSGSIZE;
	return -1;
}
