#include "common/login/proxy.h"

#include <errno.h>
#include <event2/event.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/tls/stream.h"

#define CHUNK 16384

/* Nobody can be told any more: what the session left goes out, then end. */
static void
session_ended(struct proxy *p)
{
	if (p->session_ended)
		return;
	p->session_ended = true;
	(void)event_del(p->rd);
	(void)event_del(p->wr);
	stream_close_after_output(p->client);
}

static void
to_session(struct proxy *p)
{
	struct buf *in = stream_in(p->client);
	ssize_t n;

	while (in->len > 0) {
		n = send(p->fd, in->data, in->len, MSG_NOSIGNAL);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN) {
			if (event_add(p->wr, NULL) == -1)
				session_ended(p);
			return;
		}
		if (n == -1) {
			/* It reads no more, but may have said something. */
			buf_consume(in, in->len);
			return;
		}
		buf_consume(in, (size_t)n);
	}
	if (p->client_ended && !p->told_ended) {
		p->told_ended = true;
		(void)shutdown(p->fd, SHUT_WR);
	}
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	to_session(arg);
}

static void
to_client(struct proxy *p)
{
	char chunk[CHUNK];
	size_t room;
	ssize_t n;

	for (;;) {
		room = PROXY_MAX -
		       MIN(stream_backlog(p->client), (size_t)PROXY_MAX);
		if (room == 0) {
			(void)event_del(p->rd); /* until it has drained */
			return;
		}
		n = recv(p->fd, chunk, MIN(room, sizeof(chunk)), 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return;
		if (n <= 0 || stream_write(p->client, chunk, (size_t)n) == -1) {
			session_ended(p);
			return;
		}
		if ((size_t)n < MIN(room, sizeof(chunk)))
			return; /* that was all; a full read may not be */
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	to_client(arg);
}

int
proxy_start(
    struct proxy *p, struct event_base *base, struct stream *client, int fd)
{
	*p = (struct proxy){ .client = client, .fd = fd };
	p->rd = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, p);
	p->wr = event_new(base, fd, EV_WRITE, on_writable, p);
	if (p->rd == NULL || p->wr == NULL || event_add(p->rd, NULL) == -1) {
		proxy_end(p);
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

void
proxy_input(struct proxy *p)
{
	if (!p->session_ended)
		to_session(p);
}

void
proxy_drained(struct proxy *p)
{
	if (!p->session_ended && event_add(p->rd, NULL) == -1)
		session_ended(p);
}

void
proxy_client_ended(struct proxy *p)
{
	p->client_ended = true;
	proxy_input(p);
}

bool
proxy_quiet(struct proxy *p)
{
	char c;

	if (p->client_ended || p->session_ended ||
	    stream_in(p->client)->len > 0)
		return false;
	to_client(p);
	return !p->session_ended &&
	       recv(p->fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	       errno == EAGAIN;
}

void
proxy_end(struct proxy *p)
{
	if (p->rd != NULL)
		event_free(p->rd);
	if (p->wr != NULL)
		event_free(p->wr);
	fd_close(p->fd);
	*p = (struct proxy)PROXY_INIT;
}
