/* bounce: tells senders what became of their mail. */
#include <openssl/evp.h>
#include <stdio.h>

#include "bounce/report.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/daemon/daemon.h"

#define CREDITS 64 /* jobs queue may have with us at a time */

static struct bounce {
	struct reports *reports;
	struct work_intake intake;
} bounce;

static bool
our_kind(const struct work *w)
{
	return w->m.kind == WORK_BOUNCE_FAILURE ||
	       w->m.kind == WORK_BOUNCE_DELAY ||
	       w->m.kind == WORK_BOUNCE_SUCCESS;
}

static void
on_work(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct bounce *b = daemon_data(arg);
	struct work *w;

	switch (work_take(&b->intake, c, f, &w)) {
	case 1:
		break;
	case 0:
		return;
	default:
		ipc_chan_fail(c, "work");
		return;
	}
	if (our_kind(w)) {
		reports_add(b->reports, w);
		return;
	}
	work_free(w);
	ipc_chan_fail(c, "work of another kind");
}

static void
on_intake_state(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct bounce *b = daemon_data(arg);
	struct ipc_intake_state m;

	if (ipc_intake_state_decode(&m, f->payload) == -1)
		ipc_chan_fail(c, "intake state");
	else
		reports_state(b->reports, &m);
}

/* OpenSSL reads its configuration at its first use: now, not inside. */
static int
prepare(struct daemon *d)
{
	unsigned char sum[EVP_MAX_MD_SIZE];

	(void)d;
	if (EVP_Digest("", 0, sum, NULL, EVP_sha256(), NULL) == 1)
		return 0;
	log_error("event=start-failed what=digest");
	return -1;
}

static int
start(struct daemon *d)
{
	struct bounce *b = daemon_data(d);

	b->reports = reports_new(daemon_config(d)->hostname);
	return 0;
}

static int
reload(struct daemon *d)
{
	const struct bounce *b = daemon_data(d);

	reports_hostname(b->reports, daemon_config(d)->hostname);
	return 0;
}

static void
peer_up(struct daemon *d, struct ipc_chan *c)
{
	const struct ipc_credit m = { .jobs = CREDITS };

	(void)d;
	if (ipc_send_msg(c, credit, 0, 0, &m) == -1)
		log_warn("event=queue-gone");
}

static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	struct bounce *b = daemon_data(d);

	(void)c;
	work_intake_clear(&b->intake);
	reports_forget(b->reports);
}

static void
leave(void *arg)
{
	daemon_exit(arg);
}

static void
stop(struct daemon *d, uint32_t grace_ms)
{
	const struct bounce *b = daemon_data(d);

	(void)grace_ms;
	reports_when_quiet(b->reports, leave, d);
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	const struct bounce *b = daemon_data(d);
	struct report_counts n = reports_counts(b->reports);

	(void)snprintf(text, cap, "jobs=%zu reported=%llu", n.open,
	    (unsigned long long)n.done);
}

static const struct ipc_handler handlers[] = {
	{ IPC_WORK, on_work },
	{ IPC_WORK_MORE, on_work },
	{ IPC_INTAKE_STATE, on_intake_state },
	{ 0, NULL },
};

static const struct daemon_spec spec = {
	.procs = { PROC_BOUNCE, PROC_MASTER },
	.max_files = 256,
	.handlers = handlers,
	.prepare = prepare,
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
	return daemon_run(&spec, &bounce, argc, argv);
}
