#include "auth/login.h"

#include <event2/event.h>
#include <stdlib.h>

#include "auth/back.h"
#include "auth/scheme.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"

struct login {
	struct login *next;
	struct login **self; /* the pointer to this one */
	struct auth *auth;
	struct ipc_chan *chan; /* NULL when the asker has gone */
	uint32_t request;
	uint32_t session;
	uint8_t service;
	char client[65];
	char given[321]; /* the name as it came, for the log */
	char name[321];  /* canonical; "" when it is no address */
	bool exists;
	bool may;        /* this service is allowed */
	bool as_himself; /* no other identity asked for */
	bool was_cached;
	bool waited; /* its penalty has been paid */
	bool held;   /* until another of its client is done */
	int64_t waited_ms;
	struct ticket_worth worth;
	unsigned char tag[MEMO_TAG_SIZE];
	struct event *timer;    /* owned; while it waits */
	struct hasher_job *job; /* owned; NULL while the threads have it */
};

static void
set_held(struct login *l, bool held)
{
	if (l->held == held)
		return;
	l->held = held;
	if (held)
		l->auth->held++;
	else
		l->auth->held--;
}

static void
login_free(struct login *l)
{
	*l->self = l->next;
	if (l->next != NULL)
		l->next->self = l->self;
	l->auth->login_count--;
	set_held(l, false);
	if (l->timer != NULL)
		event_free(l->timer);
	if (l->job != NULL) {
		explicit_bzero(l->job, sizeof(*l->job));
		free(l->job);
	}
	explicit_bzero(l, sizeof(*l));
	free(l);
}

static const char *
service_name(uint8_t service)
{
	switch (service) {
	case SERVICE_SUBMISSION:
		return "submission";
	case SERVICE_IMAP:
		return "imap";
	case SERVICE_POP3:
		return "pop3";
	default:
		return "unknown";
	}
}

static unsigned
service_flag(uint8_t service)
{
	switch (service) {
	case SERVICE_SUBMISSION:
		return USERDB_NO_SUBMISSION;
	case SERVICE_IMAP:
		return USERDB_NO_IMAP;
	case SERVICE_POP3:
		return USERDB_NO_POP3;
	default:
		return ~0U;
	}
}

/* Who may ask for which service: submission cannot log into a mailbox. */
static bool
service_fits(enum proc p, uint8_t service)
{
	switch (service) {
	case SERVICE_SUBMISSION:
		return p == PROC_SUBMISSION;
	case SERVICE_IMAP:
		return p == PROC_IMAPD || p == PROC_IMAP_USHER;
	case SERVICE_POP3:
		return p == PROC_POP3D || p == PROC_POP3_USHER;
	default:
		return false;
	}
}

static void
log_result(const struct login *l, enum ipc_auth status)
{
	static const char *const words[] = { [AUTH_OK] = "ok",
		[AUTH_BAD] = "bad",
		[AUTH_TEMPFAIL] = "later",
		[AUTH_DENIED] = "denied" };

	log_info("event=auth result=%s service=%s user=%s client=%s cached=%d "
		 "waited_ms=%lld",
	    words[status], service_name(l->service),
	    l->name[0] != '\0' ? l->name : l->given, l->client,
	    (int)l->was_cached, (long long)l->waited_ms);
}

static bool
draw_ticket(struct login *l, unsigned char ticket[TICKET_SIZE])
{
	const struct ticket_terms terms = { .now_ms = clock_boot_ms(),
		.life_ms = TICKET_LIFE_MS,
		.most = SIZE_MAX };

	return tickets_issue(l->auth->tickets, &l->worth, &terms, ticket);
}

/* Says it, and ends the login. */
static void
answer(struct login *l, enum ipc_auth status)
{
	unsigned char ticket[TICKET_SIZE];
	struct ipc_auth_answer m = { .session = l->session,
		.status = (uint8_t)status };

	log_result(l, status);
	l->auth->good += status == AUTH_OK;
	l->auth->bad += status == AUTH_BAD;
	l->auth->put_off += status == AUTH_TEMPFAIL;
	if (status == AUTH_OK)
		m.user = slice_str(l->name);
	if (status == AUTH_OK && l->service != SERVICE_SUBMISSION &&
	    l->chan != NULL && draw_ticket(l, ticket))
		m.ticket = slice_of(ticket, sizeof(ticket));
	if (l->chan != NULL &&
	    ipc_send_msg(l->chan, auth_answer, IPC_REPLY, l->request, &m) == -1)
		log_warn("event=answer-lost peer=%s",
		    proc_name(ipc_chan_peer(l->chan)));
	explicit_bzero(ticket, sizeof(ticket));
	login_free(l);
}

static void
right_password(struct login *l)
{
	int64_t keep_ms = l->auth->config->auth_cache_time * 1000;

	if (!l->was_cached && keep_ms > 0)
		memo_put(l->auth->memo, l->tag, clock_boot_ms() + keep_ms);
	if (!l->as_himself)
		answer(l, AUTH_BAD); /* RFC 4616 §2: may not act for others */
	else
		answer(l, l->may ? AUTH_OK : AUTH_DENIED);
}

static void
note_failure(struct login *l)
{
	uint64_t attempt;

	memcpy(&attempt, l->tag, sizeof(attempt));
	penalties_fail(l->auth->penalties, slice_str(l->client),
	    slice_str(l->name[0] != '\0' ? l->name : l->given), attempt,
	    clock_boot_ms());
}

/* One of a client is done: those held may look again, from the loop. */
static void
leave(struct login *l)
{
	penalties_leave(
	    l->auth->penalties, slice_str(l->client), clock_boot_ms());
	if (l->auth->held > 0)
		event_active(l->auth->release, EV_TIMEOUT, 0);
}

void
login_hashed(struct hasher_job *job)
{
	struct login *l = job->arg;
	enum scheme_result result = job->result;

	l->job = job;
	if (result == SCHEME_BAD)
		note_failure(l);
	leave(l);
	switch (result) {
	case SCHEME_OK:
		right_password(l);
		break;
	case SCHEME_BAD:
		answer(l, AUTH_BAD);
		break;
	case SCHEME_UNKNOWN:
		answer(l, AUTH_TEMPFAIL);
		break;
	}
}

static void
verify(struct login *l)
{
	struct hasher_job *job = l->job;

	if (job->hash[0] == '\0' || !scheme_is_slow(job->hash)) {
		hasher_run(job);
		login_hashed(job);
		return;
	}
	if (hasher_submit(l->auth->hasher, job) == -1) {
		leave(l);
		answer(l, AUTH_TEMPFAIL);
		return;
	}
	l->job = NULL;
}

static void proceed(struct login *l);

static void
wait_ended(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	proceed(arg);
}

static void
start_waiting(struct login *l)
{
	const struct timeval tv = { .tv_sec = l->waited_ms / 1000,
		.tv_usec = l->waited_ms % 1000 * 1000 };

	l->timer = evtimer_new(l->auth->base, wait_ended, l);
	if (l->timer == NULL || evtimer_add(l->timer, &tv) == -1)
		answer(l, AUTH_TEMPFAIL);
}

/*
 * The penalty first, once; then a place among the client's attempts; then
 * the hash.
 */
static void
proceed(struct login *l)
{
	if (!l->waited) {
		l->waited_ms =
		    penalties_wait(l->auth->penalties, slice_str(l->client),
			slice_str(l->name[0] != '\0' ? l->name : l->given),
			clock_boot_ms());
		if (l->waited_ms == -1) {
			answer(l, AUTH_TEMPFAIL);
			return;
		}
		if (l->waited_ms > 0) {
			l->waited = true;
			start_waiting(l);
			return;
		}
	}
	if (penalties_enter(
		l->auth->penalties, slice_str(l->client), clock_boot_ms()))
		verify(l);
	else
		set_held(l, true);
}

/*
 * Held logins try again, the oldest first (the list begins with the
 * newest). Each may end here, or be held again.
 */
void
login_release(struct auth *a)
{
	struct login **held = xcalloc(a->held + 1, sizeof(struct login *));
	size_t n = 0;

	for (struct login *l = a->logins; l != NULL; l = l->next)
		if (l->held)
			held[n++] = l;
	while (n > 0) {
		set_held(held[--n], false);
		proceed(held[n]);
	}
	free(held);
}

/* What the account says goes into the login. */
static bool
take_account(struct login *l, const struct userdb_record *a)
{
	l->exists = true;
	l->may = (a->flags & (USERDB_DISABLED | service_flag(l->service))) == 0;
	l->worth.service = l->service;
	l->worth.uid = a->uid;
	return slice_copy(l->job->hash, sizeof(l->job->hash), a->hash) == 0 &&
	       slice_copy(l->worth.home, sizeof(l->worth.home), a->home) == 0 &&
	       slice_copy(l->worth.user, sizeof(l->worth.user),
		   slice_str(l->name)) == 0;
}

static void
look_up(struct login *l)
{
	struct auth *auth = l->auth;
	struct userdb_record a;
	enum table_result rc = users_find(auth->users, l->name, &a);

	if (rc == TABLE_ERROR || (rc == TABLE_FOUND && !take_account(l, &a))) {
		answer(l, AUTH_TEMPFAIL);
		return;
	}
	if (rc == TABLE_NOT_FOUND &&
	    slice_copy(l->job->hash, sizeof(l->job->hash),
		slice_str(users_sample(auth->users))) == -1)
		l->job->hash[0] = '\0';
	l->job->real = rc == TABLE_FOUND;
	memo_tag(auth->memo, slice_str(l->name), slice_str(l->job->hash),
	    slice_str(l->job->secret), l->tag);
	if (l->job->real && memo_has(auth->memo, l->tag, clock_boot_ms())) {
		l->was_cached = true;
		auth->cached++;
		right_password(l);
		return;
	}
	proceed(l);
}

static struct login *
login_new(struct auth *a, struct ipc_chan *c, uint32_t request,
    const struct ipc_auth_ask *ask)
{
	struct login *l = xcalloc(1, sizeof(*l));

	l->auth = a;
	l->chan = c;
	l->request = request;
	l->session = ask->session;
	l->service = ask->service;
	l->job = xcalloc(1, sizeof(*l->job));
	l->job->arg = l;
	l->next = a->logins;
	l->self = &a->logins;
	if (l->next != NULL)
		l->next->self = &l->next;
	a->logins = l;
	a->login_count++;
	return l;
}

void
login_begin(struct auth *a, struct ipc_chan *c, uint32_t request,
    const struct ipc_auth_ask *ask)
{
	struct login *l = login_new(a, c, request, ask);
	char authzid[321];

	if (slice_copy(l->client, sizeof(l->client), ask->client) == -1 ||
	    slice_copy(l->given, sizeof(l->given), ask->user) == -1 ||
	    !service_fits(ipc_chan_peer(c), ask->service)) {
		answer(l, AUTH_BAD);
		return;
	}
	if (a->login_count > LOGINS_MAX) {
		answer(l, AUTH_TEMPFAIL);
		return;
	}
	/* Over-long or with a NUL: "", which is no password. */
	if (slice_copy(l->job->secret, sizeof(l->job->secret), ask->secret) ==
	    -1)
		l->job->secret[0] = '\0';
	if (!users_name(a->config, ask->user, l->name))
		l->name[0] = '\0';
	l->as_himself = ask->authzid.len == 0 ||
			(users_name(a->config, ask->authzid, authzid) &&
			    strcmp(authzid, l->name) == 0);
	look_up(l);
}

void
login_forget(struct auth *a, const struct ipc_chan *c)
{
	struct login *next;

	for (struct login *l = a->logins; l != NULL; l = next) {
		next = l->next;
		if (l->chan != c)
			continue;
		l->chan = NULL;
		/* One the threads have ends when the threads are done with it.
		 */
		if (l->job != NULL)
			login_free(l);
	}
}

void
login_redeem(struct auth *a, struct ipc_chan *c, uint32_t request,
    const struct ipc_ticket_ask *ask)
{
	struct ticket_worth worth = { .uid = 0 };
	struct ipc_ticket_worth m = { .ok = WORTH_NOTHING };

	if (!service_fits(ipc_chan_peer(c), ask->service))
		m.ok = WORTH_NOTHING;
	else if (tickets_redeem(a->tickets, ask->ticket, ask->service,
		     clock_boot_ms(), &worth))
		m.ok = WORTH_LOGIN;
	else if (back_redeem(a, ask, &worth))
		m.ok = WORTH_RETURN;
	if (m.ok != WORTH_NOTHING) {
		m.uid = worth.uid;
		m.asleep = (uint32_t)tickets_of(a->returns, worth.uid);
		m.user = slice_str(worth.user);
		m.home = slice_str(worth.home);
	} else {
		log_warn("event=ticket-refused peer=%s",
		    proc_name(ipc_chan_peer(c)));
	}
	if (ipc_send_msg(c, ticket_worth, IPC_REPLY, request, &m) == -1)
		log_warn(
		    "event=answer-lost peer=%s", proc_name(ipc_chan_peer(c)));
}
