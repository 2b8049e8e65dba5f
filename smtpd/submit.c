/* The mail goes to queue; 250 when queue says that it is durable. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/wire.h"
#include "common/config/config.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"

#define RCPT_BYTES ((size_t)60000) /* of records in one frame */

/* clang-format off */
static const struct smtp_status try_later = { 451, "4.3.0", "Cannot take the mail now, try later" };
/* clang-format on */

/* -- waiting for queue -------------------------------------------------- */

static void
wait_for_room(struct session *s)
{
	if (s->is_waiting)
		return;
	s->is_waiting = true;
	TAILQ_INSERT_TAIL(&s->smtpd->waiting, s, waiting);
}

static void
wait_no_more(struct session *s)
{
	if (!s->is_waiting)
		return;
	s->is_waiting = false;
	TAILQ_REMOVE(&s->smtpd->waiting, s, waiting);
}

/* -- answers ------------------------------------------------------------ */

static void
log_received(const struct session *s, struct slice id)
{
	char from[PATH_TEXT_MAX];

	(void)path_format(&s->mail->mail.sender, from);
	log_info("event=received session=%08x id=%.*s client=%s from=%s "
		 "rcpts=%zu size=%llu",
	    s->id, SLICE_FMT(id), s->address, from, s->mail->rcpt_count,
	    (unsigned long long)s->mail->content.length);
}

static void
submit_over(
    struct session *s, unsigned code, const char *enhanced, const char *text)
{
	transaction_free(s);
	session_reply(s, code, enhanced, text);
	session_next(s);
	session_run(s);
}

static void
submit_taken(struct session *s, const struct ipc_submitted *m)
{
	char text[64] = "Ok, queued as ";
	size_t n = strlen(text);

	log_received(s, m->id);
	s->mails++;
	s->errors = 0;
	s->smtpd->received++;
	if (slice_copy(text + n, sizeof(text) - n, m->id) == -1)
		text[n] = '\0';
	s->mail->content.large = 0; /* it is queue's now */
	submit_over(s, 250, "2.0.0", text);
}

static void
submit_refused(struct session *s, const struct ipc_submitted *m)
{
	bool valid = m->code >= 400 && m->code <= 599;
	unsigned code = valid ? m->code : try_later.code;
	char enhanced[16];
	char text[256];

	if (!valid || slice_copy(enhanced, sizeof(enhanced), m->enhanced) == -1)
		(void)snprintf(
		    enhanced, sizeof(enhanced), "%s", try_later.enhanced);
	if (slice_copy(text, sizeof(text), m->text) == -1 || text[0] == '\0')
		(void)snprintf(text, sizeof(text), "%s", try_later.text);
	log_info("event=rejected session=%08x client=%s code=%u status=%s "
		 "text=%s",
	    s->id, s->address, code, enhanced, text);
	s->smtpd->rejected++;
	submit_over(s, code, enhanced, text);
}

static void
submit_answered(struct session *s, const struct ipc_frame *f)
{
	struct ipc_submitted m;

	if (ipc_submitted_decode(&m, f->payload) == -1)
		m = (struct ipc_submitted){ .code = 451 };
	if (m.code == 250)
		submit_taken(s, &m);
	else
		submit_refused(s, &m);
}

static void
on_submitted(void *arg, struct ipc_frame *f)
{
	struct submission *u = arg;
	struct session *s = u->s;
	struct smtpd *d = u->smtpd;

	d->unanswered -= u->room;
	free(u);
	if (s != NULL)
		s->mail->submission = NULL;
	if (f == NULL) {
		if (s != NULL) /* queue will be back, and asked again */
			wait_for_room(s);
		return;
	}
	if (s != NULL)
		submit_answered(s, f);
	submit_next(d);
}

void
submit_timeout(struct session *s)
{
	log_warn("event=queue-slow session=%08x client=%s", s->id, s->address);
	submit_over(s, try_later.code, try_later.enhanced, try_later.text);
}

void
submit_drop_file(struct smtpd *d, uint64_t large)
{
	const struct ipc_large_drop m = { .large = large };

	if (d->queue != NULL &&
	    ipc_send_msg(d->queue, large_drop, 0, 0, &m) == -1)
		log_warn("event=large-file-left");
}

void
submit_forget(struct session *s)
{
	struct transaction *t = s->mail;

	wait_no_more(s);
	if (t->submission != NULL)
		t->submission->s = NULL;
	if (t->file_ask != NULL)
		t->file_ask->s = NULL;
	t->submission = NULL;
	t->file_ask = NULL;
	if (!t->has_content || t->content.large == 0)
		return;
	submit_drop_file(s->smtpd, t->content.large);
	t->content.large = 0;
}

/* -- sending ------------------------------------------------------------ */

/* As many whole records from the start of rest as fit into a frame. */
static struct slice
take_records(struct slice *rest)
{
	struct wire_in w = wire_in(*rest);
	struct ipc_rcpt r;
	struct slice taken;
	size_t n = 0;

	while (w.rest.len > 0 && ipc_rcpt_get(&r, &w) == 0) {
		size_t end = rest->len - w.rest.len;

		if (end > RCPT_BYTES)
			break;
		n = end;
	}
	taken = slice_sub(*rest, 0, n);
	*rest = slice_sub(*rest, n, SIZE_MAX);
	return taken;
}

static struct slice
take_content(struct slice *rest)
{
	struct slice taken = slice_sub(*rest, 0, IPC_CHUNK);

	*rest = slice_sub(*rest, taken.len, SIZE_MAX);
	return taken;
}

static void
fill_submit(struct session *s, struct ipc_submit *m, char sender[PATH_TEXT_MAX])
{
	struct transaction *t = s->mail;
	struct content *c = &t->content;

	(void)path_format(&t->mail.sender, sender);
	*m = (struct ipc_submit){
		.token = slice_of(t->token, sizeof(t->token)),
		.source =
		    s->smtpd->submission ? SOURCE_SUBMISSION : SOURCE_SMTP,
		.client = slice_str(s->address),
		.helo = slice_str(s->helo),
		.user = slice_str(s->user),
		.sender = slice_str(sender),
		.envid = slice_str(t->mail.envid),
		.ret = (uint8_t)t->mail.ret,
		.length = c->length,
	};
	/* Clients forget to say so; the next server should know. */
	if (t->mail.body == SMTP_BODY_8BITMIME || c->has_8bit)
		m->flags |= IPC_MAIL_8BIT;
	if (t->mail.smtputf8)
		m->flags |= IPC_MAIL_SMTPUTF8;
	if (c->fd != -1) {
		m->large = c->large;
		m->sha256 = slice_of(t->sha256, sizeof(t->sha256));
	}
}

static int
send_more(struct ipc_chan *q, uint32_t request, struct slice rcpts,
    struct slice content)
{
	struct ipc_submit_more m;

	while (rcpts.len > 0 || content.len > 0) {
		m.recipients = take_records(&rcpts);
		m.content = take_content(&content);
		if (ipc_send_msg(q, submit_more,
			rcpts.len > 0 || content.len > 0 ? IPC_MORE : 0,
			request, &m) == -1)
			return -1;
	}
	return 0;
}

/* The first frame; rcpts and content: what is left for others. */
static int
send_first(struct session *s, uint32_t request, struct slice *rcpts,
    struct slice *content)
{
	struct transaction *t = s->mail;
	char sender[PATH_TEXT_MAX];
	struct ipc_submit m;

	*rcpts = buf_slice(&t->rcpts);
	*content = SLICE_EMPTY;
	if (t->content.fd == -1)
		*content = buf_slice(&t->content.mem);
	fill_submit(s, &m, sender);
	m.recipients = take_records(rcpts);
	m.content = take_content(content);
	return ipc_send_msg(s->smtpd->queue, submit,
	    rcpts->len > 0 || content->len > 0 ? IPC_MORE : 0, request, &m);
}

/*
 * What it takes in the window: all that goes to queue, recipients too, so
 * that the channel cannot fill. What is in a file does not go there.
 */
static uint64_t
room_for(const struct session *s)
{
	const struct transaction *t = s->mail;

	return t->rcpts.len + (t->content.fd == -1 ? t->content.length : 0);
}

/* False when the channel has ended, which perhaps is not told yet. */
static bool
submit_now(struct session *s)
{
	struct smtpd *d = s->smtpd;
	struct submission *u = xcalloc(1, sizeof(*u));
	uint32_t request = ipc_expect(d->queue, on_submitted, u);
	struct slice content;
	struct slice rcpts;

	if (send_first(s, request, &rcpts, &content) == -1) {
		bool gone = errno == EPIPE;

		ipc_forget(d->queue, request);
		free(u);
		if (gone) /* queue will be back, and asked again */
			wait_for_room(s);
		else
			submit_over(s, try_later.code, try_later.enhanced,
			    try_later.text);
		return !gone;
	}
	*u = (struct submission){ .smtpd = d, .s = s, .room = room_for(s) };
	s->mail->submission = u;
	d->unanswered += u->room;
	if (send_more(d->queue, request, rcpts, content) == 0)
		return true;
	/* Queue would wait for the rest as long as the channel lives. */
	ipc_chan_fail(d->queue, "submit cut off by us");
	return false;
}

/*
 * Nobody overtakes the first, or a large mail would never find its room. One
 * that is larger than the whole window goes alone.
 */
void
submit_next(struct smtpd *d)
{
	struct session *s;

	while (
	    d->queue != NULL && (s = TAILQ_FIRST(&d->waiting)) != NULL &&
	    (d->unanswered == 0 || d->unanswered + room_for(s) <= d->window)) {
		wait_no_more(s);
		if (!submit_now(s))
			return;
	}
}

/* Never the same twice, and not to be guessed; without a system call. */
static void
make_token(struct smtpd *d, char token[16])
{
	uint64_t n = wire_get_u64(d->token + 8) + d->tokens++;

	memcpy(token, d->token, 8);
	wire_set_u64(token + 8, n);
}

void
submit_mail(struct session *s)
{
	s->phase = PHASE_SUBMIT;
	make_token(s->smtpd, s->mail->token);
	session_deadline(s, SMTPD_SUBMIT_MS);
	wait_for_room(s);
	submit_next(s->smtpd);
}
