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

#define ASKED_MAX 256U  /* questions router has; the next wait for it here */
#define TURN      16U   /* questions of one mail before another's */
#define ASKS_PASS 512U  /* in a pass of the loop */
#define EVERY     4U    /* so often it is the turn of one that had its first */
#define CROWD     8192U /* recipients that wait: no more mails are read back */

/* One of the places router named; text is why there is none. */
struct answer {
	struct route *route; /* owned; kind, address and more */
	char *owner;         /* owned; "" */
	char *text;
	char enhanced[17];
};

struct ask {
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

/* -- turns --------------------------------------------------------------- */

/* It waits in one of the two lists while it has recipients to ask about. */
static void
turn_add(struct routing *r, struct mail_hot *h, struct turn_list *list)
{
	TAILQ_INSERT_TAIL(list, h, turn);
	h->turns = list;
	if (r->chan != NULL && r->asked < ASKED_MAX)
		event_active(r->on_turn, EV_TIMEOUT, 1);
}

static void
put_last(struct routing *r, struct mail *m, uint32_t number)
{
	struct mail_hot *h = m->hot;

	h->rcpts[number].next = RCPT_NONE;
	h->mail = m;
	r->waiting++;
	if (h->turns != NULL) {
		h->rcpts[h->ask_last].next = number;
	} else {
		h->ask_first = number;
		turn_add(r, h, &r->first_turns);
	}
	h->ask_last = number;
}

/* It has been asked about in vain. */
static void
put_back(struct routing *r, struct mail *m, uint32_t number)
{
	struct mail_hot *h = m->hot;

	r->waiting++;
	if (h->turns != NULL) {
		h->rcpts[number].next = h->ask_first;
	} else {
		h->rcpts[number].next = RCPT_NONE;
		h->ask_last = number;
		turn_add(r, h, &r->turns);
	}
	h->ask_first = number;
}

static uint32_t
take_first(struct routing *r, struct mail_hot *h)
{
	uint32_t number = h->ask_first;

	r->waiting--;
	h->ask_first = h->rcpts[number].next;
	if (h->ask_first == RCPT_NONE) {
		TAILQ_REMOVE(h->turns, h, turn);
		h->turns = NULL;
	}
	return number;
}

/*
 * A mail nobody was asked about yet goes first, so that the million of
 * others do not hold it up, but not always.
 */
static struct mail_hot *
next_turn(struct routing *r)
{
	struct mail_hot *first = TAILQ_FIRST(&r->first_turns);
	struct mail_hot *other = TAILQ_FIRST(&r->turns);

	if (first != NULL && other != NULL)
		return ++r->turn_count % EVERY == 0 ? other : first;
	return first != NULL ? first : other;
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

/* -- asking -------------------------------------------------------------- */

static void
answered(void *arg, struct ipc_frame *f)
{
	struct ask *a = arg;
	struct routing *r = &a->q->routing;
	struct ipc_route m;

	if (f == NULL) { /* router died: ask the next one all over */
		r->asked--;
		put_back(r, a->mail, a->number);
		ask_free(a);
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
	if (--r->asked == ASKED_MAX / 2 && r->waiting > 0)
		event_active(r->on_turn, EV_TIMEOUT, 1);
	finish(a);
}

static int
ask_send(struct ask *a)
{
	struct routing *r = &a->q->routing;
	const struct mail_hot *h = a->mail->hot;
	const struct ipc_route_ask m = { .source = h->env.source,
		.sender = rcpt_sender(h, &h->rcpts[a->number]),
		.recipient = h->rcpts[a->number].address };
	uint32_t request;

	a->asked_ms = clock_boot_ms();
	request = ipc_expect(r->chan, answered, a);
	if (ipc_send_msg(r->chan, route_ask, 0, request, &m) == -1) {
		ipc_forget(r->chan, request);
		return -1;
	}
	r->asked++;
	return 0;
}

/* -1: it dies just now, or there is no room for the question. */
static int
ask_one(struct queue *q, struct mail *m, uint32_t number)
{
	struct ask *a = xcalloc(1, sizeof(*a));

	a->q = q;
	a->mail = m;
	a->number = number;
	if (is_known(a)) {
		finish(a);
		return 0;
	}
	if (ask_send(a) == 0)
		return 0;
	ask_free(a);
	put_back(&q->routing, m, number);
	return -1;
}

/* Ask about some recipients of a mail. Returns how many, or -1. */
static int
take_turn(struct queue *q, struct mail_hot *h)
{
	struct routing *r = &q->routing;
	struct mail *m = h->mail;
	bool more = true;
	int n = 0;

	while (more && n < (int)TURN && r->asked < ASKED_MAX) {
		uint32_t number = take_first(r, h);

		more = h->turns != NULL; /* the last answer may end h */
		if (ask_one(q, m, number) == -1)
			return -1;
		n++;
	}
	if (!more)
		return n;
	TAILQ_REMOVE(h->turns, h, turn);
	TAILQ_INSERT_TAIL(&r->turns, h, turn);
	h->turns = &r->turns;
	return n;
}

static void
take_turns(struct queue *q)
{
	struct routing *r = &q->routing;
	const struct timeval tv[] = { { 0, 0 }, { RETRY_S, 0 } };
	bool crowded = route_crowded(q);
	struct mail_hot *h;
	int sum = 0;
	int n = 0;

	while (r->chan != NULL && r->asked < ASKED_MAX && n != -1 &&
	       sum < (int)ASKS_PASS && (h = next_turn(r)) != NULL) {
		n = take_turn(q, h);
		sum += n;
	}
	if (n == -1 || sum >= (int)ASKS_PASS) /* others first, then go on */
		(void)event_add(r->on_turn, &tv[n == -1]);
	if (crowded && !route_crowded(q))
		queue_set_timer(q);
}

static void
turn_ready(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	take_turns(arg);
}

void
route_ask(struct queue *q, struct mail *m, uint32_t number)
{
	m->hot->asking++;
	rcpt_set_busy(m->hot, number, true);
	put_last(&q->routing, m, number);
}

bool
route_crowded(const struct queue *q)
{
	return q->routing.waiting >= CROWD;
}

/* -- life ---------------------------------------------------------------- */

void
route_init(struct queue *q)
{
	struct routing *r = &q->routing;

	*r = (struct routing){ .chan = NULL };
	TAILQ_INIT(&r->first_turns);
	TAILQ_INIT(&r->turns);
	r->on_turn = event_new(q->base, -1, 0, turn_ready, q);
	if (r->on_turn == NULL)
		log_die("event=start-failed what=routing");
}

void
route_free(struct queue *q)
{
	struct routing *r = &q->routing;
	struct mail_hot *h;

	while ((h = next_turn(r)) != NULL) {
		rcpt_set_busy(h, take_first(r, h), false);
		h->asking--;
	}
	recent_clear(&r->recent, clock_boot_ms());
	if (r->on_turn != NULL)
		event_free(r->on_turn);
	r->on_turn = NULL;
}

void
route_up(struct queue *q, struct ipc_chan *c)
{
	q->routing.chan = c;
	take_turns(q);
}

void
route_down(struct queue *q, struct ipc_chan *c)
{
	if (q->routing.chan != c)
		return;
	q->routing.chan = NULL;
	recent_clear(&q->routing.recent, clock_boot_ms());
}
