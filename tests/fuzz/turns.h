#ifndef TESTS_FUZZ_TURNS_H
#define TESTS_FUZZ_TURNS_H

/*
 * turns - some blocking sessions in one process that speak in turn. Each
 * has a thread of its own, but only one runs at a time: it has the turn
 * until it wants input that has not come. `peer` is always that of the
 * session which has the turn, so the same input always runs the same way.
 */
#include <pthread.h>
#include <stdlib.h>

#include "tests/fuzz/peer.h"

#define TURNS_MAX 2

struct turn {
	pthread_t thread;
	struct peer peer; /* while it does not have the turn */
	bool over;
};

struct turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int who; /* has the turn; -1: who gives it */
	void (*session)(void);
	struct turn turn[TURNS_MAX];
};

extern struct turns turns;

/* -- in the thread of a session ------------------------------------------- */

static inline void
turns_wait(int who)
{
	while (turns.who != who)
		if (pthread_cond_wait(&turns.changed, &turns.lock) != 0)
			abort();
}

static inline void
turns_pass(int who)
{
	turns.who = who;
	if (pthread_cond_broadcast(&turns.changed) != 0)
		abort();
}

/* There is nothing to read: until its next turn. */
static inline void
turns_hold(void)
{
	int me = turns.who;

	turns_pass(-1);
	turns_wait(me);
}

static inline void *
turns_thread(void *arg)
{
	struct turn *t = arg;

	if (pthread_mutex_lock(&turns.lock) != 0)
		abort();
	turns_wait((int)(t - turns.turn));
	turns.session();
	t->over = true;
	turns_pass(-1);
	if (pthread_mutex_unlock(&turns.lock) != 0)
		abort();
	return NULL;
}

/* -- in the thread that gives turns --------------------------------------- */

/* Until it wants more than the first `until` bytes of its input. */
static inline void
turns_give(int who, size_t until)
{
	struct turn *t = &turns.turn[who];

	if (t->over)
		return;
	peer = t->peer;
	peer.granted = until;
	peer.polls = 0;
	turns_pass(who);
	turns_wait(-1);
	t->peer = peer;
	peer = (struct peer){ .hold = NULL };
}

static inline void
turns_begin(int who, struct slice input, uint32_t dice)
{
	struct turn *t = &turns.turn[who];

	peer_begin(input, dice);
	peer.hold = turns_hold;
	*t = (struct turn){ .peer = peer };
	peer = (struct peer){ .hold = NULL };
	if (pthread_create(&t->thread, NULL, turns_thread, t) != 0)
		abort();
}

/* The client goes away. */
static inline void
turns_end(int who)
{
	struct turn *t = &turns.turn[who];

	t->peer.hold = NULL;
	turns_give(who, t->peer.input.len);
	if (!t->over)
		abort();
	if (pthread_mutex_unlock(&turns.lock) != 0 ||
	    pthread_join(t->thread, NULL) != 0 ||
	    pthread_mutex_lock(&turns.lock) != 0)
		abort();
}

#ifdef PEER_MAIN
struct turns turns = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
	.who = -1 };
#endif

#endif
