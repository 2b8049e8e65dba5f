#include "resolver/query.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "resolver/context.h"
#include "resolver/name.h"

/*
 * On the list while its asker waits; after that it is only what
 * libunbound will call back with, and c is NULL.
 */
struct query {
	TAILQ_ENTRY(query) entry;
	struct queries *qs;
	struct ipc_chan *c;
	uint32_t request;
	int64_t due_ms;
};

TAILQ_HEAD(query_list, query);

struct queries {
	struct query_list waiting; /* all wait equally long: oldest first */
	struct event *timer;
	struct query_counts counts;
};

static void
reply(struct ipc_chan *c, uint32_t request, const struct ipc_resolved *m)
{
	if (ipc_send_msg(c, resolved, IPC_REPLY, request, m) == -1)
		log_warn("event=dns-answer-lost peer=%s",
		    proc_name(ipc_chan_peer(c)));
}

static void
reply_empty(struct ipc_chan *c, uint32_t request, enum ipc_dns_status status)
{
	const struct ipc_resolved m = { .status = (uint8_t)status };

	reply(c, request, &m);
}

/* How many of this peer's are under way: kept in the channel's pointer. */
static size_t
peer_open(const struct ipc_chan *c)
{
	return (size_t)(uintptr_t)ipc_chan_data(c);
}

static void
peer_open_set(struct ipc_chan *c, size_t n)
{
	ipc_chan_set_data(c, (void *)(uintptr_t)n);
}

/* The asker has its answer, or is gone. */
static void
query_unlist(struct query *q)
{
	TAILQ_REMOVE(&q->qs->waiting, q, entry);
	peer_open_set(q->c, peer_open(q->c) - 1);
	q->c = NULL;
}

static void
timer_set(struct queries *qs)
{
	const struct query *first = TAILQ_FIRST(&qs->waiting);
	struct timeval tv = { 0 };
	int64_t ms;

	if (first == NULL || event_pending(qs->timer, EV_TIMEOUT, NULL))
		return;
	ms = MAX(first->due_ms - clock_boot_ms(), 0) + 10;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	if (event_add(qs->timer, &tv) == -1)
		log_error("event=timer-failed");
}

static void
timer_ready(evutil_socket_t fd, short what, void *arg)
{
	struct queries *qs = arg;
	int64_t now = clock_boot_ms();
	struct query *q;

	(void)fd;
	(void)what;
	while ((q = TAILQ_FIRST(&qs->waiting)) != NULL && q->due_ms <= now) {
		qs->counts.late++;
		reply_empty(q->c, q->request, DNS_TEMPFAIL);
		query_unlist(q);
	}
	timer_set(qs);
}

struct queries *
queries_new(struct event_base *base)
{
	struct queries *qs = xcalloc(1, sizeof(*qs));

	TAILQ_INIT(&qs->waiting);
	qs->timer = event_new(base, -1, 0, timer_ready, qs);
	if (qs->timer == NULL)
		log_die("event=start-failed what=timer");
	return qs;
}

static void
done(void *arg, const struct answer *a, bool secure)
{
	struct query *q = arg;

	if (q->c != NULL) {
		const struct ipc_resolved m = { .status = (uint8_t)a->status,
			.secure = secure,
			.ttl = a->ttl_s,
			.records = buf_slice(&a->records) };

		reply(q->c, q->request, &m);
		query_unlist(q);
	}
	q->qs->counts.open--;
	free(q);
}

static bool
known_type(uint8_t type)
{
	return type >= DNS_A && type <= DNS_TXT;
}

void
queries_ask(struct queries *qs, struct context *context, struct ipc_chan *c,
    struct ipc_frame *f)
{
	char name[DNS_NAME_MAX];
	struct ipc_resolve_ask m;
	struct query *q;

	qs->counts.asked++;
	if (ipc_resolve_ask_decode(&m, f->payload) == -1 ||
	    !known_type(m.type) ||
	    name_ask(name, m.name, (enum ipc_dns)m.type) == -1) {
		/* A name that cannot exist does not exist. */
		reply_empty(c, f->request, DNS_NXDOMAIN);
		return;
	}
	if (peer_open(c) >= QUERY_PEER_MAX ||
	    qs->counts.open >= QUERY_ALL_MAX) {
		qs->counts.refused++;
		reply_empty(c, f->request, DNS_TEMPFAIL);
		return;
	}
	q = xcalloc(1, sizeof(*q));
	*q = (struct query){ .qs = qs, .c = c, .request = f->request };
	q->due_ms = clock_boot_ms() + QUERY_WAIT_MS;
	TAILQ_INSERT_TAIL(&qs->waiting, q, entry);
	peer_open_set(c, peer_open(c) + 1);
	qs->counts.open++;
	timer_set(qs);
	context_ask(context, name, (enum ipc_dns)m.type, done, q);
}

void
queries_peer_gone(struct queries *qs, struct ipc_chan *c)
{
	struct query *q;
	struct query *next;

	for (q = TAILQ_FIRST(&qs->waiting); q != NULL; q = next) {
		next = TAILQ_NEXT(q, entry);
		if (q->c == c)
			query_unlist(q);
	}
}

struct query_counts
queries_counts(const struct queries *qs)
{
	return qs->counts;
}
