#include "common/ipc/chan.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/ipc/expect.h"
#include "common/ipc/frame.h"

#define OUT_MAX       ((size_t)64 * 1024 * 1024)
#define READ_STEP     ((size_t)64 * 1024)
#define READS_A_PASS  8  /* then other descriptors get their turn */
#define READS_AT_LAST 64 /* more than a socket holds */
#define RETRY_FDS_US  5000
#define IDLE_TALK_US  20000
#define FDS_A_MESSAGE 16
#define FDS_UNCLAIMED 64 /* received, and no frame for them yet */

/* A descriptor to send with the byte at this offset of the stream. */
struct out_fd {
	uint64_t at;
	int fd;
};

struct ipc_chan {
	struct event_base *base;
	int fd; /* owned */
	enum proc self;
	enum proc peer;
	uint32_t instance;
	const struct ipc_ops *ops;
	void *arg;
	void *data;

	struct event *on_read;
	struct event *on_write;
	struct event *on_flush;

	struct buf in;
	struct buf out;
	struct buf scratch;
	uint64_t sent; /* bytes written in all */
	struct out_fd *out_fds;
	size_t out_fd_count;
	int *in_fds; /* received, not yet matched to a frame */
	size_t in_fd_count;

	struct map expects;
	uint32_t last_request;
	int depth;   /* handlers of this channel on the stack */
	bool high;   /* output went over IPC_OUT_HIGH */
	bool idle;   /* what is sent now may wait a little */
	bool mute;   /* nobody reads what we write: only reading goes on */
	bool unread; /* it could not be waited for: again with the flush */
	bool dead;   /* no more reading and writing */
	bool told;   /* the owner knows, or does not want to */
};

static void
chan_free(struct ipc_chan *c)
{
	for (size_t i = 0; i < c->out_fd_count; i++)
		fd_close(c->out_fds[i].fd);
	for (size_t i = 0; i < c->in_fd_count; i++)
		fd_close(c->in_fds[i]);
	free(c->out_fds);
	free(c->in_fds);
	event_free(c->on_read);
	event_free(c->on_write);
	event_free(c->on_flush);
	fd_close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	buf_wipe(&c->scratch);
	map_free(&c->expects);
	free(c);
}

static void
leave(struct ipc_chan *c)
{
	if (--c->depth > 0 || !c->dead)
		return;
	if (!c->told) {
		c->told = true;
		c->depth++;
		if (c->ops != NULL && c->ops->closed != NULL)
			c->ops->closed(c->arg, c);
		c->depth--;
	}
	chan_free(c);
}

/* The end of the channel; the struct lives until the stack is unwound. */
static void
die(struct ipc_chan *c)
{
	if (c->dead)
		return;
	c->dead = true;
	(void)event_del(c->on_read);
	(void)event_del(c->on_write);
	(void)event_del(c->on_flush);
	c->depth++;
	expect_fail_all(&c->expects);
	leave(c);
}

static void
violation(struct ipc_chan *c, const char *what, unsigned type)
{
	log_error("event=ipc-violation peer=%s instance=%u what=%s type=%u",
	    proc_name(c->peer), c->instance, what, type);
	die(c);
}

/* Write once; 1 when all has left, 0 when the peer must read, -1 at the end. */
static int
write_some(struct ipc_chan *c)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { c->out.data, c->out.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool with_fd = c->out_fd_count > 0 && c->out_fds[0].at == c->sent;
	size_t next = with_fd ? 1 : 0;
	ssize_t n;

	/* A descriptor rides on the first byte of its frame. */
	if (c->out_fd_count > next)
		iov.iov_len = MIN(iov.iov_len, c->out_fds[next].at - c->sent);
	if (with_fd) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		frame_put_fd(&msg, c->out_fds[0].fd);
	}
	errno = 0;
	do
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN || errno == ETOOMANYREFS ? 0 : -1;
	buf_consume(&c->out, (size_t)n);
	c->sent += (uint64_t)n;
	if (with_fd && n > 0) {
		fd_close(c->out_fds[0].fd);
		c->out_fd_count--;
		memmove(c->out_fds, c->out_fds + 1,
		    c->out_fd_count * sizeof(*c->out_fds));
	}
	return c->out.len == 0;
}

/* The peer is gone; its last results may be here still: read to its end. */
static void
go_mute(struct ipc_chan *c)
{
	c->mute = true;
	for (size_t i = 0; i < c->out_fd_count; i++)
		fd_close(c->out_fds[i].fd);
	c->out_fd_count = 0;
	buf_free(&c->out);
	event_active(c->on_read, EV_READ, 1);
}

static void
tell_drained(struct ipc_chan *c)
{
	if (!c->high || c->out.len >= IPC_OUT_HIGH / 2)
		return;
	c->high = false;
	if (c->ops != NULL && c->ops->drained != NULL)
		c->ops->drained(c->arg, c);
}

bool
ipc_flush(struct ipc_chan *c)
{
	const struct timeval soon = { 0, RETRY_FDS_US };
	bool heard;
	int rc = 1;

	if (c->dead)
		return false;
	c->depth++;
	log_flush(); /* what is told has been written before */
	while (c->out.len > 0 && (rc = write_some(c)) == 0) {
		if (errno != EAGAIN && errno != ETOOMANYREFS)
			continue; /* a short write: the rest at once */
		if (errno != EAGAIN || event_add(c->on_write, NULL) == -1)
			(void)event_add(c->on_flush, &soon);
		break;
	}
	if (rc == -1 && errno != EPIPE && errno != ECONNRESET) {
		die(c);
	} else {
		if (rc == -1)
			go_mute(c);
		tell_drained(c);
	}
	heard = !c->dead && !c->mute;
	leave(c);
	return heard;
}

static void
flush_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_chan *c = arg;

	(void)fd;
	(void)what;
	if (c->unread)
		ipc_chan_pause(c, false);
	(void)ipc_flush(c);
}

static void
run_handler(struct ipc_chan *c, struct ipc_frame *f)
{
	const struct ipc_handler *h = c->ops == NULL ? NULL : c->ops->handlers;

	for (; h != NULL && h->type != 0; h++) {
		if (h->type == f->type) {
			h->run(c->arg, c, f);
			return;
		}
	}
	violation(c, "unhandled", f->type);
}

/* Take the next whole frame from the input. 1, 0 for none, -1 at the end. */
static int
next_frame(struct ipc_chan *c, struct ipc_frame *f, size_t *size)
{
	const char *wrong = NULL;
	int rc = frame_parse(buf_slice(&c->in), f, size);

	if (rc == 0)
		return 0;
	if (rc == 1)
		wrong = frame_check(f, c->peer, c->self);
	if (rc == -1 || wrong != NULL) {
		violation(c, rc == -1 ? "length" : wrong, f->type);
		return -1;
	}
	if ((f->flags & IPC_FD) == 0)
		return 1;
	if (c->in_fd_count == 0) {
		violation(c, "descriptor missing", f->type);
		return -1;
	}
	f->fd = c->in_fds[0];
	c->in_fd_count--;
	memmove(c->in_fds, c->in_fds + 1, c->in_fd_count * sizeof(int));
	return 1;
}

static void
run_frames(struct ipc_chan *c)
{
	struct ipc_frame f;
	size_t size;

	while (!c->dead && event_pending(c->on_read, EV_READ, NULL) &&
	       next_frame(c, &f, &size) == 1) {
		if ((f.flags & IPC_REPLY) != 0)
			expect_answer(&c->expects, &f);
		else
			run_handler(c, &f);
		fd_close(f.fd);
		if (!c->dead)
			buf_consume(&c->in, size);
	}
}

static int
keep_fds(struct ipc_chan *c, struct msghdr *msg)
{
	int fds[FDS_A_MESSAGE];
	size_t n = frame_take_fds(msg, fds, ARRAY_LEN(fds));

	if (n > 0) {
		c->in_fds =
		    xreallocarray(c->in_fds, c->in_fd_count + n, sizeof(int));
		memcpy(c->in_fds + c->in_fd_count, fds, n * sizeof(int));
		c->in_fd_count += n;
	}
	return (msg->msg_flags & MSG_CTRUNC) != 0 ? -1 : 0;
}

/* Read once. Bytes read, 0 when nothing is there, -1 at the end. */
static ssize_t
read_some(struct ipc_chan *c)
{
	union {
		char bytes[CMSG_SPACE(FDS_A_MESSAGE * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf_reserve(&c->in, READ_STEP), READ_STEP };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	if (iov.iov_base == NULL)
		return -1;
	do
		n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return errno == EAGAIN ? 0 : -1;
	if (n == 0)
		return -1;
	buf_commit(&c->in, (size_t)n);
	if (keep_fds(c, &msg) == -1) {
		log_error(
		    "event=ipc-descriptor-lost peer=%s", proc_name(c->peer));
		return -1;
	}
	return n;
}

/*
 * Read once, and run what is whole; as read_some(). What waited behind a
 * pause goes first, or the input would fill up with it.
 */
static ssize_t
read_pass(struct ipc_chan *c)
{
	ssize_t n;

	run_frames(c);
	if (c->dead || !event_pending(c->on_read, EV_READ, NULL))
		return 1;
	n = read_some(c);
	run_frames(c);
	/* At most one belongs to a frame that has only begun to come. */
	if (!c->dead && c->in_fd_count > FDS_UNCLAIMED)
		violation(c, "descriptors", 0);
	return n;
}

static void
read_ready(evutil_socket_t fd, short what, void *arg)
{
	struct ipc_chan *c = arg;
	ssize_t n = 1;

	(void)fd;
	(void)what;
	c->depth++;
	for (int i = 0; i < READS_A_PASS && n > 0 && !c->dead; i++) {
		if (!event_pending(c->on_read, EV_READ, NULL))
			break; /* paused by a handler */
		n = read_pass(c);
		if (n > 0 && (size_t)n < READ_STEP && !c->mute)
			break; /* that was all */
	}
	if (n == -1 || (n == 0 && c->mute))
		die(c);
	leave(c);
}

void
ipc_chan_take(struct ipc_chan *c)
{
	ssize_t n = 1;

	c->depth++;
	for (int i = 0; i < READS_AT_LAST && n > 0 && !c->dead; i++) {
		if (!event_pending(c->on_read, EV_READ, NULL))
			break;
		n = read_pass(c);
	}
	leave(c);
}

struct ipc_chan *
ipc_chan_new(struct event_base *base, int fd, enum proc self, enum proc peer,
    uint32_t instance)
{
	struct ipc_chan *c = xcalloc(1, sizeof(*c));

	c->base = base;
	c->fd = fd;
	c->self = self;
	c->peer = peer;
	c->instance = instance;
	buf_init(&c->in, 2 * (size_t)IPC_MAX_PAYLOAD + READ_STEP);
	buf_init(&c->out, OUT_MAX);
	buf_init(&c->scratch, IPC_MAX_PAYLOAD);
	c->on_read = event_new(base, fd, EV_READ | EV_PERSIST, read_ready, c);
	c->on_write = event_new(base, fd, EV_WRITE, flush_ready, c);
	c->on_flush = event_new(base, -1, 0, flush_ready, c);
	if (c->on_read == NULL || c->on_write == NULL || c->on_flush == NULL ||
	    fd_nonblock(fd) == -1 || event_add(c->on_read, NULL) == -1)
		log_die("event=no-channel peer=%s error=%s", proc_name(peer),
		    strerror(errno));
	return c;
}

void
ipc_chan_ops(struct ipc_chan *c, const struct ipc_ops *ops, void *arg)
{
	c->ops = ops;
	c->arg = arg;
}

void
ipc_chan_close(struct ipc_chan *c)
{
	if (c == NULL || c->told)
		return;
	c->told = true;
	c->depth++; /* holds c until leave() */
	ipc_flush(c);
	die(c);
	leave(c); /* NOLINT(clang-analyzer-unix.Malloc): depth was above 0 */
}

void
ipc_chan_fail(struct ipc_chan *c, const char *what)
{
	c->depth++;
	violation(c, what, 0);
	leave(c); /* NOLINT(clang-analyzer-unix.Malloc): depth was above 0 */
}

enum proc
ipc_chan_peer(const struct ipc_chan *c)
{
	return c->peer;
}

uint32_t
ipc_chan_instance(const struct ipc_chan *c)
{
	return c->instance;
}

void
ipc_chan_set_data(struct ipc_chan *c, void *data)
{
	c->data = data;
}

void *
ipc_chan_data(const struct ipc_chan *c)
{
	return c->data;
}

size_t
ipc_chan_backlog(const struct ipc_chan *c)
{
	return c->out.len;
}

void
ipc_chan_pause(struct ipc_chan *c, bool paused)
{
	const struct timeval soon = { 0, RETRY_FDS_US };

	if (c->dead)
		return;
	c->unread = !paused && event_add(c->on_read, NULL) == -1;
	if (paused)
		(void)event_del(c->on_read);
	else if (c->unread)
		(void)event_add(c->on_flush, &soon);
	else /* frames may be waiting in in */
		event_active(c->on_read, EV_READ, 1);
}

void
ipc_chan_idle_talk(struct ipc_chan *c, bool idle)
{
	c->idle = idle;
}

struct buf *
ipc_scratch(struct ipc_chan *c)
{
	buf_truncate(&c->scratch, 0);
	return &c->scratch;
}

/* f.fd goes with the frame and belongs to the channel from here on. */
static int
send_frame(struct ipc_chan *c, struct ipc_frame f)
{
	static const struct timeval in_a_while = { 0, IDLE_TALK_US };
	uint64_t at = c->sent + c->out.len;

	if (f.fd != -1)
		f.flags |= IPC_FD;
	/* What we send ourselves off the table is our own mistake. */
	assert(frame_check(&f, c->self, c->peer) == NULL);
	if (c->dead || c->mute || frame_put(&c->out, &f) == -1) {
		errno = c->dead || c->mute ? EPIPE : ENOBUFS;
		fd_close(f.fd);
		return -1;
	}
	if (f.fd != -1) {
		c->out_fds = xreallocarray(
		    c->out_fds, c->out_fd_count + 1, sizeof(*c->out_fds));
		c->out_fds[c->out_fd_count++] = (struct out_fd){ at, f.fd };
	}
	if (c->out.len > IPC_OUT_HIGH)
		c->high = true;
	if (event_pending(c->on_write, EV_WRITE, NULL))
		return 0;
	if (!c->idle)
		event_active(c->on_flush, EV_TIMEOUT, 1);
	else if (!event_pending(c->on_flush, EV_TIMEOUT, NULL))
		(void)event_add(c->on_flush, &in_a_while);
	return 0;
}

int
ipc_send(struct ipc_chan *c, uint16_t type, uint16_t flags, uint32_t request,
    struct slice payload)
{
	return send_frame(c, (struct ipc_frame){ .type = type,
				 .flags = flags,
				 .request = request,
				 .payload = payload,
				 .fd = -1 });
}

int
ipc_send_scratch(
    struct ipc_chan *c, uint16_t type, uint16_t flags, uint32_t request, int fd)
{
	return send_frame(c, (struct ipc_frame){ .type = type,
				 .flags = flags,
				 .request = request,
				 .payload = buf_slice(&c->scratch),
				 .fd = fd });
}

uint32_t
ipc_expect(struct ipc_chan *c, ipc_answer *answer, void *arg)
{
	return expect_add(&c->expects, &c->last_request, answer, arg);
}

void
ipc_forget(struct ipc_chan *c, uint32_t request)
{
	expect_forget(&c->expects, request);
}
