#include "common/login/usher.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/login/usher_state.h"

int
usher_open_home(int root, const char *home, uint32_t uid)
{
	struct stat st;
	int fd;

	fd = file_dir_beneath(root, home, O_PATH);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1) {
		fd_close(fd);
		return -1;
	}
	if (st.st_uid != uid) {
		fd_close(fd);
		errno = EPERM;
		return -1;
	}
	return fd;
}

void
usher_tell(struct ipc_chan *front, uint32_t request,
    const struct ipc_session_state *state)
{
	uint16_t flags = request != 0 ? IPC_REPLY : 0;

	if (front == NULL)
		return;
	if (ipc_send_msg(front, session_state, flags, request, state) == -1)
		log_error("event=front-lost session=%08x", state->session);
}

/* -- starts ------------------------------------------------------------- */

void
usher_start_free(struct usher_start *st)
{
	struct usher *u = st->usher;

	if (st->auth != NULL)
		ipc_forget(st->auth, st->auth_request);
	if (st->prev != NULL)
		st->prev->next = st->next;
	else
		u->starts = st->next;
	if (st->next != NULL)
		st->next->prev = st->prev;
	u->start_count--;
	fd_close(st->fd);
	/* The next session must not find it in its memory. */
	buf_wipe(&st->preread);
	buf_wipe(&st->state);
	explicit_bzero(st, sizeof(*st));
	free(st);
	usher_check_renewal(u);
}

static void
start_refuse(struct usher_start *st, const char *why)
{
	const struct ipc_session_state state = {
		.session = st->session,
		.state = SESSION_REFUSED,
	};

	log_warn("event=session-refused why=%s session=%08x", why, st->session);
	usher_tell(st->front, st->request, &state);
	usher_start_free(st);
}

static struct usher_start *
start_new(struct usher *u, struct ipc_chan *front, struct ipc_frame *f,
    const struct ipc_session_start *m)
{
	struct usher_start *st = xcalloc(1, sizeof(*st));

	st->usher = u;
	st->front = front;
	st->request = f->request;
	st->session = m->session;
	st->fd = f->fd;
	f->fd = -1;
	st->tls = m->tls != 0;
	buf_init(&st->preread, USHER_PREREAD_MAX);
	buf_init(&st->state, SLEEP_STATE_MAX);
	st->next = u->starts;
	if (st->next != NULL)
		st->next->prev = st;
	u->starts = st;
	u->start_count++;
	return st;
}

static const char *
worth_wrong(const struct usher_start *st, const struct ipc_ticket_worth *m,
    struct usher_user *who)
{
	const struct usher *u = st->usher;
	const struct config *cfg = daemon_config(u->daemon);

	if (m->ok != (st->state.len > 0 ? WORTH_RETURN : WORTH_LOGIN))
		return "ticket";
	if ((int64_t)m->uid < cfg->user_uid_first ||
	    (int64_t)m->uid > cfg->user_uid_last)
		return "uid-out-of-range";
	if (m->user.len == 0 || m->home.len == 0 ||
	    slice_copy(who->name, sizeof(who->name), m->user) == -1 ||
	    slice_copy(who->home, sizeof(who->home), m->home) == -1)
		return "bad-answer";
	who->uid = m->uid;
	return NULL;
}

static void
on_worth(void *arg, struct ipc_frame *f)
{
	struct usher_start *st = arg;
	struct usher *u = st->usher;
	const struct config *cfg = daemon_config(u->daemon);
	struct ipc_ticket_worth m;
	struct usher_user who;
	const char *wrong;

	st->auth = NULL;
	if (f == NULL || ipc_ticket_worth_decode(&m, f->payload) == -1) {
		start_refuse(st, "auth-lost");
		return;
	}
	wrong = worth_wrong(st, &m, &who);
	if (wrong != NULL) {
		start_refuse(st, wrong);
		return;
	}
	/* Who comes back was counted all the time. */
	if (u->children.count >= (size_t)cfg->connections_limit ||
	    (m.ok == WORTH_LOGIN && usher_serving(u, who.uid) + m.asleep >=
					(size_t)cfg->user_sessions_limit)) {
		start_refuse(st, "sessions-limit");
		return;
	}
	if (usher_begin(u, st, &who) == -1)
		start_refuse(st, "no-process");
}

static int
start_ask(struct usher_start *st, struct slice ticket)
{
	const struct ipc_ticket_ask ask = {
		.service = (uint8_t)st->usher->service,
		.ticket = ticket,
	};
	struct ipc_chan *auth = daemon_peer(st->usher->daemon, PROC_AUTH, 0);

	if (auth == NULL)
		return -1;
	st->auth_request = ipc_expect(auth, on_worth, st);
	if (ipc_send_msg(auth, ticket_ask, 0, st->auth_request, &ask) == -1) {
		ipc_forget(auth, st->auth_request);
		return -1;
	}
	st->auth = auth;
	return 0;
}

/*
 * A front may hand over what it likes. A session reads and writes a socket;
 * a directory, say, would be a way out of its home.
 */
static bool
is_socket(int fd)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void
on_session_start(void *arg, struct ipc_chan *front, struct ipc_frame *f)
{
	struct usher *u = daemon_data(arg);
	struct ipc_session_start m;
	struct usher_start *st;

	/* While ending, nothing is begun: the next usher is asked again. */
	if (u->renew)
		return;
	if (ipc_session_start_decode(&m, f->payload) == -1) {
		ipc_chan_fail(front, "session start");
		return;
	}
	st = start_new(u, front, f, &m);
	if (!is_socket(st->fd) || u->start_count > USHER_STARTS_MAX)
		start_refuse(st, "no-socket-or-room");
	else if (slice_copy(st->client, sizeof(st->client), m.client) == -1 ||
		 slice_copy(st->tag, sizeof(st->tag), m.tag) == -1 ||
		 buf_append_slice(&st->preread, m.preread) == -1 ||
		 buf_append_slice(&st->state, m.state) == -1)
		start_refuse(st, "bad-start");
	else if (start_ask(st, m.ticket) == -1)
		start_refuse(st, "auth-absent");
}

const struct ipc_handler usher_handlers[] = {
	{ IPC_SESSION_START, on_session_start },
	{ 0, NULL },
};

/* -- the process -------------------------------------------------------- */

void
usher_check_renewal(struct usher *u)
{
	if (!u->renew)
		return;
	usher_dismiss_idle(u);
	if (u->starts != NULL)
		return; /* they will be sessions, which want links too */
	if (!u->stopping)
		usher_link_all(u);
	if (u->links > 0 || (u->stopping && u->children.count > 0))
		return;
	log_info("event=usher-ends forks=%u sessions=%zu", u->forks,
	    u->children.count);
	daemon_exit(u->daemon);
}

static void
on_child(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	usher_reap(arg);
}

static void
on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	struct usher *u = arg;

	(void)fd;
	(void)what;
	u->stopping = false; /* it was long enough */
	u->linked = true;
	usher_check_renewal(u);
}

int
usher_start(struct daemon *d)
{
	struct usher *u = daemon_data(d);

	u->daemon = d;
	u->idle_ms = USHER_IDLE_MS;
	u->child_event = evsignal_new(daemon_base(d), SIGCHLD, on_child, u);
	u->stop_timer = evtimer_new(daemon_base(d), on_stop_timer, u);
	if (u->child_event == NULL || u->stop_timer == NULL ||
	    event_add(u->child_event, NULL) == -1) {
		log_error("event=start-failed what=events");
		return -1;
	}
	mem_settle();
	return 0;
}

/* The configuration is looked at anew for each session. */
int
usher_reload(struct daemon *d)
{
	(void)d;
	return 0;
}

void
usher_peer_down(struct daemon *d, struct ipc_chan *c)
{
	struct usher *u = daemon_data(d);
	struct usher_start *next;
	struct usher_start *st;
	struct slice key;
	void *value;
	size_t at = 0;

	for (st = u->starts; st != NULL; st = next) {
		next = st->next;
		if (st->front == c)
			usher_start_free(st);
	}
	while (map_next(&u->children, &at, &key, &value)) {
		struct usher_child *child = value;

		if (child->front == c)
			child->front = NULL;
	}
}

/* Sessions hear from master itself that they are to end. */
void
usher_stop(struct daemon *d, uint32_t grace_ms)
{
	struct usher *u = daemon_data(d);
	uint32_t ms = grace_ms - grace_ms / 8;
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	u->renew = true;
	u->stopping = event_add(u->stop_timer, &tv) == 0;
	usher_check_renewal(u);
}

void
usher_status(struct daemon *d, char *text, size_t cap)
{
	const struct usher *u = daemon_data(d);

	(void)snprintf(
	    text, cap, "sessions=%zu forks=%u", u->children.count, u->forks);
}
