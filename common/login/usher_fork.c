/* The usher's side of the processes it forks. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/login/usher_state.h"

/* -- a user's processes --------------------------------------------------- */

static struct usher_sessions *
sessions_of(struct usher *u, uint32_t uid)
{
	struct usher_sessions *all = map_get_u64(&u->users, uid);

	if (all == NULL) {
		all = xcalloc(1, sizeof(*all));
		(void)map_put_u64(&u->users, uid, all);
	}
	return all;
}

static void
sessions_check(struct usher *u, uint32_t uid)
{
	struct usher_sessions *all = map_get_u64(&u->users, uid);

	if (all != NULL && all->serving == 0 && all->idle == NULL)
		free(map_del_u64(&u->users, uid));
}

size_t
usher_serving(const struct usher *u, uint32_t uid)
{
	const struct usher_sessions *all = map_get_u64(&u->users, uid);

	return all == NULL ? 0 : all->serving;
}

static void
idle_add(struct usher_child *child)
{
	struct usher_sessions *all = sessions_of(child->usher, child->who.uid);

	child->next = all->idle;
	all->idle = child;
	child->usher->idle_count++;
}

/* Out of the list of those who wait, if it is there. */
static void
idle_remove(struct usher_child *child)
{
	struct usher *u = child->usher;
	struct usher_sessions *all = map_get_u64(&u->users, child->who.uid);
	struct usher_child **at = all == NULL ? NULL : &all->idle;

	while (at != NULL && *at != NULL && *at != child)
		at = &(*at)->next;
	if (at == NULL || *at == NULL)
		return;
	*at = child->next;
	child->next = NULL;
	u->idle_count--;
	sessions_check(u, child->who.uid);
}

/* End of file on control is what sends it away. */
static void
dismiss(struct usher_child *child)
{
	idle_remove(child);
	if (child->control == -1)
		return;
	(void)event_del(&child->event);
	fd_close(child->control);
	child->control = -1;
}

void
usher_dismiss_idle(struct usher *u)
{
	struct slice key;
	void *value;
	size_t at = 0;

	while (map_next(&u->children, &at, &key, &value)) {
		struct usher_child *child = value;

		if (!child->serving)
			dismiss(child);
	}
}

void
usher_child_free(struct usher_child *child)
{
	usher_link_forget(child);
	dismiss(child);
	explicit_bzero(child, sizeof(*child));
	free(child);
}

/* -- beginning ------------------------------------------------------------ */

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

/* Listen for its word; ms 0: for as long as it serves. */
static void
listen_to(struct usher_child *child, uint32_t ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (ms == 0)
		(void)event_remove_timer(&child->event);
	if (event_add(&child->event, ms == 0 ? NULL : &tv) == -1)
		dismiss(child);
}

/*
 * st has a process: the front hears it first, then the process begins, so
 * that never two of them answer the client. When the front cannot hear it,
 * or the process cannot begin, the process ends instead.
 */
static void
serve(struct usher_child *child, struct usher_start *st)
{
	struct ipc_chan *front = st->front;
	int rc = -1;

	child->serving = true;
	child->session = st->session;
	child->front = front;
	child->linked_ms = 0;
	sessions_of(child->usher, child->who.uid)->serving++;
	listen_to(child, 0);
	tell_running(st, child->pid);
	st->front = NULL; /* the flush may be its end, not that of st */
	errno = EPIPE;
	if (front != NULL && ipc_flush(front))
		rc = usher_child_pass(child->control, st);
	child->served++;
	if (rc == -1) {
		log_error("event=session-lost session=%08x error=%s",
		    child->session, strerror(errno));
		dismiss(child);
	}
	usher_start_free(st);
}

static int
log_failed(const char *what, const struct usher_user *who)
{
	log_error("event=session-failed what=%s user=%s home=%s error=%s", what,
	    who->name, who->home, strerror(errno));
	return -1;
}

static struct usher_child *
child_new(
    struct usher *u, const struct usher_user *who, const struct stat *home)
{
	struct usher_child *child = xcalloc(1, sizeof(*child));

	child->usher = u;
	child->who = *who;
	child->home_dev = home->st_dev;
	child->home_ino = home->st_ino;
	child->control = -1;
	return child;
}

static void on_control(evutil_socket_t fd, short what, void *arg);

/* Take the pair's end and watch it. */
static int
child_control(struct usher_child *child, int control)
{
	if (event_assign(&child->event, daemon_base(child->usher->daemon),
		control, EV_READ | EV_PERSIST, on_control, child) == -1)
		return -1;
	child->control = control; /* dismiss() knows what to do with it */
	return 0;
}

static int
begin_new(struct usher_child *child, struct usher_start *st, int home)
{
	struct usher *u = child->usher;
	struct usher_user who = child->who;
	int pair[2];
	pid_t pid;

	/* Datagrams: a word is never cut. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return log_failed("socketpair", &child->who);
	log_flush(); /* or the child had the lines, too */
	pid = fork();
	if (pid == 0) /* where there is no such child (apart.h) */
		usher_child_main(u, &who, home, pair[1]);
	child->pid = pid;
	fd_close(pair[1]);
	if (child->pid == -1 || fd_nonblock(pair[0]) == -1 ||
	    child_control(child, pair[0]) == -1) {
		fd_close(pair[0]);
		return log_failed("fork", &child->who);
	}
	(void)map_put_u64(&u->children, (uint64_t)child->pid, child);
	if (++u->forks >= USHER_FORKS)
		u->renew = true;
	serve(child, st);
	return 0;
}

/* One who waits: the same user in the same home, which may be a new one. */
static struct usher_child *
find_idle(
    struct usher *u, const struct usher_user *who, const struct stat *home)
{
	const struct usher_sessions *all = map_get_u64(&u->users, who->uid);
	struct usher_child *child = all == NULL ? NULL : all->idle;

	while (child != NULL && (strcmp(child->who.name, who->name) != 0 ||
				    strcmp(child->who.home, who->home) != 0 ||
				    child->home_dev != home->st_dev ||
				    child->home_ino != home->st_ino))
		child = child->next;
	return child;
}

int
usher_begin(
    struct usher *u, struct usher_start *st, const struct usher_user *who)
{
	struct usher_child *child;
	struct stat sb;
	int home;
	int rc = 0;

	home = usher_open_home(daemon_root(u->daemon), who->home, who->uid);
	if (home == -1 || fstat(home, &sb) == -1) {
		fd_close(home);
		return log_failed("home", who);
	}
	child = find_idle(u, who, &sb);
	if (child != NULL) {
		idle_remove(child);
		serve(child, st);
	} else {
		child = child_new(u, who, &sb);
		rc = begin_new(child, st, home);
		if (rc == -1)
			usher_child_free(child);
	}
	fd_close(home);
	return rc;
}

/* -- ending --------------------------------------------------------------- */

static void
session_ended(struct usher_child *child)
{
	const struct ipc_session_state state = {
		.session = child->session,
		.state = SESSION_ENDED,
		.pid = (uint32_t)child->pid,
	};

	if (!child->serving)
		return;
	usher_link_forget(child);
	child->serving = false;
	/* It only counts; the next word to this front takes it along. */
	if (child->front != NULL) {
		ipc_chan_idle_talk(child->front, true);
		usher_tell(child->front, 0, &state);
		ipc_chan_idle_talk(child->front, false);
	}
	child->front = NULL;
	sessions_of(child->usher, child->who.uid)->serving--;
	sessions_check(child->usher, child->who.uid);
}

/*
 * Until the next full tenth of it after its time: many are sent away at once,
 * and one waking is enough for all.
 */
static uint32_t
idle_ms(const struct usher *u)
{
	uint32_t tenth = MAX(u->idle_ms / 10, 1U);

	return u->idle_ms + tenth -
	       (uint32_t)(clock_boot_ms() + u->idle_ms) % tenth;
}

/* It has served; keep it for a while, or not. */
static void
keep_idle(struct usher_child *child)
{
	struct usher *u = child->usher;

	if (u->renew || u->idle_count >= USHER_IDLE_MAX ||
	    child->served >= USHER_SERVES || u->idle_ms == 0) {
		dismiss(child);
		return;
	}
	idle_add(child);
	listen_to(child, idle_ms(u));
}

/*
 * Its only words are one byte, when a session has ended or would sleep.
 * Anything else, too much of it, and silence while it waits, send it away.
 */
static void
on_control(evutil_socket_t fd, short what, void *arg)
{
	struct usher_child *child = arg;
	char word[2];
	ssize_t n = -1;

	if ((what & EV_READ) != 0)
		n = recv(fd, word, sizeof(word), MSG_DONTWAIT);
	if (n == 1 && child->serving && word[0] == WORD_ENDED) {
		session_ended(child);
		keep_idle(child);
		return;
	}
	if (n == 1 && child->serving && word[0] == WORD_LINK &&
	    usher_link_ask(child))
		return;
	if (n == -1 && (what & EV_READ) != 0 && errno == EAGAIN) {
		listen_to(child, child->serving ? 0 : idle_ms(child->usher));
		return;
	}
	dismiss(child);
}

static void
child_ended(struct usher *u, struct usher_child *child, int status)
{
	if (WIFSIGNALED(status)) {
		log_error("event=session-died signal=%d uid=%u pid=%d "
			  "session=%08x",
		    WTERMSIG(status), child->who.uid, (int)child->pid,
		    child->session);
		u->renew = true;
	}
	session_ended(child);
	usher_child_free(child);
}

void
usher_reap(struct usher *u)
{
	struct usher_child *child;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		child = map_del_u64(&u->children, (uint64_t)pid);
		if (child != NULL)
			child_ended(u, child, status);
	}
	usher_check_renewal(u);
}
