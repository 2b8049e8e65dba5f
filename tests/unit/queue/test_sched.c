#include "queue/sched.h"

#include <stdio.h>

#include "common/base/log.h"
#include "tests/unit/queue/sched_fixture.h"

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define MS(s)   ((int64_t)(s)*1000)

/* All there are of a rank, and so many. */
static void
drain_rank(struct fixture *f, enum task_rank rank, int count)
{
	struct task *t;

	while ((t = sched_next(&f->s, AGENT_RELAY, rank, 0)) != NULL) {
		assert_int_equal(t->rank, rank);
		(void)done(f, t, BLAME_NONE, 0);
		count--;
	}
	assert_int_equal(count, 0);
}

static void
senders_take_turns(void **state)
{
	struct fixture *f = *state;
	struct task *single;
	struct task *t;

	for (int i = 0; i < 100; i++)
		(void)add(f, "x", "bulk", 0);
	single = add(f, "x", "alice", 0);
	t = next(f, 0);
	assert_ptr_not_equal(t, single);
	(void)done(f, t, BLAME_NONE, 0);
	t = next(f, 0);
	assert_ptr_equal(t, single);
	(void)done(f, t, BLAME_NONE, 0);
	drain(f, 0);
}

static void
destinations_take_turns(void **state)
{
	struct fixture *f = *state;
	struct task *t;

	for (int i = 0; i < 10; i++)
		(void)add(f, "x", "bulk", 0);
	(void)add(f, "y", "bulk", 0);
	t = next(f, 0);
	assert_string_equal(t->dest->name, "x");
	(void)done(f, t, BLAME_NONE, 0);
	t = next(f, 0);
	assert_string_equal(t->dest->name, "y");
	(void)done(f, t, BLAME_NONE, 0);
	drain(f, 0);
}

static void
window_opens_with_success_up_to_the_limit(void **state)
{
	struct fixture *f = *state;
	struct task *out[100];
	int n = 0;

	for (int i = 0; i < 100; i++)
		(void)add(f, "x", "bulk", 0);
	while ((out[n] = next(f, 0)) != NULL)
		n++;
	assert_int_equal(n, 5);
	for (int i = 0; i < n; i++)
		(void)done(f, out[i], BLAME_NONE, 0);
	for (n = 0; (out[n] = next(f, 0)) != NULL;)
		n++;
	assert_in_range(n, 6, 7);
	for (int i = 0; i < n; i++)
		(void)done(f, out[i], BLAME_NONE, 0);
	for (int i = 0; i < 60; i++) {
		struct task *t = next(f, 0);

		(void)done(f, t, BLAME_NONE, 0);
	}
	for (int i = 0; i < 100; i++)
		(void)add(f, "x", "bulk", 0);
	for (int round = 0; round < 12; round++) {
		for (n = 0; (out[n] = next(f, 0)) != NULL;)
			n++;
		assert_true(n <= 20);
		for (int i = 0; i < n; i++)
			(void)done(f, out[i], BLAME_NONE, 0);
		for (int i = 0; i < n; i++)
			(void)add(f, "x", "bulk", 0);
	}
	for (n = 0; (out[n] = next(f, 0)) != NULL;)
		n++;
	assert_int_equal(n, 20);
	for (int i = 0; i < n; i++)
		(void)done(f, out[i], BLAME_NONE, 0);
	drain(f, 0);
}

static void
dead_destination_is_probed_by_one(void **state)
{
	struct fixture *f = *state;
	int64_t until = kill_it(f, "x", 0);
	struct task *probe;

	assert_in_range(until, MS(54), MS(60));
	for (int i = 0; i < 5; i++)
		(void)add(f, "x", "a", 0);
	assert_null(next(f, 0));
	assert_null(next(f, until - 1));
	assert_int_equal(sched_wake(&f->s, until - 1), until);
	(void)sched_wake(&f->s, until);
	probe = next(f, until);
	assert_non_null(probe);
	assert_null(next(f, until));
	/* It fails again: dead for twice as long. */
	assert_true(done(f, probe, BLAME_CONNECT, until));
	assert_null(next(f, until + MS(100)));
	(void)sched_wake(&f->s, until + MS(120));
	probe = next(f, until + MS(120));
	assert_non_null(probe);
	assert_false(done(f, probe, BLAME_NONE, until + MS(120)));
	drain(f, until + MS(120));
	assert_int_equal(f->s.queued, 0);
}

static void
dead_destination_does_not_hold_up_another(void **state)
{
	struct fixture *f = *state;
	int64_t until = kill_it(f, "x", 0);
	struct task *t;

	(void)add(f, "x", "a", 0);
	t = add(f, "y", "a", 0);
	assert_ptr_equal(next(f, 0), t);
	(void)done(f, t, BLAME_NONE, 0);
	(void)sched_wake(&f->s, until);
	drain(f, until);
}

/* What was sent before it died ends when it is probed. */
static void
dead_destination_is_probed_by_one_whatever_else_ends(void **state)
{
	struct fixture *f = *state;
	struct task *early = add(f, "x", "a", 0);
	struct task *probe;
	int64_t until;

	assert_ptr_equal(next(f, 0), early);
	until = kill_it(f, "x", 0);
	probe = add(f, "x", "a", until);
	assert_ptr_equal(next(f, until), probe);
	(void)add(f, "x", "a", until);
	(void)done(f, early, UINT8_MAX, until);
	assert_null(next(f, until));
	(void)done(f, probe, BLAME_NONE, until);
	drain(f, until);
	assert_int_equal(f->s.queued, 0);
}

static void
slow_down_is_heeded(void **state)
{
	struct fixture *f = *state;
	struct task *t = add(f, "x", "a", 0);

	(void)add(f, "x", "a", 0);
	assert_ptr_equal(next(f, 0), t);
	assert_false(done(f, t, BLAME_POLICY, 0));
	assert_null(next(f, 1000));
	(void)sched_wake(&f->s, 5000);
	drain(f, 5000);
	assert_int_equal(f->s.queued, 0);
}

static void
task_put_back_is_the_next(void **state)
{
	struct fixture *f = *state;
	struct task *t = add(f, "x", "a", 0);

	(void)add(f, "x", "a", 0);
	assert_ptr_equal(next(f, 0), t);
	sched_put_back(&f->s, t, SLICE("a"), 0);
	assert_ptr_equal(next(f, 0), t);
	(void)done(f, t, BLAME_NONE, 0);
	drain(f, 0);
}

static void
removed_task_is_not_sent(void **state)
{
	struct fixture *f = *state;
	struct task *t = add(f, "x", "a", 0);

	sched_remove(&f->s, t);
	free(t);
	assert_null(next(f, 0));
	assert_int_equal(f->s.queued, 0);
}

/* 1, 2, 4 minutes, then doubling from 5 minutes up to 4 hours. */
static void
backoff_grows_with_jitter(void **state)
{
	static const int64_t waits[] = { 60, 120, 240, 300, 600, 1200, 2400,
		4800, 9600, 14400, 14400, 14400 };
	struct fixture *f = *state;

	for (uint32_t n = 0; n < ARRAY_LEN(waits); n++) {
		for (int i = 0; i < 100; i++) {
			int64_t s = sched_backoff_s(&f->s, NULL, n + 1);

			assert_true(s <= waits[n]);
			assert_true(s >= waits[n] - waits[n] / 10 - 1);
		}
	}
	assert_true(sched_backoff_s(&f->s, NULL, UINT32_MAX) <= 14400);
}

static void
destination_being_filled_is_not_forgotten(void **state)
{
	struct fixture *f = *state;
	struct dest *d = sched_dest(&f->s, AGENT_RELAY, SLICE("first.far"));
	struct task t = { .dest = d };
	char name[32];

	d->filling = &t;
	for (int i = 0; i < 5000; i++) {
		(void)snprintf(name, sizeof(name), "d%d.far", i);
		(void)sched_dest(&f->s, AGENT_RELAY, slice_str(name));
	}
	assert_ptr_equal(sched_dest(&f->s, AGENT_RELAY, SLICE("first.far")), d);
	assert_ptr_equal(d->filling, &t);
	d->filling = NULL;
}

static void
dead_destinations_are_not_kept_without_end(void **state)
{
	struct fixture *f = *state;
	char name[32];

	for (int i = 0; i < 30000; i++) {
		(void)snprintf(name, sizeof(name), "d%d.far", i);
		for (int k = 0; k < 6; k++) {
			struct task *t = add(f, name, "a@b", 0);

			assert_ptr_equal(next(f, 0), t);
			if (done(f, t, BLAME_CONNECT, 0))
				break;
		}
	}
	assert_in_range(f->s.dest_count, 4096, 20000);
}

/* Many before one destination, many destinations: neither is in its way. */
static void
fresh_mail_has_turns_of_its_own(void **state)
{
	struct fixture *f = *state;
	char name[16];

	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		(void)add(f, name, "bulk", 0);
		(void)add_as(f, TASK_BULK, name, "bulk", 0);
	}
	drain_rank(f, TASK_FRESH, 100);
	(void)add(f, "50", "bulk", 0);
	(void)add(f, "new", "alice", 0);
	drain_rank(f, TASK_FRESH, 2);
	drain_rank(f, TASK_BULK, 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(senders_take_turns),
		T(destinations_take_turns),
		T(window_opens_with_success_up_to_the_limit),
		T(dead_destination_is_probed_by_one),
		T(dead_destination_does_not_hold_up_another),
		T(dead_destination_is_probed_by_one_whatever_else_ends),
		T(slow_down_is_heeded),
		T(task_put_back_is_the_next),
		T(removed_task_is_not_sent),
		T(backoff_grows_with_jitter),
		T(destination_being_filled_is_not_forgotten),
		T(dead_destinations_are_not_kept_without_end),
		T(fresh_mail_has_turns_of_its_own),
	};

	log_level(LOG_FAIL + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
