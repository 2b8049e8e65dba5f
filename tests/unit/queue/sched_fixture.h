#ifndef TESTS_UNIT_QUEUE_SCHED_FIXTURE_H
#define TESTS_UNIT_QUEUE_SCHED_FIXTURE_H

/* A schedule by itself, for tests of it and of its limits. */
#include <stdlib.h>

#include "common/config/config.h"
#include "common/ipc/message_list.h"
#include "queue/sched.h"
#include "tests/unit/cmocka.h"

struct fixture {
	struct config config;
	struct sched s;
};

static inline int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->config.queue_concurrency = 20;
	f->config.queue_retry_min = 60;
	f->config.queue_retry_max = 14400;
	f->config.queue_lifetime = 432000;
	sched_init(&f->s, &f->config);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct fixture *f = *state;

	sched_free(&f->s);
	free(f);
	return 0;
}

static inline struct task *
add_as(struct fixture *f, enum task_rank rank, const char *to, const char *from,
    int64_t now)
{
	struct task *t = calloc(1, sizeof(*t));

	t->dest = sched_dest(&f->s, AGENT_RELAY, slice_str(to));
	t->rank = (uint8_t)rank;
	sched_add(&f->s, t, slice_str(from), now);
	return t;
}

static inline struct task *
add(struct fixture *f, const char *to, const char *from, int64_t now)
{
	return add_as(f, TASK_FRESH, to, from, now);
}

static inline struct task *
next(struct fixture *f, int64_t now)
{
	return sched_next(&f->s, AGENT_RELAY, TASK_FRESH, now);
}

static inline bool
done(struct fixture *f, struct task *t, uint8_t blame, int64_t now)
{
	bool died = sched_done(&f->s, t, blame, now);

	free(t);
	return died;
}

/* Send and finish everything. */
static inline void
drain(struct fixture *f, int64_t now)
{
	struct task *t;

	while ((t = next(f, now)) != NULL)
		(void)done(f, t, BLAME_NONE, now);
}

/* Fail until it is dead; the time it is dead until. */
static inline int64_t
kill_it(struct fixture *f, const char *to, int64_t now)
{
	int64_t until = 0;
	int n = 0;

	for (;;) {
		struct task *t = add(f, to, "a", now);

		assert_ptr_equal(next(f, now), t);
		if (done(f, t, BLAME_CONNECT, now))
			break;
		assert_true(++n < 10);
	}
	assert_true(dest_dead(
	    sched_dest(&f->s, AGENT_RELAY, slice_str(to)), now, &until));
	return until;
}

#endif
