/* A user's process: forked by the usher, then nobody but the user. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/wire.h"
#include "common/login/usher_state.h"

/* A session passed to a process that waits, with all its fields. */
#define PASS_MAX (USHER_PREREAD_MAX + SLEEP_STATE_MAX + 1024)

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

struct child {
	int control;
	int alive;
	struct sleeper sleeper;
	void *kept;
	char *bytes; /* of the session passed last; PASS_MAX */
	char client[65];
	char tag[USHER_TAG_MAX + 1];
};

static int
make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
		return -1;
	return 0;
}

/* Wait for the usher's next word; no word comes after its or master's end. */
static void
wait_for_word(const struct child *c)
{
	struct pollfd p[2] = {
		{ .fd = c->control, .events = POLLIN },
		{ .fd = c->alive, .events = POLLIN },
	};
	int rc;

	do
		rc = poll(p, 2, -1);
	while (rc == -1 && errno == EINTR);
	if (rc == -1 || p[1].revents != 0)
		_exit(0);
}

/* The datagram's length, and its descriptor or -1. */
static ssize_t
receive(const struct child *c, int *fd)
{
	union control control;
	struct iovec iov = { c->bytes, PASS_MAX };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cm;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(c->control, &msg, MSG_CMSG_CLOEXEC);
	while (n == -1 && errno == EINTR);
	cm = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (cm != NULL && cm->cmsg_level == SOL_SOCKET &&
	    cm->cmsg_type == SCM_RIGHTS &&
	    cm->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(cm), sizeof(int));
	return n;
}

/* The next session; what came too late for the one before is passed over. */
static struct wire_in
wait_for_session(struct child *c, int *fd)
{
	struct wire_in w;
	ssize_t n;

	for (;;) {
		wait_for_word(c);
		n = receive(c, fd);
		if (n <= 0)
			_exit(0);
		w = wire_in(slice_of(c->bytes, (size_t)n));
		if (wire_u8(&w) == WORD_PASS)
			return w;
		fd_close(*fd);
	}
}

/*
 * Become the next session, or end. It comes when the front knows that it is
 * ours; when the usher dies before, the front tells the client something
 * else.
 */
static void
next_session(struct child *c, struct login_session *s)
{
	struct wire_in w = wait_for_session(c, &s->fd);

	s->number = wire_u32(&w);
	s->tls = wire_u8(&w) != 0;
	if (slice_copy(c->client, sizeof(c->client),
		wire_bytes(&w, sizeof(c->client) - 1)) == -1 ||
	    slice_copy(c->tag, sizeof(c->tag), wire_bytes(&w, USHER_TAG_MAX)) ==
		-1)
		_exit(1);
	s->preread = wire_bytes(&w, USHER_PREREAD_MAX);
	s->state = wire_bytes(&w, SLEEP_STATE_MAX);
	if (wire_done(&w) == -1 || s->fd == -1)
		_exit(1);
	s->client = c->client;
	s->tag = c->tag;
}

void
usher_child_main(
    struct usher *u, const struct usher_user *who, int home, int control)
{
	const char ended = WORD_ENDED;
	struct child c = {
		.control = control,
		.alive = daemon_file(u->daemon, "alive"),
		.sleeper = { .control = control, .link = -1 },
	};
	const int keep[] = { c.control, c.alive };
	struct login_session session = {
		.fd = -1,
		.alive = c.alive,
		.uid = who->uid,
		.user = who->name,
		.sleep = usher_sleep,
		.sleep_arg = &c.sleeper,
		.config = daemon_config(u->daemon),
		.boot_id = u->boot_id,
		.kept = &c.kept,
	};

	mem_forked();
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    daemon_become_user(
		u->daemon, home, who->uid, keep, c.alive == -1 ? 1 : 2) == -1)
		_exit(1);
	fd_close(home);
	c.bytes = malloc(PASS_MAX);
	if (c.bytes == NULL)
		_exit(1);
	mem_expect(c.bytes, PASS_MAX);
	for (;;) {
		next_session(&c, &session);
		if (make_blocking(session.fd) == -1)
			_exit(1);
		usher_sleep_reset(&c.sleeper);
		u->session(&session);
		fd_close(session.fd);
		if (c.sleeper.ended ||
		    send(c.control, &ended, 1, MSG_NOSIGNAL) != 1)
			_exit(0);
	}
}

static int
encode(const struct usher_start *st, struct buf *b)
{
	if (wire_put_u8(b, WORD_PASS) == -1 ||
	    wire_put_u32(b, st->session) == -1 ||
	    wire_put_u8(b, st->tls) == -1 ||
	    wire_put_bytes(b, slice_str(st->client)) == -1 ||
	    wire_put_bytes(b, slice_str(st->tag)) == -1 ||
	    wire_put_bytes(b, buf_slice(&st->preread)) == -1 ||
	    wire_put_bytes(b, buf_slice(&st->state)) == -1)
		return -1;
	return 0;
}

int
usher_child_pass(int to, const struct usher_start *st)
{
	struct buf b = BUF_INIT(PASS_MAX);
	union control control = { .bytes = "" };
	struct iovec iov;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	ssize_t n = -1;

	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &st->fd, sizeof(int));
	if (encode(st, &b) == 0) {
		iov = (struct iovec){ b.data, b.len };
		do
			n = sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		while (n == -1 && errno == EINTR);
	}
	buf_wipe(&b);
	return n == -1 ? -1 : 0;
}
