/* auth: who are you? */
#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "auth/back.h"
#include "auth/login.h"
#include "common/base/log.h"
#include "common/daemon/daemon.h"

static struct auth auth;

/*
 * Before the walls: what libraries read from the system at their first use,
 * and what the threads will need.
 */
static int
prepare(struct daemon *d)
{
	struct auth *a = daemon_data(d);
	unsigned char tag[MEMO_TAG_SIZE];
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	a->threads = (unsigned)MAX(1, MIN(cpus, 8));
	a->memo = memo_new();
	memo_tag(a->memo, SLICE("a"), SLICE("b"), SLICE("c"), tag);
	a->hasher_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (a->hasher_fd != -1)
		return 0;
	log_error("event=start-failed what=eventfd error=%s", strerror(errno));
	return -1;
}

static void
on_release(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	login_release(arg);
}

static int
start(struct daemon *d)
{
	struct auth *a = daemon_data(d);

	a->base = daemon_base(d);
	a->config = daemon_config(d);
	a->users = users_open();
	a->tickets = tickets_new(TICKETS_MAX, TICKETS_DROP_OLDEST);
	a->returns = tickets_new(RETURNS_MAX, TICKETS_REFUSE);
	a->release = evtimer_new(a->base, on_release, a);
	a->penalties = penalties_new();
	a->hasher = hasher_new(a->base, a->threads, a->hasher_fd, login_hashed);
	return a->hasher == NULL || a->release == NULL ? -1 : 0;
}

static int
reload(struct daemon *d)
{
	struct auth *a = daemon_data(d);

	a->config = daemon_config(d);
	return 0;
}

/* The password stands in the channel's buffer, which is ours to wipe. */
static void
wipe(struct slice secret)
{
	if (secret.len > 0)
		explicit_bzero((void *)(uintptr_t)secret.p, secret.len);
}

static void
on_auth_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_auth_ask ask;

	if (ipc_auth_ask_decode(&ask, f->payload) == -1)
		return;
	login_begin(daemon_data(arg), c, f->request, &ask);
	wipe(ask.secret);
}

static void
on_ticket_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_ticket_ask ask;

	if (ipc_ticket_ask_decode(&ask, f->payload) == -1)
		return;
	login_redeem(daemon_data(arg), c, f->request, &ask);
}

static void
on_return_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_return_ask ask;

	if (ipc_return_ask_decode(&ask, f->payload) == 0)
		back_ask(daemon_data(arg), c, f->request, &ask);
}

static void
on_return_drop(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct auth *a = daemon_data(arg);
	struct ipc_return_drop m;

	(void)c;
	if (ipc_return_drop_decode(&m, f->payload) == 0)
		tickets_drop(a->returns, m.ticket);
}

static void
peer_down(struct daemon *d, struct ipc_chan *c)
{
	back_front_gone(daemon_data(d), c);
	login_forget(daemon_data(d), c);
}

static void
status(struct daemon *d, char *text, size_t cap)
{
	const struct auth *a = daemon_data(d);

	(void)snprintf(text, cap,
	    "good=%lu bad=%lu cached=%lu later=%lu open=%zu asleep=%zu",
	    a->good, a->bad, a->cached, a->put_off, a->login_count,
	    tickets_count(a->returns));
}

static const struct ipc_handler handlers[] = {
	{ IPC_AUTH_ASK, on_auth_ask },
	{ IPC_TICKET_ASK, on_ticket_ask },
	{ IPC_RETURN_ASK, on_return_ask },
	{ IPC_RETURN_DROP, on_return_drop },
	{ 0, NULL },
};

/* The threads that hash. */
static const struct daemon_spec spec = {
	.procs = { PROC_AUTH, PROC_MASTER },
	.may = MAY_READ | MAY_THREAD,
	.max_files = 8192, /* a channel to each of 4096 processes */
	.handlers = handlers,
	.prepare = prepare,
	.start = start,
	.reload = reload,
	.peer_down = peer_down,
	.status = status,
};

int
main(int argc, char **argv)
{
	return daemon_run(&spec, &auth, argc, argv);
}
