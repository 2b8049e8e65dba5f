#include "queue/limits.h"

#include "common/base/log.h"
#include "tests/unit/queue/sched_fixture.h"

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Send all that may be sent now; how many. */
static int
send_all(struct fixture *f, struct task **out, int64_t now)
{
	int n = 0;

	while ((out[n] = next(f, now)) != NULL)
		n++;
	return n;
}

static void
done_all(struct fixture *f, struct task **out, int n, int64_t now)
{
	for (int i = 0; i < n; i++)
		(void)done(f, out[i], BLAME_NONE, now);
}

static int
window_most(struct fixture *f, const char *to)
{
	const struct dest *d = sched_dest(&f->s, AGENT_RELAY, slice_str(to));

	return (int)d->limits->window_max;
}

static void
same_servers_share_limits(void **state)
{
	struct fixture *f = *state;
	int64_t until;

	(void)sched_dest(&f->s, AGENT_RELAY, SLICE("x"));
	(void)sched_dest(&f->s, AGENT_RELAY, SLICE("y"));
	(void)sched_dest(&f->s, AGENT_RELAY, SLICE("z"));
	sched_group(&f->s, SLICE("x"), SLICE("mx"), 0);
	sched_group(&f->s, SLICE("y"), SLICE("mx"), 0);
	(void)kill_it(f, "x", 0);
	assert_true(
	    dest_dead(sched_dest(&f->s, AGENT_RELAY, SLICE("y")), 0, &until));
	assert_false(
	    dest_dead(sched_dest(&f->s, AGENT_RELAY, SLICE("z")), 0, &until));
	/* Its servers are others now. */
	sched_group(&f->s, SLICE("y"), SLICE("other"), 0);
	assert_false(
	    dest_dead(sched_dest(&f->s, AGENT_RELAY, SLICE("y")), 0, &until));
}

static void
window_of_a_group_counts_all_of_it(void **state)
{
	struct fixture *f = *state;
	struct task *out[20];
	int n;

	for (int i = 0; i < 10; i++) {
		(void)add(f, "x", "a", 0);
		(void)add(f, "y", "a", 0);
	}
	sched_group(&f->s, SLICE("x"), SLICE("mx"), 0);
	sched_group(&f->s, SLICE("y"), SLICE("mx"), 0);
	n = send_all(f, out, 0);
	assert_int_equal(n, 5);
	done_all(f, out, n, 0);
	drain(f, 0);
	assert_int_equal(f->s.queued, 0);
}

/* x and y, with the same servers. */
static void
make_group(struct fixture *f)
{
	(void)sched_dest(&f->s, AGENT_RELAY, SLICE("x"));
	(void)sched_dest(&f->s, AGENT_RELAY, SLICE("y"));
	sched_group(&f->s, SLICE("x"), SLICE("mx"), 0);
	sched_group(&f->s, SLICE("y"), SLICE("mx"), 0);
}

/* Its relay looked up the servers, and they are others now. */
static void
group_is_probed_by_another_where_the_probe_leaves(void **state)
{
	struct fixture *f = *state;
	struct task *probe;
	struct task *t;
	int64_t until;

	make_group(f);
	until = kill_it(f, "x", 0);
	probe = add(f, "x", "a", until);
	assert_ptr_equal(next(f, until), probe);
	t = add(f, "y", "a", until);
	assert_null(next(f, until));
	sched_group(&f->s, SLICE("x"), SLICE("other"), until);
	assert_ptr_equal(next(f, until), t);
	/* That of x ends, and says nothing of that of y. */
	(void)done(f, probe, BLAME_NONE, until);
	(void)add(f, "y", "a", until);
	assert_null(next(f, until));
	(void)done(f, t, BLAME_NONE, until);
	drain(f, until);
	assert_int_equal(f->s.queued, 0);
}

static void
window_of_a_group_opens_where_a_member_leaves(void **state)
{
	struct fixture *f = *state;
	struct task *out[20];
	struct task *t;
	int n;

	make_group(f);
	for (int i = 0; i < 5; i++)
		(void)add(f, "x", "a", 0);
	n = send_all(f, out, 0);
	assert_int_equal(n, 5);
	t = add(f, "y", "a", 0);
	assert_null(next(f, 0));
	sched_group(&f->s, SLICE("x"), SLICE("other"), 0);
	assert_ptr_equal(next(f, 0), t);
	(void)done(f, t, BLAME_NONE, 0);
	done_all(f, out, n, 0);
}

static void
rate_spaces_tasks(void **state)
{
	struct fixture *f = *state;
	struct config_destination slow = { .name = (char[]){ "slow" },
		.rate_per_min = 60 };
	struct task *t;

	f->config.destinations = &slow;
	f->config.destination_count = 1;
	(void)add(f, "slow", "a", 0);
	(void)add(f, "slow", "a", 0);
	t = next(f, 0);
	assert_non_null(t);
	(void)done(f, t, BLAME_NONE, 10);
	assert_null(next(f, 10));
	assert_int_equal(sched_wake(&f->s, 10), 1000);
	(void)sched_wake(&f->s, 1000);
	t = next(f, 1000);
	assert_non_null(t);
	(void)done(f, t, BLAME_NONE, 1000);
}

/* Of those that have some; the default is for a group where none has. */
static void
group_has_the_strictest_limits_of_its_members(void **state)
{
	struct fixture *f = *state;
	struct config_destination own[] = {
		{ .name = (char[]){ "x" }, .concurrency = 50 },
		{ .name = (char[]){ "y" }, .concurrency = 2 },
	};
	struct task *out[20];
	int n;

	f->config.destinations = own;
	f->config.destination_count = 2;
	make_group(f);
	(void)sched_dest(&f->s, AGENT_RELAY, SLICE("z"));
	sched_group(&f->s, SLICE("z"), SLICE("mx"), 0);
	for (int i = 0; i < 5; i++) {
		(void)add(f, "x", "a", 0);
		(void)add(f, "y", "a", 0);
	}
	n = send_all(f, out, 0);
	assert_int_equal(n, 2);
	done_all(f, out, n, 0);
	/* Those of x, and of nobody else, once y has left. */
	sched_group(&f->s, SLICE("y"), SLICE("other"), 0);
	assert_int_equal(window_most(f, "x"), 50);
	sched_group(&f->s, SLICE("y"), SLICE("mx"), 0);
	own[1].concurrency = 3;
	sched_reload(&f->s, &f->config);
	assert_int_equal(window_most(f, "x"), 3);
	f->config.destination_count = 0;
	sched_reload(&f->s, &f->config);
	assert_int_equal(window_most(f, "x"), 20);
	drain(f, 0);
	assert_int_equal(f->s.queued, 0);
}

static void
rate_holds_where_its_destination_joins_a_group(void **state)
{
	struct fixture *f = *state;
	struct config_destination slow = { .name = (char[]){ "y" },
		.rate_per_min = 60 };
	struct task *out[20];

	f->config.destinations = &slow;
	f->config.destination_count = 1;
	(void)sched_dest(&f->s, AGENT_RELAY, SLICE("x"));
	sched_group(&f->s, SLICE("x"), SLICE("mx"), 0);
	for (int i = 0; i < 3; i++)
		(void)add(f, "y", "a", 0);
	assert_int_equal(send_all(f, out, 0), 1);
	/* With what it was sent last. */
	sched_group(&f->s, SLICE("y"), SLICE("mx"), 0);
	done_all(f, out, 1, 0);
	for (int64_t now = 0; now <= 1000; now += 1000) {
		assert_int_equal(send_all(f, out, now + 999), 0);
		(void)sched_wake(&f->s, now + 1000);
		assert_int_equal(send_all(f, out, now + 1000), 1);
		done_all(f, out, 1, now + 1000);
	}
	assert_int_equal(f->s.queued, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(same_servers_share_limits),
		T(window_of_a_group_counts_all_of_it),
		T(group_is_probed_by_another_where_the_probe_leaves),
		T(window_of_a_group_opens_where_a_member_leaves),
		T(rate_spaces_tasks),
		T(group_has_the_strictest_limits_of_its_members),
		T(rate_holds_where_its_destination_joins_a_group),
	};

	log_level(LOG_FAIL + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
