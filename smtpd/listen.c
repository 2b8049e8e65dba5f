#include "smtpd/listen.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/daemon/daemon.h"
#include "smtpd/session.h"
#include "smtpd/smtpd.h"

#define ACCEPTS_A_PASS 32 /* then other events get their turn */
#define AGAIN_US       200000

static void
set_accepting(struct listen *l, bool on)
{
	for (size_t i = 0; i < l->count; i++)
		if (!on)
			(void)event_del(l->events[i]);
		else if (daemon_listen(l->daemon, l->events[i]) == -1)
			log_die("event=no-memory for=listener");
}

static enum session_kind
kind_of(const struct listen *l, int fd)
{
	const struct daemon_listener *x;

	for (size_t i = 0; (x = daemon_listener(l->daemon, i)) != NULL; i++) {
		if (x->fd != fd)
			continue;
		if (x->service == LISTEN_SUBMISSIONS)
			return SESSION_SUBMISSIONS;
		if (x->service == LISTEN_SUBMISSION)
			return SESSION_SUBMISSION;
	}
	return SESSION_SMTP;
}

static bool
is_loopback(const struct sockaddr_storage *peer)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

	if (peer->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return peer->ss_family == AF_INET6 &&
	       (IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
		   (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
		       v6->sin6_addr.s6_addr[12] == 127));
}

/* Only senders of rubbish speak before they were greeted. */
static bool
spoke_early(int fd, const struct sockaddr_storage *peer)
{
	char c;

	return !is_loopback(peer) &&
	       recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

static void
take(struct listen *l, int fd, const struct sockaddr_storage *peer,
    enum session_kind kind)
{
	bool early = kind == SESSION_SMTP && spoke_early(fd, peer);

	if (session_new(l->smtpd, fd, peer, kind, early) == NULL)
		log_error("event=no-memory for=session");
}

static void
on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct listen *l = arg;
	const struct timeval again = { 0, AGAIN_US };
	enum session_kind kind = kind_of(l, listener);
	struct sockaddr_storage peer;
	socklen_t len;
	int fd;

	(void)what;
	/*
	 * One at a time as long as they come one by one: asking for a second
	 * in vain is a system call, so it is tried ever more rarely; in a
	 * flood asking for many saves them.
	 */
	for (unsigned n = 0; n < l->batch; n++) {
		memset(&peer, 0, sizeof(peer));
		len = sizeof(peer);
		fd = accept4(listener, (struct sockaddr *)&peer, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1) {
			take(l, fd, &peer, kind);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM) {
			int error = errno;

			if (log_due(&l->failed_log_ms))
				log_error("event=accept-failed error=%s",
				    strerror(error));
			set_accepting(l, false);
			(void)event_add(l->again, &again);
			return;
		}
		if (errno != EINTR && errno != ECONNABORTED) {
			if (n == 1) /* the second, in vain */
				l->patience = MIN(2 * l->patience + 1, 63U);
			l->wait = l->patience;
			l->batch = 1; /* nobody is waiting any more */
			return;
		}
	}
	if (l->wait > 0) {
		l->wait--;
		return;
	}
	if (l->batch > 1)
		l->patience = 0;
	l->batch = MIN(l->batch * 2, ACCEPTS_A_PASS);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct listen *l = arg;

	(void)fd;
	(void)what;
	if (!l->smtpd->draining)
		set_accepting(l, true);
}

int
listen_start(struct listen *l, struct daemon *d, struct smtpd *s)
{
	const struct daemon_listener *x;
	int on = 1;

	l->daemon = d;
	l->smtpd = s;
	l->batch = 1;
	l->again = evtimer_new(daemon_base(d), on_again, l);
	if (l->again == NULL)
		return -1;
	for (size_t i = 0; (x = daemon_listener(d, i)) != NULL; i++) {
		struct event *e = event_new(
		    daemon_base(d), x->fd, EV_READ | EV_PERSIST, on_accept, l);

		if (e == NULL)
			return -1;
		/* Connections inherit it: replies are written whole. */
		(void)setsockopt(
		    x->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		l->events =
		    xreallocarray(l->events, l->count + 1, sizeof(*l->events));
		l->events[l->count++] = e;
	}
	set_accepting(l, true);
	return 0;
}

void
listen_stop(struct listen *l)
{
	set_accepting(l, false);
	(void)event_del(l->again);
	/* For these we may be the only one that was woken. */
	for (size_t i = 0; i < l->count; i++) {
		l->batch = ACCEPTS_A_PASS;
		on_accept(event_get_fd(l->events[i]), EV_READ, l);
	}
	(void)event_del(l->again);
}
