/* resolver: answers the other daemons' questions to the DNS. */
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/anchor.h"
#include "common/daemon/daemon.h"
#include "resolver/context.h"
#include "resolver/query.h"

#define PORTS_MAX 64 /* where TCP may go */

static struct resolver {
	struct context *context;
	struct queries *queries;
	uint16_t ports[PORTS_MAX]; /* what the walls let through */
	size_t port_count;
} resolver;

/* The trust anchor comes as an open descriptor, also on a reload. */
static int
read_anchors(struct daemon *d, struct buf *text)
{
	int fd = daemon_file(d, "trust-anchor");

	if (fd == -1)
		return 0;
	if (file_pread(fd, text) == -1) {
		log_error("event=resolver-setup-failed what=dns-trust-anchor "
			  "error=\"cannot be read\"");
		return -1;
	}
	return 0;
}

static int
take_config(struct daemon *d)
{
	struct resolver *r = daemon_data(d);
	struct buf anchors = BUF_INIT(ANCHOR_BYTES_MAX);
	struct context *next = NULL;

	if (read_anchors(d, &anchors) == 0)
		next = context_new(
		    daemon_base(d), daemon_config(d), buf_slice(&anchors));
	buf_free(&anchors);
	if (next == NULL)
		return -1;
	context_retire(r->context);
	r->context = next;
	return 0;
}

/* Before the walls: whatever the library looks at, it looks at now. */
static int
prepare(struct daemon *d)
{
	struct resolver *r = daemon_data(d);

	r->queries = queries_new(daemon_base(d));
	return take_config(d);
}

static size_t
ports(struct daemon *d, uint16_t *list, size_t cap)
{
	struct resolver *r = daemon_data(d);

	r->port_count =
	    context_ports(daemon_config(d), r->ports, MIN(cap, PORTS_MAX));
	memcpy(list, r->ports, r->port_count * sizeof(*list));
	return r->port_count;
}

static bool
walls_have(const struct resolver *r, uint16_t port)
{
	for (size_t i = 0; i < r->port_count; i++)
		if (r->ports[i] == port)
			return true;
	return false;
}

static void
leave(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	daemon_exit(arg);
}

/*
 * Walls cannot be opened any more. Where the new configuration has a port
 * they know nothing of, a new process takes over, once master has heard
 * that the reload is done.
 */
static int
reload(struct daemon *d)
{
	const struct resolver *r = daemon_data(d);
	const struct timeval now = { 0 };
	uint16_t wanted[PORTS_MAX];
	size_t n;

	if (take_config(d) == -1)
		return -1;
	n = context_ports(daemon_config(d), wanted, PORTS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (walls_have(r, wanted[i]))
			continue;
		log_info("event=renewal why=\"new port %u\"", wanted[i]);
		return event_base_once(
		    daemon_base(d), -1, EV_TIMEOUT, leave, d, &now);
	}
	return 0;
}

static void
on_resolve_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct resolver *r = daemon_data(arg);

	queries_ask(r->queries, r->context, c, f);
}

static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	struct resolver *r = daemon_data(d);

	queries_peer_gone(r->queries, c);
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	const struct resolver *r = daemon_data(d);
	struct query_counts n = queries_counts(r->queries);

	(void)snprintf(text, cap, "open=%zu asked=%llu late=%llu refused=%llu",
	    n.open, (unsigned long long)n.asked, (unsigned long long)n.late,
	    (unsigned long long)n.refused);
}

static const struct ipc_handler handlers[] = {
	{ IPC_RESOLVE_ASK, on_resolve_ask },
	{ 0, NULL },
};

static const struct daemon_spec spec = {
	.procs = { PROC_RESOLVER, PROC_MASTER },
	.may = MAY_CONNECT | MAY_DATAGRAM,
	.ports = ports,
	.max_files = 8192,
	.handlers = handlers,
	.prepare = prepare,
	.reload = reload,
	.peer_down = peer_down,
	.status = status,
};

int
main(int argc, char **argv)
{
	return daemon_run(&spec, &resolver, argc, argv);
}
