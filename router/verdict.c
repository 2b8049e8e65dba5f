#include "router/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/address/idna.h"
#include "common/config/config.h"
#include "router/find.h"
#include "router/transport.h"

struct asked {
	const struct config *config;
	const struct lookup *lookup;
	const struct ipc_verdict_ask *ask;
	bool trusted; /* logged in, or in one of our networks */
	struct verdict *v;
};

static void answer(struct verdict *v, unsigned code, const char *enhanced,
    const char *fmt, ...) PRINTF(4, 5);

static void
answer(struct verdict *v, unsigned code, const char *enhanced, const char *fmt,
    ...)
{
	va_list ap;

	v->code = (uint16_t)code;
	(void)snprintf(v->enhanced, sizeof(v->enhanced), "%s", enhanced);
	va_start(ap, fmt);
	(void)vsnprintf(v->text, sizeof(v->text), fmt, ap);
	va_end(ap);
}

static void
trouble(struct verdict *v)
{
	answer(v, 451, "4.3.0", "Temporary lookup failure");
}

static bool
is_trusted(
    const struct config *c, const struct ipc_verdict_ask *ask, bool trust_user)
{
	char client[65];

	if (trust_user && ask->user.len > 0)
		return true;
	return slice_copy(client, sizeof(client), ask->client) == 0 &&
	       config_networks_have(&c->networks, client);
}

/* RFC 5321 §4.5.3.1, RFC 6531 §3.5; field "1.7" for senders, "1.3" else. */
static void
bad_address(struct verdict *v, enum path_result r, const char *field)
{
	char enhanced[8];

	(void)snprintf(enhanced, sizeof(enhanced), "5.%s", field);
	if (r == PATH_NEEDS_UTF8)
		answer(v, 553, "5.6.7", "Address needs SMTPUTF8");
	else
		answer(v, 501, enhanced, "%s", path_result_text(r));
}

static unsigned
parse_flags(const struct ipc_verdict_ask *ask)
{
	return ask->smtputf8 != 0 ? PATH_ALLOW_UTF8 : 0;
}

/*
 * A sender is where a bounce goes to: of a stranger it must at least be a
 * name that can be looked up. <> is the sender of bounces.
 */
static void
decide_mail(const struct asked *a)
{
	struct path p;
	enum path_result r;

	answer(a->v, 250, "2.1.0", "Sender ok");
	if (a->ask->sender.len == 0)
		return;
	r = path_from_address(&p, a->ask->sender, parse_flags(a->ask));
	if (r != PATH_OK) {
		bad_address(a->v, r, "1.7");
		return;
	}
	if (idna_path(&p) == -1) {
		trouble(a->v);
		return;
	}
	if (a->trusted || p.kind != PATH_NAME ||
	    strchr(p.domain, '.') != NULL || find_is_local(a->config, p.domain))
		return;
	answer(a->v, 553, "5.1.7", "Sender address needs a full domain name");
}

/* The way out may be closed for this address. */
static void
check_transport(const struct asked *a, const struct path *p, bool ours,
    enum transport_kind *kind)
{
	struct transport t;

	*kind = TRANSPORT_NONE;
	if (!transport_find(a->lookup, p, ours, &t)) {
		trouble(a->v);
		return;
	}
	*kind = t.kind;
	if (t.kind == TRANSPORT_FAIL)
		answer(a->v, 550, t.enhanced, "%s", t.text);
	else if (t.kind == TRANSPORT_DEFER)
		answer(a->v, 450, t.enhanced, "%s", t.text);
}

static bool
is_postmaster(const struct path *p)
{
	return slice_ieq(slice_str(p->local), SLICE("postmaster"));
}

/* A domain of ours whose table of transports knows where others are. */
static void
decide_unknown(const struct asked *a, const struct path *p)
{
	enum transport_kind kind;

	/* RFC 5321 §4.5.1: always there. */
	if (is_postmaster(p))
		return;
	check_transport(a, p, true, &kind);
	if (kind == TRANSPORT_NONE || kind == TRANSPORT_LOCAL) {
		if (a->v->code == 250)
			answer(a->v, 550, "5.1.1", "No such mailbox here");
	}
}

/*
 * What else is in a local part is the business of its domain; but who reads
 * "a%b" or "a@b" as a route must not do so on a stranger's behalf.
 */
static bool
hides_route(const struct path *p)
{
	return strpbrk(p->local, "@%!") != NULL;
}

static void
decide_other(const struct asked *a, const struct path *p)
{
	enum transport_kind kind;
	bool ours =
	    config_list_has(&a->config->relay_domains, slice_str(p->domain));

	if (!a->trusted && (!ours || hides_route(p))) {
		answer(a->v, 554, "5.7.1", "Relay access denied");
		return;
	}
	check_transport(a, p, false, &kind);
	if (kind == TRANSPORT_LOCAL && a->v->code == 250) {
		struct found f;

		find_address(a->config, a->lookup, p, FIND_MAILBOX_ONLY, &f);
		if (f.kind == FIND_TROUBLE)
			trouble(a->v);
		else if (f.kind != FIND_MAILBOX)
			answer(a->v, 550, "5.1.1", "User unknown");
		find_free(&f);
	}
}

/*
 * Relay permission first: aliases of an address in a foreign domain are
 * for those who may send there at all.
 */
static void
decide_known(const struct asked *a, const struct path *p)
{
	bool local =
	    p->kind == PATH_NAME && find_is_local(a->config, p->domain);
	struct found f;

	if (!local && !a->trusted &&
	    !config_list_has(&a->config->relay_domains, slice_str(p->domain))) {
		decide_other(a, p);
		return;
	}
	find_address(a->config, a->lookup, p, 0, &f);
	switch (f.kind) {
	case FIND_TROUBLE:
		trouble(a->v);
		break;
	case FIND_UNKNOWN:
		decide_unknown(a, p);
		break;
	case FIND_OTHER:
		decide_other(a, p);
		break;
	case FIND_VIRTUAL:
	case FIND_ALIAS:
	case FIND_MAILBOX:
		break;
	}
	find_free(&f);
}

static void
decide_rcpt(const struct asked *a)
{
	struct path p;
	enum path_result r = path_from_address(
	    &p, a->ask->recipient, parse_flags(a->ask) | PATH_ALLOW_POSTMASTER);

	answer(a->v, 250, "2.1.5", "Recipient ok");
	if (r != PATH_OK || p.kind == PATH_NULL) {
		bad_address(a->v, r == PATH_OK ? PATH_SYNTAX : r, "1.3");
		return;
	}
	if (idna_path(&p) == -1)
		trouble(a->v);
	else if (p.kind != PATH_POSTMASTER)
		decide_known(a, &p);
}

/*
 * RFC 5321 §3.5.3: 252 when it would be taken. Nothing that RCPT does not
 * tell; what is not ours we cannot verify.
 */
static void
decide_vrfy(const struct asked *a)
{
	decide_rcpt(a);
	if (a->v->code == 250 || a->v->code == 554)
		answer(a->v, 252, "2.1.5",
		    "Cannot VRFY, but RCPT tells whether mail is taken");
}

void
verdict_decide(const struct config *c, const struct lookup *lookup,
    const struct ipc_verdict_ask *ask, bool trust_user, struct verdict *v)
{
	const struct asked a = { .config = c,
		.lookup = lookup,
		.ask = ask,
		.trusted = is_trusted(c, ask, trust_user),
		.v = v };

	switch (ask->stage) {
	case STAGE_MAIL:
		decide_mail(&a);
		break;
	case STAGE_RCPT:
		decide_rcpt(&a);
		break;
	case STAGE_VRFY:
		decide_vrfy(&a);
		break;
	default:
		answer(v, 451, "4.3.0", "Not understood");
	}
}
