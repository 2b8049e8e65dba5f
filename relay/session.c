#include "relay/session.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "relay/session_state.h"

#define IN_MAX       16384
#define OUT_MAX      ((size_t)2 * 1024 * 1024)
#define QUIT_WAIT_MS 5000
#define SMTPS_PORT   465

/* -- states --------------------------------------------------------------- */

#define TO(state) (1U << (unsigned)STATE_##state)

static const unsigned successors[STATE_COUNT] = {
	[STATE_CONNECT] = TO(GREETING) | TO(TLS),
	[STATE_GREETING] = TO(EHLO),
	[STATE_EHLO] =
	    TO(HELO) | TO(STARTTLS) | TO(AUTH) | TO(AUTH_USER) | TO(READY),
	[STATE_HELO] = TO(READY),
	[STATE_STARTTLS] = TO(TLS) | TO(AUTH) | TO(AUTH_USER) | TO(READY),
	[STATE_TLS] = TO(EHLO) | TO(GREETING),
	[STATE_AUTH_USER] = TO(AUTH_LOGIN),
	[STATE_AUTH_LOGIN] = TO(AUTH),
	[STATE_AUTH] = TO(READY),
	[STATE_READY] = TO(MAIL),
	[STATE_MAIL] = TO(CONTENT) | TO(DOT) | TO(READY),
	[STATE_CONTENT] = TO(DOT),
	[STATE_DOT] = TO(READY),
	[STATE_QUIT] = 0,
	[STATE_GONE] = 0,
};

void
session_enter(struct session *s, enum session_state next)
{
	assert(next == STATE_GONE || next == STATE_QUIT ||
	       (successors[s->state] & (1U << (unsigned)next)) != 0);
	s->state = next;
}

const char *
session_doing(const struct session *s)
{
	static const char *const names[STATE_COUNT] = {
		[STATE_CONNECT] = "the connection",
		[STATE_GREETING] = "the greeting",
		[STATE_EHLO] = "EHLO",
		[STATE_HELO] = "HELO",
		[STATE_STARTTLS] = "STARTTLS",
		[STATE_TLS] = "the TLS handshake",
		[STATE_AUTH] = "AUTH",
		[STATE_AUTH_USER] = "AUTH",
		[STATE_AUTH_LOGIN] = "AUTH",
		[STATE_READY] = "nothing",
		[STATE_MAIL] = "the envelope",
		[STATE_CONTENT] = "the content",
		[STATE_DOT] = "the end of data",
		[STATE_QUIT] = "QUIT",
		[STATE_GONE] = "nothing",
	};

	return names[s->state];
}

/* -- making and ending ---------------------------------------------------- */

static void
destroy(struct session *s)
{
	stream_free(s->stream);
	EVP_MD_CTX_free(s->digest);
	mail_forget(s);
	free(s);
}

void
session_free(struct session *s)
{
	if (s == NULL)
		return;
	s->freed = true;
	if (s->depth == 0)
		destroy(s);
}

static void
enter_callback(struct session *s)
{
	s->depth++;
}

static void
leave_callback(struct session *s)
{
	if (--s->depth == 0 && s->freed)
		destroy(s);
}

/* Tell the owner, once. */
static void
tell_ended(struct session *s, bool try_clear)
{
	if (s->state == STATE_GONE)
		return;
	if (s->work != NULL)
		mail_abort(s, &s->why);
	session_enter(s, STATE_GONE);
	stream_deadline(s->stream, 0);
	stream_close_after_output(s->stream);
	if (!s->freed)
		s->ops->ended(s->arg, s, &s->why, s->greeted, try_clear);
}

void
session_end(struct session *s, const struct outcome *why)
{
	if (s->state == STATE_GONE)
		return;
	s->why = *why;
	tell_ended(s, false);
}

void
session_break(struct session *s, const char *enhanced, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (s->state == STATE_GONE)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	outcome_say(
	    &s->why, STATUS_DEFERRED, enhanced, s->target.text, "%s", text);
	s->why.blame = BLAME_CONNECT;
	tell_ended(s, false);
}

bool
session_reusable(const struct session *s)
{
	return s->state == STATE_READY && !s->no_more &&
	       s->mails < SESSION_MAILS_MAX &&
	       clock_boot_ms() - s->born_ms < SESSION_AGE_MAX_MS;
}

const struct target *
session_target(const struct session *s)
{
	return &s->target;
}

const char *
session_tls(const struct session *s)
{
	const char *version = stream_tls_version(s->stream);

	return version == NULL ? "none" : version;
}

bool
session_has_dsn(const struct session *s)
{
	return (s->ehlo.offers & EHLO_DSN) != 0;
}

/* -- sending -------------------------------------------------------------- */

int
session_send(struct session *s, struct slice bytes)
{
	int64_t wait = s->settings->reply_ms;

	/* RFC 5321 §4.5.3.2.6: ten minutes where others get five. */
	if (s->state == STATE_DOT)
		wait *= 2;
	stream_deadline(s->stream, clock_boot_ms() + wait);
	return stream_write_slice(s->stream, bytes);
}

/* A whole reply is in s->reply. */
static void
on_reply(struct session *s)
{
	switch (s->state) {
	case STATE_GREETING:
	case STATE_EHLO:
	case STATE_HELO:
	case STATE_STARTTLS:
	case STATE_AUTH:
	case STATE_AUTH_USER:
	case STATE_AUTH_LOGIN:
		hello_reply(s);
		break;
	case STATE_MAIL:
	case STATE_CONTENT:
	case STATE_DOT:
		mail_reply(s);
		break;
	case STATE_QUIT:
		tell_ended(s, false);
		break;
	case STATE_READY:
		/* Nobody asked: 421 before it closes, or out of step. */
		session_break(s, "4.4.2", "the server ended the session: %s",
		    s->reply.text);
		break;
	case STATE_CONNECT:
	case STATE_TLS:
	case STATE_GONE:
	case STATE_COUNT:
		break;
	}
}

/* -- events of the stream ------------------------------------------------- */

static void
on_input(void *arg, struct stream *stream)
{
	struct session *s = arg;
	struct buf *in = stream_in(stream);

	enter_callback(s);
	while (s->state != STATE_GONE && s->state != STATE_TLS && !s->freed) {
		enum smtp_reply_result rc;
		size_t used;

		rc = smtp_reply_take(&s->reply, buf_slice(in), &used);
		buf_consume(in, used);
		if (rc == SMTP_REPLY_MORE)
			break;
		if (rc == SMTP_REPLY_BAD) {
			session_break(s, "4.5.0",
			    "what the server answered to %s is not SMTP",
			    session_doing(s));
			break;
		}
		on_reply(s);
		smtp_reply_init(&s->reply);
	}
	leave_callback(s);
}

static void
on_drained(void *arg, struct stream *stream)
{
	struct session *s = arg;

	(void)stream;
	enter_callback(s);
	if (s->state == STATE_CONTENT && !s->freed)
		mail_more(s);
	leave_callback(s);
}

static void
on_connected(struct session *s)
{
	if (s->implicit_tls) {
		hello_tls(s);
		return;
	}
	session_enter(s, STATE_GREETING);
	stream_deadline(s->stream, clock_boot_ms() + s->settings->reply_ms);
}

static void
on_tls(struct session *s)
{
	log_debug("event=relay-tls remote=%s version=%s cipher=%s",
	    s->target.text, stream_tls_version(s->stream),
	    stream_tls_cipher(s->stream));
	if (!s->implicit_tls) {
		hello_begin(s);
		return;
	}
	session_enter(s, STATE_GREETING);
	stream_deadline(s->stream, clock_boot_ms() + s->settings->reply_ms);
}

static void
on_ready(void *arg, struct stream *stream)
{
	struct session *s = arg;

	(void)stream;
	enter_callback(s);
	if (s->state == STATE_CONNECT)
		on_connected(s);
	else if (s->state == STATE_TLS)
		on_tls(s);
	leave_callback(s);
}

/* TLS that fails where it is not asked for may be left out. */
static bool
may_try_clear(const struct session *s)
{
	return s->state == STATE_TLS && !s->implicit_tls && !s->login &&
	       s->settings->tls == RELAY_TLS_MAY;
}

static void
on_ended(void *arg, struct stream *stream, enum stream_end why)
{
	struct session *s = arg;
	bool try_clear = may_try_clear(s);
	const char *error = stream_error(stream);

	enter_callback(s);
	if (s->state == STATE_QUIT)
		tell_ended(s, false);
	else if (s->state == STATE_READY && why == STREAM_TIMEOUT)
		session_quit(s);
	else if (s->state == STATE_CONNECT)
		session_break(s, "4.4.1", "no connection: %s", error);
	else if (try_clear) {
		outcome_say(&s->why, STATUS_DEFERRED, "4.7.5", s->target.text,
		    "TLS handshake: %s", error);
		s->why.blame = BLAME_CONNECT;
		tell_ended(s, true);
	} else if (why == STREAM_TIMEOUT)
		session_break(
		    s, "4.4.2", "timeout: no reply to %s", session_doing(s));
	else
		session_break(s, "4.4.2", "connection lost at %s: %s",
		    session_doing(s), error);
	leave_callback(s);
}

static const struct stream_ops stream_callbacks = {
	.input = on_input,
	.drained = on_drained,
	.ended = on_ended,
	.ready = on_ready,
};

/* -- the owner's side ----------------------------------------------------- */

static int
connect_socket(const struct target *t)
{
	int fd = socket(t->address.any.sa_family,
	    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd == -1)
		return -1;
	/* Whole passes go out at once: nothing to wait for. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &t->address.any, t->address_len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	fd_close(fd);
	return -1;
}

struct session *
session_new(struct event_base *base, const struct settings *settings,
    const struct target *target, bool login)
{
	struct session *s;
	int fd = connect_socket(target);

	if (fd == -1)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	s->stream = stream_new(base, fd, IN_MAX, OUT_MAX);
	if (s->stream == NULL) {
		free(s);
		return NULL;
	}
	s->settings = settings;
	s->target = *target;
	s->login = login;
	s->implicit_tls = target->port == SMTPS_PORT;
	s->born_ms = clock_boot_ms();
	smtp_reply_init(&s->reply);
	stream_ops(s->stream, &stream_callbacks, s);
	stream_connecting(s->stream);
	stream_deadline(s->stream, s->born_ms + settings->connect_ms);
	return s;
}

void
session_ops(struct session *s, const struct session_ops *ops, void *arg)
{
	s->ops = ops;
	s->arg = arg;
}

void
session_idle(struct session *s, int64_t wait_ms)
{
	stream_deadline(s->stream, clock_boot_ms() + wait_ms);
}

void
session_quit(struct session *s)
{
	if (s->state == STATE_QUIT || s->state == STATE_GONE)
		return;
	session_enter(s, STATE_QUIT);
	if (stream_write(s->stream, "QUIT\r\n", 6) == 0)
		stream_deadline(s->stream, clock_boot_ms() + QUIT_WAIT_MS);
}
