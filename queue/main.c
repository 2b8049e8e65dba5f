/* queue: takes mail into the spool and sees it out of there. */
#include <stdlib.h>

#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "queue/queue.h"

static struct queue queue;

static void
on_frame(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	queue_frame(daemon_data(arg), c, f);
}

static int
start(struct daemon *d)
{
	const struct queue_setup setup = { .base = daemon_base(d),
		.config = daemon_config(d),
		.root = daemon_root(d) };

	return queue_open(daemon_data(d), &setup);
}

static int
reload(struct daemon *d)
{
	queue_reload(daemon_data(d), daemon_config(d));
	return 0;
}

static void
peer_up(struct daemon *d, struct ipc_chan *c)
{
	queue_peer_up(daemon_data(d), c);
}

static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	queue_peer_down(daemon_data(d), c);
}

static void
peer_drained(struct daemon *d, struct ipc_chan *c)
{
	queue_peer_drained(daemon_data(d), c);
}

static void
leave(void *arg)
{
	daemon_exit(arg);
}

static void
stop(struct daemon *d, uint32_t grace_ms)
{
	queue_stop(daemon_data(d), grace_ms, leave, d);
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	queue_status(daemon_data(d), text, cap);
}

static const struct ipc_handler handlers[] = {
	{ IPC_SUBMIT, on_frame },
	{ IPC_SUBMIT_MORE, on_frame },
	{ IPC_LARGE_ASK, on_frame },
	{ IPC_LARGE_DROP, on_frame },
	{ IPC_CREDIT, on_frame },
	{ IPC_RESULT, on_frame },
	{ IPC_PEER_STATE, on_frame },
	{ IPC_ADMIN_ASK, on_frame },
	{ 0, NULL },
};

/* The threads are made behind the walls, so that they hold them too. */
static const char *const syscalls[] = { "eventfd2", NULL };

static const struct daemon_spec spec = {
	.procs = { PROC_QUEUE, PROC_MASTER },
	.syscalls = syscalls,
	.may = MAY_READ | MAY_WRITE | MAY_THREAD,
	.accepts_control = true,
	.max_files = 8192, /* a channel to each of 4096 processes */
	.handlers = handlers,
	.start = start,
	.reload = reload,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.peer_drained = peer_drained,
	.stop = stop,
	.status = status,
};

int
main(int argc, char **argv)
{
	return daemon_run(&spec, &queue, argc, argv);
}
