/* A front's part in letting sessions sleep, and in waking them; see sleep.h. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/login/conn.h"
#include "common/login/sleep.h"
#include "common/tls/stream.h"

/*
 * A link is for now, but an usher that ends leaves links that may wait. The
 * ticket must last for as long as one may sleep: auth adds five minutes to
 * that (auth/back.c).
 */
#define LINK_LIFE_MS 240000

static void
drop_ticket(struct front *f, struct slice ticket)
{
	struct ipc_chan *auth = daemon_peer(f->daemon, PROC_AUTH, 0);
	const struct ipc_return_drop m = { .ticket = ticket };

	if (auth != NULL && ipc_send_msg(auth, return_drop, 0, 0, &m) == -1)
		log_debug("event=ticket-kept");
}

static void
unlink_session(struct conn *c, bool keep_ticket)
{
	if (c->link == -1)
		return;
	(void)event_del(&c->link_event);
	fd_close(c->link);
	c->link = -1;
	if (keep_ticket)
		return;
	drop_ticket(c->front, slice_of(c->ticket, CONN_TICKET));
	explicit_bzero(c->ticket, sizeof(c->ticket));
}

void
conn_sleep_free(struct conn *c)
{
	struct conn_sleep *z = c->sleep;
	struct front *f = c->front;

	unlink_session(c, false);
	if (z == NULL)
		return;
	if (c->state == CONN_WAKING)
		f->waking--;
	else
		drop_ticket(f, slice_of(c->ticket, CONN_TICKET));
	if (z->wanted)
		TAILQ_REMOVE(&f->turns, c, sleep->turn);
	f->asleep--;
	(void)event_del(&z->input);
	(void)event_del(&z->news);
	fd_close(z->fd);
	fd_close(z->watch);
	c->sleep = NULL;
	free(z);
}

/* -- going to sleep -------------------------------------------------------
 */

/* The session is not to make us look at something else. */
static bool
is_given(const struct conn *c, int fd)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_ino == c->given;
}

/*
 * Inotify descriptors have no type, as all the kernel's anonymous ones; a
 * session can make no others. Files and directories have one.
 */
static bool
is_anonymous(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == 0;
}

static bool
is_quiet(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	       errno == EAGAIN;
}

void
conn_left(struct conn *c)
{
	log_info("event=logout user=%s client=%s service=%s asleep=1 "
		 "session=%08x",
	    c->user, c->address, c->front->protocol->name, c->id);
	conn_free(c);
}

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	(void)what;
	if (n == 1)
		conn_wake(c);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		conn_left(c); /* no session is needed to notice */
}

static void
on_news(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	struct conn_sleep *z = c->sleep;

	(void)fd;
	(void)what;
	(void)event_del(&z->news);
	z->wanted = true;
	TAILQ_INSERT_TAIL(&c->front->turns, c, sleep->turn);
	front_wake_some(c->front);
}

static int
watch_both(struct conn *c, struct conn_sleep *z)
{
	struct event_base *base = daemon_base(c->front->daemon);

	if (event_assign(&z->input, base, z->fd, EV_READ | EV_PERSIST, on_input,
		c) == -1 ||
	    event_assign(&z->news, base, z->watch, EV_READ, on_news, c) == -1 ||
	    (z->fd != -1 && event_add(&z->input, NULL) == -1))
		return -1;
	if (z->watch == -1 || event_add(&z->news, NULL) == 0)
		return 0;
	(void)event_del(&z->input);
	return -1;
}

/* From here on the client is ours again. */
static void
fall_asleep(struct conn *c, struct conn_sleep *z, uint32_t wake_ms)
{
	const struct config *cfg = daemon_config(c->front->daemon);
	int64_t most = cfg->imap_timeout * 1000 + 1000;

	if (c->state == CONN_PROXY)
		proxy_end(&c->proxy);
	c->sleep = z;
	c->chan = NULL;
	c->front->asleep++;
	conn_state(c, CONN_ASLEEP);
	front_wait(c, MIN(MAX((int64_t)wake_ms, 1), most));
	log_debug("event=asleep user=%s client=%s session=%08x", c->user,
	    c->address, c->id);
}

/* What of fds is taken is -1 afterwards. */
static enum sleep_answer
take(struct conn *c, const struct sleep_note *note, int fds[SLEEP_FDS])
{
	bool tls = c->state == CONN_PROXY;
	struct conn_sleep *z;

	if ((tls && !proxy_quiet(&c->proxy)) || !is_quiet(fds[0]))
		return SLEEP_BUSY;
	z = xcalloc(1, sizeof(*z) + note->state.len);
	z->fd = tls ? -1 : fds[0];
	z->watch = fds[1];
	z->state_len = note->state.len;
	memcpy(z->state, note->state.p, note->state.len);
	if (watch_both(c, z) == -1) {
		free(z);
		return SLEEP_NEVER;
	}
	fds[1] = -1;
	if (!tls)
		fds[0] = -1;
	fall_asleep(c, z, note->wake_ms);
	return SLEEP_TAKEN;
}

static enum sleep_answer
answer(struct conn *c, struct slice bytes, int fds[SLEEP_FDS])
{
	struct sleep_note note;

	if (c->front->stopping)
		return SLEEP_NEVER;
	if (clock_boot_ms() - c->linked_ms > LINK_LIFE_MS)
		return SLEEP_BUSY; /* with another link, if it gets one */
	if (sleep_note_parse(bytes, &note) == -1 || note.state.len == 0 ||
	    !is_given(c, fds[0]) || (fds[1] != -1 && !is_anonymous(fds[1]))) {
		log_warn("event=sleep-refused client=%s session=%08x",
		    c->address, c->id);
		return SLEEP_NEVER;
	}
	return take(c, &note, fds);
}

/* The link has done what it was for. */
static void
end_link(struct conn *c, enum sleep_answer said)
{
	unlink_session(c, said == SLEEP_TAKEN);
	/* Nobody else would tell us the end of this one. */
	if (c->state == CONN_HELD && c->chan == NULL)
		conn_free(c);
}

void
conn_unlink(struct conn *c)
{
	if (c->link != -1)
		end_link(c, SLEEP_NEVER);
}

static void
on_link(evutil_socket_t fd, short what, void *arg)
{
	char bytes[SLEEP_NOTE_MAX];
	struct conn *c = arg;
	int fds[SLEEP_FDS];
	enum sleep_answer said = SLEEP_NEVER;
	ssize_t n;
	char byte;

	(void)what;
	n = sleep_receive(fd, bytes, sizeof(bytes), fds);
	if (n == -1 && errno == EAGAIN)
		return;
	if (n > 0)
		said = answer(c, slice_of(bytes, (size_t)n), fds);
	byte = (char)said;
	/* Where it has died meanwhile, the client is ours all the same. */
	if (n != 0 && send(fd, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
		log_debug("event=sleeper-gone session=%08x", c->id);
	fd_close(fds[0]);
	fd_close(fds[1]);
	end_link(c, said);
}

static bool
may_link(const struct front *f, const struct conn *c, int fd)
{
	return !f->stopping && c != NULL && fd != -1 &&
	       fd < f->files_max - f->files_max / 32 &&
	       (c->state == CONN_HELD || c->state == CONN_PROXY);
}

void
conn_link(struct front *f, struct conn *c, int fd, struct slice ticket)
{
	if (ticket.len != CONN_TICKET || !may_link(f, c, fd)) {
		drop_ticket(f, ticket);
		fd_close(fd);
		return;
	}
	unlink_session(c, false);
	if (event_assign(&c->link_event, daemon_base(f->daemon), fd,
		EV_READ | EV_PERSIST, on_link, c) == -1 ||
	    event_add(&c->link_event, NULL) == -1) {
		drop_ticket(f, ticket);
		fd_close(fd);
		return;
	}
	c->link = fd;
	c->linked_ms = clock_boot_ms();
	memcpy(c->ticket, ticket.p, CONN_TICKET);
}

/* -- waking ---------------------------------------------------------------
 */

static void
woken(struct conn *c, uint32_t pid)
{
	struct front *f = c->front;
	bool ended = c->sleep->client_ended;
	int fd = c->pair;

	front_wait(c, 0);
	c->pid = pid;
	conn_sleep_free(c);
	log_debug("event=woken user=%s client=%s session=%08x", c->user,
	    c->address, c->id);
	if (!c->tls) {
		conn_state(c, CONN_HELD);
		if (f->stopping)
			conn_free(c);
		return;
	}
	conn_state(c, CONN_PROXY);
	c->chan = NULL;
	c->pair = -1;
	if (proxy_start(&c->proxy, daemon_base(f->daemon), c->stream, fd) == -1)
		conn_free(c);
	else if (ended)
		proxy_client_ended(&c->proxy);
	else
		proxy_input(&c->proxy);
}

static void
on_session(void *arg, struct ipc_frame *frame)
{
	struct conn *c = arg;
	struct front *f = c->front;
	struct ipc_session_state m;

	c->request = 0;
	if (frame == NULL) {
		/* front_peer_up() tries again. */
		c->chan = NULL;
		fd_close(c->pair);
		c->pair = -1;
		return;
	}
	if (ipc_session_state_decode(&m, frame->payload) == 0 &&
	    m.state == SESSION_RUNNING)
		woken(c, m.pid);
	else
		conn_wake_failed(c);
	front_wake_some(f);
}

void
conn_wake_again(struct conn *c)
{
	struct ipc_session_start m = {
		.tls = c->tls,
		.state = slice_of(c->sleep->state, c->sleep->state_len),
	};
	struct front *f = c->front;
	int fd;

	c->chan = daemon_peer(f->daemon, f->protocol->usher, 0);
	if (c->chan == NULL)
		return;
	fd = c->tls ? conn_pair(c) : fcntl(c->sleep->fd, F_DUPFD_CLOEXEC, 0);
	if (fd == -1 || conn_ask_usher(c, fd, &m, on_session) == -1) {
		c->chan = NULL;
		c->request = 0;
		conn_wake_failed(c);
	}
}

void
conn_wake(struct conn *c)
{
	struct conn_sleep *z = c->sleep;
	struct front *f = c->front;

	if (c->state != CONN_ASLEEP)
		return;
	if (z->wanted)
		TAILQ_REMOVE(&f->turns, c, sleep->turn);
	z->wanted = false;
	(void)event_del(&z->input);
	(void)event_del(&z->news);
	fd_close(z->watch); /* the session makes itself another */
	z->watch = -1;
	f->waking++;
	conn_state(c, CONN_WAKING);
	front_wait(c, CONN_USHER_MS);
	conn_wake_again(c);
}

void
conn_slept(struct conn *c)
{
	if (c->state == CONN_ASLEEP) {
		conn_wake(c); /* it says itself what is to be said */
		return;
	}
	if (c->chan != NULL)
		ipc_forget(c->chan, c->request);
	c->chan = NULL;
	c->request = 0;
	conn_wake_failed(c);
}

void
conn_wake_failed(struct conn *c)
{
	int fd = c->sleep->fd;

	log_info("event=session-lost user=%s client=%s session=%08x", c->user,
	    c->address, c->id);
	front_wait(c, 0);
	c->talk = conn_talk_new(c);
	c->front->protocol->end(c->talk, END_STOPPING);
	if (fd == -1) {
		conn_sleep_free(c);
		conn_flush(c);
		conn_state(c, CONN_CLOSING);
		stream_close_after_output(c->stream);
		return;
	}
	/* An usher that wakes up later must find a dead socket. */
	(void)send(fd, c->talk->out.data, c->talk->out.len,
	    MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_RDWR);
	conn_free(c);
}
