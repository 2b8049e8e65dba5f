/* The commands: which there are, where each is legal, and the small ones. */
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/login/talk.h"
#include "common/tls/stream.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"

/* How far the client is with its mail. */
enum progress {
	AT_START, /* no EHLO yet */
	AT_READY, /* between mails */
	AT_MAIL,  /* MAIL was given */
	AT_CHUNK, /* BDAT was given */
};

#define IN(x)  (1U << (unsigned)AT_##x)
#define IN_ANY (IN(START) | IN(READY) | IN(MAIL) | IN(CHUNK))

enum args { ARGS_NONE, ARGS_SOME, ARGS_ANY };

struct command {
	struct slice verb;
	unsigned legal; /* IN() bits */
	enum args args;
	void (*run)(struct session *s, struct slice arg);
};

/* clang-format off */
static const struct smtp_status ok          = { 250, "2.0.0", "Ok" };
static const struct smtp_status unknown     = { 500, "5.5.2", "Command not known" };
static const struct smtp_status not_here    = { 502, "5.5.1", "Command not implemented" };
static const struct smtp_status not_for_you = { 550, "5.7.0", "Not for you" };
static const struct smtp_status out_of_turn = { 503, "5.5.1", "Bad sequence of commands" };
static const struct smtp_status helo_first  = { 503, "5.5.1", "Say EHLO first" };
static const struct smtp_status wants_none  = { 501, "5.5.4", "Command takes no argument" };
static const struct smtp_status wants_some  = { 501, "5.5.4", "Command needs an argument" };
static const struct smtp_status bad_name    = { 501, "5.5.4", "Bad host name" };
static const struct smtp_status cannot_vrfy = { 252, "2.0.0", "Send the mail, then you will know" };
static const struct smtp_status help        = { 214, "2.0.0", "See RFC 5321" };
static const struct smtp_status no_tls      = { 454, "4.7.0", "TLS not available" };
static const struct smtp_status has_tls     = { 503, "5.5.1", "TLS is on already" };
/* clang-format on */

static void
set_helo(struct session *s, struct slice arg, bool esmtp)
{
	transaction_free(s); /* RFC 5321 §4.1.4 */
	free(s->helo);
	s->helo = slice_dup(arg);
	s->esmtp = esmtp;
}

static void
cmd_helo(struct session *s, struct slice arg)
{
	if (!smtp_helo_valid(arg)) {
		session_error(s, &bad_name);
		return;
	}
	set_helo(s, arg, false);
	session_say(s, "250 %s\r\n", s->smtpd->config->hostname);
}

static void
cmd_ehlo(struct session *s, struct slice arg)
{
	const struct smtpd *d = s->smtpd;
	bool tls = d->tls != NULL && !s->tls;
	bool auth =
	    d->submission && (s->tls || s->may_clear) && s->user == NULL;

	if (!smtp_helo_valid(arg)) {
		session_error(s, &bad_name);
		return;
	}
	set_helo(s, arg, true);
	session_say(s,
	    "250-%s\r\n250-PIPELINING\r\n250-SIZE %lld\r\n250-8BITMIME\r\n"
	    "250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n%s%s"
	    "250 ENHANCEDSTATUSCODES\r\n",
	    d->config->hostname, (long long)d->config->message_size_limit,
	    tls ? "250-STARTTLS\r\n" : "",
	    auth ? "250-AUTH " SASL_MECHANISMS "\r\n" : "");
}

static void
cmd_rset(struct session *s, struct slice arg)
{
	(void)arg;
	transaction_free(s);
	session_status(s, &ok);
}

static void
cmd_noop(struct session *s, struct slice arg)
{
	(void)arg;
	session_status(s, &ok);
}

static void
cmd_quit(struct session *s, struct slice arg)
{
	(void)arg;
	session_reply(s, 221, "2.0.0", "Bye");
	session_close(s, "quit");
}

/* RFC 5321 §7.3: whom we know is nobody's business. */
static void
cmd_vrfy(struct session *s, struct slice arg)
{
	(void)arg;
	session_status(s, &cannot_vrfy);
}

static void
cmd_help(struct session *s, struct slice arg)
{
	(void)arg;
	session_status(s, &help);
}

static void
cmd_not_here(struct session *s, struct slice arg)
{
	(void)arg;
	session_error(s, &not_here);
}

static void
cmd_not_for_you(struct session *s, struct slice arg)
{
	(void)arg;
	session_error(s, &not_for_you);
}

/* What was said before TLS has never been said (RFC 3207 §4.2). */
static void
forget_all(struct session *s)
{
	transaction_free(s);
	free(s->helo);
	s->helo = NULL;
	s->esmtp = false;
	free(s->user);
	s->user = NULL;
}

static void
cmd_starttls(struct session *s, struct slice arg)
{
	size_t behind = stream_in(s->stream)->len;

	(void)arg;
	if (s->tls) {
		session_error(s, &has_tls);
		return;
	}
	if (s->smtpd->tls == NULL) {
		session_status(s, &no_tls);
		return;
	}
	/* Commands that were to be taken for protected ones. */
	if (behind > 0) {
		log_warn("event=starttls-injection session=%08x client=%s "
			 "bytes=%zu",
		    s->id, s->address, behind);
		session_close(s, "commands behind STARTTLS");
		return;
	}
	session_reply(s, 220, "2.0.0", "Go ahead");
	forget_all(s);
	if (stream_starttls_server(s->stream, s->smtpd->tls) == -1)
		session_close(s, "no TLS");
}

static void
cmd_mail(struct session *s, struct slice arg)
{
	envelope_mail(s, arg);
}

static void
cmd_rcpt(struct session *s, struct slice arg)
{
	envelope_rcpt(s, arg);
}

static void
cmd_data(struct session *s, struct slice arg)
{
	(void)arg;
	data_command(s);
}

static void
cmd_bdat(struct session *s, struct slice arg)
{
	data_chunk(s, arg);
}

static void
cmd_auth(struct session *s, struct slice arg)
{
	auth_command(s, arg);
}

/* clang-format off */
static const struct command commands[] = {
	/* verb                legal in                   argument   run */
	{ { "MAIL", 4 },       IN(READY),                 ARGS_SOME, cmd_mail },
	{ { "RCPT", 4 },       IN(MAIL),                  ARGS_SOME, cmd_rcpt },
	{ { "DATA", 4 },       IN(MAIL) | IN(CHUNK),      ARGS_NONE, cmd_data },
	{ { "BDAT", 4 },       IN_ANY,                    ARGS_ANY,  cmd_bdat },
	{ { "EHLO", 4 },       IN_ANY,                    ARGS_SOME, cmd_ehlo },
	{ { "HELO", 4 },       IN_ANY,                    ARGS_SOME, cmd_helo },
	{ { "QUIT", 4 },       IN_ANY,                    ARGS_NONE, cmd_quit },
	{ { "RSET", 4 },       IN_ANY,                    ARGS_NONE, cmd_rset },
	{ { "NOOP", 4 },       IN_ANY,                    ARGS_ANY,  cmd_noop },
	{ { "STARTTLS", 8 },   IN_ANY,                    ARGS_NONE, cmd_starttls },
	{ { "AUTH", 4 },       IN(READY),                 ARGS_SOME, cmd_auth },
	{ { "VRFY", 4 },       IN_ANY,                    ARGS_SOME, cmd_vrfy },
	{ { "HELP", 4 },       IN_ANY,                    ARGS_ANY,  cmd_help },
	{ { "EXPN", 4 },       IN_ANY,                    ARGS_ANY,  cmd_not_here },
	{ { "ETRN", 4 },       IN_ANY,                    ARGS_ANY,  cmd_not_here },
	{ { "TURN", 4 },       IN_ANY,                    ARGS_ANY,  cmd_not_here },
	{ { "SEND", 4 },       IN_ANY,                    ARGS_ANY,  cmd_not_here },
	{ { "SOML", 4 },       IN_ANY,                    ARGS_ANY,  cmd_not_here },
	{ { "SAML", 4 },       IN_ANY,                    ARGS_ANY,  cmd_not_here },
	{ { "XCLIENT", 7 },    IN_ANY,                    ARGS_ANY,  cmd_not_for_you },
	{ { "XFORWARD", 8 },   IN_ANY,                    ARGS_ANY,  cmd_not_for_you },
};
/* clang-format on */

static enum progress
progress(const struct session *s)
{
	if (s->helo == NULL)
		return AT_START;
	if (s->mail == NULL)
		return AT_READY;
	return s->mail->chunked ? AT_CHUNK : AT_MAIL;
}

static const struct command *
find(struct slice verb)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (slice_ieq(verb, commands[i].verb))
			return &commands[i];
	return NULL;
}

bool
command_overtakes(const struct session *s, struct slice line)
{
	struct slice verb;
	struct slice arg;

	smtp_split(line, &verb, &arg);
	return slice_ieq(verb, SLICE("RCPT")) && envelope_has_room(s);
}

void
command_run(struct session *s, struct slice line)
{
	bool first = !s->spoken;
	const struct command *c;
	struct slice verb;
	struct slice arg;

	s->spoken = true;
	/* A browser that was lured here (ALPACA). */
	if (first && talk_is_http(line)) {
		session_goodbye(s, "4.7.0", "This is a mail server");
		return;
	}
	smtp_split(line, &verb, &arg);
	c = find(verb);
	if (c == NULL)
		session_error(s, &unknown);
	else if ((c->legal & (1U << (unsigned)progress(s))) == 0)
		session_error(s, s->helo == NULL ? &helo_first : &out_of_turn);
	else if (c->args == ARGS_NONE && arg.len > 0)
		session_error(s, &wants_none);
	else if (c->args == ARGS_SOME && arg.len == 0)
		session_error(s, &wants_some);
	else
		c->run(s, arg);
}
