/* Emptying a segment while its mails go on living. */
#include "tests/unit/queue/harness.h"

#include "queue/old.h"

/* No file of this mail can be made. */
static void
block_file(struct harness *h, const struct mail *m)
{
	char name[OLD_NAME];

	old_name(m->id, ".new", name);
	assert_int_equal(mkdirat(h->q->deferred_dir, name, 0700), 0);
}

static void
fold(struct harness *h, struct seg *s)
{
	H_UNTIL(h, h->q->fold.phase == FOLD_IDLE);
	s->folding = true;
	fold_segment(h->q, s);
}

/* A mail that waits, in a file. */
static struct mail *
mail_in_file(struct harness *h)
{
	struct mail *m;

	h->config.queue_retry_min = 100;
	h->config.queue_retry_max = 100;
	h_submit_ok(h, "a@b", "u@far");
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	h_settle(h);
	m = mails_first(&h->q->mails);
	fold(h, m->seg);
	H_UNTIL(h, (m->flags & MAIL_IN_FILE) != 0);
	return m;
}

static void
mail_of_a_file_counts_as_it_came_though_its_base_moves(void **state)
{
	struct harness *h = *state;
	struct mail *m;
	struct seg *s;

	(void)mail_in_file(h);
	h_crash(h);
	m = mails_first(&h->q->mails);
	assert_int_equal(h->q->mails.hot_bytes, 0);
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	H_UNTIL(h, h_open(h) == 1);
	assert_in_range(h->q->mails.hot_bytes, 200, 1000);
	s = m->seg; /* the log has records of it still */
	block_file(h, m);
	fold(h, s);
	H_UNTIL(h, h->q->fold.phase == FOLD_IDLE && m->seg != s);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	assert_int_equal(h->q->mails.hot_bytes, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(mail_of_a_file_counts_as_it_came_though_its_base_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
