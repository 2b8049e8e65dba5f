/* deliver: puts mail into the drop boxes of local mailboxes. */
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "common/ipc/work.h"
#include "deliver/drop.h"
#include "deliver/pipeline.h"

#define CREDITS 256 /* jobs queue may have with us */

static struct {
	struct pipeline *pipeline;
	struct work_intake intake;
	bool stopping;
} deliver;

static void
on_work(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct work *w;

	(void)arg;
	switch (work_take(&deliver.intake, c, f, &w)) {
	case 1:
		if (w->m.kind == WORK_LOCAL && w->rcpt_count > 0) {
			pipeline_add(deliver.pipeline, w);
			break;
		}
		work_free(w);
		ipc_chan_fail(c, "work of another kind");
		break;
	case 0:
		break;
	default:
		ipc_chan_fail(c, "work");
	}
}

static int
start(struct daemon *d)
{
	(void)umask(DROP_UMASK);
	deliver.pipeline = pipeline_new(daemon_base(d), daemon_root(d));
	return 0;
}

/* So many jobs more; 0: none at all. */
static void
give_credit(struct ipc_chan *c, uint32_t jobs)
{
	const struct ipc_credit m = { .jobs = jobs };

	if (ipc_send_msg(c, credit, 0, 0, &m) == -1)
		log_warn("event=queue-gone");
}

static void
peer_up(struct daemon *d, struct ipc_chan *c)
{
	(void)d;
	if (!deliver.stopping)
		give_credit(c, CREDITS);
}

static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	(void)d;
	work_intake_clear(&deliver.intake);
	pipeline_forget(deliver.pipeline, c);
}

static void
leave(void *arg)
{
	daemon_exit(arg);
}

/* What is in hand is delivered, and nothing more taken. */
static void
stop(struct daemon *d, uint32_t grace_ms)
{
	struct ipc_chan *c = daemon_peer(d, PROC_QUEUE, 0);

	(void)grace_ms;
	deliver.stopping = true;
	if (c != NULL)
		give_credit(c, 0);
	if (pipeline_jobs(deliver.pipeline) == 0)
		daemon_exit(d);
	else
		pipeline_when_empty(deliver.pipeline, leave, d);
}

static int
reload(struct daemon *d)
{
	(void)d;
	return 0; /* nothing of the configuration is used here */
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	(void)d;
	(void)snprintf(text, cap, "jobs=%zu", pipeline_jobs(deliver.pipeline));
}

static const struct ipc_handler handlers[] = {
	{ IPC_WORK, on_work },
	{ IPC_WORK_MORE, on_work },
	{ 0, NULL },
};

/* The worker's thread is made behind the walls, so that they hold it too. */
static const char *const syscalls[] = { "eventfd2", "umask", NULL };

static const struct daemon_spec spec = {
	.procs = { PROC_DELIVER, PROC_MASTER },
	.syscalls = syscalls,
	.may = MAY_READ | MAY_WRITE | MAY_THREAD,
	.max_files = 4096,
	.handlers = handlers,
	.start = start,
	.reload = reload,
	.peer_up = peer_up,
	.peer_down = peer_down,
	.stop = stop,
	.status = status,
};

int
main(int argc, char **argv)
{
	return daemon_run(&spec, &deliver, argc, argv);
}
