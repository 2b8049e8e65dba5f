/* One process each: started, given what it needs, watched, restarted. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/owner.h"
#include "common/base/rand.h"
#include "master/backoff.h"
#include "master/master.h"

#define CHILD_CONTROL_FD 3
#define HUNG_MS          60000 /* no answer to a ping for so long */
#define START_FAILURES   5     /* then the first start is given up */

bool
slot_alive(const struct slot *s)
{
	return s->state == SLOT_STARTING || s->state == SLOT_RUNNING ||
	       s->state == SLOT_DRAINING;
}

static void
arm(struct slot *s, uint32_t ms)
{
	const struct timeval tv = { ms / 1000,
		(suseconds_t)(ms % 1000) * 1000 };

	(void)event_add(s->timer, &tv);
}

/* Root while it starts, then as the user it has become. */
static void
end_process(const struct slot *s)
{
	uint32_t uid;
	uint32_t gid;

	if (kill(s->pid, SIGKILL) == 0 || errno != EPERM ||
	    places_ids(s->master, s->service, &uid, &gid) == -1)
		return;
	if (owner_enter(uid, gid) == -1 || kill(s->pid, SIGKILL) == -1)
		log_error("event=kill-failed proc=%s pid=%d error=%s",
		    proc_name(s->service->proc), (int)s->pid, strerror(errno));
	owner_leave();
}

static void
timer_ready(evutil_socket_t fd, short what, void *arg)
{
	struct slot *s = arg;

	(void)fd;
	(void)what;
	if (s->state == SLOT_WAITING) {
		slot_start(s);
		if (s->state == SLOT_STARTING)
			slot_go(s, false);
	} else if (s->state == SLOT_DRAINING && s->pid > 0) {
		log_warn("event=killed proc=%s instance=%u why=\"did not "
			 "stop in time\"",
		    proc_name(s->service->proc), s->instance);
		end_process(s);
	}
}

static struct slot *
slot_new(struct master *m, const struct service *service)
{
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &m->slots[i];

		if (s->state != SLOT_EMPTY)
			continue;
		memset(s, 0, sizeof(*s));
		s->master = m;
		s->service = service;
		s->instance = ++m->last_instance;
		s->generation = m->generation;
		s->state = SLOT_WAITING;
		s->timer = evtimer_new(m->base, timer_ready, s);
		if (s->timer == NULL)
			log_die("event=out-of-memory");
		return s;
	}
	log_die("event=too-many-processes");
}

static size_t
worker_count(const struct master *m)
{
	cpu_set_t cpus;

	if (m->config->workers > 0)
		return (size_t)m->config->workers;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == -1)
		return 1;
	return (size_t)CPU_COUNT(&cpus);
}

static bool
has_listener(const struct master *m, const struct service *service)
{
	if (service->listeners == 0)
		return true;
	for (size_t i = 0; i < m->listener_count; i++)
		if (m->listeners[i].wanted &&
		    (service->listeners &
			LISTEN_BIT(m->listeners[i].service)) != 0)
			return true;
	return false;
}

bool
slots_have_room(const struct master *m)
{
	const struct service *service;
	size_t wanted = 0;
	size_t room = 0;

	for (size_t i = 0; (service = service_at(i)) != NULL; i++)
		if (service->sessions)
			wanted += service->per_cpu ? worker_count(m) : 1;
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		const struct slot *s = &m->slots[i];

		/* A reload stops those that wait, at once. */
		room += s->state == SLOT_EMPTY ||
			(s->state == SLOT_WAITING && s->service->sessions);
	}
	return room >= wanted;
}

void
slots_create(struct master *m, const struct service *service)
{
	size_t n = service->per_cpu ? worker_count(m) : 1;

	if (!has_listener(m, service))
		return; /* switched off by configuration */
	while (n-- > 0)
		slot_start(slot_new(m, service));
}

/* -- what a process is handed ------------------------------------------ */

/* What was encoded into the channel's scratch, and a descriptor. */
static void
send_fd(struct slot *s, uint16_t type, int fd)
{
	if (ipc_send_scratch(s->control, type, 0, 0, fd) == -1)
		log_error(
		    "event=control-lost proc=%s", proc_name(s->service->proc));
}

static int
keep_copy(int fd)
{
	return fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* fd -1: there is none; one that it was handed before counts no more. */
static void
tell_file(struct slot *s, const char *name, int fd)
{
	const struct ipc_ctl_file m = { .name = slice_str(name) };

	if (ipc_ctl_file_encode(&m, ipc_scratch(s->control)) == -1)
		log_die("event=out-of-memory");
	send_fd(s, IPC_CTL_FILE, fd);
}

static void
hand_file(struct slot *s, const char *name, int fd)
{
	if (fd != -1)
		tell_file(s, name, fd);
}

/*
 * One that the configuration names. Where only descriptors or memory are
 * wanting it must not do without, as without TLS: it is started again.
 */
static void
hand_place(struct slot *s, const char *name)
{
	int fd = places_file(s->master, name);

	if (fd == -1 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
		end_process(s);
	else if (fd != -1 || errno == 0)
		tell_file(s, name, fd);
}

static void
hand_files(struct slot *s)
{
	unsigned files = s->service->files;

	if ((files & FILE_TLS) != 0) {
		hand_place(s, "tls-cert");
		hand_place(s, "tls-key");
	}
	if ((files & FILE_RELAY_PW) != 0)
		hand_place(s, "relay-password");
	if ((files & FILE_ANCHOR) != 0)
		hand_place(s, "trust-anchor");
	if ((files & FILE_ALIVE) != 0)
		hand_file(s, "alive", keep_copy(s->master->alive[0]));
	hand_place(s, "clock-shift");
}

static void
hand_listeners(struct slot *s)
{
	const struct master *m = s->master;

	for (size_t i = 0; i < m->listener_count; i++) {
		const struct listener *l = &m->listeners[i];
		const struct ipc_ctl_listener msg = { .service =
							  (uint8_t)l->service,
			.address = slice_str(l->address) };

		if (!l->wanted ||
		    (s->service->listeners & LISTEN_BIT(l->service)) == 0)
			continue;
		listener_revive(l);
		if (ipc_ctl_listener_encode(&msg, ipc_scratch(s->control)) ==
		    -1)
			log_die("event=out-of-memory");
		send_fd(s, IPC_CTL_LISTENER, keep_copy(l->fd));
	}
}

static void
hand_start(struct slot *s)
{
	const struct master *m = s->master;
	struct ipc_ctl_start msg = { .instance = s->instance,
		.proc = (uint32_t)s->service->proc,
		.may = s->service->may,
		.log_time = m->log_time };

	if (places_ids(m, s->service, &msg.uid, &msg.gid) == -1)
		log_die("event=start-failed what=uid");
	if (ipc_ctl_start_encode(&msg, ipc_scratch(s->control)) == -1)
		log_die("event=out-of-memory");
	send_fd(s, IPC_CTL_START, keep_copy(m->config_fd));
}

static void
hand_root(struct slot *s)
{
	const struct ipc_ctl_root msg = { .unused = 0 };

	if (ipc_ctl_root_encode(&msg, ipc_scratch(s->control)) == -1)
		log_die("event=out-of-memory");
	send_fd(s, IPC_CTL_ROOT, places_root(s->master, s->service->root));
}

void
slot_configure(struct slot *s)
{
	/* On its way out: the next one is handed all of it at its start. */
	if (s->control == NULL)
		return;
	hand_start(s);
	hand_files(s);
	hand_file(s, "log", keep_copy(2));
}

void
slot_go(struct slot *s, bool reload)
{
	const struct ipc_ctl_go msg = { .reload = reload };

	if (s->control != NULL &&
	    ipc_send_msg(s->control, ctl_go, 0, 0, &msg) == -1)
		log_error(
		    "event=control-lost proc=%s", proc_name(s->service->proc));
}

void
slot_stop(struct slot *s, uint32_t grace_ms)
{
	const struct ipc_ctl_stop msg = { .grace_ms = grace_ms };

	if (s->state == SLOT_WAITING) {
		broker_forget(s, true);
		event_free(s->timer);
		s->state = SLOT_EMPTY;
		return;
	}
	if (!slot_alive(s))
		return;
	s->state = SLOT_DRAINING;
	arm(s, grace_ms + 1000);
	if (s->control != NULL &&
	    ipc_send_msg(s->control, ctl_stop, 0, 0, &msg) == -1)
		log_error(
		    "event=control-lost proc=%s", proc_name(s->service->proc));
}

/* -- what a process says ----------------------------------------------- */

static void
on_ready(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct slot *s = arg;
	struct ipc_ctl_ready m;

	(void)c;
	if (ipc_ctl_ready_decode(&m, f->payload) == -1)
		return;
	if (m.reload != 0)
		lifecycle_reloaded(s, m.refused != 0);
	if (s->state != SLOT_STARTING)
		return;
	s->state = SLOT_RUNNING;
	log_info("event=started proc=%s instance=%u pid=%d",
	    proc_name(s->service->proc), s->instance, (int)s->pid);
	lifecycle_progress(s->master);
}

static void
on_pong(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct slot *s = arg;
	struct ipc_ctl_pong m;

	(void)c;
	if (ipc_ctl_pong_decode(&m, f->payload) == -1 || s->pinged_ms == 0 ||
	    m.number != s->ping)
		return;
	s->pinged_ms = 0;
	s->heap_kib = m.heap_kib;
	(void)!slice_copy(s->status, sizeof(s->status), m.status);
	admin_answered(s->master);
}

static void
on_lost(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_ctl_lost m;

	(void)c;
	if (ipc_ctl_lost_decode(&m, f->payload) == 0 && m.proc < PROC_COUNT)
		broker_lost(arg, (enum proc)m.proc, m.instance, m.epoch);
}

static void
on_drained(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct slot *s = arg;

	(void)c;
	(void)f;
	s->drained = s->state == SLOT_RUNNING; /* an usher renews itself */
}

static const struct ipc_handler handlers[] = {
	{ IPC_CTL_READY, on_ready },
	{ IPC_CTL_PONG, on_pong },
	{ IPC_CTL_LOST, on_lost },
	{ IPC_CTL_DRAINED, on_drained },
	{ 0, NULL },
};

static void
on_closed(void *arg, struct ipc_chan *c)
{
	struct slot *s = arg;

	if (s->control == c)
		s->control = NULL;
	/*
	 * A process without control channel is on its way out; one that
	 * lost it by breaking the rules is not asked.
	 */
	if (s->pid > 0)
		end_process(s);
}

static const struct ipc_ops ops = { .handlers = handlers, .closed = on_closed };

/* -- the process itself ------------------------------------------------ */

NORETURN static void
become(const struct slot *s, int control)
{
	char *program = xasprintf(
	    "%s/%s", s->master->config->program_directory, s->service->program);
	char *argv[] = { xstrdup(proc_name(s->service->proc)), NULL };
	const char *boot = getenv("WEMMICK_BOOT_ID");
	char *env[] = { NULL, NULL };
	sigset_t none;

	/* Whoever starts sessions must know it, and may not see it in /proc. */
	if (boot != NULL && (s->service->may & MAY_FORK) != 0)
		env[0] = xasprintf("WEMMICK_BOOT_ID=%s", boot);
	log_forked();
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (control == CHILD_CONTROL_FD ? fd_cloexec(control, 0) == -1
					: dup2(control, CHILD_CONTROL_FD) == -1)
		_exit(126);
	if (close_range(CHILD_CONTROL_FD + 1, ~0U, 0) == -1)
		_exit(126);
	(void)execve(program, argv, env);
	log_error(
	    "event=no-program path=%s error=%s", program, strerror(errno));
	_exit(127);
}

static void
restart_later(struct slot *s, int status)
{
	const struct life life = {
		.lived_ms = clock_boot_ms() - s->started_ms,
		.own_will = s->drained && status == 0,
	};

	s->restarts++;
	s->state = SLOT_WAITING;
	arm(s, backoff_ms(&life, &s->failures));
	if (!s->master->ready && s->failures >= START_FAILURES)
		lifecycle_failed(s->master, proc_name(s->service->proc));
}

/* There is no room for it now: as if it had ended at once. */
static void
start_failed(struct slot *s)
{
	log_error("event=start-failed proc=%s error=%s",
	    proc_name(s->service->proc), strerror(errno));
	s->pid = 0;
	s->started_ms = clock_boot_ms();
	restart_later(s, -1);
}

void
slot_start(struct slot *s)
{
	struct master *m = s->master;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		start_failed(s);
		return;
	}
	s->pid = fork();
	if (s->pid == 0)
		become(s, pair[1]);
	if (s->pid == -1) {
		start_failed(s);
		fd_close(pair[0]);
		fd_close(pair[1]);
		return;
	}
	fd_close(pair[1]);
	s->state = SLOT_STARTING;
	s->started_ms = clock_boot_ms();
	s->pinged_ms = 0;
	s->status[0] = '\0';
	s->asked = 0;
	s->drained = false;
	s->control = ipc_chan_new(
	    m->base, pair[0], PROC_MASTER, s->service->proc, s->instance);
	ipc_chan_ops(s->control, &ops, s);
	hand_start(s);
	hand_root(s);
	hand_listeners(s);
	hand_files(s);
	broker_connect(s);
}

static void
tell_end(const struct slot *s, int status)
{
	if (s->state == SLOT_DRAINING && status == 0)
		return;
	if (WIFSIGNALED(status))
		log_error("event=died proc=%s instance=%u pid=%d signal=%s",
		    proc_name(s->service->proc), s->instance, (int)s->pid,
		    strsignal(WTERMSIG(status)));
	else
		log_warn("event=ended proc=%s instance=%u pid=%d status=%d",
		    proc_name(s->service->proc), s->instance, (int)s->pid,
		    WEXITSTATUS(status));
}

static void
slot_ended(struct slot *s, int status)
{
	bool for_good = s->old || s->state == SLOT_DRAINING;
	struct ipc_chan *c = s->control;

	tell_end(s, status);
	if (s->state == SLOT_STARTING)
		lifecycle_not_up(s);
	s->pid = 0;
	s->control = NULL;
	ipc_chan_close(c);
	(void)event_del(s->timer);
	broker_forget(s, for_good);
	if (for_good) {
		event_free(s->timer);
		s->state = SLOT_EMPTY;
	} else {
		restart_later(s, status);
	}
	lifecycle_progress(s->master);
}

void
slots_reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < SLOTS_MAX; i++)
			if (m->slots[i].pid == pid)
				slot_ended(&m->slots[i], status);
}

/*
 * A start may be long where there is something to recover; who holds
 * sessions has nothing, and a reload waits for it.
 */
static bool
hangs(const struct slot *s, int64_t now)
{
	if (s->state == SLOT_STARTING)
		return s->service->sessions && now - s->started_ms > HUNG_MS;
	return s->state == SLOT_RUNNING && s->control != NULL &&
	       s->pinged_ms != 0 && now - s->pinged_ms > HUNG_MS;
}

/* Who answers has read what it was sent before: it cannot be guessed. */
static void
ping(struct slot *s, int64_t now)
{
	const struct ipc_ctl_ping msg = { .number = (uint32_t)rand_u64() };

	if (ipc_send_msg(s->control, ctl_ping, 0, 0, &msg) == -1)
		return;
	s->pinged_ms = now;
	s->ping = msg.number;
}

void
slots_ping(struct master *m)
{
	int64_t now = clock_boot_ms();

	for (size_t i = 0; i < m->listener_count; i++)
		listener_revive(&m->listeners[i]);
	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *s = &m->slots[i];

		if (hangs(s, now)) {
			log_error("event=hung proc=%s instance=%u pid=%d",
			    proc_name(s->service->proc), s->instance,
			    (int)s->pid);
			end_process(s);
			continue;
		}
		if (s->state != SLOT_RUNNING || s->control == NULL)
			continue;
		if (s->pinged_ms == 0)
			ping(s, now);
	}
}

bool
slots_answered(const struct master *m)
{
	for (size_t i = 0; i < SLOTS_MAX; i++)
		if (m->slots[i].state == SLOT_RUNNING &&
		    m->slots[i].pinged_ms != 0)
			return false;
	return true;
}
