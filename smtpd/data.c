/* DATA and BDAT: the content comes in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "common/tls/stream.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"
#include "smtpd/trace.h"

/*
 * The client gets its time anew for so many bytes: who sends less in that
 * time is not serious.
 */
#define PROGRESS_BYTES 4096
#define FILE_WAIT_MS   30000
#define FIELDS_MAX     4096

/* clang-format off */
static const struct smtp_status no_rcpts    = { 554, "5.5.1", "No valid recipients" };
static const struct smtp_status no_mail     = { 503, "5.5.1", "Bad sequence of commands" };
static const struct smtp_status mixed       = { 503, "5.5.1", "DATA after BDAT" };
static const struct smtp_status early       = { 554, "5.5.0", "Data sent before 354" };
static const struct smtp_status no_memory   = { 452, "4.3.1", "Out of memory, try later" };
/* clang-format on */

static int
received_field(struct session *s, struct buf *b)
{
	const struct transaction *t = s->mail;
	char id[32];
	const struct trace trace = {
		.helo = s->helo,
		.name = s->name,
		.address = s->address,
		.host = s->smtpd->config->hostname,
		.id = id,
		.tls_version = stream_tls_version(s->stream),
		.tls_cipher = stream_tls_cipher(s->stream),
		.recipient = t->rcpt_count == 1 ? t->first_rcpt : NULL,
		.esmtp = s->esmtp,
		.authenticated = s->user != NULL,
		.utf8 = t->mail.smtputf8,
		.when = clock_wall_s(),
	};

	(void)snprintf(id, sizeof(id), "%08x.%u", s->id, t->number);
	return trace_received(b, &trace);
}

static int
content_begin(struct session *s)
{
	const struct config *cfg = s->smtpd->config;
	const struct content_limits limits = {
		.size = (uint64_t)cfg->message_size_limit,
		.header = (uint64_t)cfg->header_size_limit,
		.received = (unsigned)cfg->received_limit,
	};
	struct buf fields = BUF_INIT(FIELDS_MAX);
	int rc = -1;

	if (received_field(s, &fields) == 0) {
		s->mail->has_content = true;
		rc = content_init(
		    &s->mail->content, &limits, buf_slice(&fields));
	}
	buf_free(&fields);
	s->fresh = 0;
	return rc;
}

/* RFC 6409 §8: what a client left out, once the header is known. */
static void
complete_header(struct session *s)
{
	struct transaction *t = s->mail;
	struct content *c = &t->content;
	struct buf fields = BUF_INIT(FIELDS_MAX);
	char random[16];
	int rc = 0;

	if (!s->smtpd->submission || t->completed)
		return;
	t->completed = true;
	if (!c->header.has_date)
		rc = trace_date(&fields, clock_wall_s());
	if (rc == 0 && !c->header.has_message_id) {
		rand_bytes(random, sizeof(random));
		rc = trace_message_id(
		    &fields, random, s->smtpd->config->hostname);
	}
	if (rc == -1)
		content_break(c, &no_memory);
	else
		content_insert(c, buf_slice(&fields));
	buf_free(&fields);
}

/* -- the end of the content --------------------------------------------- */

static void
refuse(struct session *s, const struct smtp_status *why)
{
	char from[PATH_TEXT_MAX];

	(void)path_format(&s->mail->mail.sender, from);
	s->smtpd->rejected++;
	log_info("event=rejected session=%08x client=%s from=%s size=%llu "
		 "code=%u status=%s text=%s",
	    s->id, s->address, from,
	    (unsigned long long)s->mail->content.data.size, why->code,
	    why->enhanced, why->text);
	transaction_free(s);
	session_status(s, why);
	session_next(s);
}

static bool ask_file(struct session *s);

/* All has come. */
static void
content_whole(struct session *s)
{
	struct content *c = &s->mail->content;
	const struct smtp_status *bad;

	c->header.done = true; /* nothing behind it is fine, too */
	if (content_wants_file(c) && ask_file(s))
		return;
	if (c->fd == -1)
		complete_header(s);
	bad = content_end(c, s->mail->sha256);
	if (bad != NULL)
		refuse(s, bad);
	else
		submit_mail(s);
}

static void
chunk_over(struct session *s)
{
	struct transaction *t = s->mail;

	if (s->chunk_bad != NULL) {
		transaction_free(s);
		if (s->chunk_bad == &no_memory) /* not the client's fault */
			session_status(s, s->chunk_bad);
		else
			session_error(s, s->chunk_bad);
		session_next(s);
		return;
	}
	if (s->chunk_last) {
		content_finish_chunks(&t->content);
		content_whole(s);
	} else if (t->content.broken != NULL) {
		refuse(s, t->content.broken);
	} else {
		session_reply(s, 250, "2.0.0", "Chunk taken");
		session_next(s);
	}
}

/* -- a file for a large one --------------------------------------------- */

/* Go on where the file was asked for. */
static void
file_over(struct session *s)
{
	struct content *c = &s->mail->content;

	s->phase = s->mail->chunked ? PHASE_CHUNK : PHASE_DATA;
	session_idle(s);
	if (s->mail->chunked && s->chunk_left == 0)
		chunk_over(s);
	else if (c->data.state == SMTP_DATA_END)
		content_whole(s);
	session_run(s);
}

/* Nobody takes it: queue would keep the file for ever. */
static void
file_unwanted(struct smtpd *d, const struct ipc_frame *f)
{
	struct ipc_large_file m;

	if (f != NULL && ipc_large_file_decode(&m, f->payload) == 0 &&
	    m.large != 0)
		submit_drop_file(d, m.large);
}

static void
file_answered(struct session *s, struct ipc_frame *f)
{
	struct content *c = &s->mail->content;
	struct ipc_large_file m;

	if (f == NULL || ipc_large_file_decode(&m, f->payload) == -1) {
		content_break(c, &content_try_later);
	} else if (m.code != 250 || f->fd == -1) {
		file_unwanted(s->smtpd, f);
		content_break(
		    c, m.code == 452 ? &content_no_space : &content_try_later);
	} else {
		complete_header(s);
		content_use_file(c, f->fd, m.large);
		f->fd = -1;
	}
	file_over(s);
}

static void
on_file(void *arg, struct ipc_frame *f)
{
	struct file_ask *a = arg;
	struct session *s = a->s;
	struct smtpd *d = a->smtpd;

	free(a);
	if (s == NULL) {
		file_unwanted(d, f);
		return;
	}
	s->mail->file_ask = NULL;
	file_answered(s, f);
}

void
data_timeout(struct session *s)
{
	submit_forget(s);
	content_break(&s->mail->content, &content_try_later);
	file_over(s);
}

static int
send_ask(struct session *s, struct ipc_chan *q)
{
	struct transaction *t = s->mail;
	struct file_ask *a = xcalloc(1, sizeof(*a));
	const struct ipc_large_ask m = {
		.expected = MAX(t->mail.size, t->content.length),
	};
	uint32_t request = ipc_expect(q, on_file, a);

	*a = (struct file_ask){ .smtpd = s->smtpd, .s = s };
	if (ipc_send_msg(q, large_ask, 0, request, &m) == -1) {
		ipc_forget(q, request);
		free(a);
		return -1;
	}
	t->file_ask = a;
	return 0;
}

/* True: it will come, in phase FILE. False: there is none to be had. */
static bool
ask_file(struct session *s)
{
	struct ipc_chan *q = s->smtpd->queue;

	if (q == NULL || send_ask(s, q) == -1) {
		content_break(&s->mail->content, &content_try_later);
		return false;
	}
	s->phase = PHASE_FILE;
	session_deadline(s, FILE_WAIT_MS);
	return true;
}

/* -- coming in ---------------------------------------------------------- */

static void
made_progress(struct session *s, size_t n)
{
	s->fresh += n;
	if (s->fresh < PROGRESS_BYTES)
		return;
	s->fresh = 0;
	session_idle(s);
}

static bool
data_bytes(struct session *s)
{
	struct content *c = &s->mail->content;
	struct buf *in = stream_in(s->stream);
	size_t n = content_take(c, buf_slice(in));

	buf_consume(in, n);
	made_progress(s, n);
	if (c->data.state == SMTP_DATA_END)
		content_whole(s);
	else if (content_wants_file(c))
		(void)ask_file(s);
	return n > 0;
}

static bool
chunk_bytes(struct session *s)
{
	struct buf *in = stream_in(s->stream);
	size_t n = (size_t)MIN((uint64_t)in->len, s->chunk_left);

	if (s->chunk_bad == NULL)
		content_take_chunk(
		    &s->mail->content, slice_sub(buf_slice(in), 0, n));
	buf_consume(in, n);
	s->chunk_left -= n;
	made_progress(s, n);
	/* Also between two chunks: small ones may all come whole. */
	if (s->chunk_bad == NULL && content_wants_file(&s->mail->content) &&
	    ask_file(s))
		return true;
	if (s->chunk_left == 0)
		chunk_over(s);
	else
		return n > 0;
	return true;
}

bool
data_input(struct session *s)
{
	return s->phase == PHASE_DATA ? data_bytes(s) : chunk_bytes(s);
}

/* -- commands ----------------------------------------------------------- */

void
data_command(struct session *s)
{
	if (s->mail->chunked) {
		transaction_free(s);
		session_error(s, &mixed);
		return;
	}
	if (s->mail->rcpt_count == 0) {
		session_error(s, &no_rcpts);
		return;
	}
	/* DATA ends a group (RFC 2920 §3.1); what follows was not meant so. */
	if (stream_in(s->stream)->len > 0) {
		session_status(s, &early);
		session_close(s, "data before 354");
		return;
	}
	if (content_begin(s) == -1) {
		transaction_free(s);
		session_status(s, &no_memory);
		return;
	}
	s->phase = PHASE_DATA;
	session_idle(s);
	session_say(s, "354 End data with <CR><LF>.<CR><LF>\r\n");
}

/* NULL: its bytes are wanted. */
static const struct smtp_status *
chunk_check(struct session *s)
{
	const struct transaction *t = s->mail;

	if (t == NULL)
		return &no_mail;
	if (t->rcpt_count == 0)
		return &no_rcpts;
	if (!t->has_content && content_begin(s) == -1)
		return &no_memory;
	return NULL;
}

/* RFC 3030 §2: the bytes follow at once, wanted or not. */
void
data_chunk(struct session *s, struct slice arg)
{
	const struct smtp_status *bad =
	    smtp_parse_bdat(arg, &s->chunk_left, &s->chunk_last);
	struct transaction *t = s->mail;

	if (bad != NULL) {
		session_status(s, bad);
		session_close(s, "bad BDAT");
		return;
	}
	s->chunk_bad = chunk_check(s);
	if (t != NULL)
		t->chunked = true;
	s->phase = PHASE_CHUNK;
	session_idle(s);
}
