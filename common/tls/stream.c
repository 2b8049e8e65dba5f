#include "common/tls/stream.h"

#include <errno.h>
#include <event2/event.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/tls/ctx.h"
#include "common/tls/run.h"
#include "common/tls/session.h"

#define CLOSE_MAX_MS 30000

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	s->more = true;
	stream_run(s);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	s->writable = true;
	stream_run(s);
}

static void
on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	stream_run(arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	s->timer_ms = 0;
	if (s->deadline_ms == 0)
		return;
	if (clock_boot_ms() < s->deadline_ms) {
		stream_set_timer(s);
		return;
	}
	s->deadline_ms = 0;
	if (!s->want_end) {
		s->want_end = true;
		s->why = STREAM_TIMEOUT;
		s->error = "timeout";
	}
	stream_run(s);
}

/* -- making and ending -------------------------------------------------- */

struct stream *
stream_new(struct event_base *base, int fd, size_t in_max, size_t out_max)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->fd = fd;
	s->phase = PHASE_PLAIN;
	s->error = "closed";
	s->emptied = true;
	buf_init(&s->in, in_max);
	buf_init(&s->out, out_max);
	if (event_assign(
		&s->rd, base, fd, EV_READ | EV_PERSIST, on_readable, s) == -1 ||
	    event_assign(&s->wr, base, fd, EV_WRITE, on_writable, s) == -1 ||
	    evtimer_assign(&s->timer, base, on_timer, s) == -1 ||
	    evtimer_assign(&s->soon, base, on_soon, s) == -1 ||
	    event_add(&s->rd, NULL) == -1) {
		fd_close(fd);
		free(s);
		return NULL;
	}
	s->reading = true;
	return s;
}

void
stream_ops(struct stream *s, const struct stream_ops *ops, void *arg)
{
	s->ops = ops;
	s->arg = arg;
}

static void
stream_del_events(struct stream *s)
{
	s->reading = false;
	(void)event_del(&s->rd);
	(void)event_del(&s->wr);
	(void)event_del(&s->timer);
	(void)event_del(&s->soon);
}

/* Everything but the socket and the struct itself. */
static void
stream_clear(struct stream *s)
{
	stream_del_events(s);
	tls_session_free(s->tls);
	s->tls = NULL;
	tls_ctx_unref(s->next_ctx);
	s->next_ctx = NULL;
	free(s->next_name);
	s->next_name = NULL;
	buf_wipe(&s->in);
	buf_free(&s->out);
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	stream_clear(s);
	fd_close(s->fd);
	s->fd = -1;
	s->phase = PHASE_DEAD;
	s->freed = true;
	if (!s->busy)
		free(s);
}

int
stream_release(struct stream *s)
{
	int fd = s->fd;

	if (s->phase != PHASE_PLAIN || s->want_end)
		return -1;
	if (s->out.len > 0) {
		ssize_t n = send(fd, s->out.data, s->out.len, MSG_NOSIGNAL);

		if (n > 0)
			buf_consume(&s->out, (size_t)n);
		if (s->out.len > 0)
			return -1;
	}
	s->fd = -1;
	stream_free(s);
	return fd;
}

void
stream_connecting(struct stream *s)
{
	s->phase = PHASE_CONNECTING;
	stream_set_reading(s, false);
	stream_wait_writable(s);
}

/* -- the owner's side --------------------------------------------------- */

void
stream_close_after_output(struct stream *s)
{
	int64_t latest = clock_boot_ms() + CLOSE_MAX_MS;

	if (s->closing || s->phase == PHASE_DEAD)
		return;
	s->closing = true;
	if (s->deadline_ms == 0 || s->deadline_ms > latest)
		s->deadline_ms = latest;
	stream_set_timer(s);
	stream_soon(s);
}

struct buf *
stream_in(struct stream *s)
{
	if (s->full && !s->busy)
		stream_soon(s); /* look whether the owner made room */
	return &s->in;
}

static int
stream_wrote(struct stream *s, int rc)
{
	if (rc == -1) {
		stream_fail(s, STREAM_OVERFLOW, "the peer does not read");
		stream_soon(s);
		return -1;
	}
	if (!s->busy && !event_pending(&s->wr, EV_WRITE, NULL))
		stream_soon(s);
	return 0;
}

int
stream_write(struct stream *s, const void *p, size_t n)
{
	if (s->phase == PHASE_DEAD || s->phase == PHASE_LINGER)
		return -1;
	return stream_wrote(s, buf_append(&s->out, p, n));
}

int
stream_write_slice(struct stream *s, struct slice text)
{
	return stream_write(s, text.p, text.len);
}

int
stream_printf(struct stream *s, const char *fmt, ...)
{
	va_list ap;
	int rc;

	if (s->phase == PHASE_DEAD || s->phase == PHASE_LINGER)
		return -1;
	va_start(ap, fmt);
	rc = buf_vprintf(&s->out, fmt, ap);
	va_end(ap);
	return stream_wrote(s, rc);
}

size_t
stream_backlog(const struct stream *s)
{
	return s->out.len;
}

void
stream_pause(struct stream *s, bool paused)
{
	if (s->paused == paused)
		return;
	s->paused = paused;
	if (paused)
		return;
	if (s->in.len > 0)
		s->want_input = true;
	s->more = s->more || stream_kept(s);
	stream_soon(s);
}

void
stream_again(struct stream *s)
{
	s->want_input = true;
	stream_later(s);
}

void
stream_deadline(struct stream *s, int64_t at_ms)
{
	s->deadline_ms = at_ms;
	stream_set_timer(s);
}

static int
stream_starttls(
    struct stream *s, struct tls_ctx *ctx, const char *name, bool server)
{
	size_t dropped = s->in.len;

	if (s->phase != PHASE_PLAIN || s->closing || s->eof)
		return -1;
	s->next_ctx = tls_ctx_ref(ctx);
	s->next_name = xstrdup(name);
	s->server = server;
	s->phase = PHASE_TLS_AFTER_OUTPUT;
	s->clear = s->out.len;
	buf_wipe(&s->in);
	s->full = false;
	s->want_input = false;
	s->more = false;
	if (s->clear > 0)
		stream_set_reading(s, false);
	stream_soon(s);
	return (int)MIN(dropped, (size_t)INT_MAX);
}

int
stream_starttls_server(struct stream *s, struct tls_ctx *ctx)
{
	return stream_starttls(s, ctx, NULL, true);
}

int
stream_starttls_client(struct stream *s, struct tls_ctx *ctx, const char *name)
{
	return stream_starttls(s, ctx, name, false);
}

const char *
stream_tls_version(const struct stream *s)
{
	return s->tls == NULL ? NULL : tls_session_version(s->tls);
}

const char *
stream_tls_cipher(const struct stream *s)
{
	return s->tls == NULL ? NULL : tls_session_cipher(s->tls);
}

bool
stream_tls_verified(const struct stream *s)
{
	return s->tls != NULL && tls_session_verified(s->tls);
}

const char *
stream_error(const struct stream *s)
{
	return s->error;
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}
