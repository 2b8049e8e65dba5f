#include "smtpd/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/login/talk.h"
#include "common/smtp/reply.h"
#include "common/tls/stream.h"
#include "smtpd/smtpd.h"

#define LINE_COMMAND 4096        /* more than RFC 5321 and all extensions ask */
#define LINE_AUTH    (12288 + 2) /* RFC 4954 §4 */
#define REPLY_MAX    16384
#define QUIET_MS     5000 /* silent so long: makes room when all is full */

/* clang-format off */
static const struct smtp_status bare_lf   = { 500, "5.5.2", "A line ends with CRLF" };
static const struct smtp_status bad_bytes = { 500, "5.5.2", "Line holds a CR or NUL" };
static const struct smtp_status too_long  = { 500, "5.5.2", "Line too long" };
static const struct smtp_status auth_long = { 500, "5.5.6", "Line too long" };
/* clang-format on */

/* -- saying ------------------------------------------------------------- */

static void
say_reply(
    struct session *s, unsigned code, const char *enhanced, const char *text)
{
	struct buf b = BUF_INIT(REPLY_MAX);

	/* Failure is for want of memory: the client hears nothing more. */
	if (smtp_reply_put(&b, code, enhanced, slice_str(text)) == 0)
		(void)stream_write_slice(s->stream, buf_slice(&b));
	buf_free(&b);
}

void
session_reply(
    struct session *s, unsigned code, const char *enhanced, const char *text)
{
	if (s->phase == PHASE_CLOSING)
		return;
	if (s->asks != NULL)
		envelope_queue_reply(s, code, enhanced, text);
	else
		say_reply(s, code, enhanced, text);
}

void
session_status(struct session *s, const struct smtp_status *status)
{
	session_reply(s, status->code, status->enhanced, status->text);
}

void
session_say(struct session *s, const char *fmt, ...)
{
	struct buf b = BUF_INIT(REPLY_MAX);
	va_list ap;

	va_start(ap, fmt);
	if (s->phase != PHASE_CLOSING && buf_vprintf(&b, fmt, ap) == 0)
		(void)stream_write_slice(s->stream, buf_slice(&b));
	va_end(ap);
	buf_free(&b);
}

void
session_error(struct session *s, const struct smtp_status *status)
{
	s->errors++;
	if (s->asks == NULL &&
	    (int64_t)s->errors >= s->smtpd->config->errors_limit)
		session_goodbye(s, "4.7.0", "Too many errors");
	else
		session_status(s, status);
}

/* -- ending ------------------------------------------------------------- */

/* A step forward of the client. */
static void
heard(struct session *s)
{
	s->heard_ms = clock_boot_ms();
	TAILQ_REMOVE(&s->smtpd->quiet, s, quiet);
	TAILQ_INSERT_TAIL(&s->smtpd->quiet, s, quiet);
}

void
session_close(struct session *s, const char *reason)
{
	if (s->phase == PHASE_CLOSING)
		return;
	log_info("event=disconnect session=%08x client=%s reason=%s mails=%u "
		 "errors=%u",
	    s->id, s->address, reason, s->mails, s->errors);
	envelope_forget(s);
	auth_forget(s);
	transaction_free(s);
	ptr_stop(s);
	s->phase = PHASE_CLOSING;
	heard(s);
	stream_close_after_output(s->stream);
}

void
session_goodbye(struct session *s, const char *enhanced, const char *text)
{
	if (s->phase == PHASE_CLOSING)
		return;
	/* Nothing can be said in the middle of a handshake. */
	if (s->phase != PHASE_TLS)
		say_reply(s, 421, enhanced, text);
	session_close(s, text);
}

void
session_free(struct session *s)
{
	struct smtpd *d = s->smtpd;

	envelope_forget(s);
	auth_forget(s);
	transaction_free(s);
	ptr_stop(s);
	stream_free(s->stream);
	client_leave(&d->clients, s->client);
	(void)map_del_u64(&d->sessions, s->id);
	TAILQ_REMOVE(&d->quiet, s, quiet);
	free(s->helo);
	free(s->name);
	free(s->user);
	free(s);
	if (d->draining && d->sessions.count == 0 && d->gone != NULL)
		d->gone(d->gone_arg);
}

void
session_stop(struct session *s)
{
	if (s->phase == PHASE_TLS ||
	    (s->phase == PHASE_COMMAND && s->mail == NULL && s->asks == NULL))
		session_goodbye(s, "4.3.2", "Shutting down, try again");
}

void
session_next(struct session *s)
{
	if (s->phase == PHASE_CLOSING)
		return;
	s->phase = PHASE_COMMAND;
	s->fresh = 0;
	if (s->smtpd->stopping)
		session_stop(s);
	if (s->phase != PHASE_CLOSING)
		session_idle(s);
}

/* -- time --------------------------------------------------------------- */

void
session_deadline(struct session *s, int64_t ms)
{
	stream_deadline(s->stream, clock_boot_ms() + ms);
}

void
session_idle(struct session *s)
{
	heard(s);
	session_deadline(s, s->smtpd->config->idle_timeout * 1000);
}

static void
session_timeout(struct session *s)
{
	if (s->asks != NULL) {
		envelope_timeout(s);
		return;
	}
	switch (s->phase) {
	case PHASE_AUTH_ASKED:
		auth_timeout(s);
		return;
	case PHASE_FILE:
		data_timeout(s);
		return;
	case PHASE_SUBMIT:
		submit_timeout(s);
		return;
	case PHASE_TLS:
	case PHASE_COMMAND:
	case PHASE_AUTH:
	case PHASE_DATA:
	case PHASE_CHUNK:
	case PHASE_CLOSING:
		break;
	}
	session_goodbye(s, "4.4.2", "Timeout, closing connection");
}

/* -- reading ------------------------------------------------------------ */

static void
run_line(struct session *s, enum smtp_line kind, struct slice line)
{
	bool auth = s->phase == PHASE_AUTH;

	switch (kind) {
	case SMTP_LINE_OK:
		if (auth)
			auth_line(s, line);
		else
			command_run(s, line);
		return;
	case SMTP_LINE_BARE_LF:
		/* Where the client thinks lines end cannot be known. */
		session_status(s, &bare_lf);
		session_close(s, "bare LF");
		return;
	case SMTP_LINE_LONG:
		if (auth)
			auth_forget(s);
		session_error(s, auth ? &auth_long : &too_long);
		break;
	case SMTP_LINE_BAD:
		if (auth)
			auth_forget(s);
		session_error(s, &bad_bytes);
		break;
	case SMTP_LINE_MORE:
		return;
	}
	if (auth)
		session_next(s);
}

/*
 * Take a line, if there is one and it is its turn. The line is copied, so
 * that a command may throw all input away. False: nothing to do now.
 */
static bool
take_line(struct session *s)
{
	struct buf *in = stream_in(s->stream);
	const struct smtp_liner before = s->liner;
	char copy[LINE_AUTH];
	enum smtp_line kind;
	struct slice line;
	size_t used;

	kind = smtp_line_next(&s->liner, buf_slice(in), &line, &used);
	if (kind == SMTP_LINE_MORE) {
		buf_consume(in, used);
		return false;
	}
	if (s->asks != NULL &&
	    !(kind == SMTP_LINE_OK && command_overtakes(s, line))) {
		s->liner = before;
		return false;
	}
	if (line.len > 0)
		memcpy(copy, line.p, line.len);
	buf_consume(in, used);
	run_line(s, kind, slice_of(copy, line.len));
	if (s->smtpd->submission)
		explicit_bzero(copy, line.len); /* passwords */
	return true;
}

static bool
take_input(struct session *s)
{
	if (stream_backlog(s->stream) > SESSION_OUT_HIGH)
		s->held = true; /* until it has left: on_drained() */
	if (s->held)
		return false;
	switch (s->phase) {
	case PHASE_COMMAND:
	case PHASE_AUTH:
		return take_line(s);
	case PHASE_DATA:
	case PHASE_CHUNK:
		return data_input(s);
	case PHASE_TLS:
	case PHASE_AUTH_ASKED:
	case PHASE_FILE:
	case PHASE_SUBMIT:
	case PHASE_CLOSING:
		break;
	}
	return false;
}

/* The client sends no more, and nothing is under way for it. */
static bool
at_end(const struct session *s)
{
	return s->eof && s->asks == NULL && !s->held &&
	       (s->phase == PHASE_COMMAND || s->phase == PHASE_AUTH ||
		   s->phase == PHASE_DATA || s->phase == PHASE_CHUNK ||
		   s->phase == PHASE_TLS);
}

void
session_run(struct session *s)
{
	bool some = false;

	if (s->running)
		return;
	s->running = true;
	while (take_input(s))
		some = true;
	s->running = false;
	if (some && s->asks == NULL &&
	    (s->phase == PHASE_COMMAND || s->phase == PHASE_AUTH))
		session_idle(s);
	if (s->smtpd->stopping)
		session_stop(s);
	if (at_end(s))
		session_close(s, s->mail == NULL ? "closed" : "lost");
}

/* -- events ------------------------------------------------------------- */

static void
on_input(void *arg, struct stream *stream)
{
	(void)stream;
	session_run(arg);
}

static void
on_drained(void *arg, struct stream *stream)
{
	struct session *s = arg;

	(void)stream;
	if (!s->held)
		return;
	s->held = false;
	session_run(s);
}

static void
on_ended(void *arg, struct stream *stream, enum stream_end why)
{
	struct session *s = arg;

	if (s->phase == PHASE_CLOSING) {
		session_free(s);
		return;
	}
	switch (why) {
	case STREAM_EOF:
		s->eof = true;
		session_run(s);
		return;
	case STREAM_TIMEOUT:
		session_timeout(s);
		return;
	case STREAM_ERROR:
	case STREAM_OVERFLOW:
		session_close(s, stream_error(stream));
		session_free(s);
		return;
	}
}

static void
greet(struct session *s)
{
	s->phase = PHASE_COMMAND;
	session_idle(s);
	session_say(s, "220 %s ESMTP\r\n", s->smtpd->config->hostname);
}

static void
on_ready(void *arg, struct stream *stream)
{
	struct session *s = arg;

	s->tls = true;
	log_debug("event=tls session=%08x version=%s cipher=%s", s->id,
	    stream_tls_version(stream), stream_tls_cipher(stream));
	if (s->phase == PHASE_TLS)
		greet(s);
	else
		session_idle(s);
}

/* -- beginning ---------------------------------------------------------- */

static const struct stream_ops ops = {
	.input = on_input,
	.drained = on_drained,
	.ended = on_ended,
	.ready = on_ready,
};

static uint32_t
next_id(struct smtpd *d)
{
	do
		d->last_id++;
	while (
	    d->last_id == 0 || map_get_u64(&d->sessions, d->last_id) != NULL);
	return d->last_id;
}

static struct session *
session_make(struct smtpd *d, struct stream *stream,
    const struct sockaddr_storage *peer, enum session_kind kind)
{
	struct session *s = xcalloc(1, sizeof(*s));
	const struct config *cfg = d->config;

	s->smtpd = d;
	s->stream = stream;
	s->id = next_id(d);
	s->secure_port = kind == SESSION_SUBMISSIONS;
	s->liner.max = d->submission ? LINE_AUTH : LINE_COMMAND;
	s->asks_end = &s->asks;
	client_text(peer, s->address);
	s->client = client_enter(&d->clients, peer);
	s->trusted = config_networks_have(&cfg->networks, s->address);
	s->may_clear =
	    config_networks_have(&cfg->cleartext_networks, s->address);
	(void)map_put_u64(&d->sessions, s->id, s);
	s->heard_ms = clock_boot_ms();
	TAILQ_INSERT_TAIL(&d->quiet, s, quiet);
	stream_ops(stream, &ops, s);
	return s;
}

/* Does it wait for its client, and for nothing of ours? */
static bool
waits_for_client(const struct session *s)
{
	return s->asks == NULL &&
	       (s->phase == PHASE_TLS || s->phase == PHASE_COMMAND ||
		   s->phase == PHASE_AUTH || s->phase == PHASE_DATA ||
		   s->phase == PHASE_CHUNK);
}

/*
 * All places are taken: the client that has been silent longest has to go,
 * so that thousands that say nothing keep out nobody who speaks.
 */
static bool
make_room(struct smtpd *d)
{
	int64_t before = clock_boot_ms() - QUIET_MS;
	struct session *s;

	TAILQ_FOREACH(s, &d->quiet, quiet)
	{
		if (s->heard_ms > before)
			return false;
		if (!waits_for_client(s))
			continue;
		session_goodbye(s, "4.3.2", "Too busy for silent clients");
		return true;
	}
	return false;
}

/* Too many at once: said instead of the greeting (RFC 5321 §3.1). */
static bool
too_many(struct session *s)
{
	struct smtpd *d = s->smtpd;
	int64_t now = clock_boot_ms();
	bool one = s->client->connections >
		   (uint64_t)d->config->client_connections_limit;

	if (!one &&
	    ((int64_t)d->sessions.count <= d->config->connections_limit ||
		make_room(d)))
		return false;
	/* A flood of connections must not become a flood of lines. */
	if (d->refused_log_ms == 0 || now - d->refused_log_ms >= 1000)
		log_warn("event=connection-refused session=%08x client=%s "
			 "why=%s",
		    s->id, s->address,
		    one ? "client-connections-limit" : "connections-limit");
	d->refused_log_ms = now;
	return true;
}

struct session *
session_new(struct smtpd *d, int fd, const struct sockaddr_storage *peer,
    enum session_kind kind, bool early)
{
	static const char *const names[] = { "smtp", "submission",
		"submissions" };
	struct stream *stream =
	    stream_new(d->base, fd, SESSION_IN_MAX, SESSION_OUT_MAX);
	struct session *s;

	if (stream == NULL)
		return NULL;
	s = session_make(d, stream, peer, kind);
	s->phase = s->secure_port ? PHASE_TLS : PHASE_COMMAND;
	if (too_many(s)) {
		session_goodbye(s, "4.7.0", "Too many connections, try later");
		return s;
	}
	log_info("event=connect session=%08x client=%s service=%s", s->id,
	    s->address, names[kind]);
	session_idle(s);
	if (early) {
		session_reply(s, 554, "5.5.0", "Client spoke before greeting");
		session_close(s, "spoke before greeting");
	} else if (!s->secure_port) {
		greet(s);
		ptr_start(s);
	} else if (d->tls == NULL ||
		   stream_starttls_server(stream, d->tls) == -1) {
		session_close(s, "no certificate");
	} else {
		ptr_start(s);
	}
	return s;
}
