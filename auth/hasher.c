#include "auth/hasher.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define THREADS_MAX 16

struct queue {
	struct hasher_job *first;
	struct hasher_job **last;
	size_t count;
};

struct hasher {
	pthread_mutex_t lock; /* of the queues and of ending */
	pthread_cond_t work;
	struct queue todo;
	struct queue finished;
	bool ending;

	int fd;
	struct event *woken;
	void (*done)(struct hasher_job *job);
	pthread_t threads[THREADS_MAX];
	unsigned count;
};

static void
push(struct queue *q, struct hasher_job *job)
{
	job->next = NULL;
	if (q->last == NULL)
		q->last = &q->first;
	*q->last = job;
	q->last = &job->next;
	q->count++;
}

static struct hasher_job *
shift(struct queue *q)
{
	struct hasher_job *job = q->first;

	if (job == NULL)
		return NULL;
	q->first = job->next;
	if (q->first == NULL)
		q->last = &q->first;
	q->count--;
	return job;
}

static void
wake_loop(const struct hasher *p)
{
	const uint64_t one = 1;

	/* EAGAIN: it is awake already. */
	while (write(p->fd, &one, sizeof(one)) == -1 && errno == EINTR)
		;
}

void
hasher_run(struct hasher_job *job)
{
	job->result = scheme_verify(job->hash, job->secret);
	if (job->result == SCHEME_OK && !job->real)
		job->result = SCHEME_BAD;
}

static void *
work(void *arg)
{
	struct hasher *p = arg;
	struct hasher_job *job;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->ending) {
		job = shift(&p->todo);
		if (job == NULL) {
			(void)pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&p->lock);
		hasher_run(job);
		explicit_bzero(job->secret, sizeof(job->secret));
		(void)pthread_mutex_lock(&p->lock);
		push(&p->finished, job);
		wake_loop(p);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void
on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct hasher *p = arg;
	struct hasher_job *job;
	uint64_t n;

	(void)what;
	while (read(fd, &n, sizeof(n)) == -1 && errno == EINTR)
		;
	for (;;) {
		(void)pthread_mutex_lock(&p->lock);
		job = shift(&p->finished);
		(void)pthread_mutex_unlock(&p->lock);
		if (job == NULL)
			return;
		p->done(job);
	}
}

/* Signals are the loop's. */
static int
start_threads(struct hasher *p, unsigned threads)
{
	sigset_t all, old;
	int rc = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	while (rc == 0 && p->count < MIN(threads, THREADS_MAX)) {
		rc = pthread_create(&p->threads[p->count], NULL, work, p);
		if (rc == 0)
			p->count++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return p->count > 0 ? 0 : rc;
}

struct hasher *
hasher_new(struct event_base *base, unsigned threads, int fd,
    void (*done)(struct hasher_job *job))
{
	struct hasher *p = xcalloc(1, sizeof(*p));
	int rc;

	p->fd = fd;
	p->done = done;
	p->woken = event_new(base, fd, EV_READ | EV_PERSIST, on_wake, p);
	if (p->woken == NULL || event_add(p->woken, NULL) == -1 ||
	    pthread_mutex_init(&p->lock, NULL) != 0 ||
	    pthread_cond_init(&p->work, NULL) != 0)
		log_die("event=start-failed what=hasher");
	rc = start_threads(p, threads);
	if (rc == 0)
		return p;
	log_error("event=start-failed what=threads error=%d", rc);
	hasher_free(p);
	return NULL;
}

static void
drop_all(struct queue *q)
{
	struct hasher_job *job;

	while ((job = shift(q)) != NULL) {
		explicit_bzero(job, sizeof(*job));
		free(job);
	}
}

void
hasher_free(struct hasher *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->lock);
	p->ending = true;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->count; i++)
		(void)pthread_join(p->threads[i], NULL);
	drop_all(&p->todo);
	drop_all(&p->finished);
	event_free(p->woken);
	fd_close(p->fd);
	(void)pthread_cond_destroy(&p->work);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}

int
hasher_submit(struct hasher *p, struct hasher_job *job)
{
	bool full;

	(void)pthread_mutex_lock(&p->lock);
	full = p->todo.count >= HASHER_JOBS_MAX;
	if (!full) {
		push(&p->todo, job);
		(void)pthread_cond_signal(&p->work);
	}
	(void)pthread_mutex_unlock(&p->lock);
	if (!full)
		return 0;
	errno = EAGAIN;
	return -1;
}
