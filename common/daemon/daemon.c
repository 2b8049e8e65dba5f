#include "common/daemon/daemon.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/daemon/sandbox.h"
#include "common/daemon/state.h"
#include "common/event/exclusive.h"

#define PORTS_MAX  64
#define HEAP_SPARE (1024 * 1024)

#ifdef WM_SAN
/* Leaks are looked for in unit tests; behind the walls it cannot work. */
const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=1";
}
#endif

static void
ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGHUP, SIGUSR1,
		SIGUSR2 };

	/* The terminal's signals are for master, who tells us. */
	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		if (signal(ignored[i], SIG_IGN) == SIG_ERR)
			log_die("event=start-failed what=signal");
}

static struct event_base *
loop_new(int *epoll)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	if (cfg == NULL ||
	    event_config_set_flag(
		cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == -1)
		log_die("event=start-failed what=libevent");
	base = exclusive_base(cfg, epoll);
	event_config_free(cfg);
	if (base == NULL || event_base_priority_init(base, 1) == -1)
		log_die("event=start-failed what=event_base");
	return base;
}

/*
 * Memory comes and goes with each mail: the heap keeps some, so that the
 * kernel need not take and clear its pages every time. Not where sessions
 * are forked, of which there are many.
 */
static void
keep_memory(const struct daemon_spec *spec)
{
	if ((spec->may & MAY_FORK) == 0)
		(void)mallopt(M_TRIM_THRESHOLD, HEAP_SPARE);
}

static void
check_handed_over(const struct daemon *d)
{
	const struct daemon_spec *spec = d->spec;

	if (d->root_fd == -1)
		log_die("event=start-failed what=\"no root directory\"");
	if (d->proc != spec->procs[0] && d->proc != spec->procs[1])
		log_die("event=start-failed what=\"this program is not %s\"",
		    proc_name(d->proc));
	if (d->may != spec->may)
		log_die("event=start-failed what=\"%s may %u, this program "
			"wants %u\"",
		    proc_name(d->proc), d->may, spec->may);
	if ((spec->may & MAY_FORK) == 0 && d->uid == 0)
		log_die("event=start-failed what=\"would run as root\"");
}

static void
map_clock(const struct daemon *d)
{
	int fd = daemon_file(d, "clock-shift");

	if (fd != -1 && clock_shift_map(fd) == -1)
		log_die("event=start-failed what=clock-shift");
}

/* Behind this no byte of a stranger can do what we cannot. */
static void
put_up_walls(struct daemon *d)
{
	const struct daemon_spec *spec = d->spec;
	const struct sandbox_users users = {
		.first = (uint32_t)d->config->user_uid_first,
		.last = (uint32_t)d->config->user_uid_last,
	};
	uint16_t ports[PORTS_MAX];
	bool spawns = (spec->may & MAY_FORK) != 0;
	size_t n = 0;

	if (spec->ports != NULL)
		n = spec->ports(d, ports, PORTS_MAX);
	if (sandbox_identity(d->root_fd, d->uid, d->gid, spawns) == -1)
		log_die("event=start-failed what=privileges");
	/* Behind the change of uid, which clears it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1 || getppid() == 1)
		log_die("event=start-failed what=parent");
	(void)umask(077);
	if (sandbox_limits(spec->max_files) == -1)
		log_die("event=start-failed what=limits");
#ifndef WM_SAN
	if (sandbox_landlock(spec->may, ports, n) == -1)
		log_die("event=start-failed what=landlock");
	if ((spawns && sandbox_session_compile(&d->session_filter) == -1) ||
	    sandbox_seccomp(spec, &users) == -1)
		log_die("event=start-failed what=seccomp");
#else
	(void)n;
	(void)users;
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
#endif
}

static void
tell_ready(struct daemon *d)
{
	const struct ipc_ctl_ready m = { .reload = 0 };

	if (ipc_send_msg(d->control, ctl_ready, 0, 0, &m) == -1)
		log_die("event=start-failed what=control");
}

/*
 * Pass by pass, so that the lines of one go out together: before anybody
 * waits for something to happen again.
 */
static void
run_loop(const struct daemon *d)
{
	log_hold(true);
	while (!d->leaving) {
		if (event_base_loop(d->base, EVLOOP_ONCE) != 0)
			log_die("event=loop-failed error=%s", strerror(errno));
		log_flush();
	}
	log_hold(false);
}

int
daemon_run(const struct daemon_spec *spec, void *data, int argc, char **argv)
{
	static struct daemon d;
	/* Children need neither loop nor channels, but all in between. */
	bool apart = (spec->may & MAY_FORK) != 0;

	(void)argc;
	log_open(argv[0], 2, true);
	ignore_signals();
	d.spec = spec;
	d.data = data;
	d.root_fd = -1;
	(void)mem_apart(apart);
	d.base = loop_new(&d.epoll);
	control_open(&d);
	while (!d.going)
		if (event_base_loop(d.base, EVLOOP_ONCE) != 0)
			log_die("event=start-failed what=loop");
	(void)mem_apart(false);
	check_handed_over(&d);
	map_clock(&d);
	if (spec->prepare != NULL && spec->prepare(&d) == -1)
		log_die("event=start-failed what=prepare");
	keep_memory(spec);
	tzset(); /* gmtime_r() reads the zone at its first use */
	put_up_walls(&d);
	(void)mem_apart(apart);
	d.started = true;
	if (spec->start != NULL && spec->start(&d) == -1)
		log_die("event=start-failed what=start");
	peers_start(&d);
	if (spec->accepts_control)
		control_listen(&d);
	tell_ready(&d);
	run_loop(&d);
	return 0;
}

void *
daemon_data(const struct daemon *d)
{
	return d->data;
}

struct event_base *
daemon_base(const struct daemon *d)
{
	return d->base;
}

const struct config *
daemon_config(const struct daemon *d)
{
	return d->config;
}

enum proc
daemon_proc(const struct daemon *d)
{
	return d->proc;
}

uint32_t
daemon_instance(const struct daemon *d)
{
	return d->instance;
}

const struct daemon_listener *
daemon_listener(const struct daemon *d, size_t i)
{
	return i < d->listener_count ? &d->listeners[i] : NULL;
}

int
daemon_listen(const struct daemon *d, struct event *e)
{
	return exclusive_add(e, d->epoll);
}

int
daemon_file(const struct daemon *d, const char *name)
{
	for (size_t i = 0; i < d->file_count; i++)
		if (strcmp(d->files[i].name, name) == 0)
			return d->files[i].fd;
	return -1;
}

int
daemon_root(const struct daemon *d)
{
	return d->root_fd;
}

void
daemon_exit(struct daemon *d)
{
	const struct ipc_ctl_drained m = { .unused = 0 };

	if (d->leaving)
		return;
	d->leaving = true;
	/* The loop does not run again: the last results go out now. */
	peers_flush(d);
	if (ipc_send_msg(d->control, ctl_drained, 0, 0, &m) == 0)
		(void)ipc_flush(d->control);
	(void)event_base_loopbreak(d->base);
}

/* Close all from 3 on but those to keep, in ascending order. */
static int
close_all_but(const int *keep, size_t keeps)
{
	unsigned from = 3;

	for (;;) {
		unsigned next = ~0U;

		for (size_t i = 0; i < keeps; i++)
			if ((unsigned)keep[i] >= from &&
			    (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > from &&
		    close_range(from, next == ~0U ? next : next - 1, 0) == -1)
			return -1;
		if (next == ~0U)
			return 0;
		from = next + 1;
	}
}

int
daemon_become_user(
    struct daemon *d, int home_fd, uint32_t uid, const int *keep, size_t keeps)
{
	const struct config *c = d->config;
	int all[16];

	log_forked();
	if ((int64_t)uid < c->user_uid_first || (int64_t)uid > c->user_uid_last)
		log_die("event=session-refused what=\"uid out of range\" "
			"uid=%u",
		    uid);
	if (keeps + 1 > ARRAY_LEN(all)) {
		log_error(
		    "event=session-refused what=\"too many descriptors\"");
		return -1;
	}
	memcpy(all, keep, keeps * sizeof(int));
	all[keeps] = home_fd;
	if (close_all_but(all, keeps + 1) == -1) {
		log_error("event=session-refused what=close_range");
		return -1;
	}
	(void)umask(077);
	if (sandbox_become(home_fd, uid, uid) == -1)
		return -1;
#ifndef WM_SAN
	if (sandbox_landlock(MAY_READ | MAY_WRITE, NULL, 0) == -1 ||
	    sandbox_session(&d->session_filter) == -1)
		return -1;
#endif
	return 0;
}
