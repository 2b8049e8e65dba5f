/* router: may this be sent, and where does it go? */
#include <stdio.h>

#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "router/outbox.h"
#include "router/tables.h"
#include "router/verdict.h"

static struct router {
	struct tables *tables;
	unsigned long verdicts;
	unsigned long routes;
} router;

static int
take_config(struct daemon *d)
{
	struct router *r = daemon_data(d);
	struct tables *next = tables_open(daemon_config(d));

	if (next == NULL)
		return -1;
	tables_close(r->tables);
	r->tables = next;
	return 0;
}

static void
on_verdict_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct router *r = daemon_data(arg);
	struct lookup lookup = tables_lookup(r->tables);
	struct ipc_verdict_ask ask;
	struct ipc_verdict m;
	struct verdict v;

	if (ipc_verdict_ask_decode(&ask, f->payload) == -1)
		return;
	r->verdicts++;
	/* Port 25 knows no logins, whatever a broken smtpd may say. */
	verdict_decide(daemon_config(arg), &lookup, &ask,
	    ipc_chan_peer(c) == PROC_SUBMISSION, &v);
	m = (struct ipc_verdict){ .code = v.code,
		.enhanced = slice_str(v.enhanced),
		.text = slice_str(v.text) };
	if (ipc_send_msg(c, verdict, IPC_REPLY, f->request, &m) == -1)
		log_warn(
		    "event=answer-lost peer=%s", proc_name(ipc_chan_peer(c)));
}

static void
on_route_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct router *r = daemon_data(arg);
	struct lookup lookup = tables_lookup(r->tables);
	struct ipc_route_ask ask;
	struct route_answer a;

	if (ipc_route_ask_decode(&ask, f->payload) == -1)
		return;
	r->routes++;
	if (ipc_chan_data(c) == NULL)
		ipc_chan_set_data(c, outbox_new(c));
	route_answer_init(&a);
	route_find(daemon_config(arg), &lookup, ask.recipient, &a);
	outbox_send(ipc_chan_data(c), f->request, &a);
	route_answer_free(&a);
}

static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	(void)d;
	outbox_free(ipc_chan_data(c));
	ipc_chan_set_data(c, NULL);
}

static void
peer_drained(struct daemon *d, struct ipc_chan *c)
{
	(void)d;
	if (ipc_chan_data(c) != NULL)
		outbox_drained(ipc_chan_data(c));
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	const struct router *r = daemon_data(d);

	(void)snprintf(text, cap, "verdicts=%lu routes=%lu table-failures=%lu",
	    r->verdicts, r->routes, tables_failures(r->tables));
}

static const struct ipc_handler handlers[] = {
	{ IPC_VERDICT_ASK, on_verdict_ask },
	{ IPC_ROUTE_ASK, on_route_ask },
	{ 0, NULL },
};

static const struct daemon_spec spec = {
	.procs = { PROC_ROUTER, PROC_MASTER },
	.may = MAY_READ,
	.max_files = 8192, /* a channel to each of 4096 processes */
	.handlers = handlers,
	.start = take_config,
	.reload = take_config,
	.peer_down = peer_down,
	.peer_drained = peer_drained,
	.status = status,
};

int
main(int argc, char **argv)
{
	return daemon_run(&spec, &router, argc, argv);
}
