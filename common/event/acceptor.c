#include "common/event/acceptor.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define AGAIN_S 1

struct acceptor {
	struct event *ready;
	struct event *again;
	void (*take)(void *arg, int fd);
	void *arg;
};

/* Nobody is waiting any more, or there is no room for who is. */
static void
accept_failed(struct acceptor *a, int error)
{
	const struct timeval again = { AGAIN_S, 0 };

	if (error != EMFILE && error != ENFILE && error != ENOBUFS &&
	    error != ENOMEM)
		return;
	log_error("event=accept-failed error=%s", strerror(error));
	if (event_add(a->again, &again) == 0)
		(void)event_del(a->ready);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	const struct acceptor *a = arg;

	(void)fd;
	(void)what;
	if (event_add(a->ready, NULL) == -1)
		log_die("event=no-memory for=listener");
}

static void
on_ready(evutil_socket_t listener, short what, void *arg)
{
	struct acceptor *a = arg;
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)what;
	if (fd == -1) {
		accept_failed(a, errno);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1 ||
	    cred.uid != 0) {
		log_warn("event=control-refused uid=%u", cred.uid);
		fd_close(fd);
		return;
	}
	a->take(a->arg, fd);
}

struct acceptor *
acceptor_new(struct event_base *base, int listener,
    void (*take)(void *arg, int fd), void *arg)
{
	struct acceptor *a = xcalloc(1, sizeof(*a));

	a->take = take;
	a->arg = arg;
	a->again = evtimer_new(base, on_again, a);
	a->ready = event_new(base, listener, EV_READ | EV_PERSIST, on_ready, a);
	if (a->again != NULL && a->ready != NULL &&
	    event_add(a->ready, NULL) == 0)
		return a;
	acceptor_free(a);
	return NULL;
}

void
acceptor_free(struct acceptor *a)
{
	if (a == NULL)
		return;
	if (a->ready != NULL)
		event_free(a->ready);
	if (a->again != NULL)
		event_free(a->again);
	free(a);
}
