#include "router/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/address/idna.h"
#include "common/base/ascii.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "router/expand.h"
#include "router/transport.h"

#define PAYLOADS_MAX ((size_t)64 * 1024 * 1024)

void
route_answer_init(struct route_answer *a)
{
	a->count = 0;
	buf_init(&a->payloads, PAYLOADS_MAX);
}

void
route_answer_free(struct route_answer *a)
{
	buf_free(&a->payloads);
	a->count = 0;
}

bool
route_answer_next(struct route_answer *a, struct slice *payload)
{
	struct wire_in w = wire_in(buf_slice(&a->payloads));

	if (a->count == 0)
		return false;
	*payload = wire_bytes(&w, IPC_MAX_PAYLOAD);
	buf_consume(&a->payloads, a->payloads.len - w.rest.len);
	a->count--;
	return true;
}

static struct slice
owner_of(const struct expansion *x, const struct item *i)
{
	return i->owner == 0 ? SLICE_EMPTY : slice_str(x->owners[i->owner - 1]);
}

static void
answer_mailbox(struct expansion *x, const struct item *i, const struct found *f,
    const char *address)
{
	const struct ipc_route m = {
		.kind = ROUTE_LOCAL,
		.address = slice_str(address),
		.home = f->account.home,
		.uid = f->account.uid,
		.tag = f->tag,
		.owner = owner_of(x, i),
	};

	expansion_answer(x, &m);
}

static void
answer_relay(struct expansion *x, const struct item *i, const char *address,
    const char *next_hop)
{
	const struct ipc_route m = {
		.kind = ROUTE_RELAY,
		.address = slice_str(address),
		.next_hop = slice_str(next_hop),
		.owner = owner_of(x, i),
	};

	expansion_answer(x, &m);
}

/* transport-maps said local: for a domain that is not among ours. */
static void
answer_local_transport(
    struct expansion *x, const struct item *i, const char *address)
{
	struct found f;

	find_address(x->config, x->lookup, &i->path, FIND_MAILBOX_ONLY, &f);
	if (f.kind == FIND_TROUBLE)
		x->failed = true;
	else if (f.kind == FIND_MAILBOX)
		answer_mailbox(x, i, &f, address);
	else
		expansion_refuse(x, address, "5.1.1", "User unknown");
	find_free(&f);
}

/* Where mail goes that no table names a way for. */
static void
answer_default(struct expansion *x, const struct item *i, const char *address)
{
	const char *relay_host = x->config->relay_host;

	if (relay_host[0] == '\0') {
		answer_relay(x, i, address, i->path.domain);
	} else if (transport_next_hop_fine(slice_str(relay_host))) {
		answer_relay(x, i, address, relay_host);
	} else {
		log_error("event=bad-relay-host value=%s", relay_host);
		expansion_refuse(
		    x, address, "4.3.5", "Relay host is configured wrongly");
	}
}

/* True when transport-maps had an answer (or failed). */
static bool
answer_transport(
    struct expansion *x, const struct item *i, const char *address, bool ours)
{
	struct transport t;
	struct ipc_route m = { .kind = ROUTE_DISCARD,
		.address = slice_str(address) };

	if (!transport_find(x->lookup, &i->path, ours, &t)) {
		x->failed = true;
		return true;
	}
	switch (t.kind) {
	case TRANSPORT_NONE:
		return false;
	case TRANSPORT_RELAY:
		answer_relay(x, i, address, t.next_hop);
		break;
	case TRANSPORT_LOCAL:
		if (ours)
			return false;
		answer_local_transport(x, i, address);
		break;
	case TRANSPORT_FAIL:
	case TRANSPORT_DEFER:
		expansion_refuse(x, address, t.enhanced, t.text);
		break;
	case TRANSPORT_DISCARD:
		expansion_answer(x, &m);
		break;
	}
	return true;
}

/*
 * Mail to postmaster is always taken (RFC 5321 §4.5.1); without an alias or
 * a mailbox of that name it goes to `postmaster` of the configuration.
 */
static bool
follow_postmaster(struct expansion *x, size_t at)
{
	const struct item *i = &x->items[at];
	const char *to = x->config->postmaster;
	struct found f = { .kind = FIND_VIRTUAL };
	bool full = strchr(to, '@') != NULL;

	if (!slice_ieq(slice_str(i->path.local), SLICE("postmaster")))
		return false;
	buf_init(&f.value, LOOKUP_VALUE_MAX);
	if (buf_printf(&f.value, "%s%s%s", to, full ? "" : "@",
		full ? "" : x->config->domains.items[0]) == -1)
		x->failed = true;
	else
		expansion_follow(x, at, &f);
	buf_free(&f.value);
	return true;
}

static void
answer_unknown(struct expansion *x, size_t at, const char *address)
{
	const struct item *i = &x->items[at];

	if (answer_transport(x, i, address, true))
		return;
	if (!follow_postmaster(x, at))
		expansion_refuse(x, address, "5.1.1", "User unknown");
}

/*
 * An address that comes from itself means its mailbox ("pip: pip, estella");
 * one that was followed already adds nothing. True when that is so.
 */
static bool
seen_before(struct expansion *x, size_t at, const char *address)
{
	const struct item *i = &x->items[at];
	struct found f;
	char key[PATH_TEXT_MAX];

	for (size_t n = 0; n <= strlen(address); n++)
		key[n] = ascii_lower(address[n]);
	if (!i->literal && map_get(&x->expanded, slice_str(key)) == NULL) {
		(void)map_put(&x->expanded, slice_str(key), x);
		return false;
	}
	if (!i->literal && !expansion_descends(x, at, &i->path))
		return true;
	find_address(x->config, x->lookup, &i->path, FIND_MAILBOX_ONLY, &f);
	if (f.kind == FIND_TROUBLE)
		x->failed = true;
	else if (f.kind == FIND_MAILBOX)
		answer_mailbox(x, i, &f, address);
	else if (i->literal)
		expansion_refuse(x, address, "5.1.1", "User unknown");
	else
		x->looped = true;
	find_free(&f);
	return true;
}

static void
look_at(struct expansion *x, size_t at)
{
	/* A copy: items moves as it grows, and f borrows from the path. */
	const struct item item = x->items[at];
	const struct item *i = &item;
	char address[PATH_TEXT_MAX];
	struct found f;

	(void)path_format(&i->path, address);
	if (seen_before(x, at, address))
		return;
	if (i->depth > ROUTE_NESTING_MAX) {
		log_error("event=alias-too-deep address=%s", address);
		expansion_refuse(
		    x, address, "5.4.6", "Aliases nest too deeply");
		return;
	}
	find_address(x->config, x->lookup, &i->path, 0, &f);
	switch (f.kind) {
	case FIND_VIRTUAL:
	case FIND_ALIAS:
		expansion_follow(x, at, &f);
		break;
	case FIND_MAILBOX:
		answer_mailbox(x, i, &f, address);
		break;
	case FIND_OTHER:
		if (!answer_transport(x, i, address, false))
			answer_default(x, i, address);
		break;
	case FIND_UNKNOWN:
		answer_unknown(x, at, address);
		break;
	case FIND_TROUBLE:
		x->failed = true;
		break;
	}
	find_free(&f);
}

/* One answer instead of whatever was found so far. */
static void
answer_instead(struct expansion *x, struct slice recipient,
    const char *enhanced, const char *text)
{
	char *address = slice_dup(slice_sub(recipient, 0, PATH_TEXT_MAX - 1));

	route_answer_free(x->answer);
	route_answer_init(x->answer);
	map_free(&x->answered);
	x->answered = (struct map)MAP_INIT;
	expansion_refuse(x, address, enhanced, text);
	free(address);
}

static void
finish(struct expansion *x, struct slice recipient)
{
	if (x->failed)
		answer_instead(
		    x, recipient, "4.3.0", "Temporary lookup failure");
	else if (x->too_many) {
		log_error("event=alias-too-large address=%.*s limit=%d",
		    SLICE_FMT(recipient), ROUTE_RESULTS_MAX);
		answer_instead(
		    x, recipient, "4.3.5", "The alias has too many addresses");
	} else if (x->answer->count == 0 &&
		   slice_istarts(recipient, SLICE("postmaster"))) {
		log_error("event=no-postmaster mend=\"set postmaster to an "
			  "address, or add an alias or mailbox for it\"");
		answer_instead(
		    x, recipient, "4.3.5", "Nobody is postmaster here yet");
	} else if (x->answer->count == 0) {
		log_error(
		    "event=alias-loop address=%.*s", SLICE_FMT(recipient));
		answer_instead(
		    x, recipient, "5.4.6", "The alias leads only to itself");
	}
}

void
route_find(const struct config *c, const struct lookup *lookup,
    struct slice recipient, struct route_answer *a)
{
	struct expansion x;
	struct item first = { .parent = 0 };
	enum path_result r = path_from_address(
	    &first.path, recipient, PATH_ALLOW_UTF8 | PATH_ALLOW_POSTMASTER);

	expansion_init(&x, c, lookup, a);
	if (r != PATH_OK || first.path.kind == PATH_NULL) {
		answer_instead(&x, recipient, "5.1.3", path_result_text(r));
		expansion_free(&x);
		return;
	}
	/* <postmaster> is that of the first of our domains. */
	if (first.path.kind == PATH_POSTMASTER && c->domains.count > 0 &&
	    slice_copy(first.path.domain, sizeof(first.path.domain),
		slice_str(c->domains.items[0])) == 0)
		first.path.kind = PATH_NAME;
	if (idna_path(&first.path) == -1)
		x.failed = true;
	if (first.path.kind != PATH_POSTMASTER)
		expansion_add(&x, &first);
	for (size_t at = 0; at < x.count && !x.failed && !x.too_many; at++)
		look_at(&x, at);
	finish(&x, recipient);
	expansion_free(&x);
}
