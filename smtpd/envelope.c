/* MAIL and RCPT: what router thinks of them, and the replies in order. */
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"

/* Bytes of the recipients of one mail; queue takes more. */
#define RCPTS_MAX  ((size_t)8 * 1024 * 1024)
#define RECENT_KEY (3 + INET6_ADDRSTRLEN + PATH_TEXT_MAX)

/* clang-format off */
static const struct smtp_status tls_first    = { 530, "5.7.0", "Must issue a STARTTLS command first" };
static const struct smtp_status auth_first   = { 530, "5.7.0", "Authentication required" };
static const struct smtp_status too_large    = { 552, "5.3.4", "Mail is larger than the limit" };
static const struct smtp_status no_mail      = { 503, "5.5.1", "There is no sender" };
static const struct smtp_status too_many     = { 452, "4.5.3", "Too many recipients" };
/* clang-format on */

/* -- the transaction ---------------------------------------------------- */

void
transaction_free(struct session *s)
{
	struct transaction *t = s->mail;

	if (t == NULL)
		return;
	submit_forget(s);
	s->mail = NULL;
	if (t->has_content)
		content_free(&t->content);
	free(t->first_rcpt);
	buf_free(&t->rcpts);
	free(t);
}

static void
transaction_begin(struct session *s, const struct smtp_mail *mail)
{
	struct transaction *t = xcalloc(1, sizeof(*t));

	t->mail = *mail;
	t->number = ++s->transactions;
	buf_init(&t->rcpts, RCPTS_MAX);
	s->mail = t;
}

static int
add_recipient(struct session *s, const struct smtp_rcpt *r)
{
	struct transaction *t = s->mail;
	char text[PATH_TEXT_MAX];
	size_t n = path_format(&r->recipient, text);
	const struct ipc_rcpt record = {
		.address = slice_of(text, n),
		.notify = (uint8_t)r->notify,
		.orcpt = slice_str(r->orcpt),
	};

	if ((int64_t)t->rcpt_count >= s->smtpd->config->recipients_limit ||
	    ipc_rcpt_put(&record, &t->rcpts) == -1)
		return -1;
	if (t->rcpt_count++ == 0)
		t->first_rcpt = xstrdup(text);
	return 0;
}

/* -- asking ------------------------------------------------------------- */

static struct ask *
ask_new(struct session *s, enum ask_kind kind)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->s = s;
	a->kind = kind;
	*s->asks_end = a;
	s->asks_end = &a->next;
	s->asked++;
	return a;
}

static struct ask *
ask_pop(struct session *s)
{
	struct ask *a = s->asks;

	s->asks = a->next;
	if (s->asks == NULL)
		s->asks_end = &s->asks;
	s->asked--;
	return a;
}

static void
ask_forget(struct ask *a)
{
	if (a->request != 0 && a->s->smtpd->router != NULL)
		ipc_forget(a->s->smtpd->router, a->request);
	a->request = 0;
}

static void
ask_free(struct ask *a)
{
	ask_forget(a);
	free(a->rcpt);
	free(a->text);
	free(a);
}

static void
ask_answer(
    struct ask *a, unsigned code, struct slice enhanced, struct slice text)
{
	a->code = code;
	if (slice_copy(a->enhanced, sizeof(a->enhanced), enhanced) == -1)
		a->enhanced[0] = '\0';
	a->text = slice_dup(text);
}

static void
log_rejected(struct session *s, const struct ask *a)
{
	char from[PATH_TEXT_MAX] = "";
	char to[PATH_TEXT_MAX] = "";

	s->smtpd->rejected++;
	if (s->mail != NULL)
		(void)path_format(&s->mail->mail.sender, from);
	if (a->rcpt != NULL)
		(void)path_format(&a->rcpt->recipient, to);
	log_info("event=rejected session=%08x client=%s from=%s to=%s "
		 "code=%u status=%s text=%s",
	    s->id, s->address, from, to, a->code, a->enhanced, a->text);
}

static void
apply_mail(struct session *s, const struct ask *a)
{
	if (a->code == 250) {
		session_reply(s, 250, "2.1.0", "Sender ok");
		return;
	}
	log_rejected(s, a);
	transaction_free(s);
	session_reply(s, a->code, a->enhanced, a->text);
}

static void
apply_rcpt(struct session *s, const struct ask *a)
{
	if (s->mail == NULL) {
		session_status(s, &no_mail);
		return;
	}
	if (a->code == 250) {
		if (add_recipient(s, a->rcpt) == 0)
			session_reply(s, 250, "2.1.5", "Recipient ok");
		else
			session_status(s, &too_many);
		return;
	}
	log_rejected(s, a);
	if (a->code >= 500)
		s->rejects++;
	session_reply(s, a->code, a->enhanced, a->text);
}

/*
 * A client that only tries out names is sent away; five times as late as
 * one that talks nonsense, since lists do hold old addresses.
 */
static bool
guesses(const struct session *s)
{
	return (int64_t)s->rejects >= 5 * s->smtpd->config->errors_limit &&
	       (s->mail == NULL || s->mail->rcpt_count == 0);
}

/* Replies go out up to the first that is still awaited. */
static void
asks_flush(struct session *s)
{
	struct ask *rest;

	while (s->asks != NULL && s->asks->text != NULL) {
		struct ask *a = ask_pop(s);

		/* Now it is its turn, whatever stands behind it. */
		rest = s->asks;
		s->asks = NULL;
		if (a->kind == ASK_MAIL)
			apply_mail(s, a);
		else if (a->kind == ASK_RCPT)
			apply_rcpt(s, a);
		else
			session_reply(s, a->code, a->enhanced, a->text);
		s->asks = rest;
		if (a->code == 421)
			session_close(s, "sent away");
		ask_free(a);
	}
	if (s->asks == NULL) {
		if (guesses(s))
			session_goodbye(
			    s, "4.7.0", "Too many unknown recipients");
		session_next(s);
	}
	session_run(s);
}

/*
 * All that router decides about a recipient by (router/verdict.c). Who has
 * it decide by more adds that here. Whom it trusts is its own business: so
 * the client itself, not what we think of it.
 */
static size_t
recent_key(
    const struct session *s, const struct smtp_rcpt *r, char key[RECENT_KEY])
{
	size_t n = strlen(s->address);

	key[0] = s->user != NULL ? 'l' : '-';
	key[1] = s->mail->mail.smtputf8 ? 'u' : '-';
	memcpy(key + 2, s->address, n + 1);
	return 3 + n + path_format(&r->recipient, key + 3 + n);
}

/* Only what is accepted: a new user works at once. */
static void
remember(const struct ask *a)
{
	struct session *s = a->s;
	char key[RECENT_KEY];

	if (a->kind == ASK_RCPT && a->code == 250 && s->mail != NULL)
		recent_put(&s->smtpd->accepted,
		    slice_of(key, recent_key(s, a->rcpt, key)), SLICE_EMPTY,
		    a->asked_ms);
}

static bool
accepted_before(const struct session *s, const struct smtp_rcpt *r)
{
	char key[RECENT_KEY];
	struct slice value;

	return recent_get(&s->smtpd->accepted,
	    slice_of(key, recent_key(s, r, key)), clock_boot_ms(), &value);
}

static void
on_verdict(void *arg, struct ipc_frame *f)
{
	struct ask *a = arg;
	struct ipc_verdict m;

	a->request = 0;
	if (f == NULL)
		return; /* router will be back: envelope_ask_again() */
	if (ipc_verdict_decode(&m, f->payload) == -1 || m.code < 200 ||
	    m.code > 599)
		ask_answer(a, 451, SLICE("4.3.0"), SLICE("Try again later"));
	else if (m.code < 400)
		ask_answer(a, 250, SLICE(""), SLICE(""));
	else
		ask_answer(a, m.code, m.enhanced, m.text);
	remember(a);
	asks_flush(a->s);
}

static void
ask_send(struct ask *a)
{
	struct session *s = a->s;
	struct ipc_chan *c = s->smtpd->router;
	char from[PATH_TEXT_MAX] = "";
	char to[PATH_TEXT_MAX] = "";
	struct ipc_verdict_ask m = {
		.stage = a->kind == ASK_MAIL ? STAGE_MAIL : STAGE_RCPT,
		.client = slice_str(s->address),
		.helo = slice_str(s->helo),
		.user = slice_str(s->user),
	};

	if (c == NULL)
		return; /* it will be back */
	if (s->mail != NULL) {
		m.smtputf8 = s->mail->mail.smtputf8;
		(void)path_format(&s->mail->mail.sender, from);
	}
	if (a->rcpt != NULL)
		(void)path_format(&a->rcpt->recipient, to);
	m.sender = slice_str(from);
	m.recipient = slice_str(to);
	a->request = ipc_expect(c, on_verdict, a);
	a->asked_ms = clock_boot_ms();
	if (ipc_send_msg(c, verdict_ask, 0, a->request, &m) == 0)
		return;
	ipc_forget(c, a->request);
	a->request = 0;
}

void
envelope_ask_again(struct session *s)
{
	for (struct ask *a = s->asks; a != NULL; a = a->next)
		if (a->text == NULL && a->request == 0)
			ask_send(a);
}

void
envelope_timeout(struct session *s)
{
	for (struct ask *a = s->asks; a != NULL; a = a->next) {
		if (a->text != NULL)
			continue;
		ask_forget(a);
		ask_answer(a, 451, SLICE("4.3.0"), SLICE("Try again later"));
	}
	asks_flush(s);
}

void
envelope_forget(struct session *s)
{
	while (s->asks != NULL)
		ask_free(ask_pop(s));
}

void
envelope_queue_reply(
    struct session *s, unsigned code, const char *enhanced, const char *text)
{
	struct ask *a = ask_new(s, ASK_SAID);

	ask_answer(a, code, slice_str(enhanced), slice_str(text));
}

bool
envelope_has_room(const struct session *s)
{
	int64_t limit = s->smtpd->config->recipients_limit;
	size_t accepted = s->mail == NULL ? 0 : s->mail->rcpt_count;

	/* At the limit it matters which of them are refused. */
	return s->asked < SESSION_ASKS_MAX &&
	       (int64_t)(accepted + s->asked) < limit;
}

/* -- commands ----------------------------------------------------------- */

/* Extensions whose parameters we take; AUTH= of who has logged in. */
static unsigned
extensions(const struct session *s)
{
	unsigned all = SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 |
		       SMTP_EXT_DSN;

	return s->smtpd->submission ? all | SMTP_EXT_AUTH : all;
}

/* May this client send at all? False when it was told that it may not. */
static bool
may_send(struct session *s)
{
	const struct smtpd *d = s->smtpd;
	const char *enhanced;
	const char *text;

	if (d->submission && s->user == NULL && !s->trusted) {
		session_error(s, s->tls || s->may_clear || d->tls == NULL
				     ? &auth_first
				     : &tls_first);
		return false;
	}
	if (d->intake_code == 250)
		return true;
	enhanced = d->intake_enhanced[0] == '\0' ? "4.3.1" : d->intake_enhanced;
	text = d->intake_text == NULL ? "Try again later" : d->intake_text;
	if (d->intake_code == 421)
		session_goodbye(s, enhanced, text);
	else
		session_reply(s, d->intake_code, enhanced, text);
	return false;
}

/*
 * What router would say to any client (router/verdict.c): it is not asked,
 * which would be a round trip a mail. Only of a name that cannot be looked
 * up elsewhere it decides by who asks. Postfix's way of asking nothing
 * before RCPT would be one further; but senders are refused at MAIL.
 */
static bool
is_plain(const struct path *sender)
{
	return sender->kind != PATH_NAME || strchr(sender->domain, '.') != NULL;
}

void
envelope_mail(struct session *s, struct slice arg)
{
	const struct smtp_status *bad;
	struct smtp_mail mail;

	if (!may_send(s))
		return;
	bad = smtp_parse_mail(&mail, arg, extensions(s));
	if (bad != NULL) {
		session_error(s, bad);
		return;
	}
	if (mail.size > (uint64_t)s->smtpd->config->message_size_limit) {
		session_status(s, &too_large);
		return;
	}
	transaction_begin(s, &mail);
	if (is_plain(&mail.sender)) {
		session_reply(s, 250, "2.1.0", "Sender ok");
		return;
	}
	session_deadline(s, SMTPD_VERDICT_MS);
	ask_send(ask_new(s, ASK_MAIL));
}

void
envelope_rcpt(struct session *s, struct slice arg)
{
	const struct smtp_status *bad;
	struct smtp_rcpt *r = xcalloc(1, sizeof(*r));
	struct ask *a;

	bad = smtp_parse_rcpt(r, arg, extensions(s), s->mail->mail.smtputf8);
	if (bad != NULL) {
		session_error(s, bad);
		free(r);
		return;
	}
	if ((int64_t)s->mail->rcpt_count >=
	    s->smtpd->config->recipients_limit) {
		session_status(s, &too_many);
		free(r);
		return;
	}
	a = ask_new(s, ASK_RCPT);
	a->rcpt = r;
	if (accepted_before(s, r)) {
		ask_answer(a, 250, SLICE(""), SLICE(""));
		if (s->asks == a)
			asks_flush(s);
		return;
	}
	session_deadline(s, SMTPD_VERDICT_MS);
	ask_send(a);
}
