#include "load.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_SIZE = 131072 };

SSL_CTX *
net_tls(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL ||
	    SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1)
		load_die("TLS cannot be set up");
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	/* dovecot closes without a close_notify */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return ctx;
}

void
net_open(struct load *l, struct conn *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *ai;
	struct epoll_event ev = { .data.ptr = c };
	int one = 1;

	if (getaddrinfo(l->opt.host, l->opt.port, &hints, &ai) != 0)
		load_die("not an address: %s:%s", l->opt.host, l->opt.port);
	c->fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1 ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ==
		-1 ||
	    (connect(c->fd, ai->ai_addr, ai->ai_addrlen) == -1 &&
		errno != EINPROGRESS))
		load_die("connect: %s", strerror(errno));
	freeaddrinfo(ai);
	if (l->opt.tls) {
		c->ssl = SSL_new(l->tls);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
			load_die("no memory for TLS");
		SSL_set_connect_state(c->ssl);
	}
	c->opened = false;
	c->events = EPOLLOUT;
	ev.events = c->events;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) == -1)
		load_die("epoll: %s", strerror(errno));
}

void
net_arm(struct load *l, struct conn *c)
{
	struct epoll_event ev = { .data.ptr = c };
	uint32_t want = EPOLLIN;

	if (c->fd == -1)
		return;
	if (c->out.len > 0 || (!c->opened && c->ssl == NULL))
		want |= EPOLLOUT;
	if (c->ssl != NULL && !c->opened &&
	    (SSL_in_before(c->ssl) || SSL_want_write(c->ssl)))
		want |= EPOLLOUT;
	if (want == c->events)
		return;
	c->events = want;
	ev.events = want;
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev) == -1)
		load_die("epoll: %s", strerror(errno));
}

void
net_close(struct conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	buf_consume(&c->in, c->in.len);
	buf_consume(&c->out, c->out.len);
}

/* Is the connection ready for commands? */
static bool
opened(struct conn *c)
{
	int error = 0;
	socklen_t n = sizeof(error);
	int rc;

	if (c->opened)
		return true;
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) == -1 ||
	    error != 0)
		load_die("connect: %s", strerror(error));
	if (c->ssl != NULL) {
		rc = SSL_do_handshake(c->ssl);
		if (rc != 1 && !SSL_want_read(c->ssl) &&
		    !SSL_want_write(c->ssl))
			load_die("TLS handshake failed");
		if (rc != 1)
			return false;
	}
	c->opened = true;
	return true;
}

/* Bytes read, 0 at the end, -1 when there are none now. */
static ssize_t
receive(struct conn *c, char *to, size_t n)
{
	ssize_t got;

	if (c->ssl == NULL) {
		got = recv(c->fd, to, n, 0);
		if (got == -1 && errno != EAGAIN && errno != EINTR)
			load_die("recv: %s", strerror(errno));
		return got;
	}
	got = SSL_read(c->ssl, to, n > INT32_MAX ? INT32_MAX : (int)n);
	if (got > 0)
		return got;
	switch (SSL_get_error(c->ssl, (int)got)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		load_die("TLS broke");
	}
}

void
net_flush(struct conn *c)
{
	ssize_t n;
	int rc;

	if (c->out.len == 0)
		return;
	if (c->ssl == NULL) {
		n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			load_die("send: %s", strerror(errno));
	} else {
		rc = SSL_write(c->ssl, c->out.data, (int)c->out.len);
		if (rc <= 0 && !SSL_want_read(c->ssl) &&
		    !SSL_want_write(c->ssl))
			load_die("TLS broke");
		n = rc;
	}
	if (n > 0)
		buf_consume(&c->out, (size_t)n);
}

bool
net_step(struct load *l, struct conn *c)
{
	ssize_t got;
	char *to;

	if (!opened(c))
		return true;
	net_flush(c);
	for (;;) {
		to = buf_reserve(&c->in, READ_SIZE);
		if (to == NULL)
			load_die("an answer without an end");
		got = receive(c, to, READ_SIZE);
		if (got <= 0)
			return got != 0;
		buf_commit(&c->in, (size_t)got);
		l->bytes += (uint64_t)got;
		/* Without TLS a short read means that there is no more. */
		if (c->ssl == NULL || c->in.len >= READ_SIZE)
			return true;
	}
}
