#ifndef AUTH_POOL_H
#define AUTH_POOL_H

#include "auth/scheme.h"

/*
 * pool - a few threads that do nothing but hash, so that the loop goes on
 * answering. They share no data with the loop but the two queues, and touch
 * no descriptor but the one that wakes it.
 */
#define POOL_JOBS_MAX 256 /* waiting; more are refused */

struct event_base;
struct pool;

struct pool_job {
	struct pool_job *next; /* the pool's */
	char hash[SCHEME_HASH_MAX];
	char secret[SCHEME_SECRET_MAX];
	bool real; /* false: hash somebody else's, for the time it takes */
	bool ok;   /* out */
	void *arg; /* the owner's */
};

/*
 * done runs in the loop for every job, which is its owner's again. fd: an
 * eventfd, non-blocking, which belongs to the pool. NULL after logging.
 */
struct pool *pool_new(struct event_base *base, unsigned threads, int fd,
    void (*done)(struct pool_job *job)) MUST_USE;

/* Ends the threads; what waited is not done. For tests. */
void pool_free(struct pool *p);

/* Hand a job over. -1 with errno EAGAIN when too many wait. */
int pool_submit(struct pool *p, struct pool_job *job) MUST_USE;

#endif
