/*
 * libFuzzer: a channel with a peer that sends what it likes, in pieces, and
 * jobs put together from its frames. Byte 0: how it is cut. However that is,
 * the same frames are handled and the channel ends at the same one.
 */
#include <assert.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/ipc/chan.h"
#include "common/ipc/work.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	unsigned frames;
	unsigned jobs;
	uint64_t sum;
	bool closed;
	struct work_intake intake;
};

static void
on_work(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct seen *s = arg;
	struct work *w = NULL;
	char some[100];
	int rc = work_take(&s->intake, c, f, &w);

	s->frames++;
	s->sum = s->sum * 31 + f->type + f->request + f->payload.len;
	if (rc == -1) {
		ipc_chan_fail(c, "bad work");
		return;
	}
	assert((rc == 1) == (w != NULL));
	if (w == NULL)
		return;
	s->jobs++;
	assert(w->rcpt_count > 0 && w->rcpt_count <= WORK_RCPT_MAX);
	assert(work_length(w) == (w->fd == -1 ? w->content.len : w->m.length));
	if (w->fd == -1)
		assert(work_read(w, 0, some, sizeof(some)) ==
		       (ssize_t)MIN(sizeof(some), w->content.len));
	for (size_t i = 0; i < w->rcpt_count; i++)
		s->sum =
		    s->sum * 31 + w->rcpts[i].address.len + w->rcpts[i].number;
	work_free(w);
}

static void
on_closed(void *arg, struct ipc_chan *c)
{
	struct seen *s = arg;

	(void)c;
	s->closed = true;
}

static const struct ipc_handler handlers[] = { { IPC_WORK, on_work },
	{ IPC_WORK_MORE, on_work }, { 0, NULL } };
static const struct ipc_ops ops = { .handlers = handlers, .closed = on_closed };

static void
send_all(struct event_base *base, struct seen *s, int fd, struct slice in,
    size_t cut)
{
	while (in.len > 0 && !s->closed) {
		size_t n = MIN(cut, in.len);
		ssize_t k = send(fd, in.p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k == -1)
			break;
		in = slice_sub(in, (size_t)k, SIZE_MAX);
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
	}
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
run(struct event_base *base, struct slice in, size_t cut, struct seen *s)
{
	struct ipc_chan *c;
	int fds[2];

	*s = (struct seen){ .intake = WORK_INTAKE_INIT };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		abort();
	c = ipc_chan_new(base, fds[0], PROC_DELIVER, PROC_QUEUE, 0);
	ipc_chan_ops(c, &ops, s);
	send_all(base, s, fds[1], in, cut);
	if (!s->closed)
		ipc_chan_close(c);
	(void)event_base_loop(base, EVLOOP_NONBLOCK);
	work_intake_clear(&s->intake);
	close(fds[1]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	struct seen whole;
	struct seen parts;
	struct slice in;

	if (size < 2 || size > 32768)
		return 0;
	if (base == NULL) {
		log_level(LOG_FAIL + 1);
		base = event_base_new();
	}
	in = slice_of(data + 1, size - 1);
	run(base, in, in.len, &whole);
	run(base, in, (size_t)1 + data[0] + in.len / 64, &parts);
	if (whole.frames != parts.frames || whole.jobs != parts.jobs ||
	    whole.sum != parts.sum || whole.closed != parts.closed)
		abort();
	return 0;
}
