/* From credentials to a session: what a front asks of auth and the usher. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/login/conn.h"
#include "common/tls/stream.h"

/* The client goes on talking, told that it was not to be. */
static void
refused(struct conn *c, enum talk_answer answer)
{
	enum talk_step step;

	front_wait(c, 0);
	fd_close(c->pair);
	c->pair = -1;
	c->chan = NULL;
	c->request = 0;
	free(c->user);
	c->user = NULL;
	explicit_bzero(c->ticket, sizeof(c->ticket));
	credentials_wipe(&c->talk->who);
	conn_state(c, CONN_TALK);
	step = c->front->protocol->answer(c->talk, answer);
	conn_flush(c);
	/* Commands it has sent meanwhile are waiting. */
	stream_pause(c->stream, false);
	conn_step(c, step);
}

static void
log_refusal(const struct conn *c, const char *why)
{
	log_info("event=login-failed user=%s client=%s service=%s tls=%d "
		 "why=%s session=%08x",
	    c->user != NULL ? c->user : c->talk->who.user, c->address,
	    c->front->protocol->name, c->talk->tls, why, c->id);
}

/* -- auth --------------------------------------------------------------- */

static void
accepted(struct conn *c, const struct ipc_auth_answer *m)
{
	if (m->ticket.len != CONN_TICKET) {
		log_refusal(c, "no-ticket");
		refused(c, ANSWER_UNAVAILABLE);
		return;
	}
	memcpy(c->ticket, m->ticket.p, CONN_TICKET);
	c->user = slice_dup(m->user);
	credentials_wipe(&c->talk->who);
	conn_state(c, CONN_HANDOVER);
	front_wait(c, CONN_USHER_MS);
	conn_hand_over(c);
}

static void
on_auth(void *arg, struct ipc_frame *f)
{
	struct conn *c = arg;
	struct ipc_auth_answer m;

	c->chan = NULL;
	c->request = 0;
	if (f == NULL || ipc_auth_answer_decode(&m, f->payload) == -1) {
		log_refusal(c, "auth-lost");
		refused(c, ANSWER_UNAVAILABLE);
		return;
	}
	switch ((enum ipc_auth)m.status) {
	case AUTH_OK:
		accepted(c, &m);
		return;
	case AUTH_BAD:
		log_refusal(c, "credentials");
		refused(c, ANSWER_BAD);
		return;
	case AUTH_DENIED:
		log_refusal(c, "denied");
		refused(c, ANSWER_DENIED);
		return;
	case AUTH_TEMPFAIL:
		break;
	}
	log_refusal(c, "auth-temporary");
	refused(c, ANSWER_UNAVAILABLE);
}

static int
send_auth_ask(struct conn *c)
{
	const struct credentials *who = &c->talk->who;
	const struct ipc_auth_ask m = {
		.session = c->id,
		.service = (uint8_t)c->front->protocol->service,
		.tls = c->talk->tls,
		.client = slice_str(c->address),
		.authzid = slice_str(who->authzid),
		.user = slice_str(who->user),
		.secret = slice_of(who->secret, who->secret_len),
	};
	int rc;

	c->request = ipc_expect(c->chan, on_auth, c);
	rc = ipc_send_msg(c->chan, auth_ask, 0, c->request, &m);
	buf_wipe(ipc_scratch(c->chan));
	if (rc == -1)
		ipc_forget(c->chan, c->request);
	return rc;
}

void
conn_ask_auth(struct conn *c)
{
	struct credentials *who = &c->talk->who;
	int rc = -1;

	conn_state(c, CONN_AUTH);
	stream_pause(c->stream, true);
	stream_deadline(c->stream, 0);
	c->chan = daemon_peer(c->front->daemon, PROC_AUTH, 0);
	if (c->chan != NULL)
		rc = send_auth_ask(c);
	explicit_bzero(who->secret, sizeof(who->secret));
	if (rc == 0) {
		front_wait(c, CONN_AUTH_MS);
		return;
	}
	log_refusal(c, "auth-absent");
	refused(c, ANSWER_UNAVAILABLE);
}

/* -- the usher ---------------------------------------------------------- */

static void
log_login(const struct conn *c)
{
	const char *version = stream_tls_version(c->stream);

	log_info("event=login user=%s client=%s service=%s tls=%s "
		 "session=%08x",
	    c->user, c->address, c->front->protocol->name,
	    version != NULL ? version : "none", c->id);
}

/* The session runs and has the socket, or speaks through the pair. */
static void
session_runs(struct conn *c, uint32_t pid)
{
	bool tls = c->talk->tls;
	int fd;

	c->pid = pid;
	front_wait(c, 0);
	c->front->logins++;
	log_login(c);
	free(c->talk);
	c->talk = NULL;
	explicit_bzero(c->ticket, sizeof(c->ticket));
	c->tls = tls;
	if (tls) {
		conn_state(c, CONN_PROXY);
		c->chan = NULL;
		fd = c->pair;
		c->pair = -1;
		if (proxy_start(&c->proxy, daemon_base(c->front->daemon),
			c->stream, fd) == -1) {
			conn_free(c);
			return;
		}
		stream_pause(c->stream, false);
		return;
	}
	conn_state(c, CONN_HELD);
	fd = stream_release(c->stream);
	if (fd == -1)
		stream_free(c->stream);
	c->stream = NULL;
	fd_close(fd);
	if (c->front->stopping)
		conn_free(c); /* nobody is left to be counted */
}

/* Whoever else has the socket, or gets it yet, must find it dead. */
static void
refused_and_cut(struct conn *c)
{
	c->cut = true;
	refused(c, ANSWER_UNAVAILABLE);
	if (c->state == CONN_TALK)
		conn_end(c, END_STOPPING);
}

static void
session_refused(struct conn *c)
{
	log_refusal(c, "no-session");
	/* The usher that was lost may have made one: the ticket is used. */
	if (c->asked)
		refused_and_cut(c);
	else
		refused(c, ANSWER_UNAVAILABLE);
}

static void
on_session(void *arg, struct ipc_frame *f)
{
	struct conn *c = arg;
	struct ipc_session_state m;

	if (f == NULL) {
		/* Started anew, most likely: front_peer_up() tries again. */
		c->chan = NULL;
		c->request = 0;
		fd_close(c->pair);
		c->pair = -1;
		c->asked = !c->talk->tls; /* that of the pair has ended */
		return;
	}
	c->request = 0;
	if (ipc_session_state_decode(&m, f->payload) == 0 &&
	    m.state == SESSION_RUNNING)
		session_runs(c, m.pid);
	else
		session_refused(c);
}

int
conn_pair(struct conn *c)
{
	const int size = PROXY_MAX;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	if (!front_may_use(c->front, MAX(pair[0], pair[1])) ||
	    fd_nonblock(pair[0]) == -1 ||
	    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) ==
		-1 ||
	    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) ==
		-1) {
		fd_close(pair[0]);
		fd_close(pair[1]);
		return -1;
	}
	c->pair = pair[0];
	return pair[1];
}

/* The descriptor the session gets; -1 when there is none to be had. */
static int
session_fd(struct conn *c)
{
	if (c->talk->tls)
		return conn_pair(c);
	return fcntl(stream_fd(c->stream), F_DUPFD_CLOEXEC, 0);
}

int
conn_ask_usher(
    struct conn *c, int fd, struct ipc_session_start *m, ipc_answer *heard)
{
	struct stat st;

	/* What a session gives back must be what it was given. */
	c->given = fstat(fd, &st) == 0 ? st.st_ino : 0;
	m->session = c->id;
	m->ticket = slice_of(c->ticket, CONN_TICKET);
	m->client = slice_str(c->address);
	c->request = ipc_expect(c->chan, heard, c);
	if (ipc_send_msg_fd(c->chan, session_start, 0, c->request, m, fd) == 0)
		return 0;
	ipc_forget(c->chan, c->request);
	return -1;
}

static int
ask_for_session(struct conn *c, int fd)
{
	bool tls = c->talk->tls;
	struct ipc_session_start m = {
		.tls = tls,
		.tag = slice_str(c->front->protocol->tag(c->talk)),
		.preread = tls ? SLICE_EMPTY : buf_slice(stream_in(c->stream)),
	};

	return conn_ask_usher(c, fd, &m, on_session);
}

void
conn_hand_over(struct conn *c)
{
	struct front *f = c->front;
	int fd;

	/* A plain socket is given away with nothing of ours unsent. */
	if (!c->talk->tls && stream_backlog(c->stream) > 0)
		return;
	c->chan = daemon_peer(f->daemon, f->protocol->usher, 0);
	if (c->chan == NULL)
		return; /* front_peer_up() comes back here */
	fd = session_fd(c);
	if (fd == -1 || ask_for_session(c, fd) == -1)
		session_refused(c);
}

/* -- peers that do not answer ------------------------------------------- */

void
conn_waited(struct conn *c)
{
	bool asked = c->chan != NULL || c->asked;

	if (c->state == CONN_ASLEEP || c->state == CONN_WAKING) {
		conn_slept(c);
		return;
	}
	if (c->chan != NULL)
		ipc_forget(c->chan, c->request);
	log_refusal(c, c->state == CONN_AUTH ? "auth-silent" : "usher-silent");
	if (c->state == CONN_HANDOVER && asked && !c->talk->tls) {
		refused_and_cut(c);
		return;
	}
	refused(c, ANSWER_UNAVAILABLE);
}

void
conn_lost_peer(struct conn *c, const struct ipc_chan *chan)
{
	if (ipc_chan_peer(chan) == PROC_AUTH) {
		conn_unlink(c);
		return;
	}
	if (c->state != CONN_HELD || c->chan != chan)
		return;
	if (c->link == -1)
		conn_free(c);
	else
		c->chan = NULL; /* the link's end will be the session's */
}

void
conn_session_ended(struct conn *c, const struct ipc_chan *chan)
{
	if (c->state == CONN_HELD && c->chan == chan)
		conn_free(c);
}
