/* One mail transaction of a session: MAIL to the reply behind the dot. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "relay/command.h"
#include "relay/session_state.h"

#define ENVELOPE_MAX  ((size_t)1024 * 1024)
#define CONTENT_STEP  ((size_t)32 * 1024)
#define HEAD_MAX      ((size_t)64 * 1024)
#define BACKLOG_HIGH  ((size_t)128 * 1024)
#define STUFFED_MAX   (2 * CONTENT_STEP + 16)
#define CODE_SHUTDOWN 421
#define CODE_STORAGE  452
#define CODE_SEQUENCE 503
#define CODE_TOO_MUCH 552

/* The envelope's commands in their order. */
enum step { STEP_RSET, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_END };

static enum step
step_at(const struct session *s, size_t i)
{
	if (s->reset && i-- == 0)
		return STEP_RSET;
	if (i-- == 0)
		return STEP_MAIL;
	if (i < s->rcpt_count)
		return STEP_RCPT;
	return i == s->rcpt_count ? STEP_DATA : STEP_END;
}

/* Which recipient the i-th command is about, when it is a RCPT. */
static struct session_rcpt *
rcpt_at(struct session *s, size_t i)
{
	return &s->rcpts[i - 1 - (s->reset ? 1 : 0)];
}

/* -- fates ---------------------------------------------------------------- */

static void
tell(struct session *s, struct session_rcpt *r, enum rcpt_fate fate,
    const struct outcome *o)
{
	if (r->told || s->freed)
		return;
	r->told = true;
	if (r->taken)
		s->taken--;
	s->ops->rcpt(s->arg, s, r->place, fate, o);
}

/* What a refusal means: 5xx is final, 4xx another host may see otherwise. */
static enum rcpt_fate
fate_of(const struct outcome *o)
{
	return o->status == STATUS_DEFERRED ? RCPT_RETRY : RCPT_OVER;
}

void
mail_tell_all(struct session *s, enum rcpt_fate fate, const struct outcome *o)
{
	for (size_t i = 0; i < s->rcpt_count; i++)
		tell(s, &s->rcpts[i], fate, o);
}

void
mail_forget(struct session *s)
{
	s->work = NULL;
	s->converted = false;
	buf_free(&s->seven);
	if (s->converting > 0)
		*s->settings->converting -= s->converting;
	s->converting = 0;
}

void
mail_abort(struct session *s, const struct outcome *why)
{
	struct outcome o = *why;
	enum rcpt_fate fate = RCPT_RETRY;

	/*
	 * With all content out the server may have taken the mail: to try
	 * another host at once would double it. Later is soon enough.
	 */
	if (s->state == STATE_DOT)
		fate = RCPT_OVER;
	if (o.status != STATUS_DEFERRED) {
		outcome_soften(&o);
		fate = RCPT_OVER;
	}
	mail_tell_all(s, fate, &o);
	mail_forget(s);
}

/* The transaction is over, the connection lives. */
static void
done(struct session *s)
{
	mail_forget(s);
	if (s->freed || s->state == STATE_GONE)
		return;
	session_enter(s, STATE_READY);
	stream_deadline(s->stream, 0);
	/* Bytes nobody asked for: it is out of step with us. */
	if (stream_in(s->stream)->len > 0)
		s->no_more = true;
	s->ops->mail_done(s->arg, s, session_reusable(s));
}

/* -- content -------------------------------------------------------------- */

/* Is there a sum to compare with? What was converted has been compared. */
static bool
has_digest(const struct session *s)
{
	return s->work->fd != -1 && !s->converted;
}

static int
digest_start(struct session *s)
{
	if (!has_digest(s))
		return 0;
	if (s->digest == NULL)
		s->digest = EVP_MD_CTX_new();
	return s->digest != NULL &&
		       EVP_DigestInit_ex(s->digest, EVP_sha256(), NULL) == 1
		   ? 0
		   : -1;
}

/* Is what was sent what queue said it would be? */
static bool
digest_matches(struct session *s)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!has_digest(s))
		return true;
	return EVP_DigestFinal_ex(s->digest, sum, &n) == 1 &&
	       slice_eq(slice_of(sum, n), s->work->m.sha256);
}

void
mail_broken(struct session *s, const char *what, enum ipc_blame blame)
{
	struct outcome o;

	log_error("event=content-broken id=%.*s what=%s",
	    SLICE_FMT(s->work->m.id), what);
	outcome_say(&o, STATUS_DEFERRED, "4.3.0", "",
	    "the content cannot be read here: %s", what);
	o.blame = blame;
	mail_tell_all(s, RCPT_OVER, &o);
	session_end(s, &o);
}

static int
send_piece(struct session *s, struct slice piece)
{
	struct buf out = BUF_INIT(STUFFED_MAX);
	int rc = -1;

	if (has_digest(s) &&
	    EVP_DigestUpdate(s->digest, piece.p, piece.len) != 1)
		goto out;
	if (smtp_stuff_put(&s->stuff, piece, &out) == -1)
		goto out;
	rc = session_send(s, buf_slice(&out));
out:
	buf_free(&out);
	return rc;
}

static void
send_end(struct session *s)
{
	struct buf out = BUF_INIT(16);

	if (!digest_matches(s)) {
		mail_broken(s, "checksum", BLAME_CONTENT);
		return;
	}
	session_enter(s, STATE_DOT);
	if (smtp_stuff_end(&s->stuff, &out) == 0)
		(void)session_send(s, buf_slice(&out));
	buf_free(&out);
}

static ssize_t
content_read(const struct session *s, char *piece, size_t cap)
{
	struct slice rest;

	if (!s->converted)
		return work_read(s->work, s->at, piece, cap);
	rest = slice_sub(buf_slice(&s->seven), (size_t)s->at, cap);
	if (rest.len > 0)
		memcpy(piece, rest.p, rest.len);
	return (ssize_t)rest.len;
}

void
mail_more(struct session *s)
{
	char piece[CONTENT_STEP];
	ssize_t n;

	while (stream_backlog(s->stream) < BACKLOG_HIGH) {
		n = content_read(s, piece, sizeof(piece));
		if (n == -1) {
			/* Shorter than queue says: so it is not what came. */
			mail_broken(s, strerror(errno),
			    errno == ENODATA ? BLAME_CONTENT : BLAME_NONE);
			return;
		}
		if (n == 0) {
			send_end(s);
			return;
		}
		s->at += (uint64_t)n;
		if (send_piece(s, slice_of(piece, (size_t)n)) == -1)
			return; /* the stream tells of its end */
	}
}

static void
begin_content(struct session *s)
{
	s->at = 0;
	s->stuff = (struct smtp_stuff)SMTP_STUFF_INIT;
	if (s->taken == 0) {
		/* RFC 2920 §3.1: DATA was let in, but for nobody. */
		session_enter(s, STATE_DOT);
		(void)session_send(s, SLICE(".\r\n"));
		return;
	}
	session_enter(s, STATE_CONTENT);
	if (digest_start(s) == -1)
		mail_broken(s, "no digest", BLAME_NONE);
	else
		mail_more(s);
}

/* -- the envelope --------------------------------------------------------- */

/* 1 written, 0 left out (its recipient was told), -1 memory is gone. */
static int
put_step(struct session *s, struct buf *b, size_t i)
{
	struct session_rcpt *r;

	switch (step_at(s, i)) {
	case STEP_RSET:
		return buf_append_str(b, "RSET\r\n");
	case STEP_MAIL:
		return command_mail(b, s->work, s->ehlo.offers, s->utf8);
	case STEP_RCPT:
		r = rcpt_at(s, i);
		return command_rcpt(
		    b, &s->work->rcpts[r->place], s->ehlo.offers, s->utf8);
	case STEP_DATA:
		return buf_append_str(b, "DATA\r\n");
	case STEP_END:
		break;
	}
	return 0;
}

/* Send the next command, or all of them to a server that pipelines. */
static void
send_steps(struct session *s)
{
	struct buf b = BUF_INIT(ENVELOPE_MAX);
	bool all = (s->ehlo.offers & EHLO_PIPELINING) != 0;
	int rc = 0;

	do {
		rc = put_step(s, &b, s->sent);
		s->sent++;
	} while (rc == 0 && all && step_at(s, s->sent) != STEP_END);
	if (rc == -1)
		session_break(s, "4.3.0", "the envelope cannot be written");
	else
		(void)session_send(s, buf_slice(&b));
	buf_free(&b);
}

/* Without PIPELINING: is there a next command that makes sense? */
static void
go_on(struct session *s)
{
	enum step next = step_at(s, s->answered);

	if (s->sent > s->answered)
		return; /* more replies are on their way */
	if (s->mail_failed || (next == STEP_DATA && s->taken == 0)) {
		s->needs_reset = !s->mail_failed;
		done(s);
		return;
	}
	send_steps(s);
}

/* 421 and 3xx or 2xx out of place: no further word with this server. */
static bool
out_of_step(const struct session *s, unsigned want_class)
{
	unsigned class = s->reply.code / 100;

	return s->reply.code == CODE_SHUTDOWN ||
	       (class != want_class && class != 4 && class != 5);
}

static void
end_by_reply(struct session *s)
{
	struct outcome o;

	outcome_reply(&o, &s->reply, s->target.text);
	if (o.status == STATUS_DEFERRED && s->reply.code / 100 == 4) {
		session_end(s, &o);
		return;
	}
	session_break(
	    s, "4.5.0", "unexpected reply to %s: %s", session_doing(s), o.text);
}

/* What came before is not over for it: nothing it says now is about us. */
static void
not_reset(struct session *s)
{
	session_break(s, "4.5.0", "the server did not end the last mail: %s",
	    s->reply.text);
}

static void
mail_from_reply(struct session *s)
{
	struct outcome o;

	if (s->reply.code / 100 == 2)
		return;
	if (s->reply.code == CODE_SEQUENCE && (s->reset || s->mails > 0)) {
		not_reset(s);
		return;
	}
	outcome_reply(&o, &s->reply, s->target.text);
	s->mail_failed = true;
	mail_tell_all(s, fate_of(&o), &o);
}

static void
rcpt_reply(struct session *s, struct session_rcpt *r)
{
	struct outcome o;
	bool full =
	    s->reply.code == CODE_STORAGE || s->reply.code == CODE_TOO_MUCH;

	if (r->told)
		return;
	if (s->reply.code / 100 == 2) {
		r->taken = true;
		s->taken++;
		return;
	}
	outcome_reply(&o, &s->reply, s->target.text);
	if (full)
		outcome_soften(&o);
	tell(s, r, full && s->taken > 0 ? RCPT_AGAIN : fate_of(&o), &o);
}

/* A 250 that came with the 354 is about nothing we sent. */
static void
content_wanted(struct session *s)
{
	if (stream_in(s->stream)->len > 0)
		session_break(s, "4.5.0",
		    "the server answered before the content was sent");
	else
		begin_content(s);
}

static void
data_reply(struct session *s)
{
	struct outcome o;

	if (s->reply.code / 100 == 3) {
		content_wanted(s);
		return;
	}
	outcome_reply(&o, &s->reply, s->target.text);
	mail_tell_all(s, fate_of(&o), &o);
	s->needs_reset = !s->mail_failed;
	done(s);
}

static void
dot_reply(struct session *s)
{
	struct outcome o;

	if (out_of_step(s, 2)) {
		end_by_reply(s);
		return;
	}
	outcome_reply(&o, &s->reply, s->target.text);
	s->mails++;
	mail_tell_all(s, fate_of(&o), &o);
	done(s);
}

static void
envelope_reply(struct session *s)
{
	size_t i = s->answered;
	enum step step = step_at(s, i);

	if (out_of_step(s, step == STEP_DATA ? 3 : 2)) {
		end_by_reply(s);
		return;
	}
	s->answered++;
	switch (step) {
	case STEP_RSET:
		if (s->reply.code / 100 != 2)
			not_reset(s);
		break;
	case STEP_MAIL:
		mail_from_reply(s);
		break;
	case STEP_RCPT:
		rcpt_reply(s, rcpt_at(s, i));
		break;
	case STEP_DATA:
		data_reply(s);
		return;
	case STEP_END:
		end_by_reply(s);
		return;
	}
	if (!s->freed)
		go_on(s);
}

/* It speaks while we do: a verdict before the end. Then it closes. */
static void
early_reply(struct session *s)
{
	struct outcome o;

	outcome_reply(&o, &s->reply, s->target.text);
	if (s->reply.code / 100 >= 4)
		mail_tell_all(s, fate_of(&o), &o);
	session_break(s, "4.5.0",
	    "the server answered before the end of "
	    "data: %s",
	    o.text);
}

void
mail_reply(struct session *s)
{
	if (s->state == STATE_MAIL)
		envelope_reply(s);
	else if (s->state == STATE_DOT)
		dot_reply(s);
	else
		early_reply(s);
}

/* -- beginning ------------------------------------------------------------ */

/* Reasons not to begin, from what EHLO said; told to all. */
static bool
refuse_early(struct session *s)
{
	uint64_t length = work_length(s->work);
	char head[HEAD_MAX];
	struct outcome o;
	uint64_t most = s->ehlo.size_limit;
	bool address;
	ssize_t n = 0;

	if ((s->ehlo.offers & EHLO_SIZE) != 0 && most > 0 && length > most) {
		outcome_say(&o, STATUS_FAILED, "5.3.4", s->target.text,
		    "the mail has %llu bytes and the server takes %llu",
		    (unsigned long long)length, (unsigned long long)most);
		mail_tell_all(s, RCPT_OVER, &o);
		return true;
	}
	if ((s->work->m.flags & IPC_MAIL_SMTPUTF8) != 0)
		n = work_read(s->work, 0, head, sizeof(head));
	s->utf8 |= command_needs_utf8(
	    s->work, slice_of(head, (size_t)MAX(n, 0)), &address);
	if (!s->utf8 || (s->ehlo.offers & EHLO_SMTPUTF8) != 0)
		return false;
	/* RFC 6531 §3.6 */
	outcome_say(&o, STATUS_FAILED, address ? "5.6.7" : "5.6.9",
	    s->target.text, "the server does not take international %s",
	    address ? "addresses (SMTPUTF8)" : "headers (SMTPUTF8)");
	mail_tell_all(s, RCPT_OVER, &o);
	return true;
}

/* Why a command could not be made; errno is its maker's. */
static void
say_unmade(struct outcome *o, const char *enhanced, const char *text)
{
	if (errno == ENOMEM)
		outcome_say(o, STATUS_DEFERRED, "4.3.0", "", "out of memory");
	else
		outcome_say(o, STATUS_FAILED, enhanced, "", "%s", text);
}

/* Can the server be told of this recipient? Else *o says why not. */
static bool
nameable(struct session *s, const struct ipc_work_rcpt *r, struct outcome *o)
{
	struct buf scratch = BUF_INIT(16384);
	bool valid = command_rcpt(&scratch, r, 0, false) == 0;

	if (!valid)
		say_unmade(o, "5.1.3", "no valid mail address");
	buf_free(&scratch);
	if (!valid || !utf8_has_8bit(r->address))
		return valid;
	/* However the mail came: an alias may lead there. */
	s->utf8 = (s->ehlo.offers & EHLO_SMTPUTF8) != 0;
	if (!s->utf8)
		outcome_say(o, STATUS_FAILED, "5.6.7", s->target.text,
		    "the server takes no international addresses");
	return s->utf8;
}

/* An address that is none does not get so far as the server. */
static void
drop_bad(struct session *s)
{
	struct buf scratch = BUF_INIT(16384);
	struct outcome o;
	size_t kept = 0;

	if (command_mail(&scratch, s->work, 0, false) == -1) {
		say_unmade(&o, "5.1.7", "the sender is no valid mail address");
		mail_tell_all(s, fate_of(&o), &o);
		s->rcpt_count = 0;
	}
	for (size_t i = 0; i < s->rcpt_count; i++) {
		if (nameable(s, &s->work->rcpts[s->rcpts[i].place], &o))
			s->rcpts[kept++] = s->rcpts[i];
		else
			tell(s, &s->rcpts[i], fate_of(&o), &o);
	}
	s->rcpt_count = MIN(kept, s->rcpt_count);
	buf_free(&scratch);
}

void
session_mail(
    struct session *s, const struct work *w, const size_t *rcpts, size_t count)
{
	assert(
	    s->state == STATE_READY && count > 0 && count <= SESSION_RCPTS_MAX);
	s->work = w;
	s->rcpt_count = count;
	for (size_t i = 0; i < count; i++)
		s->rcpts[i] = (struct session_rcpt){ .place = rcpts[i] };
	s->sent = 0;
	s->answered = 0;
	s->taken = 0;
	s->at = 0;
	s->utf8 = false;
	s->mail_failed = false;
	s->reset = s->needs_reset;
	s->needs_reset = false;
	s->depth++;
	session_enter(s, STATE_MAIL);
	drop_bad(s);
	if (!s->freed &&
	    (s->rcpt_count == 0 || refuse_early(s) || fit_refuse(s))) {
		s->needs_reset = s->reset; /* nothing was sent */
		done(s);
	} else if (!s->freed) {
		send_steps(s);
	}
	if (--s->depth == 0 && s->freed)
		session_free(s);
}
