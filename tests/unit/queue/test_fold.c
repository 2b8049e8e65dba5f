/* Emptying a segment while its mails go on living. */
#include "tests/unit/queue/harness.h"

#include <stdatomic.h>

#include "queue/old.h"

/* No file of this mail can be made, or get its name. */
static void
block_file(struct harness *h, const struct mail *m, const char *suffix)
{
	char name[OLD_NAME];

	old_name(m->id, suffix, name);
	assert_int_equal(mkdirat(h->q->deferred_dir, name, 0700), 0);
}

static void
fold(struct harness *h, struct seg *s)
{
	H_UNTIL(h, h->q->fold.phase == FOLD_IDLE);
	s->folding = true;
	fold_segment(h->q, s);
}

/* One that was put off. */
static struct mail *
mail_that_waits(struct harness *h)
{
	h->config.queue_retry_min = 100;
	h->config.queue_retry_max = 100;
	h_submit_ok(h, "a@b", "u@far");
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	h_settle(h);
	return mails_first(&h->q->mails);
}

/* One that waits, in a file. */
static struct mail *
mail_in_file(struct harness *h)
{
	struct mail *m = mail_that_waits(h);

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
	block_file(h, m, ".new");
	fold(h, s);
	H_UNTIL(h, h->q->fold.phase == FOLD_IDLE && m->seg != s);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	assert_int_equal(h->q->mails.hot_bytes, 0);
}

/* A deleted mail ends with its jobs, wherever a fold finds it until then. */
static void
deleted_mail_is_not_folded(struct harness *h, bool to_log)
{
	char id[QID_TEXT];
	struct mail *m;
	struct seg *s;

	h_submit_ok(h, "a@b", "u@far");
	H_UNTIL(h, h_open(h) == 1);
	m = mails_first(&h->q->mails);
	s = m->seg;
	qid_text(m->id, id);
	h_admin(h, ADMIN_QUEUE_DELETE, id);
	assert_int_equal(h->admin_ok, 1);
	assert_int_equal(h_mails(h), 1);
	if (to_log)
		block_file(h, m, ".new");
	fold(h, s);
	H_UNTIL(h, h->q->fold.phase == FOLD_IDLE);
	h_settle(h);
	assert_ptr_equal(m->seg, s);
	h_crash(h);
	assert_int_equal(h_mails(h), 0);
}

static void
deleted_mail_does_not_move_behind_its_end(void **state)
{
	deleted_mail_is_not_folded(*state, true);
}

static void
deleted_mail_keeps_the_record_of_that(void **state)
{
	deleted_mail_is_not_folded(*state, false);
}

/* Keeps the slow thread until it is let go. */
struct blocker {
	struct worker_job job; /* first member */
	atomic_bool go;
};

static void
block_run(struct worker_job *j)
{
	struct blocker *b = (struct blocker *)j;

	for (int ms = 0; !b->go && ms < H_PATIENCE_MS; ms++)
		usleep(1000);
}

static void
block_done(struct worker_job *j)
{
	(void)j;
}

static void
block(struct harness *h, struct blocker *b)
{
	*b =
	    (struct blocker){ .job = { .run = block_run, .done = block_done } };
	worker_add(h->q->slow, &b->job);
}

/* A mail that is under way, in a segment that is not written to. */
static struct mail *
mail_under_way(struct harness *h)
{
	struct mail *m;

	(void)mail_that_waits(h);
	h_crash(h);
	m = mails_first(&h->q->mails);
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	H_UNTIL(h, h_open(h) == 1 && !h->q->log.making);
	assert_ptr_equal(m->seg, TAILQ_FIRST(&h->q->log.segs));
	assert_ptr_not_equal(m->seg, h->q->log.active);
	return m;
}

static void
segment_stays_until_its_fold_is_over(void **state)
{
	static struct blocker sync;
	static struct blocker names;
	struct harness *h = *state;
	struct mail *m = mail_under_way(h);
	struct seg *s = m->seg;

	block(h, &sync);
	fold(h, s);
	H_UNTIL(h, h->q->fold.phase == FOLD_SYNC);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	block(h, &names); /* behind all that frees the segment */
	sync.go = true;
	H_UNTIL(
	    h, h->q->fold.phase == FOLD_SYNC_NAMES && !h->q->removals.syncing);
	assert_ptr_equal(TAILQ_FIRST(&h->q->log.segs), s);
	names.go = true;
	H_UNTIL(h, TAILQ_FIRST(&h->q->log.segs) != s);
	assert_int_equal(h->q->fold.phase, FOLD_IDLE);
}

/* The first has its file, the second gets none: all go to the log. */
static void
removals_of_a_fold_given_up_are_durable_first(void **state)
{
	struct harness *h = *state;
	const struct mail *m;
	struct seg *s;

	h_kill(h, PROC_RELAY);
	h_submit_ok(h, "a@b", "u@far");
	h_submit_ok(h, "a@b", "v@far");
	h_crash(h);
	m = mails_first(&h->q->mails);
	s = m->seg;
	H_UNTIL(h, !h->q->log.making);
	block_file(h, TAILQ_NEXT(m, order), "");
	fold(h, s);
	H_UNTIL(h, h->q->fold.to_log);
	assert_int_equal(h_files_in(h, "deferred"), 0);
	H_UNTIL(h, TAILQ_FIRST(&h->q->log.segs) != s);
	assert_int_not_equal(h->q->removals.synced, 0);
	assert_int_equal(h_mails(h), 2);
}

/* The fold wrote the mail before its list was expanded, the log after. */
static void
expansion_during_a_fold_stays_known(void **state)
{
	static struct blocker sync;
	struct harness *h = *state;
	struct mail *m;

	h_kill(h, PROC_ROUTER);
	h_submit_ok(h, "a@b", "pair@here late@here");
	m = mails_first(&h->q->mails);
	H_UNTIL(h, !h->q->log.making);
	block(h, &sync);
	fold(h, m->seg);
	H_UNTIL(h, h->q->fold.phase == FOLD_SYNC);
	h_connect(h, PROC_ROUTER);
	H_UNTIL(h, m->hot->unwritten);
	sync.go = true;
	H_UNTIL(h, h->q->fold.phase == FOLD_IDLE);
	h->is_late = true;
	h_kill(h, PROC_ROUTER); /* who is not answered is asked about again */
	h_connect(h, PROC_ROUTER);
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpt_count, 3);
	h_kill(h, PROC_DELIVER);
	H_UNTIL(h, m->hot == NULL);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	assert_non_null(strstr(h->row, "late@here a@here b@here"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(mail_of_a_file_counts_as_it_came_though_its_base_moves),
		T(deleted_mail_does_not_move_behind_its_end),
		T(deleted_mail_keeps_the_record_of_that),
		T(segment_stays_until_its_fold_is_over),
		T(removals_of_a_fold_given_up_are_durable_first),
		T(expansion_during_a_fold_stays_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
