#include "relay/session.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/base64.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "relay/session_state.h"

#define IN_MAX       16384
#define OUT_MAX      ((size_t)2 * 1024 * 1024)
#define QUIT_WAIT_MS 5000
#define SMTPS_PORT   465
#define AUTH_MAX     4096

static void on_reply(struct session *s);

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

static void
set_why(struct session *s, const char *enhanced, const char *fmt, va_list ap)
{
	char text[512];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	outcome_say(
	    &s->why, STATUS_DEFERRED, enhanced, s->target.text, "%s", text);
	s->why.blame = BLAME_CONNECT;
}

void
session_break(struct session *s, const char *enhanced, const char *fmt, ...)
{
	va_list ap;

	if (s->state == STATE_GONE)
		return;
	va_start(ap, fmt);
	set_why(s, enhanced, fmt, ap);
	va_end(ap);
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

static void
say(struct session *s, const char *verb, const char *arg)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s%s%s\r\n", verb,
	    *arg == '\0' ? "" : " ", arg);

	if (n > 0 && (size_t)n < sizeof(line))
		(void)session_send(s, slice_of(line, (size_t)n));
}

static void
say_ehlo(struct session *s)
{
	session_enter(s, STATE_EHLO);
	say(s, "EHLO", s->settings->hostname);
}

/* -- getting ready -------------------------------------------------------- */

static void
become_ready(struct session *s)
{
	session_enter(s, STATE_READY);
	stream_deadline(s->stream, 0);
	s->greeted = true;
	s->ops->ready(s->arg, s);
}

static void
say_secret(struct session *s, struct slice secret)
{
	struct buf line = BUF_INIT(AUTH_MAX);

	if (base64_encode(&line, secret) == -1 ||
	    buf_append_str(&line, "\r\n") == -1)
		session_break(s, "4.7.8", "user or password is too long");
	else
		(void)session_send(s, buf_slice(&line));
	buf_wipe(&line);
}

/* RFC 4616: NUL, user, NUL, password. */
static void
auth_plain(struct session *s)
{
	struct buf plain = BUF_INIT(AUTH_MAX);

	session_enter(s, STATE_AUTH);
	if (buf_append_byte(&plain, '\0') == -1 ||
	    buf_append_str(&plain, s->settings->user) == -1 ||
	    buf_append_byte(&plain, '\0') == -1 ||
	    buf_append_str(&plain, s->settings->password) == -1) {
		buf_wipe(&plain);
		session_break(s, "4.7.8", "user or password is too long");
		return;
	}
	if (session_send(s, SLICE("AUTH PLAIN ")) == 0)
		say_secret(s, buf_slice(&plain));
	buf_wipe(&plain);
}

static void
begin_auth(struct session *s)
{
	bool safe = stream_tls_version(s->stream) != NULL ||
		    s->settings->tls == RELAY_TLS_NONE;

	if (!safe) {
		session_break(s, "4.7.11",
		    "the server offers no TLS and the password is not sent "
		    "in clear (relay-tls = none would)");
	} else if ((s->ehlo.offers & EHLO_AUTH_PLAIN) != 0) {
		auth_plain(s);
	} else if ((s->ehlo.offers & EHLO_AUTH_LOGIN) != 0) {
		session_enter(s, STATE_AUTH_USER);
		say(s, "AUTH LOGIN", "");
	} else {
		session_break(
		    s, "4.7.4", "the server offers no AUTH PLAIN or LOGIN");
	}
}

static void
after_hello(struct session *s)
{
	if (s->login)
		begin_auth(s);
	else
		become_ready(s);
}

/* EHLO was answered, in clear or under TLS. */
static void
choose_tls(struct session *s)
{
	bool under_tls = stream_tls_version(s->stream) != NULL;

	if (under_tls || s->settings->tls == RELAY_TLS_NONE ||
	    s->target.clear) {
		after_hello(s);
	} else if ((s->ehlo.offers & EHLO_STARTTLS) != 0) {
		session_enter(s, STATE_STARTTLS);
		say(s, "STARTTLS", "");
	} else if (s->settings->tls == RELAY_TLS_MUST) {
		session_break(s, "4.7.4", "the server offers no TLS");
	} else {
		after_hello(s);
	}
}

/*
 * What the server said in clear behind its 220 may be another's: RFC 3207
 * §4.2 has it thrown away, we also go.
 */
static void
start_tls(struct session *s)
{
	const char *name = s->target.host[0] == '\0' ? NULL : s->target.host;
	int dropped;

	s->ehlo = (struct ehlo){ 0 };
	session_enter(s, STATE_TLS);
	stream_deadline(s->stream, clock_boot_ms() + s->settings->reply_ms);
	dropped = stream_starttls_client(s->stream, s->settings->ctx, name);
	if (dropped == -1)
		session_break(s, "4.7.5", "TLS could not be started");
	else if (dropped > 0)
		session_break(
		    s, "4.7.5", "the server sent more before TLS began");
}

/* -- replies -------------------------------------------------------------- */

/* A reply that ends the session before it was ready. */
static void
end_by_reply(struct session *s)
{
	struct outcome o;

	outcome_reply(&o, &s->reply, s->target.text);
	if (o.status == STATUS_DONE) { /* 2xx where it makes no sense */
		session_break(s, "4.5.0", "unexpected reply to %s: %s",
		    session_doing(s), o.text);
		return;
	}
	if (o.blame == BLAME_NONE)
		o.blame = BLAME_CONNECT;
	session_end(s, &o);
}

static void
got_hello(struct session *s)
{
	ehlo_read(&s->ehlo, &s->reply);
	/* RFC 5321 §5.1: it is us, by another way. */
	if (strchr(s->settings->hostname, '.') != NULL &&
	    slice_ieq(
		slice_str(s->ehlo.name), slice_str(s->settings->hostname))) {
		struct outcome o;

		outcome_say(&o, STATUS_FAILED, "5.4.6", s->target.text,
		    "mail loops back to this host: the server calls itself "
		    "%s",
		    s->ehlo.name);
		session_end(s, &o);
		return;
	}
	if (s->state == STATE_EHLO) {
		choose_tls(s);
		return;
	}
	s->ehlo.offers = 0;
	if (s->settings->tls == RELAY_TLS_MUST &&
	    stream_tls_version(s->stream) == NULL)
		session_break(s, "4.7.4", "the server offers no TLS");
	else if (s->login)
		session_break(
		    s, "4.7.4", "the server offers no AUTH PLAIN or LOGIN");
	else
		become_ready(s);
}

static void
hello_reply(struct session *s)
{
	if (s->reply.code == 250) {
		got_hello(s);
	} else if (s->state == STATE_EHLO && s->reply.code / 100 == 5) {
		session_enter(s, STATE_HELO);
		say(s, "HELO", s->settings->hostname);
	} else {
		end_by_reply(s);
	}
}

static void
starttls_reply(struct session *s)
{
	if (s->reply.code == 220)
		start_tls(s);
	else if (s->settings->tls == RELAY_TLS_MUST || s->reply.code == 421)
		session_break(s, "4.7.4", "the server refused STARTTLS: %s",
		    s->reply.text);
	else
		after_hello(s);
}

/* A refused login is our configuration's fault, not the mail's. */
static void
auth_reply(struct session *s)
{
	struct outcome o;

	if (s->state == STATE_AUTH && s->reply.code == 235) {
		become_ready(s);
	} else if (s->state == STATE_AUTH_USER && s->reply.code == 334) {
		session_enter(s, STATE_AUTH_LOGIN);
		say_secret(s, slice_str(s->settings->user));
	} else if (s->state == STATE_AUTH_LOGIN && s->reply.code == 334) {
		session_enter(s, STATE_AUTH);
		say_secret(s, slice_str(s->settings->password));
	} else {
		outcome_reply(&o, &s->reply, s->target.text);
		outcome_soften(&o);
		o.blame = BLAME_CONNECT;
		log_warn("event=relay-login-failed remote=%s reply=%s",
		    s->target.text, o.text);
		session_end(s, &o);
	}
}

/* A whole reply is in s->reply. */
static void
on_reply(struct session *s)
{
	switch (s->state) {
	case STATE_GREETING:
		if (s->reply.code == 220)
			say_ehlo(s);
		else
			end_by_reply(s);
		break;
	case STATE_EHLO:
	case STATE_HELO:
		hello_reply(s);
		break;
	case STATE_STARTTLS:
		starttls_reply(s);
		break;
	case STATE_AUTH:
	case STATE_AUTH_USER:
	case STATE_AUTH_LOGIN:
		auth_reply(s);
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
		start_tls(s);
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
		say_ehlo(s);
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

	if (fd == -1)
		return -1;
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
