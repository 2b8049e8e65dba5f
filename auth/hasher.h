#ifndef AUTH_HASHER_H
#define AUTH_HASHER_H

#include "auth/scheme.h"

/*
 * hasher - a few threads that do nothing but hash, so that the loop goes on
 * answering. They share no data with the loop but the two queues, and touch
 * no descriptor but the one that wakes it.
 */
#define HASHER_JOBS_MAX 256 /* waiting; more are refused */

struct event_base;
struct hasher;

struct hasher_job {
	struct hasher_job *next; /* the hasher's */
	char hash[SCHEME_HASH_MAX];
	char secret[SCHEME_SECRET_MAX];
	bool real; /* false: hash somebody else's, for the time it takes */
	enum scheme_result result; /* out; never OK when it is not real */
	void *arg;                 /* the owner's */
};

/* What the threads do: sets the result. */
void hasher_run(struct hasher_job *job);

/*
 * done runs in the loop for every job, which is its owner's again. fd: an
 * eventfd, non-blocking, which belongs to the hasher. NULL after logging.
 */
struct hasher *hasher_new(struct event_base *base, unsigned threads, int fd,
    void (*done)(struct hasher_job *job)) MUST_USE;

/* Ends the threads; what waited is not done. For tests. */
void hasher_free(struct hasher *p);

/* Hand a job over. -1 with errno EAGAIN when too many wait. */
int hasher_submit(struct hasher *p, struct hasher_job *job) MUST_USE;

#endif
