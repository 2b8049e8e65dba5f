/* resolver: answers the other daemons' questions to the DNS. */
#include <stdio.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "resolver/anchor.h"
#include "resolver/context.h"
#include "resolver/query.h"

static struct resolver {
	struct context *context;
	struct queries *queries;
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
	return context_ports(daemon_config(d), list, cap);
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
	.reload = take_config,
	.peer_down = peer_down,
	.status = status,
};

int
main(int argc, char **argv)
{
	return daemon_run(&spec, &resolver, argc, argv);
}
