/* Forking sessions and reaping them. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/login/usher_state.h"

size_t
usher_count(struct usher *u, uint32_t uid, int change)
{
	size_t *n = map_get_u64(&u->users, uid);
	size_t now;

	if (n == NULL && change <= 0)
		return 0;
	if (n == NULL) {
		n = xcalloc(1, sizeof(*n));
		(void)map_put_u64(&u->users, uid, n);
	}
	if (change > 0)
		(*n)++;
	else if (change < 0)
		(*n)--;
	now = *n;
	if (now == 0)
		free(map_del_u64(&u->users, uid));
	return now;
}

/*
 * Wait until the parent has told the front that the session is ours now.
 * When it dies before, the front will have told the client something else.
 */
static void
wait_for_gate(int gate)
{
	char go;
	ssize_t n;

	do
		n = read(gate, &go, 1);
	while (n == -1 && errno == EINTR);
	if (n != 1)
		_exit(1);
	fd_close(gate);
}

static int
make_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == -1)
		return -1;
	return 0;
}

/* What other clients sent is none of this session's business. */
static void
forget_others(struct usher *u, const struct usher_start *mine)
{
	struct usher_start *st;

	for (st = u->starts; st != NULL; st = st->next) {
		if (st != mine)
			buf_wipe(&st->preread);
	}
}

NORETURN static void
child_main(struct usher *u, const struct usher_start *st,
    const struct usher_user *who, int home, int gate)
{
	int alive = daemon_file(u->daemon, "alive");
	const int keep[] = { st->fd, gate, alive };
	const struct login_session session = {
		.fd = st->fd,
		.alive = alive,
		.number = st->session,
		.uid = who->uid,
		.tls = st->tls,
		.user = who->name,
		.client = st->client,
		.tag = st->tag,
		.preread = buf_slice(&st->preread),
		.config = daemon_config(u->daemon),
		.boot_id = u->boot_id,
	};
	size_t keeps = alive == -1 ? 2 : 3;

	forget_others(u, st);
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    daemon_become_user(u->daemon, home, who->uid, keep, keeps) == -1)
		_exit(1);
	fd_close(home);
	wait_for_gate(gate);
	if (make_blocking(st->fd) == -1)
		_exit(1);
	u->session(&session);
	_exit(0);
}

static int
log_failed(const char *what, const struct usher_user *who)
{
	log_error("event=session-failed what=%s user=%s home=%s error=%s", what,
	    who->name, who->home, strerror(errno));
	return -1;
}

static void
tell_running(const struct usher_start *st, pid_t pid)
{
	const struct ipc_session_state state = {
		.session = st->session,
		.state = SESSION_RUNNING,
		.pid = (uint32_t)pid,
	};

	usher_tell(st->front, st->request, &state);
}

static void
remember(struct usher *u, const struct usher_start *st, uint32_t uid, pid_t pid)
{
	struct usher_child *child = xcalloc(1, sizeof(*child));

	child->pid = pid;
	child->uid = uid;
	child->session = st->session;
	child->front = st->front;
	(void)map_put_u64(&u->children, (uint64_t)pid, child);
	(void)usher_count(u, uid, 1);
	if (++u->forks >= USHER_FORKS)
		u->renew = true;
	tell_running(st, pid);
}

int
usher_fork(
    struct usher *u, const struct usher_start *st, const struct usher_user *who)
{
	int gate[2];
	pid_t pid;
	int home;

	home = usher_open_home(daemon_root(u->daemon), who->home, who->uid);
	if (home == -1)
		return log_failed("home", who);
	if (pipe2(gate, O_CLOEXEC) == -1) {
		fd_close(home);
		return log_failed("pipe", who);
	}
	pid = fork();
	if (pid == 0)
		child_main(u, st, who, home, gate[0]);
	fd_close(home);
	fd_close(gate[0]);
	if (pid == -1) {
		fd_close(gate[1]);
		return log_failed("fork", who);
	}
	remember(u, st, who->uid, pid);
	return gate[1];
}

static void
child_ended(struct usher *u, struct usher_child *child, int status)
{
	const struct ipc_session_state state = {
		.session = child->session,
		.state = SESSION_ENDED,
		.pid = (uint32_t)child->pid,
	};

	usher_tell(child->front, 0, &state);
	(void)usher_count(u, child->uid, -1);
	if (!WIFSIGNALED(status))
		return;
	log_error("event=session-died signal=%d uid=%u pid=%d session=%08x",
	    WTERMSIG(status), child->uid, (int)child->pid, child->session);
	u->renew = true;
}

void
usher_reap(struct usher *u)
{
	struct usher_child *child;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		child = map_del_u64(&u->children, (uint64_t)pid);
		if (child == NULL)
			continue;
		child_ended(u, child, status);
		free(child);
	}
	usher_check_renewal(u);
}
