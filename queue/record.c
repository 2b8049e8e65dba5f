#include "queue/record.h"

#include <errno.h>
#include <string.h>

#include "common/base/crc32c.h"
#include "common/ipc/message_list.h"

#define ADDRESS_MAX  1024
#define TEXT_MAX     1024
#define REMOTE_MAX   320
#define ENHANCED_MAX 16

uint32_t
record_seed(const void *nonce, size_t len)
{
	return crc32c(0, nonce, len);
}

void
record_frame(char *at, enum record_kind kind, size_t body)
{
	size_t size = record_size(body);

	wire_set_u64(at, 0);
	wire_set_u32(at + 8, (uint32_t)body);
	wire_set_u32(at + 12, (uint32_t)kind);
	memset(at + RECORD_HEAD + body, 0, size - RECORD_HEAD - body);
}

size_t
record_stamp(char *at, uint32_t seed)
{
	size_t body = wire_get_u32(at + 8);

	wire_set_u32(at + 4, crc32c(seed, at + RECORD_HEAD, body));
	wire_set_u32(at, crc32c(seed, at + 4, RECORD_HEAD - 4));
	return record_size(body);
}

void
record_void(char *at)
{
	at[12] = RECORD_VOID;
}

enum record_result
record_read(struct slice in, uint32_t seed, struct record *r, size_t *size)
{
	size_t body;

	if (in.len < RECORD_HEAD ||
	    wire_get_u32(in.p) != crc32c(seed, in.p + 4, RECORD_HEAD - 4))
		return RECORD_BAD_HEAD;
	body = wire_get_u32(in.p + 8);
	if (body > RECORD_MAX || wire_get_u32(in.p + 12) > RECORD_END)
		return RECORD_BAD_HEAD;
	*size = MIN(record_size(body), in.len);
	r->kind = (uint8_t)in.p[12];
	r->body = slice_sub(in, RECORD_HEAD, body);
	if (r->body.len < body ||
	    wire_get_u32(in.p + 4) != crc32c(seed, r->body.p, body))
		return RECORD_BAD_BODY;
	return RECORD_OK;
}

static int
bad(void)
{
	errno = EBADMSG;
	return -1;
}

static int
put_id(struct qid id, struct buf *b)
{
	if (wire_put_u64(b, id.time_us) == -1)
		return -1;
	return wire_put_u64(b, id.nonce);
}

static struct qid
get_id(struct wire_in *w)
{
	struct qid id;

	id.time_us = wire_u64(w);
	id.nonce = wire_u64(w);
	return id;
}

int
record_id(struct slice body, struct qid *id)
{
	struct wire_in w = wire_in(body);

	*id = get_id(&w);
	return w.failed ? bad() : 0;
}

static int
put_raw(struct buf *b, const void *p, size_t n)
{
	return buf_append(b, p, n);
}

int
envelope_put(const struct envelope *e, struct buf *b)
{
	if (put_id(e->id, b) == -1 ||
	    put_raw(b, e->token, sizeof(e->token)) == -1 ||
	    wire_put_u8(b, e->source) == -1 || wire_put_u8(b, e->flags) == -1 ||
	    wire_put_u8(b, e->ret) == -1 || wire_put_u8(b, e->large) == -1 ||
	    wire_put_u64(b, (uint64_t)e->arrived) == -1 ||
	    wire_put_bytes(b, e->client) == -1 ||
	    wire_put_bytes(b, e->helo) == -1 ||
	    wire_put_bytes(b, e->user) == -1 ||
	    wire_put_bytes(b, e->sender) == -1 ||
	    wire_put_bytes(b, e->envid) == -1 ||
	    wire_put_u64(b, e->length) == -1 ||
	    put_raw(b, e->sha256, sizeof(e->sha256)) == -1 ||
	    wire_put_u32(b, e->count) == -1 ||
	    wire_put_bytes(b, e->recipients) == -1 ||
	    wire_put_u32(b, (uint32_t)e->content.len) == -1)
		return -1;
	return 0;
}

/* A string that may become part of a line or a C string elsewhere. */
static struct slice
get_text(struct wire_in *w, size_t max)
{
	struct slice s = wire_bytes(w, max);

	if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)
		w->failed = true;
	return s;
}

static bool
recipients_valid(const struct envelope *e)
{
	struct wire_in w = wire_in(e->recipients);
	struct envelope_rcpt r;
	uint32_t n = 0;

	while (w.rest.len > 0) {
		if (envelope_rcpt_get(&r, &w) == -1)
			return false;
		n++;
	}
	return n == e->count && n > 0 && n <= RECORD_RCPT_MAX;
}

static void
get_raw(struct wire_in *w, void *to, size_t n)
{
	struct slice s = wire_raw(w, n);

	if (s.len == n)
		memcpy(to, s.p, n);
}

int
envelope_get(struct envelope *e, struct slice body)
{
	struct wire_in w = wire_in(body);
	uint8_t large;

	*e = (struct envelope){ .id = get_id(&w) };
	get_raw(&w, e->token, sizeof(e->token));
	e->source = wire_u8(&w);
	e->flags = wire_u8(&w);
	e->ret = wire_u8(&w);
	large = wire_u8(&w);
	e->large = large != 0;
	e->arrived = (int64_t)wire_u64(&w);
	e->client = get_text(&w, 64);
	e->helo = get_text(&w, 256);
	e->user = get_text(&w, 320);
	e->sender = get_text(&w, ADDRESS_MAX);
	e->envid = get_text(&w, 128);
	e->length = wire_u64(&w);
	get_raw(&w, e->sha256, sizeof(e->sha256));
	e->count = wire_u32(&w);
	e->recipients = wire_bytes(&w, RECORD_MAX);
	e->content = wire_bytes(&w, RECORD_MAX);
	if (wire_done(&w) == -1 || large > 1 || !recipients_valid(e))
		return bad();
	if (e->content.len != (e->large ? 0 : e->length))
		return bad();
	return 0;
}

int
envelope_rcpt_put(const struct envelope_rcpt *r, struct buf *b)
{
	if (wire_put_bytes(b, r->address) == -1 ||
	    wire_put_u8(b, r->notify) == -1)
		return -1;
	return wire_put_bytes(b, r->orcpt);
}

int
envelope_rcpt_get(struct envelope_rcpt *r, struct wire_in *w)
{
	r->address = get_text(w, ADDRESS_MAX);
	r->notify = wire_u8(w);
	r->orcpt = get_text(w, ADDRESS_MAX);
	return w->failed ? bad() : 0;
}

int
expanded_begin(struct qid id, struct buf *b)
{
	return put_id(id, b);
}

int
expanded_open(struct slice body, struct wire_in *w)
{
	*w = wire_in(body);
	(void)get_id(w);
	return w->failed ? bad() : 0;
}

int
expansion_put(const struct expansion *x, struct buf *b)
{
	if (wire_put_u32(b, x->number) == -1 || wire_put_u8(b, x->what) == -1)
		return -1;
	if (x->what != EXPANSION_NEW)
		return 0;
	if (wire_put_u32(b, x->parent) == -1 ||
	    wire_put_bytes(b, x->address) == -1)
		return -1;
	return wire_put_bytes(b, x->sender);
}

int
expansion_get(struct expansion *x, struct wire_in *w)
{
	*x = (struct expansion){ .number = wire_u32(w) };
	x->what = wire_u8(w);
	if (x->what < EXPANSION_OF || x->what > EXPANSION_NEW ||
	    x->number >= RECORD_RCPT_MAX)
		w->failed = true;
	if (x->what == EXPANSION_NEW) {
		x->parent = wire_u32(w);
		x->address = get_text(w, ADDRESS_MAX);
		x->sender = get_text(w, ADDRESS_MAX);
		if (x->parent >= x->number)
			w->failed = true;
	}
	return w->failed ? bad() : 0;
}

int
result_begin(struct qid id, uint8_t flags, struct buf *b)
{
	if (put_id(id, b) == -1)
		return -1;
	return wire_put_u8(b, flags);
}

int
result_open(struct slice body, uint8_t *flags, struct wire_in *w)
{
	*w = wire_in(body);
	(void)get_id(w);
	*flags = wire_u8(w);
	return w->failed ? bad() : 0;
}

int
outcome_put(const struct outcome *o, struct buf *b)
{
	if (wire_put_u32(b, o->number) == -1 ||
	    wire_put_u8(b, o->status) == -1 || wire_put_u8(b, o->flags) == -1)
		return -1;
	/* What is over needs no history: most results are this short. */
	if (o->status != RCPT_WAITING && o->status != RCPT_FAILED)
		return 0;
	if (wire_put_u32(b, o->attempts) == -1 ||
	    wire_put_u64(b, (uint64_t)o->next_s) == -1 ||
	    wire_put_u64(b, (uint64_t)o->tried_s) == -1 ||
	    wire_put_u16(b, o->code) == -1 ||
	    wire_put_bytes(b, o->enhanced) == -1 ||
	    wire_put_bytes(b, o->text) == -1)
		return -1;
	return wire_put_bytes(b, o->remote);
}

int
outcome_get(struct outcome *o, struct wire_in *w)
{
	*o = (struct outcome){ .number = wire_u32(w) };
	o->status = wire_u8(w);
	o->flags = wire_u8(w);
	if (o->status >= RCPT_COUNT || o->number >= RECORD_RCPT_MAX)
		w->failed = true;
	if (o->status == RCPT_WAITING || o->status == RCPT_FAILED) {
		o->attempts = wire_u32(w);
		o->next_s = (int64_t)wire_u64(w);
		o->tried_s = (int64_t)wire_u64(w);
		o->code = wire_u16(w);
		o->enhanced = get_text(w, ENHANCED_MAX);
		o->text = get_text(w, TEXT_MAX);
		o->remote = get_text(w, REMOTE_MAX);
	}
	return w->failed ? bad() : 0;
}

int
state_put(struct qid id, enum state_op op, struct slice text, struct buf *b)
{
	if (put_id(id, b) == -1 || wire_put_u8(b, (uint8_t)op) == -1)
		return -1;
	return wire_put_bytes(b, text);
}

int
state_get(struct slice body, uint8_t *op, struct slice *text)
{
	struct wire_in w = wire_in(body);

	(void)get_id(&w);
	*op = wire_u8(&w);
	*text = get_text(&w, TEXT_MAX);
	if (*op < STATE_HOLD || *op > STATE_DELETE)
		w.failed = true;
	return wire_done(&w) == -1 ? bad() : 0;
}

static bool
expanded_valid(struct slice body)
{
	struct expansion x;
	struct wire_in w;

	if (expanded_open(body, &w) == -1)
		return false;
	while (w.rest.len > 0)
		if (expansion_get(&x, &w) == -1)
			return false;
	return true;
}

static bool
result_valid(struct slice body)
{
	struct outcome o;
	struct wire_in w;
	uint8_t flags;

	if (result_open(body, &flags, &w) == -1)
		return false;
	while (w.rest.len > 0)
		if (outcome_get(&o, &w) == -1)
			return false;
	return true;
}

bool
record_valid(const struct record *r)
{
	struct envelope e;
	struct slice text;
	uint8_t op;

	switch ((enum record_kind)r->kind) {
	case RECORD_VOID:
		return true;
	case RECORD_MAIL:
		return envelope_get(&e, r->body) == 0;
	case RECORD_EXPANDED:
		return expanded_valid(r->body);
	case RECORD_RESULT:
		return result_valid(r->body);
	case RECORD_STATE:
		return state_get(r->body, &op, &text) == 0;
	case RECORD_END:
		return r->body.len == RECORD_ID;
	}
	return false;
}
