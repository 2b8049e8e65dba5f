/* Listening sockets: opened once or taken from systemd, held for life. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/network.h"
#include "master/master.h"

#define BACKLOG 4096

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

/* "*" listens on IPv6 and IPv4 with one socket. */
static socklen_t
address_of(const struct endpoint *e, union address *a)
{
	const char *text = strcmp(e->address, "*") == 0 ? "::" : e->address;

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(e->port);
		return sizeof(a->v4);
	}
	if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) != 1)
		return 0;
	a->v6.sin6_family = AF_INET6;
	a->v6.sin6_port = htons(e->port);
	return sizeof(a->v6);
}

/* A socket systemd holds for this address, or -1. */
static int
take_activated(const union address *want)
{
	int n = sd_listen_fds(0);

	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + n; fd++) {
		union address has = { 0 };
		socklen_t len = sizeof(has);

		if (getsockname(fd, &has.any, &len) == -1 ||
		    has.any.sa_family != want->any.sa_family)
			continue;
		if (has.any.sa_family == AF_INET &&
		    has.v4.sin_port == want->v4.sin_port &&
		    has.v4.sin_addr.s_addr == want->v4.sin_addr.s_addr)
			return fd_cloexec(fd, 1) == -1 ? -1 : fd;
		if (has.any.sa_family == AF_INET6 &&
		    has.v6.sin6_port == want->v6.sin6_port &&
		    memcmp(&has.v6.sin6_addr, &want->v6.sin6_addr, 16) == 0)
			return fd_cloexec(fd, 1) == -1 ? -1 : fd;
	}
	return -1;
}

static int
open_tcp(const char *text, const struct endpoint *e)
{
	union address a;
	socklen_t len = address_of(e, &a);
	int on = 1;
	int off = strcmp(e->address, "*") == 0 ? 0 : 1;
	int fd = take_activated(&a);

	if (fd != -1)
		return fd;
	fd = socket(
	    a.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		goto failed;
	if (a.any.sa_family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == -1)
		goto failed;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(fd, &a.any, len) == -1 || listen(fd, BACKLOG) == -1)
		goto failed;
	return fd;
failed:
	log_error(
	    "event=cannot-listen address=%s error=%s", text, strerror(errno));
	fd_close(fd);
	return -1;
}

static int
open_local(const char *path)
{
	union address a = { .local = { .sun_family = AF_UNIX } };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd != -1 &&
	    slice_copy(a.local.sun_path, sizeof(a.local.sun_path),
		slice_str(path)) == 0 &&
	    (unlink(path) == 0 || errno == ENOENT) &&
	    bind(fd, &a.any, sizeof(a.local)) == 0 && chmod(path, 0600) == 0 &&
	    listen(fd, 16) == 0)
		return fd;
	log_error(
	    "event=cannot-listen address=%s error=%s", path, strerror(errno));
	fd_close(fd);
	return -1;
}

/* Keep the one that is open already, or open it. */
static int
want(struct master *m, enum daemon_service service, const char *address)
{
	struct listener *l;
	struct endpoint e;
	int fd;

	for (size_t i = 0; i < m->listener_count; i++) {
		l = &m->listeners[i];
		if (l->service == service && strcmp(l->address, address) == 0) {
			l->wanted = true;
			return 0;
		}
	}
	if (m->listener_count == ARRAY_LEN(m->listeners)) {
		log_error("event=too-many-listeners");
		return -1;
	}
	if (service == LISTEN_CONTROL)
		fd = open_local(address);
	else if (endpoint_parse(slice_str(address), &e) == -1)
		return -1;
	else
		fd = open_tcp(address, &e);
	if (fd == -1)
		return -1;
	l = &m->listeners[m->listener_count];
	l->service = service;
	l->fd = fd;
	l->wanted = true;
	if (slice_copy(l->address, sizeof(l->address), slice_str(address)) ==
	    -1) {
		fd_close(fd);
		return -1;
	}
	m->listener_count++;
	return 0;
}

static int
want_list(struct master *m, enum daemon_service service,
    const struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (want(m, service, list->items[i]) == -1)
			return -1;
	return 0;
}

void
listener_revive(const struct listener *l)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (!l->wanted ||
	    getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) ==
		-1 ||
	    listens != 0)
		return;
	if (listen(l->fd, BACKLOG) == 0)
		log_warn("event=listener-revived address=%s", l->address);
	else
		log_error("event=cannot-listen address=%s error=%s", l->address,
		    strerror(errno));
}

static bool
is_activated(int fd)
{
	return fd >= SD_LISTEN_FDS_START &&
	       fd < SD_LISTEN_FDS_START + sd_listen_fds(0);
}

/*
 * The processes that accepted from it may have it open until they end, and
 * it would be in use as long as it listens. What is systemd's stays open: it
 * may be wanted again.
 */
static void
leave(const struct listener *l)
{
	if (is_activated(l->fd))
		return;
	(void)shutdown(l->fd, SHUT_RDWR);
	fd_close(l->fd);
}

void
listeners_leave(struct master *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->listener_count; i++) {
		if (m->listeners[i].wanted)
			m->listeners[kept++] = m->listeners[i];
		else
			leave(&m->listeners[i]);
	}
	m->listener_count = kept;
}

int
listeners_open(struct master *m)
{
	const struct config *c = m->config;
	char *queue = xasprintf("%s/queue.sock", c->run_directory);
	int rc = -1;

	for (size_t i = 0; i < m->listener_count; i++)
		m->listeners[i].wanted = false;
	if (want(m, LISTEN_CONTROL, queue) == 0 &&
	    want_list(m, LISTEN_SMTP, &c->listen_smtp) == 0 &&
	    want_list(m, LISTEN_SUBMISSION, &c->listen_submission) == 0 &&
	    want_list(m, LISTEN_SUBMISSIONS, &c->listen_submissions) == 0 &&
	    want_list(m, LISTEN_IMAP, &c->listen_imap) == 0 &&
	    want_list(m, LISTEN_IMAPS, &c->listen_imaps) == 0 &&
	    want_list(m, LISTEN_POP3, &c->listen_pop3) == 0 &&
	    want_list(m, LISTEN_POP3S, &c->listen_pop3s) == 0)
		rc = 0;
	free(queue);
	return rc;
}
