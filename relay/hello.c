/* A session until it is READY: greeting, EHLO, STARTTLS, AUTH. */
#include <stdio.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "relay/session_state.h"

#define AUTH_MAX 4096

static void
say(struct session *s, const char *verb, const char *arg)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s%s%s\r\n", verb,
	    *arg == '\0' ? "" : " ", arg);

	if (n > 0 && (size_t)n < sizeof(line))
		(void)session_send(s, slice_of(line, (size_t)n));
}

void
hello_begin(struct session *s)
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
	bool wanted = s->settings->tls != RELAY_TLS_NONE && !s->target.clear &&
		      stream_tls_version(s->stream) == NULL;

	if (wanted && (s->ehlo.offers & EHLO_STARTTLS) != 0) {
		session_enter(s, STATE_STARTTLS);
		say(s, "STARTTLS", "");
	} else if (wanted && s->settings->tls == RELAY_TLS_MUST) {
		session_break(s, "4.7.4", "the server offers no TLS");
	} else {
		after_hello(s);
	}
}

/*
 * What the server said in clear behind its 220 may be another's: RFC 3207
 * §4.2 has it thrown away, we also go.
 */
void
hello_tls(struct session *s)
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
ehlo_reply(struct session *s)
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
		hello_tls(s);
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

void
hello_reply(struct session *s)
{
	if (s->state == STATE_GREETING) {
		if (s->reply.code == 220)
			hello_begin(s);
		else
			end_by_reply(s);
	} else if (s->state == STATE_EHLO || s->state == STATE_HELO) {
		ehlo_reply(s);
	} else if (s->state == STATE_STARTTLS) {
		starttls_reply(s);
	} else {
		auth_reply(s);
	}
}
