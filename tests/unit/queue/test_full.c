/* A log all of whose segments are in use, or used anew. */
#include "tests/unit/queue/harness.h"

#include "queue/segments.h"
#include "tests/unit/queue/disk.h"

#define LARGE 100000 /* so that few mails fill a segment */

/* Mails nobody takes, until no more are let in. */
static void
fill_up(struct harness *h, size_t size)
{
	const struct h_mail m = { .from = "a@b", .to = "u@far", .size = size };

	for (unsigned refused = 0; refused < 20;) {
		if (h_submit(h, &m).code == 250)
			continue;
		refused++;
		h_loop(h);
	}
}

/* The deferred files cannot be made for a while; then they can again. */
static void
fills_and_recovers(struct harness *h, size_t size)
{
	int good = h->q->deferred_dir;
	uint64_t number;

	h_kill(h, PROC_RELAY);
	h->q->deferred_dir = open("/proc/self/task", O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(h->q->deferred_dir, -1);
	fill_up(h, size);
	number = h->q->log.next_number;
	for (int i = 0; i < 100; i++)
		h_loop(h);
	/* What lives there is not written again and again. */
	assert_in_range(h->q->log.next_number, number, number + 1);
	assert_in_range(h->q->log.seg_count, 1, SEGMENTS_MAX + 1);
	assert_false(h->q->log.broken);
	(void)close(h->q->deferred_dir);
	h->q->deferred_dir = good;
	H_UNTIL(h, h->intake_code == 250);
}

static void
full_of_large_mails_it_waits_for_files(void **state)
{
	fills_and_recovers(*state, LARGE);
}

static void
full_of_smaller_mails_it_waits_for_files(void **state)
{
	fills_and_recovers(*state, 20000);
}

/* Each failed sync costs a segment; what is over keeps the first one. */
static void
bad_segments_are_not_the_end(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "v@far");
	H_UNTIL(h, h_open(h) == 1);
	h->q->log.io = &disk_io;
	for (unsigned i = 0; i < SEGMENTS_MAX + 2; i++) {
		disk.fail_syncs = 1;
		if (i == 0)
			h_answer(h, h_last(h, PROC_RELAY), STATUS_DONE);
		event_active(h->q->log.on_retry, EV_TIMEOUT, 1);
		H_UNTIL(h, disk.fail_syncs == 0 || h_mails(h) == 0);
	}
	disk.fail_syncs = 0;
	H_UNTIL(h, h_mails(h) == 0 && !h->q->log.broken);
}

/*
 * The power goes in the first write to a segment that still counted by the
 * last head: what was over in it does not come back.
 */
static void
torn_head_of_a_segment_used_anew_brings_nothing_back(void **state)
{
	const struct h_mail m = {
		.from = "a@b", .to = "u@here", .size = LARGE
	};
	struct harness *h = *state;
	struct seg *s;

	h->q->log.making_failed = true; /* as many as there may be */
	h->auto_status = STATUS_DONE;
	h_submit_ok(h, "a@b", "over@here");
	s = h->q->log.active;
	H_UNTIL(h, h_mails(h) == 0);
	h->auto_status = 0;
	h_submit_ok(h, "a@b", "v@far");
	H_UNTIL(h, h_open(h) == 1);
	h->auto_status = STATUS_DONE;
	while (h->q->log.active == s)
		assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_mails(h) == 1);
	H_UNTIL(h, TAILQ_FIRST(&h->q->log.free) == s);
	disk.tears = true;
	h->q->log.io = &disk_io;
	while (h->q->log.active != s)
		assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_mails(h) == 1 && log_idle(&h->q->log));
	h_crash(h);
	disk.tears = false;
	assert_int_equal(h->q->counts.corrupt, 0);
	assert_int_equal(h_mails(h), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(full_of_large_mails_it_waits_for_files),
		T(full_of_smaller_mails_it_waits_for_files),
		T(bad_segments_are_not_the_end),
		T(torn_head_of_a_segment_used_anew_brings_nothing_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
