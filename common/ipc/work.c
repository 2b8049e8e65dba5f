#include "common/ipc/work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"

void
work_free(struct work *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < w->frame_count; i++)
		free(w->frames[i]);
	free(w->frames);
	free(w->rcpts);
	buf_free(&w->joined);
	fd_close(w->fd);
	free(w);
}

/* A copy of the payload that lives as long as the work does. */
static struct slice
keep(struct work *w, struct slice payload)
{
	char *copy = xreallocarray(NULL, payload.len + 1, 1);

	if (payload.len > 0)
		memcpy(copy, payload.p, payload.len);
	w->frames =
	    xreallocarray(w->frames, w->frame_count + 1, sizeof(*w->frames));
	w->frames[w->frame_count++] = copy;
	return slice_of(copy, payload.len);
}

static int
add_rcpts(struct work *w, struct slice list)
{
	struct wire_in in = wire_in(list);

	while (in.rest.len > 0) {
		if (w->rcpt_count == WORK_RCPT_MAX)
			return -1;
		if ((w->rcpt_count & (w->rcpt_count - 1)) == 0)
			w->rcpts = xreallocarray(w->rcpts,
			    MAX(w->rcpt_count * 2, (size_t)1),
			    sizeof(*w->rcpts));
		if (ipc_work_rcpt_get(&w->rcpts[w->rcpt_count], &in) == -1)
			return -1;
		w->rcpt_count++;
	}
	return 0;
}

static int
add_content(struct work *w, struct slice content)
{
	if (content.len == 0)
		return 0;
	if (w->content.len == 0) {
		w->content = content;
		return 0;
	}
	if (w->joined.len == 0 &&
	    buf_append_slice(&w->joined, w->content) == -1)
		return -1;
	if (buf_append_slice(&w->joined, content) == -1)
		return -1;
	w->content = buf_slice(&w->joined);
	return 0;
}

static struct work *
begin(struct ipc_chan *c, struct ipc_frame *f)
{
	struct work *w = xcalloc(1, sizeof(*w));

	w->c = c;
	w->fd = f->fd;
	f->fd = -1;
	buf_init(&w->joined, WORK_CONTENT_MAX);
	if (ipc_work_decode(&w->m, keep(w, f->payload)) == -1 ||
	    add_rcpts(w, w->m.recipients) == -1 ||
	    add_content(w, w->m.content) == -1) {
		work_free(w);
		return NULL;
	}
	return w;
}

static int
go_on(struct work *w, const struct ipc_frame *f)
{
	struct ipc_work_more m;

	if (w->frame_count == WORK_FRAMES_MAX)
		return -1;
	if (ipc_work_more_decode(&m, keep(w, f->payload)) == -1 ||
	    add_rcpts(w, m.recipients) == -1)
		return -1;
	return add_content(w, m.content);
}

/* Content is either all here or all behind the descriptor. */
static bool
is_whole(const struct work *w)
{
	if (w->rcpt_count == 0)
		return false;
	if (w->fd != -1)
		return w->content.len == 0 && w->m.sha256.len == 32;
	return w->content.len == w->m.length;
}

int
work_take(struct work_intake *in, struct ipc_chan *c, struct ipc_frame *f,
    struct work **out)
{
	struct work *w;
	int rc = 0;

	*out = NULL;
	w = in->partial;
	in->partial = NULL;
	if (w == NULL && f->type == IPC_WORK)
		w = begin(c, f);
	else if (w != NULL)
		rc = f->type == IPC_WORK_MORE && f->request == in->request
			 ? go_on(w, f)
			 : -1;
	if (w == NULL)
		return -1;
	if (rc == 0 && (f->flags & IPC_MORE) != 0) {
		in->partial = w;
		in->request = f->request;
		return 0;
	}
	if (rc == -1 || !is_whole(w)) {
		work_free(w);
		return -1;
	}
	*out = w;
	return 1;
}

void
work_intake_clear(struct work_intake *in)
{
	work_free(in->partial);
	in->partial = NULL;
}

uint64_t
work_length(const struct work *w)
{
	return w->fd == -1 ? w->content.len : w->m.length;
}

ssize_t
work_read(const struct work *w, uint64_t at, void *dst, size_t cap)
{
	struct slice s;
	ssize_t n;

	if (at >= work_length(w))
		return 0;
	cap = MIN(cap, work_length(w) - at);
	if (w->fd == -1) {
		s = slice_sub(w->content, (size_t)at, cap);
		if (s.len > 0)
			memcpy(dst, s.p, s.len);
		return (ssize_t)s.len;
	}
	do
		n = pread(w->fd, dst, cap, (off_t)at);
	while (n == -1 && errno == EINTR);
	if (n == 0) {
		errno = ENODATA; /* shorter than was said */
		return -1;
	}
	return n;
}
