#include "resolver/context.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/config/anchor.h"
#include "common/config/config.h"

#define DNS_PORT       53
#define DNS_RCODE_NAME 3

/* What libunbound says of a result's safety. */
#define UB_SEC_BOGUS  1
#define UB_SEC_SECURE 2

struct context {
	struct ub_ctx *ub;
	struct event *end; /* frees, outside of libunbound's own calls */
	size_t asked;      /* questions without an answer */
	bool retired;
};

struct question {
	struct context *c;
	context_done *done;
	void *arg;
	enum ipc_dns type;
	char name[DNS_NAME_MAX];
};

/* clang-format off */
static const char *const options[][2] = {
	/* Nothing of the host's: no files, no log of its own. */
	{ "chroot:",                  "" },
	{ "logfile:",                 "" },
	{ "use-syslog:",              "no" },
	{ "verbosity:",               "0" },
	/* Room for a busy relay; the library's defaults are for a browser. */
	{ "outgoing-range:",          "4096" },
	{ "num-queries-per-thread:",  "4096" },
	{ "outgoing-num-tcp:",        "32" },
	{ "msg-cache-size:",          "8m" },
	{ "rrset-cache-size:",        "16m" },
	{ "cache-max-ttl:",           "86400" },
	{ "cache-max-negative-ttl:",  "300" },
	/* Servers that were down are asked again soon. */
	{ "infra-host-ttl:",          "60" },
	{ "harden-glue:",             "yes" },
	{ "harden-dnssec-stripped:",  "yes" },
	{ "qname-minimisation:",      "yes" },
	{ "edns-buffer-size:",        "1232" },
};
/* clang-format on */

static int
check(int rc, const char *what, const char *value)
{
	if (rc == UB_NOERROR)
		return 0;
	log_error("event=resolver-setup-failed what=%s value=%s error=%s", what,
	    value, ub_strerror(rc));
	return -1;
}

static int
set_option(struct ub_ctx *ub, const char *name, const char *value)
{
	return check(ub_ctx_set_option(ub, name, value), name, value);
}

/* "127.0.0.1@5353", "127.0.0.1", "::1@53" */
static bool
is_loopback(const char *address)
{
	return strncmp(address, "127.", 4) == 0 ||
	       strcmp(address, "::1") == 0 || strncmp(address, "::1@", 4) == 0;
}

static bool
any_loopback(const struct config_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		if (is_loopback(l->items[i]))
			return true;
	return false;
}

static int
set_servers(struct ub_ctx *ub, const struct config *conf)
{
	bool loopback = any_loopback(&conf->dns_servers);

	for (size_t i = 0; i < conf->zone_count; i++)
		loopback = loopback || any_loopback(&conf->zones[i].address);
	/* Asked for by name, servers of this host are no forgery. */
	if (loopback && set_option(ub, "do-not-query-localhost:", "no") == -1)
		return -1;
	if (conf->dns_servers.count > 0 &&
	    (set_option(ub, "unblock-lan-zones:", "yes") == -1 ||
		set_option(ub, "insecure-lan-zones:", "yes") == -1))
		return -1;
	for (size_t i = 0; i < conf->dns_servers.count; i++) {
		const char *at = conf->dns_servers.items[i];

		if (check(ub_ctx_set_fwd(ub, at), "dns-servers", at) == -1)
			return -1;
	}
	return 0;
}

/* Does an anchor below the root speak for this zone? */
static bool
anchored(struct slice anchors, const char *zone)
{
	struct anchor_in in;
	const char *record;
	struct slice owner;
	bool found = false;

	anchor_open(&in, anchors);
	while (!found && anchor_next(&in, &record, &owner) == 1)
		found = !slice_eq(owner, SLICE(".")) &&
			anchor_covers(owner, slice_str(zone));
	anchor_close(&in);
	return found;
}

static int
set_zone(struct ub_ctx *ub, const struct config_zone *z, struct slice anchors)
{
	for (size_t i = 0; i < z->address.count; i++) {
		const char *at = z->address.items[i];

		if (check(ub_ctx_set_stub(ub, z->name, at, 0), "dns-zone",
			at) == -1)
			return -1;
	}
	/*
	 * A zone of our own that the world does not delegate to cannot be
	 * proven from the root; an anchor of its own validates it.
	 */
	if (anchors.len > 0 && !anchored(anchors, z->name))
		return set_option(ub, "domain-insecure:", z->name);
	return 0;
}

static int
set_anchors(struct ub_ctx *ub, struct slice anchors)
{
	struct anchor_in in;
	const char *record;
	struct slice owner;
	size_t count = 0;
	int rc;

	if (anchors.len == 0)
		return 0;
	anchor_open(&in, anchors);
	while ((rc = anchor_next(&in, &record, &owner)) == 1) {
		count++;
		if (check(ub_ctx_add_ta(ub, record), "dns-trust-anchor",
			record) == -1)
			break;
	}
	anchor_close(&in);
	if (rc == 0 && count > 0)
		return 0;
	log_error("event=resolver-setup-failed what=dns-trust-anchor "
		  "error=\"no DS or DNSKEY record in it\"");
	return -1;
}

/*
 * unbound answers "test." and the like itself (RFC 6761); what stands in
 * the configuration is to be asked for. The name and all above it.
 */
static void
unblock(struct ub_ctx *ub, const char *zone)
{
	while (zone != NULL && *zone != '\0') {
		(void)ub_ctx_zone_remove(ub, zone);
		zone = strchr(zone, '.');
		if (zone != NULL)
			zone++;
	}
}

/* NOLINTBEGIN(readability-function-size,readability-non-const-parameter):
 * libunbound's shape of a callback */
static void
ignored(void *arg, int rcode, void *packet, int len, int sec, char *why,
    int limited)
{
	(void)arg;
	(void)rcode;
	(void)packet;
	(void)len;
	(void)sec;
	(void)why;
	(void)limited;
}

/* NOLINTEND(readability-function-size,readability-non-const-parameter) */

static int
configure(struct context *c, const struct config *conf, struct slice anchors)
{
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (set_option(c->ub, options[i][0], options[i][1]) == -1)
			return -1;
	if (set_option(c->ub, "module-config:",
		anchors.len > 0 ? "validator iterator" : "iterator") == -1 ||
	    set_servers(c->ub, conf) == -1 || set_anchors(c->ub, anchors) == -1)
		return -1;
	for (size_t i = 0; i < conf->zone_count; i++)
		if (set_zone(c->ub, &conf->zones[i], anchors) == -1)
			return -1;
	for (size_t i = 0; i < conf->zone_count; i++)
		unblock(c->ub, conf->zones[i].name);
	if (conf->dns_servers.count > 0)
		unblock(c->ub, "test");
	/* Answered from built-in data: everything is set up behind it. */
	rc = ub_resolve_event(c->ub, "localhost", 1, 1, NULL, ignored, NULL);
	return check(rc, "start", "");
}

static void
end_ready(evutil_socket_t fd, short what, void *arg)
{
	struct context *c = arg;

	(void)fd;
	(void)what;
	ub_ctx_delete(c->ub);
	event_free(c->end);
	free(c);
}

struct context *
context_new(
    struct event_base *base, const struct config *conf, struct slice anchors)
{
	struct context *c = xcalloc(1, sizeof(*c));

	c->end = event_new(base, -1, 0, end_ready, c);
	c->ub = ub_ctx_create_event(base);
	if (c->end == NULL || c->ub == NULL) {
		log_error("event=resolver-setup-failed what=memory");
		goto fail;
	}
	if (configure(c, conf, anchors) == 0)
		return c;
fail:
	if (c->ub != NULL)
		ub_ctx_delete(c->ub);
	if (c->end != NULL)
		event_free(c->end);
	free(c);
	return NULL;
}

void
context_retire(struct context *c)
{
	if (c == NULL)
		return;
	c->retired = true;
	if (c->asked == 0)
		event_active(c->end, EV_TIMEOUT, 0);
}

static void
finish(struct question *q, const struct answer *a, bool secure)
{
	struct context *c = q->c;

	q->done(q->arg, a, secure);
	free(q);
	c->asked--;
	if (c->retired && c->asked == 0)
		event_active(c->end, EV_TIMEOUT, 0);
}

/* An answer with nothing in it. */
static void
finish_empty(struct question *q, enum ipc_dns_status status)
{
	struct answer a = { .status = status, .ttl_s = ANSWER_TTL_NONE };

	finish(q, &a, false);
}

/* NOLINTBEGIN(readability-function-size): as above */
static void
answered(void *arg, int rcode, void *packet, int len, int sec, char *why,
    int limited)
{
	struct question *q = arg;
	struct answer a;

	(void)limited;
	if (sec == UB_SEC_BOGUS) {
		log_info("event=dns-bogus name=%s why=%s", q->name,
		    why == NULL ? "" : why);
		finish_empty(q, DNS_BOGUS);
		return;
	}
	if (rcode != 0 || packet == NULL || len <= 0) {
		finish_empty(
		    q, rcode == DNS_RCODE_NAME ? DNS_NXDOMAIN : DNS_TEMPFAIL);
		return;
	}
	answer_read(&a, slice_of(packet, (size_t)len), q->name, q->type);
	finish(q, &a, sec == UB_SEC_SECURE);
	answer_free(&a);
}

/* NOLINTEND(readability-function-size) */

void
context_ask(struct context *c, const char *name, enum ipc_dns type,
    context_done *done, void *arg)
{
	struct question *q = xcalloc(1, sizeof(*q));
	int rc = UB_SYNTAX;

	*q =
	    (struct question){ .c = c, .done = done, .arg = arg, .type = type };
	c->asked++;
	if (slice_copy(q->name, sizeof(q->name), slice_str(name)) == 0)
		rc = ub_resolve_event(
		    c->ub, q->name, answer_rrtype(type), 1, q, answered, NULL);
	if (rc == UB_NOERROR)
		return;
	log_warn("event=dns-failed name=%s error=%s", name, ub_strerror(rc));
	finish_empty(q, DNS_TEMPFAIL);
}

static size_t
add_ports(const struct config_list *l, uint16_t *ports, size_t n, size_t cap)
{
	for (size_t i = 0; i < l->count && n < cap; i++) {
		const char *at = strchr(l->items[i], '@');
		uint64_t port;

		if (at == NULL ||
		    num_parse(slice_str(at + 1), UINT16_MAX, &port) == -1)
			continue;
		ports[n++] = (uint16_t)port;
	}
	return n;
}

size_t
context_ports(const struct config *conf, uint16_t *ports, size_t cap)
{
	size_t n = 0;

	if (cap > 0)
		ports[n++] = DNS_PORT;
	n = add_ports(&conf->dns_servers, ports, n, cap);
	for (size_t i = 0; i < conf->zone_count; i++)
		n = add_ports(&conf->zones[i].address, ports, n, cap);
	return n;
}
