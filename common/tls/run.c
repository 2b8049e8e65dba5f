#include "common/tls/run.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/tls/ctx.h"
#include "common/tls/session.h"

#define READ_CHUNK  (size_t)32768  /* asked of the kernel at once */
#define READ_BUDGET (size_t)131072 /* TLS bytes in one pass of the loop */
#define LINGER_MS   3000

/* -- events ------------------------------------------------------------- */

static void
stream_arm(struct event *ev, int64_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000,
		.tv_usec = (ms % 1000) * 1000 };

	if (event_add(ev, &tv) == -1)
		log_die("event=no-memory for=timer");
}

void
stream_soon(struct stream *s)
{
	if (s->busy)
		s->again = true;
	else
		event_active(&s->soon, EV_TIMEOUT, 1);
}

void
stream_later(struct stream *s)
{
	if (!event_pending(&s->soon, EV_TIMEOUT, NULL))
		stream_arm(&s->soon, 0);
}

void
stream_set_reading(struct stream *s, bool on)
{
	if (s->reading == on)
		return;
	s->reading = on;
	if (!on)
		(void)event_del(&s->rd);
	else if (event_add(&s->rd, NULL) == -1)
		log_die("event=no-memory for=event");
}

void
stream_wait_writable(struct stream *s)
{
	if (event_add(&s->wr, NULL) == -1)
		log_die("event=no-memory for=event");
}

void
stream_set_timer(struct stream *s)
{
	int64_t now;

	if (s->deadline_ms == 0 ||
	    (s->timer_ms != 0 && s->timer_ms <= s->deadline_ms))
		return;
	now = clock_boot_ms();
	s->timer_ms = s->deadline_ms;
	stream_arm(&s->timer, MAX(s->deadline_ms - now, 0));
}

void
stream_fail(struct stream *s, enum stream_end why, const char *error)
{
	if (s->phase == PHASE_DEAD)
		return;
	s->phase = PHASE_DEAD;
	s->want_end = true;
	s->again = true;
	s->why = why;
	s->error = error;
	buf_free(&s->out);
	stream_set_reading(s, false);
	(void)event_del(&s->wr);
	(void)event_del(&s->timer);
}

/* -- the transport ------------------------------------------------------ */

enum transfer {
	MOVED,   /* some bytes */
	WAITING, /* none now */
	AT_END,
	BROKEN, /* stream_fail() was called */
};

static enum transfer
stream_tls_result(struct stream *s, enum tls_result r)
{
	switch (r) {
	case TLS_OK:
		return MOVED;
	case TLS_WANT_READ:
		return WAITING;
	case TLS_WANT_WRITE:
		stream_wait_writable(s);
		return WAITING;
	case TLS_CLOSED:
		return AT_END;
	case TLS_FAILED:
		break;
	}
	stream_fail(s, STREAM_ERROR, tls_session_error(s->tls));
	return BROKEN;
}

static enum transfer
stream_recv(struct stream *s, void *p, size_t n, size_t *done)
{
	ssize_t k;

	if (s->tls != NULL)
		return stream_tls_result(
		    s, tls_session_read(s->tls, p, n, done));
	do
		k = recv(s->fd, p, n, 0);
	while (k == -1 && errno == EINTR);
	if (k == 0)
		return AT_END;
	if (k == -1 && errno == EAGAIN)
		return WAITING;
	if (k == -1) {
		stream_fail(s, STREAM_ERROR, strerrordesc_np(errno));
		return BROKEN;
	}
	*done = (size_t)k;
	return MOVED;
}

static enum transfer
stream_send(struct stream *s, const void *p, size_t n, size_t *done)
{
	ssize_t k;

	if (s->tls != NULL)
		return stream_tls_result(
		    s, tls_session_write(s->tls, p, n, done));
	do
		k = send(s->fd, p, n, MSG_NOSIGNAL);
	while (k == -1 && errno == EINTR);
	if (k == -1 && errno == EAGAIN) {
		stream_wait_writable(s);
		return WAITING;
	}
	if (k == -1) {
		stream_fail(s, STREAM_ERROR, strerrordesc_np(errno));
		return BROKEN;
	}
	*done = (size_t)k;
	return MOVED;
}

/* -- what stream_run() does in turn -------------------------------------- */

bool
stream_kept(const struct stream *s)
{
	return s->tls != NULL && tls_session_more(s->tls);
}

static bool
stream_open(const struct stream *s)
{
	return s->phase == PHASE_PLAIN || s->phase == PHASE_TLS;
}

static void
run_connect(struct stream *s)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (!s->writable)
		return; /* some other event: SO_ERROR is 0 then, too */
	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0) {
		stream_fail(s, STREAM_ERROR, strerrordesc_np(error));
		return;
	}
	s->phase = PHASE_PLAIN;
	stream_set_reading(s, true);
	if (s->ops != NULL && s->ops->ready != NULL)
		s->ops->ready(s->arg, s);
}

static void
run_handshake(struct stream *s)
{
	enum transfer t = stream_tls_result(s, tls_session_handshake(s->tls));

	if (t != MOVED)
		return;
	s->phase = PHASE_TLS;
	s->more = stream_kept(s); /* it may have come with the handshake */
	s->want_input = true;
	if (s->ops != NULL && s->ops->ready != NULL)
		s->ops->ready(s->arg, s);
}

/* What comes after our last byte is of no interest, only its end is. */
static void
run_linger(struct stream *s)
{
	char waste[4096];
	ssize_t n;

	if (!s->more)
		return;
	s->more = false;
	n = recv(s->fd, waste, sizeof(waste), 0);
	if (n > 0 || (n == -1 && (errno == EAGAIN || errno == EINTR)))
		return;
	stream_fail(s, STREAM_EOF, "closed");
}

/*
 * Take what has come, as far as there is room: with one call, epoll says
 * when there is more; OpenSSL, which keeps bytes of its own, is asked until
 * it has none.
 */
static void
stream_fill(struct stream *s)
{
	char chunk[READ_CHUNK];
	size_t budget = READ_BUDGET;
	enum transfer t = MOVED;
	size_t room = 0;
	size_t n = 0;

	while (s->more && budget > 0 && s->in.len < s->in.max) {
		room = MIN(s->in.max - s->in.len, sizeof(chunk));
		t = stream_recv(s, chunk, room, &n);
		s->more = t == MOVED && stream_kept(s);
		if (t != MOVED)
			break;
		if (buf_append(&s->in, chunk, n) == -1) {
			stream_fail(s, STREAM_ERROR, "out of memory");
			return;
		}
		s->want_input = true;
		budget -= MIN(n, budget);
	}
	s->eof = t == AT_END;
	s->emptied = t == WAITING || (s->tls == NULL ? n < room : !s->more);
	s->full = s->in.len == s->in.max;
	if (s->eof || s->full)
		stream_set_reading(s, false);
	else if (s->more)
		stream_later(s);
}

static void
run_read(struct stream *s)
{
	if (!stream_open(s) || s->eof)
		return;
	if (s->closing) {
		/* Its output goes first; what comes meanwhile must wait. */
		if (s->more)
			stream_set_reading(s, false);
		return;
	}
	if (s->full && s->in.len < s->in.max) {
		s->full = false;
		s->more = stream_kept(s) || s->more;
	}
	if (s->paused || s->full) {
		/* Armed until something really comes; then it is off. */
		if (s->more)
			stream_set_reading(s, false);
		return;
	}
	stream_set_reading(s, true);
	if (s->more)
		stream_fill(s);
}

static void
run_input(struct stream *s)
{
	if (s->paused || s->closing)
		return;
	if (s->want_input && (stream_open(s) || s->phase == PHASE_DEAD)) {
		s->want_input = false;
		if (s->ops != NULL)
			s->ops->input(s->arg, s);
		if (s->freed)
			return;
		if (s->full && s->in.len < s->in.max)
			s->again = true;
	}
	if (s->in.len == 0 && s->in.alloc != NULL)
		buf_wipe(&s->in);
	if (!s->eof || s->eof_told || s->paused || s->closing ||
	    !stream_open(s))
		return;
	s->eof_told = true;
	s->want_end = true;
	s->why = STREAM_EOF;
}

static void
run_end(struct stream *s)
{
	if (!s->want_end)
		return;
	if (s->closing && s->why == STREAM_TIMEOUT && s->phase != PHASE_DEAD) {
		/* The time for the last output, or for lingering, is over. */
		stream_fail(s,
		    s->phase == PHASE_LINGER ? STREAM_EOF : STREAM_TIMEOUT,
		    "timeout");
	}
	s->want_end = false;
	if (s->ops != NULL)
		s->ops->ended(s->arg, s, s->why);
}

/* What may go out in the present phase. */
static size_t
stream_sendable(const struct stream *s)
{
	if (s->phase == PHASE_TLS_AFTER_OUTPUT)
		return s->clear;
	return stream_open(s) ? s->out.len : 0;
}

static void
stream_flush(struct stream *s)
{
	size_t left;
	size_t n = 0;

	while ((left = stream_sendable(s)) > 0) {
		if (stream_send(s, s->out.data, left, &n) != MOVED)
			return;
		buf_consume(&s->out, n);
		s->clear -= MIN(n, s->clear);
	}
	if (s->out.len == 0)
		buf_free(&s->out);
}

static void
stream_begin_tls(struct stream *s)
{
	s->tls = tls_session_new(s->next_ctx, s->fd, s->server, s->next_name);
	tls_ctx_unref(s->next_ctx);
	s->next_ctx = NULL;
	free(s->next_name);
	s->next_name = NULL;
	if (s->tls == NULL) {
		stream_fail(s, STREAM_ERROR, "no TLS session");
		return;
	}
	s->phase = PHASE_HANDSHAKE;
	stream_set_reading(s, true);
	if (!s->server)
		s->again = true; /* the client speaks first */
}

/*
 * All is sent. Closing while the peer is still sending would reset the
 * connection and could destroy our last reply on its way; so then its end
 * is waited for.
 */
static void
stream_finish(struct stream *s)
{
	bool quiet = s->in.len == 0 && s->reading && s->emptied && !s->more;

	if (s->tls != NULL)
		tls_session_shutdown(s->tls);
	if (quiet || s->eof || shutdown(s->fd, SHUT_WR) == -1) {
		stream_fail(s, STREAM_EOF, "closed");
		return;
	}
	s->phase = PHASE_LINGER;
	buf_wipe(&s->in);
	stream_set_reading(s, true);
	s->deadline_ms = clock_boot_ms() + LINGER_MS;
	stream_set_timer(s);
}

static void
run_output(struct stream *s)
{
	while (stream_sendable(s) > 0) {
		stream_flush(s);
		if (stream_sendable(s) > 0 || s->phase == PHASE_DEAD)
			return;
		if (s->ops != NULL && s->ops->drained != NULL)
			s->ops->drained(s->arg, s);
		if (s->freed)
			return;
		if (s->full && s->in.len < s->in.max)
			s->again = true; /* nobody else would read on */
	}
	if (s->phase == PHASE_TLS_AFTER_OUTPUT)
		stream_begin_tls(s);
	else if (s->closing && (stream_open(s) || s->phase == PHASE_HANDSHAKE))
		stream_finish(s); /* in a handshake nothing can be said */
}

static void
run_phase(struct stream *s)
{
	if (s->phase == PHASE_CONNECTING)
		run_connect(s);
	else if (s->phase == PHASE_HANDSHAKE)
		run_handshake(s);
	else if (s->phase == PHASE_LINGER)
		run_linger(s);
}

void
stream_run(struct stream *s)
{
	static void (*const steps[])(struct stream *) = { run_phase, run_read,
		run_input, run_end, run_output };

	s->busy = true;
	do {
		s->again = false;
		for (size_t i = 0; i < ARRAY_LEN(steps) && !s->freed; i++)
			steps[i](s);
	} while (s->again && !s->freed);
	s->busy = false;
	if (s->freed)
		free(s);
}
