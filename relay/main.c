/* relay: hands mail over to other hosts by SMTP. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/daemon/daemon.h"
#include "common/ipc/work.h"
#include "relay/delivery.h"
#include "relay/groups.h"
#include "relay/pool.h"
#include "relay/settings.h"

/*
 * Jobs queue may have with us at a time. Each holds one connection at most
 * and one mail in memory, large ones as a descriptor.
 */
#define CREDITS   1000
#define MAX_FILES 4096

struct job {
	TAILQ_ENTRY(job) entry;
	struct delivery *delivery; /* owned */
};

TAILQ_HEAD(job_list, job);

static struct relay {
	struct daemon *daemon;
	struct settings settings;
	struct pool *pool;
	struct delivery_env env;
	struct work_intake intake;
	struct groups groups;
	struct job_list jobs;
	size_t job_count;
	bool stopping;
	uint64_t converting; /* bytes; fit.c */
	uint64_t relayed;
	uint64_t not_relayed;
} relay;

static void
leave_if_done(struct relay *r)
{
	if (r->stopping && r->job_count == 0 && pool_count(r->pool) == 0)
		daemon_exit(r->daemon);
}

static void
pool_changed(void *arg)
{
	leave_if_done(arg);
}

static struct ipc_chan *
resolver(void *arg)
{
	struct relay *r = arg;

	return daemon_peer_any(r->daemon, PROC_RESOLVER, 0);
}

static void
log_result(const struct work *w, const struct ipc_work_rcpt *rcpt,
    const struct outcome *o)
{
	if (o->status == STATUS_DONE)
		log_info("event=relayed id=%.*s to=%.*s remote=%s reply=%s",
		    SLICE_FMT(w->m.id), SLICE_FMT(rcpt->address), o->remote,
		    o->text);
	else
		log_info("event=not-relayed id=%.*s to=%.*s status=%s "
			 "remote=%s reply=%s",
		    SLICE_FMT(w->m.id), SLICE_FMT(rcpt->address), o->enhanced,
		    o->remote, o->text);
}

static void
on_result(void *arg, const struct work *w, size_t i, const struct outcome *o,
    bool dsn_passed)
{
	struct relay *r = arg;
	const struct ipc_work_rcpt *rcpt = &w->rcpts[i];
	const struct ipc_result m = {
		.job = w->m.job,
		.number = rcpt->number,
		.status = (uint8_t)o->status,
		.blame = (uint8_t)o->blame,
		.code = o->code,
		.enhanced = slice_str(o->enhanced),
		.text = slice_str(o->text),
		.remote = slice_str(o->remote),
		.dsn_passed = dsn_passed && o->status == STATUS_DONE,
	};

	if (o->status == STATUS_DONE)
		r->relayed++;
	else
		r->not_relayed++;
	log_result(w, rcpt, o);
	if (w->c != NULL && ipc_send_msg(w->c, result, 0, 0, &m) == -1)
		log_warn("event=queue-gone");
}

static void
on_group(void *arg, const struct work *w, const char *group)
{
	struct relay *r = arg;
	const struct ipc_peer_state m = { .next_hop = w->m.next_hop,
		.group = slice_str(group) };

	if (w->c != NULL && groups_news(&r->groups, w->m.next_hop, group) &&
	    ipc_send_msg(w->c, peer_state, 0, 0, &m) == -1)
		log_warn("event=queue-gone");
}

static void
on_finished(void *arg, struct delivery *d)
{
	struct relay *r = arg;
	struct ipc_chan *c = delivery_work(d)->c;
	const struct ipc_credit credit = { .jobs = 1 };
	struct job *j = delivery_owner(d);

	TAILQ_REMOVE(&r->jobs, j, entry);
	r->job_count--;
	free(j);
	delivery_free(d);
	if (!r->stopping && c != NULL &&
	    ipc_send_msg(c, credit, 0, 0, &credit) == -1)
		log_warn("event=queue-gone");
	if (r->stopping)
		pool_drain(r->pool);
	leave_if_done(r);
}

static void
on_work(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct relay *r = daemon_data(arg);
	struct work *w;
	struct job *j;

	switch (work_take(&r->intake, c, f, &w)) {
	case 0:
		return;
	case 1:
		break;
	default:
		ipc_chan_fail(c, "work");
		return;
	}
	if (w->m.kind != WORK_RELAY || r->job_count >= 2 * CREDITS) {
		work_free(w);
		ipc_chan_fail(c, "work of another kind, or beyond credit");
		return;
	}
	j = xcalloc(1, sizeof(*j));
	TAILQ_INSERT_TAIL(&r->jobs, j, entry);
	r->job_count++;
	j->delivery = delivery_new(&r->env, w, j);
}

static size_t
ports(struct daemon *d, uint16_t *list, size_t cap)
{
	const struct relay *r = daemon_data(d);
	size_t n = MIN(cap, r->settings.port_count);

	for (size_t i = 0; i < n; i++)
		list[i] = r->settings.ports[i];
	return n;
}

static int
prepare(struct daemon *d)
{
	struct relay *r = daemon_data(d);

	int password = daemon_file(d, "relay-password");

	r->daemon = d;
	TAILQ_INIT(&r->jobs);
	if (settings_read(&r->settings, daemon_config(d), password) == -1)
		return -1;
	r->settings.converting = &r->converting;
	return 0;
}

static int
start(struct daemon *d)
{
	struct relay *r = daemon_data(d);

	r->pool = pool_new(pool_changed, r);
	r->env = (struct delivery_env){ .base = daemon_base(d),
		.settings = &r->settings,
		.pool = r->pool,
		.arg = r,
		.resolver = resolver,
		.result = on_result,
		.group = on_group,
		.finished = on_finished };
	return 0;
}

static void
peer_up(struct daemon *d, struct ipc_chan *c)
{
	const struct relay *r = daemon_data(d);
	const struct ipc_credit m = { .jobs = CREDITS };

	if (ipc_chan_peer(c) == PROC_QUEUE && !r->stopping &&
	    ipc_send_msg(c, credit, 0, 0, &m) == -1)
		log_warn("event=queue-gone");
}

/*
 * Queue has died: what it gave us it will give again, so a mail whose end
 * is not sent yet is better stopped here than sent twice.
 */
static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	struct relay *r = daemon_data(d);
	struct job *j;
	struct job *next;

	if (ipc_chan_peer(c) != PROC_QUEUE)
		return;
	work_intake_clear(&r->intake);
	groups_clear(&r->groups);
	for (j = TAILQ_FIRST(&r->jobs); j != NULL; j = next) {
		next = TAILQ_NEXT(j, entry);
		if (delivery_work(j->delivery)->c != c)
			continue;
		TAILQ_REMOVE(&r->jobs, j, entry);
		r->job_count--;
		delivery_free(j->delivery);
		free(j);
	}
	leave_if_done(r);
}

static void
refuse_more(const struct daemon *d)
{
	struct ipc_chan *c = daemon_peer(d, PROC_QUEUE, 0);
	const struct ipc_credit none = { .jobs = 0 };

	if (c != NULL && ipc_send_msg(c, credit, 0, 0, &none) == -1)
		log_warn("event=queue-gone");
}

/* What is under way is finished, nothing new begun. */
static void
stop(struct daemon *d, uint32_t grace_ms)
{
	struct relay *r = daemon_data(d);

	(void)grace_ms;
	r->stopping = true;
	refuse_more(d);
	pool_drain(r->pool);
	leave_if_done(r);
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	const struct relay *r = daemon_data(d);

	(void)snprintf(text, cap,
	    "jobs=%zu idle=%zu relayed=%llu not_relayed=%llu", r->job_count,
	    r->pool == NULL ? 0 : pool_count(r->pool),
	    (unsigned long long)r->relayed, (unsigned long long)r->not_relayed);
}

static const struct ipc_handler handlers[] = {
	{ IPC_WORK, on_work },
	{ IPC_WORK_MORE, on_work },
	{ 0, NULL },
};

static const struct daemon_spec spec = {
	.procs = { PROC_RELAY, PROC_MASTER },
	.may = MAY_CONNECT,
	.ports = ports,
	.max_files = MAX_FILES,
	.handlers = handlers,
	.prepare = prepare,
	.start = start,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.stop = stop,
	.status = status,
};

int
main(int argc, char **argv)
{
	return daemon_run(&spec, &relay, argc, argv);
}
