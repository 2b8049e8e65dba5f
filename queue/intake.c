#include "queue/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "queue/life.h"
#include "queue/queue.h"

/* Peers that keep to their window never come near these. */
#define KEPT_MAX    ((size_t)256 * 1024 * 1024)
#define BACKLOG_MAX ((size_t)256 * 1024 * 1024)

/* A mail on its way in, as far as it came. */
struct incoming {
	TAILQ_ENTRY(incoming) link; /* in intake.kept, when kept */
	struct queue *q;
	struct ipc_chan *chan; /* NULL: its sender is gone */
	uint32_t request;
	struct ipc_submit m; /* slices into the frame, or first */
	char *first;         /* owned copy of the first frame, when kept */
	size_t first_len;
	struct buf rcpts; /* as an envelope has them */
	uint32_t count;
	struct slice content;
	struct buf joined; /* content of several frames */
	struct large *large;
};

/* A record on its way to the disk, and who waits for it. */
struct commit {
	struct log_waiter w; /* first member */
	TAILQ_ENTRY(commit) link;
	struct queue *q;
	struct mail *mail;
	uint32_t base_len;
	struct ipc_chan *chan; /* NULL: nobody */
	uint32_t request;
	struct commit *also; /* asked with the same token */
};

void
intake_init(struct intake *in)
{
	*in =
	    (struct intake){ .kept_max = KEPT_MAX, .backlog_max = BACKLOG_MAX };
	TAILQ_INIT(&in->kept);
	TAILQ_INIT(&in->commits);
	buf_init(&in->head, RECORD_MAX);
}

static void
incoming_clear(struct incoming *in)
{
	buf_free(&in->rcpts);
	buf_free(&in->joined);
	free(in->first);
}

/* One that was kept. */
static void
incoming_free(struct incoming *in)
{
	TAILQ_REMOVE(&in->q->intake.kept, in, link);
	in->q->intake.kept_bytes -=
	    in->first_len + in->rcpts.len + in->joined.len;
	incoming_clear(in);
	free(in);
}

void
intake_free(struct queue *q)
{
	struct incoming *next;
	struct incoming *in;

	for (in = TAILQ_FIRST(&q->intake.kept); in != NULL; in = next) {
		next = TAILQ_NEXT(in, link);
		incoming_free(in);
	}
	buf_free(&q->intake.head);
}

/* -- answers ------------------------------------------------------------- */

static void
answer(struct ipc_chan *c, uint32_t request, const struct ipc_submitted *m)
{
	if (c == NULL)
		return;
	if (ipc_send_msg(c, submitted, IPC_REPLY, request, m) == -1)
		log_warn(
		    "event=peer-gone peer=%s", proc_name(ipc_chan_peer(c)));
}

static void
refuse(struct queue *q, struct ipc_chan *c, uint32_t request,
    const struct space_answer *a)
{
	const struct ipc_submitted m = { .code = a->code,
		.enhanced = slice_str(a->enhanced),
		.text = slice_str(a->text) };

	q->counts.refused++;
	answer(c, request, &m);
}

static void
accept_it(struct ipc_chan *c, uint32_t request, struct qid id)
{
	char text[QID_TEXT];
	const struct ipc_submitted m = { .code = 250,
		.id = { text, QID_TEXT - 1 },
		.enhanced = SLICE("2.0.0"),
		.text = SLICE("queued") };

	qid_text(id, text);
	answer(c, request, &m);
}

static const struct space_answer too_many_rcpts = { 452, "4.5.3",
	"Too many recipients" };
static const struct space_answer no_memory = { 451, "4.3.0",
	"Out of memory, try again later" };
static const struct space_answer not_written = { 451, "4.3.0",
	"Mail could not be written, try again later" };
static const struct space_answer no_space = { 452, "4.3.1",
	"Insufficient system storage" };
static const struct space_answer no_such_file = { 451, "4.3.0",
	"The content is gone, send it again" };

/* -- commit -------------------------------------------------------------- */

static void
log_accepted(const struct mail *m)
{
	const struct envelope *e = &m->hot->env;
	char id[QID_TEXT];

	qid_text(m->id, id);
	log_info("event=accepted id=%s from=%.*s client=%.*s user=%.*s "
		 "size=%llu rcpts=%u",
	    id, SLICE_FMT(e->sender), SLICE_FMT(e->client), SLICE_FMT(e->user),
	    (unsigned long long)e->length, e->count);
}

static void
commit_failed(struct commit *c, int error)
{
	struct queue *q = c->q;
	struct mail *m = c->mail;

	token_drop(&q->tokens, m->hot->env.token, m->hot->env.source);
	if ((m->flags & MAIL_LARGE) != 0)
		large_remove(q, m->id);
	mail_remove(&q->mails, m);
	for (const struct commit *a = c; a != NULL; a = a->also)
		refuse(q, a->chan, a->request,
		    error == ENOSPC ? &no_space : &not_written);
}

static void
commit_landed(struct commit *c)
{
	struct queue *q = c->q;
	struct mail *m = c->mail;

	m->base_at = (uint32_t)(c->w.chunk->at + c->w.at);
	m->base_len = c->base_len;
	mail_tie(m, c->w.chunk->seg);
	q->counts.accepted++;
	log_accepted(m);
	for (const struct commit *a = c; a != NULL; a = a->also)
		accept_it(a->chan, a->request, m->id);
	life_accepted(q, m);
}

static void
commit_done(struct log_waiter *w, int error)
{
	struct commit *c = (struct commit *)w;
	struct queue *q = c->q;
	struct commit *next;

	TAILQ_REMOVE(&q->intake.commits, c, link);
	q->intake.commit_count--;
	if (error == 0)
		commit_landed(c);
	else
		commit_failed(c, error);
	for (; c != NULL; c = next) {
		next = c->also;
		free(c);
	}
	queue_check_stop(q);
}

static int
put_head(struct queue *q, const struct incoming *in, struct qid id)
{
	const struct ipc_submit *m = &in->m;
	struct envelope e = { .id = id,
		.source = m->source,
		.flags = m->flags,
		.ret = m->ret,
		.large = in->large != NULL,
		.arrived = queue_wall_s(q),
		.client = m->client,
		.helo = m->helo,
		.user = m->user,
		.sender = m->sender,
		.envid = m->envid,
		.length = m->length,
		.count = in->count,
		.recipients = buf_slice(&in->rcpts),
		.content = in->content };

	memcpy(e.token, m->token.p, sizeof(e.token));
	if (in->large != NULL)
		memcpy(e.sha256, m->sha256.p, sizeof(e.sha256));
	buf_truncate(&q->intake.head, 0);
	return envelope_put(&e, &q->intake.head);
}

static void
add_mail(struct queue *q, struct commit *c, struct qid id, struct slice body)
{
	struct mail_hot *h = hot_new(body, c->w.chunk, NULL);

	if (h == NULL)
		log_die("event=internal what=\"own record unreadable\"");
	c->mail = mail_add(&q->mails, id);
	c->mail->state = MAIL_COMMITTING;
	if (h->env.large)
		c->mail->flags |= MAIL_LARGE;
	mail_heated(&q->mails, c->mail, h);
	token_add(&q->tokens, h->env.token, h->env.source, id);
}

/* Everything is here, a large file durable: write the record. */
static void
commit(struct incoming *in)
{
	struct queue *q = in->q;
	struct qid id = in->large != NULL ? in->large->id : qid_next(&q->ids);
	struct commit *c;
	size_t len;
	char *body;

	if (put_head(q, in, id) == -1) {
		refuse(q, in->chan, in->request, &no_memory);
		return;
	}
	len = q->intake.head.len + in->content.len;
	c = xcalloc(1, sizeof(*c));
	c->w.done = commit_done;
	c->w.refusable = true;
	c->q = q;
	c->chan = in->chan;
	c->request = in->request;
	c->base_len = (uint32_t)len;
	body = log_append(&q->log, RECORD_MAIL, buf_slice(&q->intake.head),
	    in->content, &c->w);
	if (body == NULL) {
		free(c);
		refuse(q, in->chan, in->request,
		    errno == EMSGSIZE ? &too_many_rcpts : &no_memory);
		return;
	}
	TAILQ_INSERT_TAIL(&q->intake.commits, c, link);
	q->intake.commit_count++;
	add_mail(q, c, id, slice_of(body, len));
	if (in->large != NULL) {
		large_keep(q, in->large);
		in->large = NULL;
	}
}

/* -- who asks again ------------------------------------------------------ */

static bool
answer_again(struct queue *q, const struct incoming *in)
{
	struct qid id;
	struct commit *c;
	struct mail *m;

	if (!token_find(&q->tokens, in->m.token.p, in->m.source, &id))
		return false;
	log_info("event=submitted-again client=%.*s", SLICE_FMT(in->m.client));
	m = mail_find(&q->mails, id);
	if (m == NULL || m->state != MAIL_COMMITTING) {
		accept_it(in->chan, in->request, id);
		return true;
	}
	TAILQ_FOREACH(c, &q->intake.commits, link)
	{
		struct commit *also;

		if (c->mail != m)
			continue;
		also = xcalloc(1, sizeof(*also));
		also->chan = in->chan;
		also->request = in->request;
		also->also = c->also;
		c->also = also;
	}
	return true;
}

/* -- large --------------------------------------------------------------- */

static void
large_synced(struct large *l, int error)
{
	struct incoming *in = l->arg;
	struct queue *q = in->q;
	const struct space_answer *a = space_now(q);

	if (error != 0)
		log_error("event=large-failed error=%s", strerror(error));
	if (error != 0)
		refuse(q, in->chan, in->request,
		    error == ENOSPC ? &no_space : &not_written);
	else if (a->code != 250)
		refuse(q, in->chan, in->request, a);
	else if (in->chan != NULL)
		commit(in);
	if (in->large != NULL)
		large_discard(q, in->large);
	incoming_free(in);
	queue_check_stop(q);
}

/* -- frames -------------------------------------------------------------- */

static bool
may_say(const struct ipc_chan *c, uint8_t source)
{
	switch (source) {
	case SOURCE_SMTP:
	case SOURCE_LMTP:
		return ipc_chan_peer(c) == PROC_SMTPD;
	case SOURCE_SUBMISSION:
	case SOURCE_LOCAL:
		return ipc_chan_peer(c) == PROC_SUBMISSION;
	case SOURCE_BOUNCE:
		return ipc_chan_peer(c) == PROC_BOUNCE;
	default:
		return false;
	}
}

static bool
fields_valid(const struct ipc_chan *c, const struct ipc_submit *m)
{
	return m->token.len == TOKEN_BYTES && may_say(c, m->source) &&
	       (m->source != SOURCE_BOUNCE || m->sender.len == 0) &&
	       (m->flags & ~(IPC_MAIL_8BIT | IPC_MAIL_SMTPUTF8)) == 0 &&
	       m->ret <= RET_HDRS &&
	       (m->sha256.len == 32 || (m->sha256.len == 0 && m->large == 0));
}

/* False when they are not what a peer may send. */
static bool
add_rcpts(struct incoming *in, struct slice list)
{
	struct wire_in w = wire_in(list);
	struct ipc_rcpt r;

	while (w.rest.len > 0) {
		struct envelope_rcpt e;

		if (ipc_rcpt_get(&r, &w) == -1 || in->count >= RECORD_RCPT_MAX)
			return false;
		e = (struct envelope_rcpt){ .address = r.address,
			.orcpt = r.orcpt,
			.notify = r.notify };
		if (envelope_rcpt_put(&e, &in->rcpts) == -1)
			return false;
		in->count++;
	}
	return true;
}

static bool
add_content(struct incoming *in, struct slice more)
{
	/* Content of the first frame stands in its copy until now. */
	if (in->joined.len == 0 && in->content.len > 0 &&
	    buf_append_slice(&in->joined, in->content) == -1)
		return false;
	if (buf_append_slice(&in->joined, more) == -1)
		return false;
	in->content = buf_slice(&in->joined);
	return true;
}

static struct incoming
incoming_of(struct queue *q, struct ipc_chan *c, const struct ipc_frame *f)
{
	struct incoming in = { .q = q,
		.chan = c,
		.request = f->request,
		.rcpts = BUF_INIT(RECORD_MAX),
		.joined = BUF_INIT(IPC_INLINE_MAX) };

	return in;
}

/* All frames are here. False when that makes no mail. */
static bool
whole(struct incoming *in)
{
	if (in->count == 0)
		return false;
	if (in->m.large != 0)
		return in->content.len == 0;
	return in->content.len == in->m.length;
}

/* A copy that outlives the frame. */
static struct incoming *
keep(struct incoming *on_stack, struct slice frame)
{
	struct incoming *in = xcalloc(1, sizeof(*in));

	*in = *on_stack;
	in->first = xcalloc(frame.len + 1, 1);
	in->first_len = frame.len;
	memcpy(in->first, frame.p, frame.len);
	if (ipc_submit_decode(&in->m, slice_of(in->first, frame.len)) == -1)
		log_die("event=internal what=submit");
	in->content = in->m.content;
	TAILQ_INSERT_TAIL(&in->q->intake.kept, in, link);
	in->q->intake.kept_bytes += frame.len + in->rcpts.len;
	return in;
}

/*
 * Take the whole mail in. True when in lives on, waiting for its file to be
 * durable; kept says whether it may.
 */
static bool
take_in(struct incoming *in)
{
	const struct space_answer *a = space_now(in->q);
	struct queue *q = in->q;

	if (answer_again(q, in)) {
		struct large *l = large_take(q, in->chan, in->m.large);

		if (l != NULL)
			large_discard(q, l);
		return false;
	}
	if (a->code != 250) {
		refuse(q, in->chan, in->request, a);
		return false;
	}
	if (in->m.large == 0) {
		/* Who does not wait for answers must not fill the memory. */
		if (q->log.stock.bytes >
		    (size_t)q->config->queue_memory + q->intake.backlog_max)
			refuse(q, in->chan, in->request, &no_memory);
		else
			commit(in);
		return false;
	}
	in->large = large_take(q, in->chan, in->m.large);
	if (in->large == NULL) {
		refuse(q, in->chan, in->request, &no_such_file);
		return false;
	}
	in->large->length = in->m.length;
	in->large->synced = large_synced;
	in->large->arg = in;
	large_sync(q, in->large);
	return true;
}

void
intake_submit(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	struct incoming in = incoming_of(q, c, f);
	struct incoming *kept;
	bool more = (f->flags & IPC_MORE) != 0;

	if (ipc_submit_decode(&in.m, f->payload) == -1 ||
	    !fields_valid(c, &in.m) || !add_rcpts(&in, in.m.recipients)) {
		ipc_chan_fail(c, "submit");
		goto out;
	}
	in.content = in.m.content;
	if (!more && !whole(&in)) {
		ipc_chan_fail(c, "submit: not whole");
		goto out;
	}
	if (!more && in.m.large == 0) {
		(void)take_in(&in);
		goto out;
	}
	if (q->intake.kept_bytes > q->intake.kept_max) {
		refuse(q, c, f->request, &no_memory);
		goto out; /* what follows of it is refused once more */
	}
	kept = keep(&in, f->payload);
	if (!more && !take_in(kept))
		incoming_free(kept);
	return;
out:
	incoming_clear(&in);
}

static struct incoming *
kept_of(const struct queue *q, const struct ipc_chan *c, uint32_t request)
{
	struct incoming *in;

	TAILQ_FOREACH(in, &q->intake.kept, link)
	if (in->chan == c && in->request == request && in->large == NULL)
		return in;
	return NULL;
}

void
intake_more(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	struct incoming *in = kept_of(q, c, f->request);
	struct ipc_submit_more m;
	size_t before;

	if (ipc_submit_more_decode(&m, f->payload) == -1) {
		ipc_chan_fail(c, "submit_more");
		return;
	}
	if (in == NULL)
		return; /* was refused at its first frame */
	before = in->rcpts.len + in->joined.len;
	if (!add_rcpts(in, m.recipients) || !add_content(in, m.content)) {
		q->intake.kept_bytes += in->rcpts.len + in->joined.len - before;
		ipc_chan_fail(c, "submit_more: too much");
		return;
	}
	q->intake.kept_bytes += in->rcpts.len + in->joined.len - before;
	if ((f->flags & IPC_MORE) != 0) {
		if (q->intake.kept_bytes > q->intake.kept_max) {
			refuse(q, c, f->request, &no_memory);
			incoming_free(in);
		}
		return;
	}
	if (!whole(in)) {
		ipc_chan_fail(c, "submit: not whole");
		return;
	}
	if (!take_in(in))
		incoming_free(in);
}

void
intake_peer_down(struct queue *q, struct ipc_chan *c)
{
	struct incoming *next;
	struct incoming *in;
	struct commit *w;

	for (in = TAILQ_FIRST(&q->intake.kept); in != NULL; in = next) {
		next = TAILQ_NEXT(in, link);
		if (in->chan != c)
			continue;
		in->chan = NULL;
		if (in->large == NULL)
			incoming_free(in);
	}
	TAILQ_FOREACH(w, &q->intake.commits, link)
	for (struct commit *a = w; a != NULL; a = a->also)
		if (a->chan == c)
			a->chan = NULL;
}
