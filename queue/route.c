#include "queue/route.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/chan.h"
#include "queue/life.h"
#include "queue/outcome.h"
#include "queue/plan.h"
#include "queue/queue.h"

#define RETRY_S 1

/* One of the places router named; text is why there is none. */
struct answer {
	struct route *route; /* owned; kind, address and more */
	char *owner;         /* owned; "" */
	char *text;
	char enhanced[17];
};

struct ask {
	TAILQ_ENTRY(ask) link; /* in routing.waiting or .known */
	struct queue *q;
	struct mail *mail;
	uint32_t number;
	int64_t asked_ms;       /* boot clock */
	struct answer *answers; /* owned */
	size_t count;
	bool failed; /* an answer could not be read */
};

static void
answers_free(struct ask *a)
{
	for (size_t i = 0; i < a->count; i++) {
		free(a->answers[i].route);
		free(a->answers[i].owner);
		free(a->answers[i].text);
	}
	free(a->answers);
	a->answers = NULL;
	a->count = 0;
	a->failed = false;
}

static void
ask_free(struct ask *a)
{
	answers_free(a);
	free(a);
}

static void
forget_all(struct ask_list *list)
{
	struct ask *a;

	while ((a = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, a, link);
		a->mail->hot->asking--;
		rcpt_set_busy(a->mail->hot, a->number, false);
		ask_free(a);
	}
}

void
route_free(struct queue *q)
{
	struct routing *r = &q->routing;

	forget_all(&r->waiting);
	forget_all(&r->known);
	recent_clear(&r->recent, clock_boot_ms());
	if (r->on_known != NULL)
		event_free(r->on_known);
	if (r->on_retry != NULL)
		event_free(r->on_retry);
	r->on_known = NULL;
	r->on_retry = NULL;
}

/* -- answers ------------------------------------------------------------- */

static void
take_answer(struct ask *a, const struct ipc_route *m)
{
	struct answer *w;

	if (a->count >= RECORD_RCPT_MAX) {
		a->failed = true;
		return;
	}
	if ((a->count & (a->count - 1)) == 0)
		a->answers = xreallocarray(a->answers,
		    a->count == 0 ? 1 : a->count * 2, sizeof(*a->answers));
	w = &a->answers[a->count++];
	*w = (struct answer){ .route = route_new(m) };
	if (m->owner.len > 0)
		w->owner = slice_dup(m->owner);
	if (m->text.len > 0)
		w->text = slice_dup(m->text);
	if (slice_copy(w->enhanced, sizeof(w->enhanced), m->enhanced) == -1)
		w->enhanced[0] = '\0';
}

static void
give_route(struct mail *m, uint32_t number, struct answer *w)
{
	struct rcpt *r = &m->hot->rcpts[number];

	free(r->route);
	r->route = w->route;
	w->route = NULL;
}

static void
discarded(struct mail *m, uint32_t number)
{
	char id[QID_TEXT];

	qid_text(m->id, id);
	log_info("event=discarded id=%s to=%.*s", id,
	    SLICE_FMT(m->hot->rcpts[number].address));
	outcome_set(m, number, RCPT_DONE);
}

/* What router said of one recipient, who is there already. */
static void
apply_answer(struct ask *a, uint32_t number, struct answer *w)
{
	struct reason why = { .enhanced = slice_str(w->enhanced),
		.text = slice_str(w->text) };
	struct mail *m = a->mail;

	switch ((enum ipc_route_kind)w->route->kind) {
	case ROUTE_LOCAL:
	case ROUTE_RELAY:
		give_route(m, number, w);
		return;
	case ROUTE_FAIL:
		why.code = 550;
		outcome_failed(a->q, m, number, &why);
		break;
	case ROUTE_DISCARD:
		discarded(m, number);
		break;
	case ROUTE_DEFER:
	default:
		why.code = 450;
		if (why.text.len == 0)
			why.text = SLICE("address cannot be resolved now");
		outcome_deferred(a->q, m, number, &why, NULL);
		break;
	}
	rcpt_set_busy(m->hot, number, false);
}

/* The address became others, or has an owner: recipients of their own. */
static void
expand(struct ask *a)
{
	static const struct reason too_many = { .code = 550,
		.enhanced = { "5.2.4", 5 },
		.text = { "list has too many members", 25 } };
	struct mail_hot *h = a->mail->hot;
	char id[QID_TEXT];

	for (size_t i = 0; i < a->count; i++) {
		struct answer *w = &a->answers[i];
		uint32_t n;

		if (w->route->kind == ROUTE_DISCARD)
			continue;
		n = hot_add_rcpt(
		    h, a->number, w->route->address, slice_str(w->owner));
		if (n == RCPT_NONE) {
			outcome_failed(a->q, a->mail, a->number, &too_many);
			break;
		}
		rcpt_set_busy(h, n, true);
		h->rcpts[n].flags |= h->rcpts[a->number].flags & RCPT_UNSURE;
		apply_answer(a, n, w);
	}
	qid_text(a->mail->id, id);
	log_info("event=expanded id=%s to=%.*s count=%zu", id,
	    SLICE_FMT(h->rcpts[a->number].address), a->count);
	if (h->rcpts[a->number].status == RCPT_WAITING)
		rcpt_set_status(h, a->number, RCPT_EXPANDED);
	rcpt_set_busy(h, a->number, false);
	h->redirected = true;
	h->unwritten = true;
}

/*
 * A recipient made by an expansion is final: where router expands its
 * address again (an alias that names itself), only that address counts.
 */
static struct answer *
final_answer(const struct ask *a)
{
	const struct rcpt *r = &a->mail->hot->rcpts[a->number];

	if (a->count == 1 &&
	    (a->answers[0].owner == NULL || (r->flags & RCPT_MADE) != 0))
		return &a->answers[0];
	for (size_t i = 0; (r->flags & RCPT_MADE) != 0 && i < a->count; i++)
		if (slice_ieq(a->answers[i].route->address, r->address))
			return &a->answers[i];
	return NULL;
}

static void
finish(struct ask *a)
{
	static const struct reason no_answer = { .code = 451,
		.enhanced = { "4.3.5", 5 },
		.text = { "router gave no usable answer", 28 } };
	struct queue *q = a->q;
	struct mail *m = a->mail;
	struct answer *final;

	if (a->count == 0 || a->failed) {
		outcome_deferred(q, m, a->number, &no_answer, NULL);
		rcpt_set_busy(m->hot, a->number, false);
	} else if ((final = final_answer(a)) != NULL) {
		apply_answer(a, a->number, final);
	} else {
		expand(a);
	}
	ask_free(a);
	if (--m->hot->asking == 0)
		plan_mail(q, m);
}

/* -- what was answered a moment ago -------------------------------------- */

/* All that router decides by (router/route.c), and who may ask for more. */
static int
recent_key(const struct ask *a, struct buf *key)
{
	const struct mail_hot *h = a->mail->hot;

	if (buf_append_byte(key, (char)h->env.source) == -1)
		return -1;
	return buf_append_slice(key, h->rcpts[a->number].address);
}

/*
 * Only a place: what failed, was deferred or became others is asked about
 * again, and so is whatever has once been tried.
 */
static void
remember(
    const struct ask *a, const struct ipc_frame *f, const struct ipc_route *m)
{
	struct buf key = BUF_INIT(RECENT_BYTES);

	if (a->count == 0 && (f->flags & IPC_MORE) == 0 && m->owner.len == 0 &&
	    (m->kind == ROUTE_LOCAL || m->kind == ROUTE_RELAY ||
		m->kind == ROUTE_DISCARD) &&
	    recent_key(a, &key) == 0)
		recent_put(&a->q->routing.recent, buf_slice(&key), f->payload,
		    a->asked_ms);
	buf_free(&key);
}

static bool
is_known(struct ask *a)
{
	struct buf key = BUF_INIT(RECENT_BYTES);
	struct slice payload;
	struct ipc_route m;
	bool known;

	known = a->mail->hot->rcpts[a->number].attempts == 0 &&
		recent_key(a, &key) == 0 &&
		recent_get(&a->q->routing.recent, buf_slice(&key),
		    clock_boot_ms(), &payload) &&
		ipc_route_decode(&m, payload) == 0;
	if (known)
		take_answer(a, &m);
	buf_free(&key);
	return known;
}

/* Not where they were asked for: that may be in the middle of their mail. */
static void
known_ready(evutil_socket_t fd, short what, void *arg)
{
	struct queue *q = arg;
	struct ask *a;

	(void)fd;
	(void)what;
	while ((a = TAILQ_FIRST(&q->routing.known)) != NULL) {
		TAILQ_REMOVE(&q->routing.known, a, link);
		finish(a);
	}
}

/* -- asking -------------------------------------------------------------- */

static void
answered(void *arg, struct ipc_frame *f)
{
	struct ask *a = arg;
	struct ipc_route m;

	if (f == NULL) { /* router died: ask the next one all over */
		a->q->routing.asked--;
		answers_free(a);
		TAILQ_INSERT_TAIL(&a->q->routing.waiting, a, link);
		return;
	}
	if (f->type != IPC_ROUTE || ipc_route_decode(&m, f->payload) == -1) {
		a->failed = true;
	} else {
		remember(a, f, &m);
		take_answer(a, &m);
	}
	if ((f->flags & IPC_MORE) != 0)
		return;
	a->q->routing.asked--;
	finish(a);
}

static void
ask_send(struct ask *a)
{
	struct routing *r = &a->q->routing;
	const struct mail_hot *h = a->mail->hot;
	const struct ipc_route_ask m = { .source = h->env.source,
		.sender = rcpt_sender(h, &h->rcpts[a->number]),
		.recipient = h->rcpts[a->number].address };
	uint32_t request;

	if (r->chan == NULL) {
		TAILQ_INSERT_TAIL(&r->waiting, a, link);
		return;
	}
	a->asked_ms = clock_boot_ms();
	request = ipc_expect(r->chan, answered, a);
	if (ipc_send_msg(r->chan, route_ask, 0, request, &m) == -1) {
		/* It dies just now, or there is no room for the question. */
		ipc_forget(r->chan, request);
		TAILQ_INSERT_TAIL(&r->waiting, a, link);
		(void)event_add(r->on_retry, &(struct timeval){ RETRY_S, 0 });
		return;
	}
	r->asked++;
}

void
route_ask(struct queue *q, struct mail *m, uint32_t number)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->q = q;
	a->mail = m;
	a->number = number;
	m->hot->asking++;
	rcpt_set_busy(m->hot, number, true);
	if (!is_known(a)) {
		ask_send(a);
		return;
	}
	TAILQ_INSERT_TAIL(&q->routing.known, a, link);
	event_active(q->routing.on_known, EV_TIMEOUT, 1);
}

/* Those that wait now; one may come back to the end of the list. */
static void
ask_waiting(struct routing *r)
{
	const struct ask *last = TAILQ_LAST(&r->waiting, ask_list);
	struct ask *a = NULL;

	while (last != NULL && a != last) {
		a = TAILQ_FIRST(&r->waiting);
		TAILQ_REMOVE(&r->waiting, a, link);
		ask_send(a);
	}
}

static void
retry_ready(evutil_socket_t fd, short what, void *arg)
{
	struct routing *r = arg;

	(void)fd;
	(void)what;
	if (r->chan != NULL)
		ask_waiting(r);
}

/* -- life ---------------------------------------------------------------- */

void
route_init(struct queue *q)
{
	struct routing *r = &q->routing;

	*r = (struct routing){ .chan = NULL };
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->known);
	r->on_known = event_new(q->base, -1, 0, known_ready, q);
	r->on_retry = event_new(q->base, -1, 0, retry_ready, r);
	if (r->on_known == NULL || r->on_retry == NULL)
		log_die("event=start-failed what=routing");
}

void
route_up(struct queue *q, struct ipc_chan *c)
{
	q->routing.chan = c;
	ask_waiting(&q->routing);
}

void
route_down(struct queue *q, struct ipc_chan *c)
{
	if (q->routing.chan != c)
		return;
	q->routing.chan = NULL;
	recent_clear(&q->routing.recent, clock_boot_ms());
}
