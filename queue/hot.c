#include "queue/hot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/ipc/messages.h"

#define ENHANCED_MAX 16
#define TEXT_MAX     1024
#define REMOTE_MAX   320
#define MANY_RCPTS   2000U
#define SHORT_TEXT   64U

static int
bad(void)
{
	errno = EBADMSG;
	return -1;
}

struct mail_hot *
hot_new(struct slice body, struct chunk *chunk, char *store)
{
	struct mail_hot *h = xcalloc(1, sizeof(*h));
	struct wire_in w;

	TAILQ_INIT(&h->tasks);
	h->store = store;
	h->store_len = store == NULL ? 0 : body.len;
	if (envelope_get(&h->env, body) == -1) {
		hot_free(h);
		errno = EBADMSG;
		return NULL;
	}
	h->chunk = chunk;
	if (chunk != NULL)
		chunk_hold(chunk);
	h->count = h->env.count;
	h->cap = h->count;
	h->open = h->count;
	h->rcpts = xcalloc(h->count, sizeof(*h->rcpts));
	w = wire_in(h->env.recipients);
	for (uint32_t i = 0; i < h->count; i++) {
		struct rcpt *r = &h->rcpts[i];
		struct envelope_rcpt e;

		if (envelope_rcpt_get(&e, &w) == -1)
			break; /* was checked by envelope_get() */
		r->address = e.address;
		r->orcpt = e.orcpt;
		r->notify = e.notify;
		r->parent = RCPT_NONE;
		r->next = RCPT_NONE;
	}
	return h;
}

void
hot_free(struct mail_hot *h)
{
	if (h == NULL)
		return;
	for (uint32_t i = 0; i < h->count; i++) {
		free(h->rcpts[i].why);
		free(h->rcpts[i].route);
	}
	for (size_t i = 0; i < h->made_count; i++)
		free(h->made[i]);
	free(h->made);
	free(h->rcpts);
	chunk_release(h->chunk);
	free(h->store);
	free(h);
}

bool
rcpt_over(const struct rcpt *r)
{
	return r->status != RCPT_WAITING && r->status != RCPT_FAILED &&
	       (r->flags & OUTCOME_NOTICE) == 0;
}

void
rcpt_set_status(struct mail_hot *h, uint32_t number, uint8_t status)
{
	struct rcpt *r = &h->rcpts[number];
	bool was = rcpt_over(r);

	r->status = status;
	if (status != RCPT_DONE)
		r->flags &= (uint8_t)~OUTCOME_NOTICE;
	if (rcpt_over(r) && !was)
		h->open--;
	else if (was && !rcpt_over(r))
		h->open++;
	h->changed = true;
}

void
rcpt_set_busy(struct mail_hot *h, uint32_t number, bool busy)
{
	struct rcpt *r = &h->rcpts[number];

	if (busy == ((r->flags & RCPT_BUSY) != 0))
		return;
	r->flags ^= RCPT_BUSY;
	if (busy)
		h->busy++;
	else
		h->busy--;
}

static char *
put_text(char *to, struct slice s)
{
	if (s.len > 0)
		memcpy(to, s.p, s.len);
	to[s.len] = '\0';
	return to + s.len + 1;
}

void
rcpt_set_why(struct rcpt *r, struct slice enhanced, struct slice text,
    struct slice remote)
{
	char *at;

	enhanced = slice_sub(enhanced, 0, ENHANCED_MAX);
	text = slice_sub(text, 0, TEXT_MAX);
	remote = slice_sub(remote, 0, REMOTE_MAX);
	at = xcalloc(enhanced.len + text.len + remote.len + 3, 1);
	free(r->why);
	r->why = at;
	at = put_text(at, enhanced);
	at = put_text(at, text);
	(void)put_text(at, remote);
}

struct rcpt_why
rcpt_get_why(const struct rcpt *r)
{
	struct rcpt_why w = { SLICE_EMPTY, SLICE_EMPTY, SLICE_EMPTY };

	if (r->why == NULL)
		return w;
	w.enhanced = slice_str(r->why);
	w.text = slice_str(w.enhanced.p + w.enhanced.len + 1);
	w.remote = slice_str(w.text.p + w.text.len + 1);
	return w;
}

struct outcome
rcpt_outcome(const struct mail_hot *h, uint32_t number)
{
	const struct rcpt *r = &h->rcpts[number];
	struct rcpt_why w = rcpt_get_why(r);

	if (h->count > MANY_RCPTS) {
		w.text = slice_sub(w.text, 0, SHORT_TEXT);
		w.remote = slice_sub(w.remote, 0, SHORT_TEXT);
	}
	return (struct outcome){ .number = number,
		.status = r->status,
		.flags = r->flags & RCPT_STORED,
		.attempts = r->attempts,
		.next_s = r->next_s,
		.tried_s = r->tried_s,
		.code = r->code,
		.enhanced = w.enhanced,
		.text = w.text,
		.remote = w.remote };
}

/* -- applying ------------------------------------------------------------ */

static int
apply_outcome(struct mail_hot *h, const struct outcome *o)
{
	struct rcpt *r;

	if (o->number >= h->count)
		return bad();
	r = &h->rcpts[o->number];
	/* The notice flag decides whether it is over: clear it first. */
	if (rcpt_over(r))
		h->open++;
	r->flags =
	    (uint8_t)((r->flags & ~RCPT_STORED) | (o->flags & RCPT_STORED));
	r->status = o->status;
	if (rcpt_over(r))
		h->open--;
	h->changed = true;
	if (o->status != RCPT_WAITING && o->status != RCPT_FAILED)
		return 0;
	r->attempts = o->attempts;
	r->next_s = o->next_s;
	r->tried_s = o->tried_s;
	r->code = o->code;
	rcpt_set_why(r, o->enhanced, o->text, o->remote);
	return 0;
}

static int
apply_result(struct mail_hot *h, struct slice body)
{
	struct outcome o;
	struct wire_in w;
	uint8_t flags;

	if (result_open(body, &flags, &w) == -1)
		return -1;
	while (w.rest.len > 0)
		if (outcome_get(&o, &w) == -1 || apply_outcome(h, &o) == -1)
			return -1;
	if ((flags & RESULT_FINISHED) != 0)
		h->finished = true;
	return 0;
}

static char *
keep_made(struct mail_hot *h, struct slice address, struct slice sender)
{
	char *p = xcalloc(address.len + sender.len + 1, 1);

	h->made = xreallocarray(h->made, h->made_count + 1, sizeof(char *));
	h->made[h->made_count++] = p;
	if (address.len > 0)
		memcpy(p, address.p, address.len);
	if (sender.len > 0)
		memcpy(p + address.len, sender.p, sender.len);
	return p;
}

uint32_t
hot_add_rcpt(struct mail_hot *h, uint32_t parent, struct slice address,
    struct slice sender)
{
	struct rcpt *r;
	char *p;

	assert(parent < h->count);
	if (h->count >= RECORD_RCPT_MAX ||
	    address.len + sender.len > RECORD_MADE_MAX - h->made_bytes)
		return RCPT_NONE;
	h->made_bytes += address.len + sender.len;
	if (h->count == h->cap) {
		h->cap = h->cap < 8 ? 8 : h->cap * 2;
		h->rcpts = xreallocarray(h->rcpts, h->cap, sizeof(*h->rcpts));
	}
	r = &h->rcpts[h->count];
	*r = (struct rcpt){ .parent = parent, .next = RCPT_NONE };
	p = keep_made(h, address, sender);
	r->address = slice_of(p, address.len);
	r->sender = slice_of(p + address.len, sender.len);
	r->flags = RCPT_MADE;
	/*
	 * RFC 3461 §5.2.7: an alias hands on what was asked for; of a list
	 * with an owner only the owner hears, and only of failures.
	 */
	r->notify =
	    sender.len > 0 ? IPC_NOTIFY_FAILURE : h->rcpts[parent].notify;
	r->orcpt = sender.len > 0 ? SLICE_EMPTY : h->rcpts[parent].orcpt;
	h->open++;
	h->changed = true;
	return h->count++;
}

static int
apply_expansion(struct mail_hot *h, const struct expansion *x)
{
	if (x->what == EXPANSION_NEW) {
		if (x->number < h->count)
			return 0; /* is there already */
		if (x->number > h->count ||
		    hot_add_rcpt(h, x->parent, x->address, x->sender) ==
			RCPT_NONE)
			return bad();
		return 0;
	}
	if (x->number >= h->count)
		return bad();
	rcpt_set_status(h, x->number,
	    x->what == EXPANSION_OF ? RCPT_EXPANDED : RCPT_DUPLICATE);
	return 0;
}

static int
apply_expanded(struct mail_hot *h, struct slice body)
{
	struct expansion x;
	struct wire_in w;

	if (expanded_open(body, &w) == -1)
		return -1;
	while (w.rest.len > 0)
		if (expansion_get(&x, &w) == -1 || apply_expansion(h, &x) == -1)
			return -1;
	h->redirected = true;
	return 0;
}

static int
apply_state(struct mail_hot *h, struct slice body)
{
	struct slice text;
	uint8_t op;

	if (state_get(body, &op, &text) == -1)
		return -1;
	h->changed = true;
	if (op == STATE_DELETE)
		h->finished = true;
	else
		h->held = op == STATE_HOLD;
	h->stated = true;
	return 0;
}

int
hot_apply(struct mail_hot *h, const struct record *r)
{
	switch ((enum record_kind)r->kind) {
	case RECORD_EXPANDED:
		return apply_expanded(h, r->body);
	case RECORD_RESULT:
		return apply_result(h, r->body);
	case RECORD_STATE:
		return apply_state(h, r->body);
	case RECORD_VOID:
	case RECORD_MAIL:
	case RECORD_END:
		break;
	}
	return 0;
}

int
hot_apply_all(struct mail_hot *h, struct slice delta)
{
	struct wire_in w = wire_in(delta);

	while (w.rest.len > 0) {
		uint32_t len = wire_u32(&w);
		struct record r = { .kind = wire_u8(&w) };

		r.body = wire_raw(&w, len);
		if (w.failed)
			return bad();
		if (hot_apply(h, &r) == -1)
			return -1;
	}
	return 0;
}

/* -- snapshot ------------------------------------------------------------ */

/* Room for a record's length and kind; the length is filled in later. */
static int
snap_begin(struct buf *b, enum record_kind kind, size_t *at)
{
	*at = b->len;
	if (wire_put_u32(b, 0) == -1)
		return -1;
	return wire_put_u8(b, (uint8_t)kind);
}

static void
snap_end(struct buf *b, size_t at)
{
	wire_set_u32(b->data + at, (uint32_t)(b->len - at - 5));
}

static int
snap_expanded(const struct mail_hot *h, struct qid id, struct buf *b)
{
	size_t at;

	if (snap_begin(b, RECORD_EXPANDED, &at) == -1 ||
	    expanded_begin(id, b) == -1)
		return -1;
	for (uint32_t i = h->env.count; i < h->count; i++) {
		const struct rcpt *r = &h->rcpts[i];
		struct expansion x = { .number = i,
			.what = EXPANSION_NEW,
			.parent = r->parent,
			.address = r->address,
			.sender = r->sender };

		if (expansion_put(&x, b) == -1)
			return -1;
	}
	snap_end(b, at);
	return 0;
}

static int
snap_results(const struct mail_hot *h, struct qid id, struct buf *b)
{
	uint8_t flags = h->finished ? RESULT_FINISHED : 0;
	size_t at;

	if (snap_begin(b, RECORD_RESULT, &at) == -1 ||
	    result_begin(id, flags, b) == -1)
		return -1;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct rcpt *r = &h->rcpts[i];
		struct outcome o;

		if (r->status == RCPT_WAITING && r->attempts == 0 &&
		    r->why == NULL && (r->flags & RCPT_STORED) == 0)
			continue;
		o = rcpt_outcome(h, i);
		if (outcome_put(&o, b) == -1)
			return -1;
		if (b->len - at < RECORD_ROWS_MAX)
			continue;
		snap_end(b, at);
		if (snap_begin(b, RECORD_RESULT, &at) == -1 ||
		    result_begin(id, flags, b) == -1)
			return -1;
	}
	snap_end(b, at);
	return 0;
}

int
hot_snapshot(const struct mail_hot *h, struct qid id, struct buf *b)
{
	size_t at;

	if (h->redirected && snap_expanded(h, id, b) == -1)
		return -1;
	if (snap_results(h, id, b) == -1)
		return -1;
	if (!h->stated)
		return 0;
	if (snap_begin(b, RECORD_STATE, &at) == -1 ||
	    state_put(
		id, h->held ? STATE_HOLD : STATE_RELEASE, SLICE_EMPTY, b) == -1)
		return -1;
	snap_end(b, at);
	return 0;
}

/* -- routes -------------------------------------------------------------- */

static char *
route_part(char *at, struct slice from, struct slice *to)
{
	if (from.len > 0)
		memcpy(at, from.p, from.len);
	*to = slice_of(at, from.len);
	return at + from.len;
}

struct route *
route_new(const struct ipc_route *m)
{
	size_t n = m->address.len + m->next_hop.len + m->home.len + m->tag.len;
	struct route *r = xcalloc(1, sizeof(*r) + n);
	char *at = r->data;

	r->kind = m->kind;
	r->uid = m->uid;
	at = route_part(at, m->address, &r->address);
	at = route_part(at, m->next_hop, &r->next_hop);
	at = route_part(at, m->home, &r->home);
	(void)route_part(at, m->tag, &r->tag);
	return r;
}

bool
route_same(const struct route *a, const struct route *b)
{
	return a->kind == b->kind && slice_eq(a->next_hop, b->next_hop) &&
	       slice_eq(a->home, b->home) && slice_eq(a->tag, b->tag) &&
	       slice_ieq(a->address, b->address);
}

struct slice
rcpt_sender(const struct mail_hot *h, const struct rcpt *r)
{
	return r->sender.len > 0 ? r->sender : h->env.sender;
}
