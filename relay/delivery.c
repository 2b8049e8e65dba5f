#include "relay/delivery.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "relay/next_hop.h"
#include "relay/pool.h"
#include "relay/route.h"
#include "relay/session.h"

#define CODE_SHUTDOWN 421

/* What on_step() is to do. */
enum next { NEXT_BEGIN, NEXT_ROUND, NEXT_TARGET, NEXT_SAME_TARGET };

/* A recipient on its way. */
struct rcpt {
	bool over;            /* its fate has been told */
	bool tried;           /* this session has answered for it */
	struct outcome *soft; /* owned; what the last host said, or NULL */
};

struct delivery {
	const struct delivery_env *env;
	void *owner;
	struct work *work; /* owned */
	struct rcpt *rcpts;
	size_t open; /* recipients whose fate is not told */
	struct next_hop hop;
	struct event *step; /* go on from the loop, so that nothing nests */
	enum next next;
	struct route *route;
	struct session *session;
	bool reused;   /* it came from the pool */
	bool answered; /* it has spoken about this mail */
	struct target target;
	struct target skip; /* where the session from the pool led */
	bool has_skip;
	unsigned sessions;
	unsigned rounds;
	struct outcome last; /* why connections failed; status 0: none did */
};

static void next_target(struct delivery *d);
static void connect_to(struct delivery *d);

/* -- telling -------------------------------------------------------------- */

static void
settle(struct delivery *d, size_t i, const struct outcome *o, bool dsn)
{
	struct rcpt *r = &d->rcpts[i];

	if (r->over)
		return;
	r->over = true;
	d->open--;
	free(r->soft);
	r->soft = NULL;
	d->env->result(d->env->arg, d->work, i, o, dsn);
}

static void
settle_all(struct delivery *d, const struct outcome *o)
{
	for (size_t i = 0; i < d->work->rcpt_count; i++)
		settle(d, i, o, false);
}

static void
finish(struct delivery *d)
{
	d->env->finished(d->env->arg, d);
}

/*
 * Why a connection failed. A temporary reason outlives a final one: while
 * one of the hosts may come back, the mail waits for it.
 */
static void
note(struct delivery *d, const struct outcome *o)
{
	if (o->status != 0 && d->last.status != STATUS_DEFERRED)
		d->last = *o;
}

/* No host is left to try: everybody gets the best reason there is. */
static void
give_up(struct delivery *d)
{
	struct outcome none;

	if (d->route != NULL)
		note(d, route_why(d->route));
	if (d->last.status == 0) {
		outcome_say(&none, STATUS_DEFERRED, "4.4.1", "",
		    "no mail server could be reached");
		d->last = none;
	}
	for (size_t i = 0; i < d->work->rcpt_count; i++) {
		const struct outcome *soft = d->rcpts[i].soft;
		struct outcome o = soft != NULL ? *soft : d->last;

		settle(d, i, &o, false);
	}
	finish(d);
}

/* -- the session ---------------------------------------------------------- */

static void
go_on(struct delivery *d, enum next next)
{
	d->next = next;
	event_active(d->step, EV_TIMEOUT, 0);
}

/* d may be gone afterwards. */
static void
next_round(struct delivery *d)
{
	size_t places[SESSION_RCPTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < d->work->rcpt_count; i++)
		if (!d->rcpts[i].over && !d->rcpts[i].tried &&
		    n < SESSION_RCPTS_MAX)
			places[n++] = i;
	d->rounds++;
	session_mail(d->session, d->work, places, n);
}

static void
release(struct delivery *d, bool reusable)
{
	struct session *s = d->session;

	d->session = NULL;
	if (s == NULL)
		return;
	d->skip = *session_target(s);
	d->has_skip = true;
	if (reusable)
		pool_put(d->env->pool, d->work->m.next_hop, s);
	else
		pool_quit(d->env->pool, s);
}

/* Recipients this server has not been asked about yet? */
static bool
any_untried(const struct delivery *d)
{
	for (size_t i = 0; i < d->work->rcpt_count; i++)
		if (!d->rcpts[i].over && !d->rcpts[i].tried)
			return true;
	return false;
}

/* The connection is closed or given back; some are not settled perhaps. */
static void
after_session(struct delivery *d)
{
	if (d->open == 0) {
		finish(d);
	} else if (++d->sessions >= DELIVERY_SESSIONS_MAX) {
		give_up(d);
	} else {
		for (size_t i = 0; i < d->work->rcpt_count; i++)
			d->rcpts[i].tried = false;
		next_target(d);
	}
}

static void
on_ready(void *arg, struct session *s)
{
	(void)s;
	next_round(arg);
}

static void
on_rcpt(void *arg, struct session *s, size_t i, enum rcpt_fate fate,
    const struct outcome *o)
{
	struct delivery *d = arg;
	struct rcpt *r = &d->rcpts[i];

	/* A 421 on its way while we sent is the close it announces. */
	if (o->code != 0 && o->code != CODE_SHUTDOWN)
		d->answered = true;
	if (fate == RCPT_OVER) {
		settle(d, i, o, session_has_dsn(s));
		return;
	}
	r->tried = fate == RCPT_RETRY;
	if (r->soft == NULL)
		r->soft = xcalloc(1, sizeof(*r->soft));
	*r->soft = *o;
}

static void
on_mail_done(void *arg, struct session *s, bool reusable)
{
	struct delivery *d = arg;
	bool more = any_untried(d) && d->rounds < DELIVERY_ROUNDS_MAX;

	(void)s;
	d->answered = true;
	if (more && reusable) {
		go_on(d, NEXT_ROUND);
		return;
	}
	release(d, reusable);
	if (more)
		go_on(d, NEXT_SAME_TARGET);
	else
		after_session(d);
}

/* The pool's connection was closed meanwhile: that says nothing. */
static void
start_afresh(struct delivery *d)
{
	for (size_t i = 0; i < d->work->rcpt_count; i++) {
		free(d->rcpts[i].soft);
		d->rcpts[i].soft = NULL;
		d->rcpts[i].tried = false;
	}
	d->has_skip = false;
	next_target(d);
}

static void
on_ended(void *arg, struct session *s, const struct outcome *why, bool greeted,
    bool try_clear)
{
	struct delivery *d = arg;
	bool stale = d->reused && !d->answered;

	session_free(s);
	d->session = NULL;
	(void)event_del(d->step);
	if (d->open == 0) {
		finish(d);
	} else if (try_clear) {
		log_info("event=relay-tls-failed remote=%s why=%s",
		    d->target.text, why->text);
		d->target.clear = true;
		connect_to(d);
	} else if (stale) {
		start_afresh(d);
	} else {
		note(d, why);
		if (greeted)
			after_session(d);
		else
			next_target(d);
	}
}

static const struct session_ops session_callbacks = {
	.ready = on_ready,
	.rcpt = on_rcpt,
	.mail_done = on_mail_done,
	.ended = on_ended,
};

/* -- finding a server ----------------------------------------------------- */

static void
connect_to(struct delivery *d)
{
	const struct delivery_env *env = d->env;
	bool login = settings_logs_in(env->settings, d->work->m.next_hop);
	struct outcome o;

	d->reused = false;
	d->answered = false;
	d->session = session_new(env->base, env->settings, &d->target, login);
	if (d->session != NULL) {
		session_ops(d->session, &session_callbacks, d);
		return;
	}
	outcome_say(&o, STATUS_DEFERRED, "4.4.1", d->target.text,
	    "no connection: %s", strerrordesc_np(errno));
	o.blame = BLAME_CONNECT;
	note(d, &o);
	go_on(d, NEXT_TARGET);
}

static void
tell_group(const struct delivery *d)
{
	char group[MX_GROUP_MAX];

	if (d->env->group == NULL)
		return;
	route_group(d->route, group);
	if (group[0] != '\0')
		d->env->group(d->env->arg, d->work, group);
}

static void
on_wake(void *arg)
{
	next_target(arg);
}

static void
next_target(struct delivery *d)
{
	const struct delivery_env *env = d->env;

	if (d->route == NULL)
		d->route = route_new(env->settings, &d->hop, on_wake, d);
	for (;;) {
		switch (
		    route_next(d->route, env->resolver(env->arg), &d->target)) {
		case ROUTE_WAIT:
			return;
		case ROUTE_OVER:
			give_up(d);
			return;
		case ROUTE_TARGET:
			break;
		}
		if (d->has_skip && target_same(&d->target, &d->skip))
			continue;
		tell_group(d);
		connect_to(d);
		return;
	}
}

/* -- beginning and ending ------------------------------------------------- */

static void
begin(struct delivery *d)
{
	const struct delivery_env *env = d->env;
	struct outcome o;

	if (next_hop_parse(&d->hop, d->work->m.next_hop) == -1) {
		outcome_say(&o, STATUS_DEFERRED, "4.3.5", "",
		    "the next hop %.*s cannot be understood",
		    SLICE_FMT(d->work->m.next_hop));
		settle_all(d, &o);
		finish(d);
		return;
	}
	d->session = pool_take(env->pool, d->work->m.next_hop);
	if (d->session == NULL) {
		next_target(d);
		return;
	}
	d->reused = true;
	d->target = *session_target(d->session);
	session_ops(d->session, &session_callbacks, d);
	next_round(d);
}

static void
on_step(evutil_socket_t fd, short what, void *arg)
{
	struct delivery *d = arg;

	(void)fd;
	(void)what;
	switch (d->next) {
	case NEXT_BEGIN:
		begin(d);
		break;
	case NEXT_ROUND:
		next_round(d);
		break;
	case NEXT_TARGET:
		next_target(d);
		break;
	case NEXT_SAME_TARGET:
		connect_to(d);
		break;
	}
}

struct delivery *
delivery_new(const struct delivery_env *env, struct work *w, void *owner)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	d->env = env;
	d->owner = owner;
	d->work = w;
	d->rcpts = xcalloc(w->rcpt_count, sizeof(*d->rcpts));
	d->open = w->rcpt_count;
	d->step = event_new(env->base, -1, 0, on_step, d);
	if (d->step == NULL)
		log_die("event=out-of-memory");
	go_on(d, NEXT_BEGIN);
	return d;
}

void
delivery_free(struct delivery *d)
{
	if (d == NULL)
		return;
	session_free(d->session);
	route_free(d->route);
	for (size_t i = 0; i < d->work->rcpt_count; i++)
		free(d->rcpts[i].soft);
	free(d->rcpts);
	event_free(d->step);
	work_free(d->work);
	free(d);
}

const struct work *
delivery_work(const struct delivery *d)
{
	return d->work;
}

void *
delivery_owner(const struct delivery *d)
{
	return d->owner;
}
