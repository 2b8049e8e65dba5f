/* More mails than memory, before a destination that takes none. */
#include "tests/unit/queue/harness.h"

#include "common/base/clock.h"

static void
submit_many(struct harness *h, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		h_submit_ok(h, "a@b", "u@far");
}

static void
crowded_queue_waits_for_room_without_turning(void **state)
{
	struct harness *h = *state;
	unsigned passes = 0;
	int64_t began;

	h_kill(h, PROC_RELAY);
	h->config.queue_memory = 100000; /* less than a chunk */
	submit_many(h, 1000);
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	h_settle(h);
	assert_in_range(h->q->mails.hot, 1, 500);
	began = clock_boot_ms();
	while (clock_boot_ms() - began < 300) {
		h_loop(h);
		passes++;
	}
	assert_in_range(passes, 1, 150);
	h->auto_status = STATUS_DONE;
	h_connect(h, PROC_RELAY);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
parked_mails_are_listed_once(void **state)
{
	struct harness *h = *state;
	const struct dest *d;

	h_kill(h, PROC_RELAY);
	h->config.queue_memory_mails = 80;
	submit_many(h, 100);
	for (int i = 0; i < 20; i++) {
		h_admin(h, ADMIN_QUEUE_FLUSH, "");
		h_settle(h);
	}
	d = sched_dest(&h->q->sched, AGENT_RELAY, SLICE("far"));
	assert_in_range(d->parked_count - d->parked_at, 1, 100);
	h->auto_status = STATUS_DONE;
	h_connect(h, PROC_RELAY);
	H_UNTIL(h, h_mails(h) == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(crowded_queue_waits_for_room_without_turning),
		T(parked_mails_are_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
