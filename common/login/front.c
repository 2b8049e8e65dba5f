#include "common/login/front.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/config/config.h"
#include "common/login/conn.h"
#include "common/tls/ctx.h"

#define ACCEPTS_A_PASS  32 /* then other events get their turn */
#define ACCEPT_AGAIN_MS 200
#define QUIET_MS        5000  /* before a silent client makes room */
#define WIND_DOWN_MS    10000 /* before a stop must be over */

static void
arm(struct event *e, int64_t ms)
{
	const struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	if (event_add(e, &tv) == -1)
		log_die("event=no-memory for=timer");
}

/* -- waiting for peers -------------------------------------------------- */

static struct conn *
first_wait(const struct front *f)
{
	return (struct conn *)heap_first(&f->waits);
}

static void
set_waits_timer(struct front *f)
{
	const struct conn *c = first_wait(f);

	if (c == NULL) {
		(void)event_del(f->waits_timer);
		return;
	}
	arm(f->waits_timer, MAX(c->wait.due - clock_boot_ms(), 0));
}

void
front_wait(struct conn *c, int64_t ms)
{
	struct front *f = c->front;
	bool was_first = first_wait(f) == c;

	if (ms == 0)
		heap_remove(&f->waits, &c->wait);
	else
		heap_set(&f->waits, &c->wait, clock_boot_ms() + ms);
	if (was_first || first_wait(f) == c)
		set_waits_timer(f);
}

static void
on_waits(evutil_socket_t fd, short what, void *arg)
{
	struct front *f = arg;
	int64_t now = clock_boot_ms();
	struct conn *c;

	(void)fd;
	(void)what;
	while ((c = first_wait(f)) != NULL && c->wait.due <= now)
		conn_waited(c);
	set_waits_timer(f);
}

/* -- who sleeps and is wanted ------------------------------------------- */

/*
 * A mail to everybody wakes everybody: let so many come back for news in a
 * while, each of whom is asleep again a second later.
 */
#define WAKE_MS    50
#define WAKES      10
#define WAKING_MAX 64

void
front_wake_some(struct front *f)
{
	const struct timeval tv = { 0, WAKE_MS * 1000 };
	struct conn *c;

	while ((c = TAILQ_FIRST(&f->turns)) != NULL && f->wakes_left > 0 &&
	       f->waking < WAKING_MAX) {
		f->wakes_left--;
		conn_wake(c);
	}
	if (!evtimer_pending(f->wake_timer, NULL) &&
	    evtimer_add(f->wake_timer, &tv) == -1)
		log_die("event=no-memory for=timer");
}

static void
on_wake_timer(evutil_socket_t fd, short what, void *arg)
{
	struct front *f = arg;
	bool all = f->wakes_left == WAKES && TAILQ_EMPTY(&f->turns);

	(void)fd;
	(void)what;
	f->wakes_left = WAKES;
	if (!all)
		front_wake_some(f);
}

bool
front_may_use(const struct front *f, int fd)
{
	return fd < f->files_max - f->files_max / 16;
}

/* -- accepting ---------------------------------------------------------- */

static void
log_refused(struct front *f, const struct conn *c, const char *why)
{
	int64_t now = clock_boot_ms();

	/* A flood of connections must not become a flood of lines. */
	if (f->refused_log_ms != 0 && now - f->refused_log_ms < 1000)
		return;
	f->refused_log_ms = now;
	log_warn("event=connection-refused client=%s service=%s why=%s",
	    c->address, f->protocol->name, why);
}

/*
 * All places are taken: the client that has not logged in and has been
 * silent longest has to go, so that thousands that say nothing keep out
 * nobody who speaks.
 */
static bool
make_room(struct front *f)
{
	struct conn *c = TAILQ_FIRST(&f->quiet);

	if (c == NULL || c->heard_ms > clock_boot_ms() - QUIET_MS)
		return false;
	conn_end(c, END_BUSY);
	return true;
}

static void
begin(struct front *f, int fd, const struct sockaddr_storage *peer, bool secure)
{
	const struct config *cfg = daemon_config(f->daemon);
	struct conn *c = conn_new(f, fd, peer, secure);

	if (c == NULL) {
		log_error("event=no-memory for=connection");
		return;
	}
	if (c->client->connections > (uint64_t)cfg->client_connections_limit) {
		log_refused(f, c, "client-connections-limit");
		conn_end(c, END_BUSY);
	} else if ((int64_t)f->conns.count > cfg->connections_limit &&
		   !make_room(f)) {
		log_refused(f, c, "connections-limit");
		conn_end(c, END_BUSY);
	} else {
		conn_begin(c);
	}
}

static void
accepting(struct front *f, bool on)
{
	size_t i;

	for (i = 0; i < f->accepting_count; i++) {
		if (!on)
			(void)event_del(f->accepting[i]);
		else if (daemon_listen(f->daemon, f->accepting[i]) == -1)
			log_die("event=no-memory for=listener");
	}
}

static bool
is_secure(const struct front *f, int fd)
{
	const struct daemon_listener *l;
	size_t i;

	for (i = 0; (l = daemon_listener(f->daemon, i)) != NULL; i++) {
		if (l->fd == fd)
			return l->service == f->secure;
	}
	return false;
}

static void
on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct front *f = arg;
	struct sockaddr_storage peer;
	socklen_t len;
	int fd;
	int n;

	(void)what;
	for (n = 0; n < ACCEPTS_A_PASS; n++) {
		memset(&peer, 0, sizeof(peer));
		len = sizeof(peer);
		fd = accept4(listener, (struct sockaddr *)&peer, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1 && !front_may_use(f, fd)) {
			fd_close(fd);
			fd = -1;
			errno = EMFILE;
		}
		if (fd != -1) {
			begin(f, fd, &peer, is_secure(f, listener));
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			int error = errno;

			if (log_due(&f->failed_log_ms))
				log_error("event=accept-failed error=%s",
				    strerror(error));
			accepting(f, false);
			arm(f->accept_again, ACCEPT_AGAIN_MS);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED)
			return; /* nobody is waiting any more */
	}
}

static void
on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct front *f = arg;

	(void)fd;
	(void)what;
	if (!f->stopping)
		accepting(f, true);
}

/* Who waits now may have woken us alone: nobody else will come for them. */
static void
accept_last(struct front *f)
{
	accepting(f, false);
	for (size_t i = 0; i < f->accepting_count; i++)
		on_accept(event_get_fd(f->accepting[i]), EV_READ, f);
	(void)event_del(f->accept_again);
}

static void
listen_to(struct front *f, const struct daemon_listener *l)
{
	size_t n = f->accepting_count++;

	f->accepting =
	    xreallocarray(f->accepting, n + 1, sizeof(*f->accepting));
	f->accepting[n] = event_new(
	    daemon_base(f->daemon), l->fd, EV_READ | EV_PERSIST, on_accept, f);
	if (f->accepting[n] == NULL)
		log_die("event=no-memory for=listener");
}

/* -- start and stop ----------------------------------------------------- */

int
front_prepare(struct daemon *d)
{
	struct front *f = daemon_data(d);
	int cert = daemon_file(d, "tls-cert");
	int key = daemon_file(d, "tls-key");
	struct rlimit files;
	char err[256];

	f->daemon = d;
	f->files_max = FRONT_MAX_FILES;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		f->files_max =
		    (int)MIN(files.rlim_max, (rlim_t)FRONT_MAX_FILES);
	if (cert == -1 || key == -1) {
		log_warn("event=no-certificate service=%s", f->protocol->name);
		return 0;
	}
	f->tls = tls_ctx_server(cert, key, f->protocol->name, err, sizeof(err));
	if (f->tls != NULL)
		return 0;
	log_error("event=certificate-bad error=%s", err);
	return -1;
}

/*
 * It is time to end. Sessions we copy for get end of file: they finish what
 * the client has sent so far, and end.
 */
static void
wind_down_conn(struct conn *c)
{
	switch (c->state) {
	case CONN_TALK:
		conn_end(c, END_STOPPING);
		return;
	case CONN_PROXY:
		proxy_client_ended(&c->proxy);
		return;
	case CONN_HELD:
		conn_free(c); /* lives on without us */
		return;
	case CONN_ASLEEP:
		conn_wake_failed(c);
		return;
	case CONN_AUTH:
	case CONN_HANDOVER:
	case CONN_WAKING:
	case CONN_CLOSING:
		return;
	}
}

static void
wind_down(struct front *f)
{
	struct slice key;
	void *value;
	size_t at = 0;

	while (map_next(&f->conns, &at, &key, &value))
		wind_down_conn(value);
}

static void
on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	struct front *f = arg;
	int64_t left = f->stop_at_ms - clock_boot_ms();

	(void)fd;
	(void)what;
	if (left > 0) {
		wind_down(f);
		arm(f->stop_timer, left);
		return;
	}
	log_warn("event=stopped service=%s connections-cut=%zu",
	    f->protocol->name, f->conns.count);
	daemon_exit(f->daemon);
}

int
front_start(struct daemon *d)
{
	struct front *f = daemon_data(d);
	struct event_base *base = daemon_base(d);
	const struct daemon_listener *l;
	size_t i;

	f->last_id = (uint32_t)rand_u64();
	TAILQ_INIT(&f->quiet);
	TAILQ_INIT(&f->turns);
	f->wakes_left = 1;
	f->wake_timer = evtimer_new(base, on_wake_timer, f);
	f->waits_timer = evtimer_new(base, on_waits, f);
	f->accept_again = evtimer_new(base, on_accept_again, f);
	f->stop_timer = evtimer_new(base, on_stop_timer, f);
	if (f->waits_timer == NULL || f->accept_again == NULL ||
	    f->stop_timer == NULL || f->wake_timer == NULL)
		return -1;
	for (i = 0; (l = daemon_listener(d, i)) != NULL; i++) {
		if (l->service == f->plain || l->service == f->secure)
			listen_to(f, l);
	}
	accepting(f, true);
	return 0;
}

void
front_gone(struct front *f)
{
	if (f->stopping && f->conns.count == 0)
		daemon_exit(f->daemon);
}

/*
 * After a reload there is time: a new front accepts, and our clients finish
 * what they have begun.
 */
void
front_stop(struct daemon *d, uint32_t grace_ms)
{
	struct front *f = daemon_data(d);
	struct slice key;
	void *value;
	size_t at = 0;

	/* Told again when all stops: there is less time then. */
	if (!f->stopping)
		accept_last(f);
	f->stopping = true;
	f->stop_at_ms = clock_boot_ms() + grace_ms - grace_ms / 8;
	arm(f->stop_timer,
	    grace_ms > WIND_DOWN_MS ? grace_ms - WIND_DOWN_MS : 0);
	while (map_next(&f->conns, &at, &key, &value)) {
		struct conn *c = value;

		if (c->state == CONN_HELD)
			conn_free(c);
	}
	front_gone(f);
}

/* -- peers -------------------------------------------------------------- */

void
front_peer_up(struct daemon *d, struct ipc_chan *chan)
{
	struct front *f = daemon_data(d);
	struct slice key;
	struct conn *c;
	void *value;
	size_t at = 0;

	if (ipc_chan_peer(chan) != f->protocol->usher)
		return;
	while (map_next(&f->conns, &at, &key, &value)) {
		c = value;
		if (c->state == CONN_HANDOVER && c->chan == NULL)
			conn_hand_over(c);
		if (c->state == CONN_WAKING && c->chan == NULL)
			conn_wake_again(c);
	}
}

void
front_peer_down(struct daemon *d, struct ipc_chan *chan)
{
	struct front *f = daemon_data(d);
	struct slice key;
	void *value;
	size_t at = 0;

	while (map_next(&f->conns, &at, &key, &value))
		conn_lost_peer(value, chan);
}

static void
on_session_state(void *arg, struct ipc_chan *chan, struct ipc_frame *frame)
{
	struct front *f = daemon_data(arg);
	struct ipc_session_state m;
	struct conn *c;

	if (ipc_session_state_decode(&m, frame->payload) == -1 ||
	    m.state != SESSION_ENDED)
		return;
	c = map_get_u64(&f->conns, m.session);
	/* Another process may serve it by now: it was asleep meanwhile. */
	if (c != NULL && c->pid == m.pid)
		conn_session_ended(c, chan);
}

static void
on_session_link(void *arg, struct ipc_chan *chan, struct ipc_frame *frame)
{
	struct front *f = daemon_data(arg);
	struct ipc_session_link m;
	int fd = frame->fd;

	(void)chan;
	if (ipc_session_link_decode(&m, frame->payload) == -1)
		return;
	frame->fd = -1;
	conn_link(f, map_get_u64(&f->conns, m.session), fd, m.ticket);
}

const struct ipc_handler front_handlers[] = {
	{ IPC_SESSION_STATE, on_session_state },
	{ IPC_SESSION_LINK, on_session_link },
	{ 0, NULL },
};

void
front_status(struct daemon *d, char *text, size_t cap)
{
	const struct front *f = daemon_data(d);

	(void)snprintf(text, cap, "connections=%zu logins=%llu asleep=%zu",
	    f->conns.count, (unsigned long long)f->logins, f->asleep);
}
