#include "deliver/syncer.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/mem.h"

struct syncer {
	pthread_mutex_t lock; /* guards busy, fds and count */
	pthread_cond_t work;
	bool busy;
	int fds[SYNCER_DEVICES];
	size_t count;
	int error; /* written by the thread before it signals */
	int wake;  /* eventfd, from the thread to the loop */
	struct event *on_wake;
	void (*done)(void *arg, int error);
	void *arg;
};

static int
sync_all(const int *fds, size_t n)
{
	int error = 0;

	for (size_t i = 0; i < n; i++)
		if (syncfs(fds[i]) == -1 && error == 0)
			error = errno;
	return error;
}

static void *
run(void *arg)
{
	struct syncer *s = arg;
	const uint64_t one = 1;

	for (;;) {
		(void)pthread_mutex_lock(&s->lock);
		while (!s->busy)
			(void)pthread_cond_wait(&s->work, &s->lock);
		(void)pthread_mutex_unlock(&s->lock);
		s->error = sync_all(s->fds, s->count);
		(void)pthread_mutex_lock(&s->lock);
		s->busy = false;
		(void)pthread_mutex_unlock(&s->lock);
		while (write(s->wake, &one, sizeof(one)) == -1)
			if (errno != EINTR)
				log_die("event=syncer-broken");
	}
	return NULL;
}

static void
woken(evutil_socket_t fd, short what, void *arg)
{
	struct syncer *s = arg;
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
		s->done(s->arg, s->error);
}

struct syncer *
syncer_new(
    struct event_base *base, void (*done)(void *arg, int error), void *arg)
{
	struct syncer *s = xcalloc(1, sizeof(*s));
	pthread_attr_t attr;
	pthread_t thread;

	s->done = done;
	s->arg = arg;
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->wake == -1 || pthread_mutex_init(&s->lock, NULL) != 0 ||
	    pthread_cond_init(&s->work, NULL) != 0 ||
	    pthread_attr_init(&attr) != 0 ||
	    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) != 0 ||
	    pthread_create(&thread, &attr, run, s) != 0)
		log_die("event=start-failed what=thread");
	(void)pthread_attr_destroy(&attr);
	s->on_wake = event_new(base, s->wake, EV_READ | EV_PERSIST, woken, s);
	if (s->on_wake == NULL || event_add(s->on_wake, NULL) == -1)
		log_die("event=start-failed what=eventfd");
	return s;
}

void
syncer_start(struct syncer *s, const int *fds, size_t n)
{
	assert(n <= SYNCER_DEVICES);
	(void)pthread_mutex_lock(&s->lock);
	assert(!s->busy);
	memcpy(s->fds, fds, n * sizeof(int));
	s->count = n;
	s->busy = true;
	(void)pthread_cond_signal(&s->work);
	(void)pthread_mutex_unlock(&s->lock);
}
