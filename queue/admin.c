#include "queue/admin.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/chan.h"
#include "queue/life.h"
#include "queue/load.h"
#include "queue/queue.h"
#include "queue/row.h"

#define MAILS_A_PASS 50
#define ROW_MAX      61440U
#define TEXT_MAX     ((size_t)64 * 1024 * 1024)

/* An answer that goes on: over all mails, or the content of one. */
struct listing {
	TAILQ_ENTRY(listing) link;
	struct ipc_chan *chan;
	uint32_t request;
	uint8_t verb;
	struct qid next; /* mails from here on */
	uint64_t count;  /* done so far */
	int fd;          /* large content to be shown; -1: none */
	bool waiting;    /* until the channel has drained */
};

/* What was changed is not in the log yet; its answer waits for that. */
struct change {
	struct log_waiter w; /* first member */
	TAILQ_ENTRY(change) link;
	struct queue *q;
	struct ipc_chan *chan; /* NULL: has gone */
	uint32_t request;
	uint64_t count;
};

/* -- answers ------------------------------------------------------------- */

static int
send_row(struct ipc_chan *c, uint32_t request, struct slice text)
{
	while (text.len > 0) {
		const struct ipc_admin_row m = { .text = slice_sub(
						     text, 0, ROW_MAX) };

		if (ipc_send_msg(
			c, admin_row, IPC_REPLY | IPC_MORE, request, &m) == -1)
			return -1;
		text = slice_sub(text, ROW_MAX, text.len);
	}
	return 0;
}

static void
send_done(
    struct ipc_chan *c, uint32_t request, uint64_t count, const char *problem)
{
	const struct ipc_admin_done m = { .ok = problem == NULL,
		.count = count,
		.text = slice_str(problem) };

	if (ipc_send_msg(c, admin_done, IPC_REPLY, request, &m) == -1)
		log_warn("event=peer-gone peer=cli");
}

static void
change_logged(struct log_waiter *w, int error)
{
	struct change *c = (struct change *)w;

	if (c->chan != NULL)
		send_done(c->chan, c->request, c->count,
		    error == 0 ? NULL
			       : "it is done, but the log cannot be written "
				 "now: a crash would undo it");
	TAILQ_REMOVE(&c->q->admin.changes, c, link);
	free(c);
}

/* A record that says nothing is durable when all before it are. */
static void
send_changed(
    struct queue *q, struct ipc_chan *chan, uint32_t request, uint64_t count)
{
	struct change *c;

	if (log_idle(&q->log)) {
		send_done(chan, request, count, NULL);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->w.done = change_logged;
	c->w.refusable = true; /* to be told when nothing can be written */
	c->q = q;
	c->chan = chan;
	c->request = request;
	c->count = count;
	TAILQ_INSERT_TAIL(&q->admin.changes, c, link);
	if (log_append(&q->log, RECORD_VOID, SLICE("administrator waits"),
		SLICE_EMPTY, &c->w) == NULL)
		change_logged(&c->w, errno);
}

/* -- one mail ------------------------------------------------------------ */

/* A row; a cold mail is read for it and put back as it was. */
static int
list_one(struct queue *q, struct mail *m, struct listing *l)
{
	struct buf b = BUF_INIT(ROW_MAX);
	struct load_peek peek;
	int rc = 0;

	if (m->state == MAIL_ENDING || (m->flags & MAIL_DOOMED) != 0)
		return 0;
	/* One that cannot be read just now is left out, a damaged one not. */
	if (load_peek(q, m, &peek) == -1 && (m->flags & MAIL_CORRUPT) == 0)
		return 0;
	if (m->hot != NULL || (m->flags & MAIL_CORRUPT) != 0)
		rc = row_json(q, m, &b);
	if (rc == 0 && b.len > 0) {
		rc = send_row(l->chan, l->request, buf_slice(&b));
		l->count++;
	}
	load_peek_end(q, m, &peek);
	buf_free(&b);
	return rc;
}

/* Is what it does kept in the log? */
static bool
changes(uint8_t verb)
{
	return verb == ADMIN_QUEUE_HOLD || verb == ADMIN_QUEUE_RELEASE ||
	       verb == ADMIN_QUEUE_DELETE;
}

static int
change_one(struct queue *q, struct mail *m, uint8_t verb)
{
	if ((m->flags & MAIL_CORRUPT) != 0 && verb != ADMIN_QUEUE_DELETE) {
		errno = EBADMSG;
		return -1;
	}
	switch (verb) {
	case ADMIN_QUEUE_FLUSH:
		return life_flush(q, m);
	case ADMIN_QUEUE_HOLD:
		return life_hold(q, m);
	case ADMIN_QUEUE_RELEASE:
		return life_release(q, m);
	case ADMIN_QUEUE_DELETE:
		return life_delete(q, m);
	default:
		errno = EINVAL;
		return -1;
	}
}

static struct listing *
listing_new(struct queue *q, struct ipc_chan *c, uint32_t request, uint8_t verb)
{
	struct listing *l = xcalloc(1, sizeof(*l));

	l->chan = c;
	l->request = request;
	l->verb = verb;
	l->fd = -1;
	TAILQ_INSERT_TAIL(&q->admin.listings, l, link);
	event_active(q->admin.on_more, EV_TIMEOUT, 1);
	return l;
}

static void
listing_free(struct queue *q, struct listing *l)
{
	TAILQ_REMOVE(&q->admin.listings, l, link);
	fd_close(l->fd);
	free(l);
}

/* Envelope and content. A large one goes on in pieces. */
static void
show(struct queue *q, struct mail *m, struct ipc_chan *c, uint32_t request)
{
	struct buf b = BUF_INIT(TEXT_MAX);
	struct load_peek peek;
	int fd = -1;
	int rc;

	if (load_peek(q, m, &peek) == -1) {
		send_done(c, request, 0, "the mail cannot be read");
		return;
	}
	rc = row_text(q, m, &b);
	if (rc == 0 && !m->hot->env.large)
		rc = buf_append_slice(&b, m->hot->env.content);
	if (rc == 0)
		rc = send_row(c, request, buf_slice(&b));
	if (rc == 0 && m->hot->env.large)
		rc = fd = large_open(q, m->id);
	load_peek_end(q, m, &peek);
	buf_free(&b);
	if (rc != -1 && fd != -1)
		listing_new(q, c, request, ADMIN_QUEUE_SHOW)->fd = fd;
	else
		send_done(c, request, 1,
		    rc == -1 ? "the mail cannot be shown" : NULL);
}

/* -- many ---------------------------------------------------------------- */

static struct mail *
first_from(const struct queue *q, struct qid id)
{
	struct mail *m = mail_find(&q->mails, id);

	if (m != NULL)
		return m;
	TAILQ_FOREACH(m, &q->mails.order, order)
	if (qid_compare(m->id, id) >= 0)
		return m;
	return NULL;
}

/* True when it is over. */
static bool
content_pass(struct listing *l)
{
	char piece[32768];
	ssize_t n = read(l->fd, piece, sizeof(piece));

	if (n > 0)
		return send_row(l->chan, l->request,
			   slice_of(piece, (size_t)n)) == -1;
	send_done(l->chan, l->request, 1,
	    n == -1 ? "the content cannot be read" : NULL);
	return true;
}

static bool
mails_pass(struct queue *q, struct listing *l)
{
	struct mail *m = first_from(q, l->next);
	struct mail *next;

	for (int i = 0; m != NULL && i < MAILS_A_PASS; i++, m = next) {
		next = TAILQ_NEXT(m, order);
		if (l->verb == ADMIN_QUEUE_LIST) {
			if (list_one(q, m, l) == -1)
				return true; /* it has gone */
		} else if (change_one(q, m, l->verb) == 0) {
			l->count++;
		}
	}
	if (m != NULL) {
		l->next = m->id;
		return false;
	}
	if (changes(l->verb))
		send_changed(q, l->chan, l->request, l->count);
	else
		send_done(l->chan, l->request, l->count, NULL);
	return true;
}

static void
more(evutil_socket_t fd, short what, void *arg)
{
	struct queue *q = arg;
	struct listing *next;
	struct listing *l;
	bool again = false;

	(void)fd;
	(void)what;
	for (l = TAILQ_FIRST(&q->admin.listings); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (ipc_chan_backlog(l->chan) > IPC_OUT_HIGH)
			l->waiting = true; /* admin_drained() goes on */
		if (l->waiting)
			continue;
		if (l->fd != -1 ? content_pass(l) : mails_pass(q, l))
			listing_free(q, l);
		else
			again = true;
	}
	if (again)
		event_add(q->admin.on_more, &(struct timeval){ 0, 0 });
	queue_set_timer(q);
}

int
admin_init(struct queue *q)
{
	TAILQ_INIT(&q->admin.listings);
	TAILQ_INIT(&q->admin.changes);
	q->admin.on_more = event_new(q->base, -1, 0, more, q);
	return q->admin.on_more == NULL ? -1 : 0;
}

void
admin_free(struct queue *q)
{
	struct listing *next;
	struct listing *l;

	for (l = TAILQ_FIRST(&q->admin.listings); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		listing_free(q, l);
	}
	if (q->admin.on_more != NULL)
		event_free(q->admin.on_more);
	q->admin.on_more = NULL;
}

void
admin_drained(struct queue *q, struct ipc_chan *c)
{
	struct listing *l;

	TAILQ_FOREACH(l, &q->admin.listings, link)
	if (l->chan == c)
		l->waiting = false;
	if (!TAILQ_EMPTY(&q->admin.listings))
		event_active(q->admin.on_more, EV_TIMEOUT, 1);
}

void
admin_peer_down(struct queue *q, struct ipc_chan *c)
{
	struct listing *next;
	struct listing *l;
	struct change *change;

	for (l = TAILQ_FIRST(&q->admin.listings); l != NULL; l = next) {
		next = TAILQ_NEXT(l, link);
		if (l->chan == c)
			listing_free(q, l);
	}
	TAILQ_FOREACH(change, &q->admin.changes, link)
	if (change->chan == c)
		change->chan = NULL;
}

/* -- the question -------------------------------------------------------- */

static const char *
why_not(void)
{
	return errno == EBADMSG ? "the mail is damaged"
				: "the mail cannot be read now";
}

static void
ask_one(struct queue *q, struct ipc_chan *c, struct ipc_frame *f,
    const struct ipc_admin_ask *ask)
{
	struct mail *m = NULL;
	struct qid id;

	if (qid_parse(ask->argument, &id) == 0)
		m = mail_find(&q->mails, id);
	if (m == NULL || m->state == MAIL_ENDING ||
	    (m->flags & MAIL_DOOMED) != 0) {
		send_done(c, f->request, 0, "no such mail");
		return;
	}
	if (ask->verb == ADMIN_QUEUE_SHOW) {
		show(q, m, c, f->request);
	} else if (ask->verb == ADMIN_QUEUE_LIST) {
		struct listing l = { .chan = c, .request = f->request };

		if (list_one(q, m, &l) == 0)
			send_done(c, f->request, l.count, NULL);
	} else if (change_one(q, m, ask->verb) == -1) {
		send_done(c, f->request, 0, why_not());
	} else if (changes(ask->verb)) {
		send_changed(q, c, f->request, 1);
	} else {
		send_done(c, f->request, 1, NULL);
	}
	queue_set_timer(q);
}

void
admin_ask(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_admin_ask ask;

	if (ipc_admin_ask_decode(&ask, f->payload) == -1) {
		ipc_chan_fail(c, "admin_ask");
		return;
	}
	if (!q->ready) {
		send_done(c, f->request, 0, "the queue is starting");
		return;
	}
	if (ask.verb < ADMIN_QUEUE_LIST || ask.verb > ADMIN_QUEUE_DELETE) {
		send_done(c, f->request, 0, "not a question for the queue");
		return;
	}
	if (ask.verb == ADMIN_QUEUE_FLUSH)
		sched_flush(&q->sched, clock_boot_ms());
	if (ask.argument.len > 0)
		ask_one(q, c, f, &ask);
	else if (ask.verb == ADMIN_QUEUE_SHOW)
		send_done(c, f->request, 0, "an id is missing");
	else
		(void)listing_new(q, c, f->request, ask.verb);
}
