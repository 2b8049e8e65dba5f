/* smtpd: takes mail from the network, on port 25 or as submission. */
#include <event2/event.h>
#include <stdio.h>

#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "common/tls/ctx.h"
#include "smtpd/listen.h"
#include "smtpd/smtpd.h"

#define WIND_DOWN_MS 10000U /* before a stop must be over */

static struct process {
	struct smtpd smtpd;
	struct listen listen;
	struct event *wind_down; /* clients are told to go when it fires */
	struct event *insist;    /* the end of the grace when stopping */
} process;

static void
on_intake_state(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct process *p = daemon_data(arg);

	(void)c;
	smtpd_intake_state(&p->smtpd, f);
}

static int
prepare(struct daemon *d)
{
	struct process *p = daemon_data(d);
	int cert = daemon_file(d, "tls-cert");
	int key = daemon_file(d, "tls-key");
	char err[256];

	if (cert == -1 || key == -1) {
		log_warn("event=no-certificate service=smtp");
		return 0;
	}
	p->smtpd.tls = tls_ctx_server(cert, key, "smtp", err, sizeof(err));
	if (p->smtpd.tls != NULL)
		return 0;
	log_error("event=certificate-bad error=%s", err);
	return -1;
}

static void
all_gone(void *arg)
{
	daemon_exit(arg);
}

static void
on_insist(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = daemon_data(arg);

	(void)fd;
	(void)what;
	log_info("event=stopped connections-cut=%zu", p->smtpd.sessions.count);
	daemon_exit(arg);
}

static void
on_wind_down(evutil_socket_t fd, short what, void *arg)
{
	struct process *p = arg;

	(void)fd;
	(void)what;
	smtpd_stop(&p->smtpd);
}

static int
start(struct daemon *d)
{
	struct process *p = daemon_data(d);
	struct smtpd *s = &p->smtpd;

	s->base = daemon_base(d);
	s->config = daemon_config(d);
	s->submission = daemon_proc(d) == PROC_SUBMISSION;
	s->gone = all_gone;
	s->gone_arg = d;
	smtpd_init(s);
	p->insist = evtimer_new(s->base, on_insist, d);
	p->wind_down = evtimer_new(s->base, on_wind_down, p);
	if (p->insist == NULL || p->wind_down == NULL ||
	    listen_start(&p->listen, d, s) == -1) {
		log_error("event=start-failed what=listen");
		return -1;
	}
	return 0;
}

static void
peer_up(struct daemon *d, struct ipc_chan *c)
{
	struct process *p = daemon_data(d);

	smtpd_peer_up(&p->smtpd, c);
}

static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	struct process *p = daemon_data(d);

	smtpd_peer_down(&p->smtpd, c);
}

static void
arm(struct event *ev, uint32_t ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	(void)event_add(ev, &tv);
}

/*
 * An old generation serves its clients to their own end, as far as the
 * grace goes; a stop of everything leaves time for what is under way only.
 */
static void
stop(struct daemon *d, uint32_t grace_ms)
{
	struct process *p = daemon_data(d);
	uint32_t ms = grace_ms - grace_ms / 8;

	listen_stop(&p->listen);
	arm(p->insist, ms);
	arm(p->wind_down, ms > WIND_DOWN_MS ? ms - WIND_DOWN_MS : 0);
	smtpd_drain(&p->smtpd);
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	const struct process *p = daemon_data(d);
	const struct smtpd *s = &p->smtpd;

	(void)snprintf(text, cap,
	    "connections=%zu received=%llu rejected=%llu intake=%u",
	    s->sessions.count, (unsigned long long)s->received,
	    (unsigned long long)s->rejected, s->intake_code);
}

static const struct ipc_handler handlers[] = {
	{ IPC_INTAKE_STATE, on_intake_state },
	{ 0, NULL },
};

static const struct daemon_spec spec = {
	.procs = { PROC_SMTPD, PROC_SUBMISSION },
	.max_files = 32768,
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
	return daemon_run(&spec, &process, argc, argv);
}
