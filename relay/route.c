#include "relay/route.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "relay/mx.h"

#define HOST_ADDRESSES_MAX 10 /* of one host and family */

enum lookup { LOOKUP_MX, LOOKUP_A, LOOKUP_AAAA, LOOKUP_COUNT };

/* A question to resolver and its answer. */
struct question {
	struct route *r;
	enum lookup what;
	struct ipc_chan *at; /* whom it was put to */
	uint32_t request;    /* there; 0: not asked, or answered */
	bool known;
	enum ipc_dns_status status;
	struct buf records;
};

struct route {
	const struct settings *settings;
	struct next_hop hop;
	void (*wake)(void *arg);
	void *arg;
	uint16_t port;
	struct mx mx;
	bool mx_known;
	size_t host; /* of mx.hosts whose turn it is */
	struct question q[LOOKUP_COUNT];
	struct target found[2 * HOST_ADDRESSES_MAX]; /* of this host */
	size_t found_count;
	size_t next; /* of found */
	bool host_known;
	size_t handed_out;
	bool over;
	struct outcome why;
};

static const uint8_t question_type[LOOKUP_COUNT] = {
	[LOOKUP_MX] = DNS_MX,
	[LOOKUP_A] = DNS_A,
	[LOOKUP_AAAA] = DNS_AAAA,
};

struct route *
route_new(const struct settings *settings, const struct next_hop *hop,
    void (*wake)(void *arg), void *arg)
{
	struct route *r = xcalloc(1, sizeof(*r));

	r->settings = settings;
	r->hop = *hop;
	r->wake = wake;
	r->arg = arg;
	r->port = hop->port != 0 ? hop->port : settings->port;
	for (unsigned i = 0; i < LOOKUP_COUNT; i++) {
		r->q[i].r = r;
		r->q[i].what = (enum lookup)i;
		buf_init(&r->q[i].records, IPC_MAX_PAYLOAD);
	}
	if (hop->direct) {
		mx_single(&r->mx, hop->name);
		r->mx_known = true;
	}
	return r;
}

void
route_free(struct route *r)
{
	if (r == NULL)
		return;
	for (unsigned i = 0; i < LOOKUP_COUNT; i++) {
		if (r->q[i].request != 0)
			ipc_forget(r->q[i].at, r->q[i].request);
		buf_free(&r->q[i].records);
	}
	free(r);
}

const struct outcome *
route_why(const struct route *r)
{
	return &r->why;
}

void
route_group(const struct route *r, char group[MX_GROUP_MAX])
{
	mx_group(&r->mx, group);
}

/* -- questions ----------------------------------------------------------- */

static bool
waiting(const struct route *r)
{
	for (unsigned i = 0; i < LOOKUP_COUNT; i++)
		if (r->q[i].request != 0)
			return true;
	return false;
}

/* resolver answered, or died (frame NULL). */
static void
on_answer(void *arg, struct ipc_frame *f)
{
	struct question *q = arg;
	struct route *r = q->r;
	struct ipc_resolved m;

	q->request = 0;
	q->known = true;
	q->status = DNS_TEMPFAIL;
	buf_truncate(&q->records, 0);
	if (f != NULL && f->type == IPC_RESOLVED &&
	    ipc_resolved_decode(&m, f->payload) == 0 &&
	    buf_append_slice(&q->records, m.records) == 0)
		q->status = (enum ipc_dns_status)m.status;
	if (!waiting(r))
		r->wake(r->arg);
}

static void
ask(struct route *r, struct ipc_chan *resolver, enum lookup what,
    const char *name)
{
	struct question *q = &r->q[what];
	const struct ipc_resolve_ask m = { .type = question_type[what],
		.name = slice_str(name) };

	q->known = true;
	q->status = DNS_TEMPFAIL;
	buf_truncate(&q->records, 0);
	if (resolver == NULL)
		return;
	q->at = resolver;
	q->request = ipc_expect(resolver, on_answer, q);
	if (ipc_send_msg(resolver, resolve_ask, 0, q->request, &m) == 0)
		return;
	ipc_forget(resolver, q->request);
	q->request = 0;
}

/* -- what the answers mean ----------------------------------------------- */

static enum route_step
end(struct route *r)
{
	r->over = true;
	return ROUTE_OVER;
}

/* A domain's answer that ends it all; false when we go on. */
static bool
domain_fails(struct route *r)
{
	const char *name = r->hop.name;

	switch (r->q[LOOKUP_MX].status) {
	case DNS_NXDOMAIN:
		outcome_say(&r->why, STATUS_FAILED, "5.1.2", "",
		    "the domain %s does not exist", name);
		return true;
	case DNS_TEMPFAIL:
		outcome_say(&r->why, STATUS_DEFERRED, "4.4.3", "",
		    "no answer from the DNS about %s", name);
		r->why.blame = BLAME_CONNECT;
		return true;
	case DNS_BOGUS:
		outcome_say(&r->why, STATUS_DEFERRED, "4.7.5", "",
		    "the DNS answer about %s is not authentic (DNSSEC)", name);
		r->why.blame = BLAME_CONNECT;
		return true;
	case DNS_OK:
	case DNS_NODATA:
		return false;
	}
	return true;
}

static bool
domain_answered(struct route *r)
{
	if (domain_fails(r))
		return false;
	r->mx_known = true;
	if (r->q[LOOKUP_MX].status == DNS_NODATA) {
		mx_single(&r->mx, r->hop.name); /* RFC 5321 §5.1 */
		return true;
	}
	mx_read(
	    &r->mx, buf_slice(&r->q[LOOKUP_MX].records), r->settings->hostname);
	if (r->mx.null) {
		outcome_say(&r->why, STATUS_FAILED, "5.1.10", "",
		    "the domain %s takes no mail (null MX)", r->hop.name);
		r->why.code = 556;
		return false;
	}
	if (r->mx.loops)
		outcome_say(&r->why, STATUS_FAILED, "5.4.6", "",
		    "mail for %s loops back to this host", r->hop.name);
	else if (r->mx.count == 0)
		outcome_say(&r->why, STATUS_FAILED, "5.4.4", "",
		    "the domain %s names no mail server", r->hop.name);
	return r->mx.count > 0;
}

/*
 * Why a host gave no target. A temporary reason outlives a final one: as
 * long as one of several hosts may come back, the mail may wait for it.
 */
static void
note(struct route *r, const struct outcome *o)
{
	if (r->why.status != STATUS_DEFERRED)
		r->why = *o;
}

static void
add_target(struct route *r, const char *host, struct slice bytes)
{
	struct target *t = &r->found[r->found_count];
	const struct settings *s = r->settings;
	struct outcome o;

	if (r->found_count == ARRAY_LEN(r->found) ||
	    !target_set(t, host, bytes, r->port))
		return;
	if (!target_usable(t)) {
		outcome_say(&o, STATUS_FAILED, "5.4.4", "",
		    "%s is no address of a mail server", t->text);
		note(r, &o);
		return;
	}
	if (target_is_us(t, s->own, s->own_count, s->listeners)) {
		outcome_say(&o, STATUS_FAILED, "5.4.6", "",
		    "mail for %s loops back to this host (%s)", r->hop.name,
		    t->text);
		note(r, &o);
		/* §5.1: nor to any host less preferred than us. */
		r->host = r->mx.count;
		return;
	}
	r->found_count++;
}

/* IPv6 and IPv4 in turn, IPv6 first. */
static void
add_answers(struct route *r, const char *host)
{
	struct wire_in six = wire_in(buf_slice(&r->q[LOOKUP_AAAA].records));
	struct wire_in four = wire_in(buf_slice(&r->q[LOOKUP_A].records));

	for (int i = 0; i < HOST_ADDRESSES_MAX; i++) {
		struct ipc_dns_record rec;

		if (six.rest.len > 0 && ipc_dns_record_get(&rec, &six) == 0 &&
		    rec.data.len == 16)
			add_target(r, host, rec.data);
		if (four.rest.len > 0 && ipc_dns_record_get(&rec, &four) == 0 &&
		    rec.data.len == 4)
			add_target(r, host, rec.data);
	}
}

static void
note_no_address(struct route *r, const char *host)
{
	enum ipc_dns_status a = r->q[LOOKUP_A].status;
	enum ipc_dns_status aaaa = r->q[LOOKUP_AAAA].status;
	struct outcome o;

	if (a == DNS_TEMPFAIL || aaaa == DNS_TEMPFAIL) {
		outcome_say(&o, STATUS_DEFERRED, "4.4.3", "",
		    "no answer from the DNS about %s", host);
		o.blame = BLAME_CONNECT;
	} else if (a == DNS_BOGUS || aaaa == DNS_BOGUS) {
		outcome_say(&o, STATUS_DEFERRED, "4.7.5", "",
		    "the DNS answer about %s is not authentic (DNSSEC)", host);
		o.blame = BLAME_CONNECT;
	} else {
		outcome_say(&o, STATUS_FAILED, "5.4.4", "",
		    "the host %s has no address", host);
	}
	note(r, &o);
}

/* Another time it may have addresses. */
static bool
unsure(enum ipc_dns_status status)
{
	return status == DNS_TEMPFAIL || status == DNS_BOGUS;
}

static void
host_answered(struct route *r)
{
	const char *host = r->mx.hosts[r->host].name;
	enum ipc_dns_status a = r->q[LOOKUP_A].status;
	enum ipc_dns_status aaaa = r->q[LOOKUP_AAAA].status;

	r->host++;
	r->host_known = true;
	if (a == DNS_OK || aaaa == DNS_OK)
		add_answers(r, host);
	/* One family may be unusable while the other cannot be asked. */
	if (r->found_count == 0 &&
	    (unsure(a) || unsure(aaaa) || (a != DNS_OK && aaaa != DNS_OK)))
		note_no_address(r, host);
}

static void
host_literal(struct route *r)
{
	struct target t;
	struct slice bytes;

	r->host++;
	r->host_known = true;
	if (!target_set_text(&t, r->hop.name, r->port))
		return;
	if (t.address.any.sa_family == AF_INET)
		bytes = slice_of(&t.address.v4.sin_addr, 4);
	else
		bytes = slice_of(&t.address.v6.sin6_addr, 16);
	add_target(r, "", bytes);
}

/* The next host's addresses are wanted. */
static void
begin_host(struct route *r, struct ipc_chan *resolver)
{
	const char *host = r->mx.hosts[r->host].name;

	r->found_count = 0;
	r->next = 0;
	if (r->hop.literal) {
		host_literal(r);
		return;
	}
	ask(r, resolver, LOOKUP_AAAA, host);
	ask(r, resolver, LOOKUP_A, host);
	if (!waiting(r))
		host_answered(r);
}

/* -- stepping ------------------------------------------------------------ */

static enum route_step
begin_domain(struct route *r, struct ipc_chan *resolver)
{
	if (!settings_port_allowed(r->settings, r->port)) {
		outcome_say(&r->why, STATUS_FAILED, "5.4.4", "",
		    "port %u is not in relay-ports", r->port);
		return end(r);
	}
	if (r->mx_known)
		return ROUTE_TARGET;
	if (!r->q[LOOKUP_MX].known)
		ask(r, resolver, LOOKUP_MX, r->hop.name);
	if (waiting(r))
		return ROUTE_WAIT;
	return domain_answered(r) ? ROUTE_TARGET : end(r);
}

enum route_step
route_next(struct route *r, struct ipc_chan *resolver, struct target *t)
{
	enum route_step step;

	if (r->over || r->handed_out == ROUTE_TARGETS_MAX)
		return ROUTE_OVER;
	if (waiting(r))
		return ROUTE_WAIT;
	step = begin_domain(r, resolver);
	if (step != ROUTE_TARGET)
		return step;
	for (;;) {
		if (r->q[LOOKUP_A].known && !r->host_known)
			host_answered(r);
		if (r->next < r->found_count) {
			*t = r->found[r->next++];
			r->handed_out++;
			return ROUTE_TARGET;
		}
		if (r->host >= r->mx.count)
			return end(r);
		r->host_known = false;
		r->q[LOOKUP_A].known = false;
		begin_host(r, resolver);
		if (waiting(r))
			return ROUTE_WAIT;
	}
}
