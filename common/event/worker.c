#include "common/event/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"

struct worker_list {
	struct worker_job *first;
	struct worker_job **last;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t more;
	struct worker_list given;    /* under the mutex */
	struct worker_list finished; /* under the mutex */
	bool ending;                 /* under the mutex */
	unsigned pending;            /* the loop's: given and not taken up */
	struct event *event;
	int fd; /* the thread tells the loop */
};

static void
list_init(struct worker_list *l)
{
	l->first = NULL;
	l->last = &l->first;
}

static void
list_add(struct worker_list *l, struct worker_job *j)
{
	j->next = NULL;
	*l->last = j;
	l->last = &j->next;
}

static struct worker_job *
list_take(struct worker_list *l)
{
	struct worker_job *j = l->first;

	if (j == NULL)
		return NULL;
	l->first = j->next;
	if (l->first == NULL)
		l->last = &l->first;
	return j;
}

static void
tell_loop(struct worker *p)
{
	uint64_t one = 1;

	while (write(p->fd, &one, sizeof(one)) == -1) {
		if (errno == EAGAIN)
			return; /* the counter is full: it is told already */
		/* A loop that is not told waits for ever: start anew. */
		if (errno != EINTR)
			log_die(
			    "event=worker-failed error=%s", strerror(errno));
	}
}

static void *
worker_thread(void *arg)
{
	struct worker *p = arg;

	pthread_mutex_lock(&p->mutex);
	for (;;) {
		struct worker_job *j = list_take(&p->given);

		if (j == NULL && p->ending)
			break;
		if (j == NULL) {
			pthread_cond_wait(&p->more, &p->mutex);
			continue;
		}
		pthread_mutex_unlock(&p->mutex);
		j->run(j);
		pthread_mutex_lock(&p->mutex);
		list_add(&p->finished, j);
		/* Told without the lock, which is the first thing it takes. */
		pthread_mutex_unlock(&p->mutex);
		tell_loop(p);
		pthread_mutex_lock(&p->mutex);
	}
	pthread_mutex_unlock(&p->mutex);
	return NULL;
}

static void
worker_finish(struct worker *p)
{
	struct worker_list l;
	struct worker_job *j;

	pthread_mutex_lock(&p->mutex);
	l = p->finished;
	if (l.first == NULL)
		l.last = &l.first;
	list_init(&p->finished);
	pthread_mutex_unlock(&p->mutex);
	while ((j = list_take(&l)) != NULL) {
		p->pending--;
		j->done(j);
	}
}

static void
worker_wake(evutil_socket_t fd, short what, void *arg)
{
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) == -1 && errno != EAGAIN)
		return;
	worker_finish(arg);
}

/* Signals are the loop's: the thread is started with all of them blocked. */
static int
start_thread(struct worker *p)
{
	sigset_t all;
	sigset_t old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&p->thread, NULL, worker_thread, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

struct worker *
worker_new(struct event_base *base)
{
	struct worker *p = xcalloc(1, sizeof(*p));

	list_init(&p->given);
	list_init(&p->finished);
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->fd == -1)
		goto fail;
	p->event = event_new(base, p->fd, EV_READ | EV_PERSIST, worker_wake, p);
	if (p->event == NULL || event_add(p->event, NULL) == -1)
		goto fail;
	if (pthread_mutex_init(&p->mutex, NULL) != 0 ||
	    pthread_cond_init(&p->more, NULL) != 0 || start_thread(p) == -1)
		goto fail;
	return p;
fail:
	if (p->event != NULL)
		event_free(p->event);
	fd_close(p->fd);
	free(p);
	return NULL;
}

void
worker_add(struct worker *p, struct worker_job *j)
{
	j->error = 0;
	p->pending++;
	pthread_mutex_lock(&p->mutex);
	list_add(&p->given, j);
	pthread_mutex_unlock(&p->mutex);
	pthread_cond_signal(&p->more);
}

/* In the thread. */
static void
sync_run(struct worker_job *j)
{
	const struct worker_sync *s = (const struct worker_sync *)j;

	for (size_t i = 0; i < s->count; i++)
		if (syncfs(s->fds[i]) == -1 && j->error == 0)
			j->error = errno;
}

void
worker_add_sync(struct worker *p, struct worker_sync *s)
{
	s->job.run = sync_run;
	worker_add(p, &s->job);
}

bool
worker_idle(const struct worker *p)
{
	return p->pending == 0;
}

void
worker_free(struct worker *p)
{
	struct worker_job *j;

	if (p == NULL)
		return;
	pthread_mutex_lock(&p->mutex);
	p->ending = true;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->mutex);
	pthread_join(p->thread, NULL);
	for (;;) {
		worker_finish(p);
		j = list_take(&p->given);
		if (j == NULL)
			break;
		j->run(j); /* given by another's done() just now */
		list_add(&p->finished, j);
	}
	event_free(p->event);
	(void)close(p->fd);
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->mutex);
	free(p);
}
