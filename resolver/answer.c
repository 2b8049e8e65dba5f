#include "resolver/answer.h"

#include <string.h>

#include "common/base/ascii.h"

#define HEADER_SIZE   12
#define POINTER_HOPS  32
#define RCODE_NAME    3
#define CLASS_IN      1
#define TYPE_A        1
#define TYPE_NS       2
#define TYPE_CNAME    5
#define TYPE_SOA      6
#define TYPE_PTR      12
#define TYPE_MX       15
#define TYPE_TXT      16
#define TYPE_AAAA     28
#define TXT_BYTES_MAX 4096 /* the dns_record's own limit */

/* One resource record, where it stands in the packet. */
struct rr {
	char owner[DNS_NAME_MAX];
	uint16_t type;
	uint16_t class;
	uint32_t ttl_s;
	size_t data;
	size_t data_len;
};

/* Where a reader is on its way through the answer. */
struct walk {
	struct slice packet;
	size_t at;
	char name[DNS_NAME_MAX]; /* the question's, or its last alias */
	uint16_t want;
	bool seen; /* a record of the wanted type, fit or not */
};

static uint16_t
get16(struct slice p, size_t at)
{
	return (uint16_t)(((uint8_t)p.p[at] << 8) | (uint8_t)p.p[at + 1]);
}

static uint32_t
get32(struct slice p, size_t at)
{
	return ((uint32_t)get16(p, at) << 16) | get16(p, at + 2);
}

uint16_t
answer_rrtype(enum ipc_dns type)
{
	switch (type) {
	case DNS_A:
		return TYPE_A;
	case DNS_AAAA:
		return TYPE_AAAA;
	case DNS_MX:
		return TYPE_MX;
	case DNS_PTR:
		return TYPE_PTR;
	case DNS_TXT:
		return TYPE_TXT;
	}
	return 0;
}

/* A name under construction. */
struct name_out {
	char *dst;
	size_t len;
	bool host;
	bool digits; /* the label being read has only those */
};

static bool
name_label(struct name_out *o, struct slice label)
{
	if (o->len + (o->len > 0) + label.len > DNS_NAME_MAX - 1)
		return false;
	if (o->len > 0)
		o->dst[o->len++] = '.';
	o->digits = true;
	for (size_t i = 0; i < label.len; i++) {
		char c = ascii_lower(label.p[i]);

		if (!ascii_digit(c))
			o->digits = false;
		if (!ascii_alnum(c) && c != '-' && c != '_') {
			o->host = false;
			c = '?';
		}
		o->dst[o->len++] = c;
	}
	return true;
}

/*
 * Each pointer must lead before the place the name (or the part read last)
 * began, so the walk ends whatever the packet says.
 */
static bool
name_walk(struct slice packet, size_t *at, struct name_out *o)
{
	size_t pos = *at;
	size_t floor = *at;
	bool jumped = false;

	for (unsigned hops = 0; pos < packet.len;) {
		uint8_t n = (uint8_t)packet.p[pos];

		if (n == 0) {
			if (!jumped)
				*at = pos + 1;
			return true;
		}
		if (n < 64) {
			if (packet.len - pos - 1 < n ||
			    !name_label(o, slice_sub(packet, pos + 1, n)))
				return false;
			pos += 1U + n;
			continue;
		}
		if (n < 192 || packet.len - pos < 2 || ++hops > POINTER_HOPS)
			return false;
		if (!jumped)
			*at = pos + 2;
		jumped = true;
		pos = get16(packet, pos) & 0x3fff;
		if (pos >= floor)
			return false;
		floor = pos;
	}
	return false;
}

bool
answer_name(struct slice packet, size_t *at, char dst[DNS_NAME_MAX], bool *host)
{
	struct name_out o = { .dst = dst, .host = true };

	if (!name_walk(packet, at, &o)) {
		dst[0] = '\0';
		*host = false;
		return false;
	}
	if (o.len == 0)
		dst[o.len++] = '.';
	dst[o.len] = '\0';
	*host = o.host && !o.digits;
	return true;
}

/* Step to the next record; false at the end or where it is broken. */
static bool
rr_next(struct walk *w, struct rr *r)
{
	bool host;

	if (!answer_name(w->packet, &w->at, r->owner, &host) ||
	    w->packet.len - w->at < 10)
		return false;
	r->type = get16(w->packet, w->at);
	r->class = get16(w->packet, w->at + 2);
	r->ttl_s = get32(w->packet, w->at + 4);
	r->data_len = get16(w->packet, w->at + 8);
	r->data = w->at + 10;
	if (w->packet.len - r->data < r->data_len)
		return false;
	w->at = r->data + r->data_len;
	if (r->ttl_s > INT32_MAX)
		r->ttl_s = 0; /* RFC 2181 §8 */
	return true;
}

static void
take_ttl(struct answer *a, const struct rr *r)
{
	if (r->ttl_s < a->ttl_s)
		a->ttl_s = r->ttl_s;
}

static void
put_record(struct answer *a, uint16_t preference, struct slice data)
{
	struct ipc_dns_record out = { .preference = preference, .data = data };

	/* What does not fit is left out: the limits are the contract. */
	if (ipc_dns_record_put(&out, &a->records) == 0)
		a->count++;
}

/* The name that fills the record's data from `from` on. */
static bool
data_name(const struct walk *w, const struct rr *r, size_t from,
    char name[DNS_NAME_MAX])
{
	struct slice upto = slice_sub(w->packet, 0, r->data + r->data_len);
	size_t at = r->data + from;
	bool host;

	return r->data_len > from && answer_name(upto, &at, name, &host) &&
	       at == upto.len && host;
}

static void
read_mx(struct answer *a, const struct walk *w, const struct rr *r)
{
	struct slice upto = slice_sub(w->packet, 0, r->data + r->data_len);
	char name[DNS_NAME_MAX];
	size_t at = r->data + 2;
	bool host;

	if (r->data_len < 3 || !answer_name(upto, &at, name, &host) ||
	    at != upto.len)
		return;
	/* The root as mail server is RFC 7505's "no mail here". */
	if (!host && strcmp(name, ".") != 0)
		return;
	put_record(a, get16(w->packet, r->data), slice_str(name));
}

static void
read_ptr(struct answer *a, const struct walk *w, const struct rr *r)
{
	char name[DNS_NAME_MAX];

	if (data_name(w, r, 0, name) && strcmp(name, ".") != 0)
		put_record(a, 0, slice_str(name));
}

/* RFC 7208 §3.3: the strings of one record belong together. */
static void
read_txt(struct answer *a, const struct walk *w, const struct rr *r)
{
	struct buf text = BUF_INIT(TXT_BYTES_MAX);
	size_t end = r->data + r->data_len;
	size_t at = r->data;
	bool whole = r->data_len > 0;

	while (whole && at < end) {
		size_t n = (uint8_t)w->packet.p[at++];

		whole = n <= end - at &&
			buf_append(&text, w->packet.p + at, n) == 0;
		at += n;
	}
	if (whole)
		put_record(a, 0, buf_slice(&text));
	buf_free(&text);
}

static void
read_rr(struct answer *a, const struct walk *w, const struct rr *r)
{
	if (a->count >= ANSWER_RECORDS_MAX)
		return;
	take_ttl(a, r);
	if (r->type == TYPE_MX)
		read_mx(a, w, r);
	else if (r->type == TYPE_PTR)
		read_ptr(a, w, r);
	else if (r->type == TYPE_TXT)
		read_txt(a, w, r);
	else if (r->data_len == (r->type == TYPE_A ? 4U : 16U))
		put_record(a, 0, slice_sub(w->packet, r->data, r->data_len));
}

/* Header and question; false when it is not an answer to ours. */
static bool
begin(struct walk *w, unsigned *rcode, unsigned *records)
{
	char name[DNS_NAME_MAX];
	unsigned questions;
	bool host;

	if (w->packet.len < HEADER_SIZE || (w->packet.p[2] & 0x80) == 0)
		return false;
	*rcode = (uint8_t)w->packet.p[3] & 0x0fU;
	questions = get16(w->packet, 4);
	*records = get16(w->packet, 6);
	w->at = HEADER_SIZE;
	if (questions != 1 || !answer_name(w->packet, &w->at, name, &host) ||
	    w->packet.len - w->at < 4)
		return false;
	if (get16(w->packet, w->at) != w->want ||
	    get16(w->packet, w->at + 2) != CLASS_IN ||
	    !slice_ieq(slice_str(name), slice_str(w->name)))
		return false;
	w->at += 4;
	return true;
}

/* Follow one alias; 1 found, 0 none, -1 broken. */
static int
follow(struct answer *a, struct walk *w, size_t start, unsigned records)
{
	struct rr r;

	w->at = start;
	for (unsigned i = 0; i < records; i++) {
		size_t at;
		bool host;

		if (!rr_next(w, &r))
			return -1;
		at = r.data;
		if (r.type != TYPE_CNAME || r.class != CLASS_IN ||
		    strcmp(r.owner, w->name) != 0)
			continue;
		take_ttl(a, &r);
		if (!answer_name(w->packet, &at, w->name, &host))
			return -1;
		return 1;
	}
	return 0;
}

static bool
collect(struct answer *a, struct walk *w, size_t start, unsigned records)
{
	struct rr r;

	w->at = start;
	for (unsigned i = 0; i < records; i++) {
		if (!rr_next(w, &r))
			return false;
		if (r.type != w->want || r.class != CLASS_IN ||
		    strcmp(r.owner, w->name) != 0)
			continue;
		w->seen = true;
		read_rr(a, w, &r);
	}
	return true;
}

/*
 * Behind an empty answer: a server that knows the name says so with its SOA
 * (RFC 2308 §2.2). One that does not know it sends us elsewhere, or nowhere.
 */
static bool
has_soa(struct walk *w)
{
	unsigned records = get16(w->packet, 8);
	struct rr r;

	for (unsigned i = 0; i < records && rr_next(w, &r); i++)
		if (r.type == TYPE_SOA)
			return true;
	return false;
}

/* That a host has no address ends its mail: only who knows may say it. */
static bool
may_be_lame(struct walk *w)
{
	return (w->want == answer_rrtype(DNS_A) ||
		   w->want == answer_rrtype(DNS_AAAA)) &&
	       !has_soa(w);
}

/*
 * RFC 5321 §5.1: where there are MX records the name's addresses are not for
 * mail, also when no record is fit. So that is not the same as none.
 */
static bool
names_nobody_fit(const struct walk *w)
{
	return w->want == answer_rrtype(DNS_MX) && w->seen;
}

static enum ipc_dns_status
read_all(struct answer *a, struct walk *w)
{
	unsigned rcode;
	unsigned records;
	size_t start;
	int more = 1;

	if (!begin(w, &rcode, &records))
		return DNS_TEMPFAIL;
	if (rcode != 0 && rcode != RCODE_NAME)
		return DNS_TEMPFAIL;
	start = w->at;
	for (unsigned i = 0; more == 1; i++) {
		if (i > ANSWER_ALIASES_MAX)
			return DNS_TEMPFAIL;
		more = follow(a, w, start, records);
	}
	if (more == -1 || !collect(a, w, start, records))
		return DNS_TEMPFAIL;
	if (a->count > 0 || names_nobody_fit(w))
		return DNS_OK;
	if (rcode == RCODE_NAME)
		return DNS_NXDOMAIN;
	return may_be_lame(w) ? DNS_TEMPFAIL : DNS_NODATA;
}

void
answer_read(
    struct answer *a, struct slice packet, const char *name, enum ipc_dns type)
{
	struct walk w = { .packet = packet, .want = answer_rrtype(type) };

	*a = (struct answer){ .ttl_s = ANSWER_TTL_MAX };
	buf_init(&a->records, ANSWER_BYTES_MAX);
	a->status = DNS_TEMPFAIL;
	if (w.want != 0 &&
	    slice_copy(w.name, sizeof(w.name), slice_str(name)) == 0) {
		for (char *c = w.name; *c != '\0'; c++)
			*c = ascii_lower(*c);
		a->status = read_all(a, &w);
	}
	if (a->status != DNS_OK) {
		a->count = 0;
		buf_truncate(&a->records, 0);
		a->ttl_s = MIN(a->ttl_s, (uint32_t)ANSWER_TTL_NONE);
	}
}

void
answer_free(struct answer *a)
{
	buf_free(&a->records);
	a->count = 0;
}
