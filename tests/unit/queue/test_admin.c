/* What the administrator asks for. */
#include "tests/unit/queue/harness.h"

#include "tests/unit/queue/disk.h"

static void
held_mail_stays_and_released_mail_goes(void **state)
{
	struct harness *h = *state;
	struct answer_submit a;
	const struct h_mail m = { .from = "a@b", .to = "u@far", .size = 200 };

	h_kill(h, PROC_RELAY);
	a = h_submit(h, &m);
	h_settle(h);
	h_admin(h, ADMIN_QUEUE_HOLD, a.id);
	assert_int_equal(h->admin_ok, 1);
	h_connect(h, PROC_RELAY);
	h_settle(h);
	assert_int_equal(h_open(h), 0);
	h_crash(h);
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	h_settle(h);
	assert_int_equal(h_open(h), 0);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	assert_non_null(strstr(h->row, "\"state\": \"held\""));
	h_admin(h, ADMIN_QUEUE_SHOW, a.id);
	assert_int_equal(h->admin_ok, 1);
	assert_non_null(strstr(h->row, "State: held"));
	assert_non_null(strstr(h->row, "Subject: u@far"));
	h_admin(h, ADMIN_QUEUE_RELEASE, a.id);
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
deleted_mail_is_gone_for_good(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@far", .size = 200 };
	struct harness *h = *state;
	struct answer_submit a = h_submit(h, &m);

	H_UNTIL(h, h_open(h) == 1);
	h_admin(h, ADMIN_QUEUE_DELETE, a.id);
	assert_int_equal(h->admin_ok, 1);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	assert_int_equal(h->rows, 0);
	h_admin(h, ADMIN_QUEUE_SHOW, a.id);
	assert_int_equal(h->admin_ok, 0);
	/* The job that is out ends first. */
	assert_int_equal(h_mails(h), 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	H_UNTIL(h, h_mails(h) == 0);
	h_crash(h);
	assert_int_equal(h_mails(h), 0);
}

static void
flush_tries_now(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@far", .size = 200 };
	struct harness *h = *state;

	h->config.queue_retry_min = 1000;
	h->config.queue_retry_max = 1000;
	assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	h_settle(h);
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	H_UNTIL(h, h_open(h) == 1);
}

static void
unknown_ids_and_verbs_are_said_no_to(void **state)
{
	struct harness *h = *state;

	h_admin(h, ADMIN_QUEUE_SHOW, "no-such-id");
	assert_int_equal(h->admin_ok, 0);
	h_admin(h, ADMIN_QUEUE_SHOW, "");
	assert_int_equal(h->admin_ok, 0);
	h_admin(h, ADMIN_RELOAD, "");
	assert_int_equal(h->admin_ok, 0);
	h_admin(h, 200, "");
	assert_int_equal(h->admin_ok, 0);
}

/* One mail that nobody has taken yet, or each of several. */
static void
change_is_answered_when_it_is_durable(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@far", .size = 200 };
	struct harness *h = *state;
	struct answer_submit a;

	h_kill(h, PROC_RELAY);
	a = h_submit(h, &m);
	assert_int_equal(h_submit(h, &m).code, 250);
	h_settle(h);
	h->q->log.io = &disk_io;
	disk.stalled = true;
	h_ask_admin(h, ADMIN_QUEUE_HOLD, "");
	for (int i = 0; i < 10; i++)
		h_loop(h);
	assert_int_equal(h->admin_ok, -1);
	disk.stalled = false;
	H_UNTIL(h, h->admin_ok != -1);
	assert_int_equal(h->admin_ok, 1);
	assert_int_equal(h->admin_count, 2);
	h_admin(h, ADMIN_QUEUE_DELETE, a.id);
	assert_int_equal(h->admin_ok, 1);
	h_crash(h);
	assert_int_equal(h_mails(h), 1);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	assert_non_null(strstr(h->row, "\"state\": \"held\""));
}

static void
who_asks_and_goes_away_is_forgotten(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@far", .size = 200 };
	struct harness *h = *state;

	h_kill(h, PROC_RELAY);
	assert_int_equal(h_submit(h, &m).code, 250);
	h_settle(h);
	h->q->log.io = &disk_io;
	disk.stalled = true;
	h_ask_admin(h, ADMIN_QUEUE_HOLD, "");
	H_UNTIL(h, !TAILQ_EMPTY(&h->q->admin.changes));
	h_kill(h, PROC_CLI);
	disk.stalled = false;
	H_UNTIL(h, TAILQ_EMPTY(&h->q->admin.changes));
	assert_int_equal(h->admin_ok, -1);
}

static void
change_that_cannot_be_written_is_said_to_be_so(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@far", .size = 200 };
	struct harness *h = *state;
	struct answer_submit a;

	h_kill(h, PROC_RELAY);
	a = h_submit(h, &m);
	h_settle(h);
	h->q->log.io = &disk_io;
	disk.fail_syncs = 1000;
	h_admin(h, ADMIN_QUEUE_HOLD, a.id);
	assert_int_equal(h->admin_ok, 0);
	/* It is written as soon as that can be. */
	disk.fail_syncs = 0;
	H_UNTIL(h, h->intake_code == 250 && log_idle(&h->q->log));
	h_crash(h);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	assert_non_null(strstr(h->row, "\"state\": \"held\""));
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(held_mail_stays_and_released_mail_goes),
		T(deleted_mail_is_gone_for_good),
		T(flush_tries_now),
		T(unknown_ids_and_verbs_are_said_no_to),
		T(change_is_answered_when_it_is_durable),
		T(who_asks_and_goes_away_is_forgotten),
		T(change_that_cannot_be_written_is_said_to_be_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
