/* Expansions, and what happens to their mail before they are written. */
#include "tests/unit/queue/harness.h"
#include "tests/unit/unsent.h"

static unsigned asked; /* of router */

/* mix@here: one who is there and one who is not; later@here: no word yet. */
static void
on_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_route_ask m;

	asked++;
	assert_int_equal(ipc_route_ask_decode(&m, f->payload), 0);
	if (slice_eq(m.recipient, SLICE("later@here")))
		return;
	if (!slice_eq(m.recipient, SLICE("mix@here"))) {
		h_on_route_ask(arg, c, f);
		return;
	}
	h_route(c, f, ROUTE_LOCAL, "a@here", true);
	h_route(c, f, ROUTE_FAIL, "b@here", false);
}

static const struct ipc_handler handlers[] = { { IPC_ROUTE_ASK, on_ask },
	{ 0, NULL } };
static const struct ipc_ops ops = { handlers, h_ours_closed, NULL };

static void
results_of_an_expansion_do_not_go_before_it(void **state)
{
	const struct h_mail m = {
		.from = "a@b", .to = "mix@here later@here", .size = 100
	};
	struct harness *h = *state;
	struct answer_submit a;
	const struct mail *mail;

	ipc_chan_ops(h->ours[PROC_ROUTER], &ops, h);
	a = h_submit(h, &m);
	mail = mails_first(&h->q->mails);
	H_UNTIL(h, mail->hot != NULL && mail->hot->count == 4);
	/* Whatever is written down now must be readable afterwards. */
	h_admin(h, ADMIN_QUEUE_HOLD, a.id);
	assert_int_equal(h->admin_ok, 1);
	H_UNTIL(h, log_idle(&h->q->log)); /* the answer does not wait for it */
	h_crash(h);
	H_UNTIL(h, h->q->mails.held == 1);
	h_admin(h, ADMIN_QUEUE_LIST, a.id);
	assert_null(strstr(h->row, "corrupt"));
	assert_int_equal(h->q->counts.corrupt, 0);
	h_admin(h, ADMIN_QUEUE_RELEASE, a.id);
	assert_int_equal(h->admin_ok, 1);
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpt_count, 2);
}

/* As often as it takes until the moment an answer is kept was not over. */
static void
router_is_not_asked_twice_at_once(void **state)
{
	struct harness *h = *state;
	const struct given *g;
	unsigned times = 0;

	ipc_chan_ops(h->ours[PROC_ROUTER], &ops, h);
	asked = 0;
	while (times < 200 && asked == times) {
		times++;
		h_submit_ok(h, "a@b", "alias@here");
		H_UNTIL(h, h_open(h) == times);
	}
	assert_int_equal(asked, times - 1);
	g = h_last(h, PROC_DELIVER);
	assert_true(slice_eq(g->w->rcpts[0].address, SLICE("a@here")));
	/* Two of one mail, both known: it is planned once. */
	for (asked = 2, times = 0; times < 200 && asked == 2; times++) {
		asked = 0;
		h_submit_ok(h, "a@b", "a@here b@here");
		H_UNTIL(h, h_last(h, PROC_DELIVER)->w->rcpt_count == 2);
		h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	}
	assert_in_range(asked, 0, 1);
}

static void
router_is_asked_again_where_its_answer_may_differ(void **state)
{
	struct harness *h = *state;

	ipc_chan_ops(h->ours[PROC_ROUTER], &ops, h);
	asked = 0;
	for (unsigned i = 1; i < 4; i++) { /* it became others */
		h_submit_ok(h, "a@b", "list@here");
		H_UNTIL(h, asked == i);
	}
	for (unsigned i = 4; i < 7; i++) { /* it failed */
		h_submit_ok(h, "a@b", "none@here");
		H_UNTIL(h, asked == i);
	}
	h_submit_ok(h, "a@b", "c@here");
	H_UNTIL(h, asked == 7);
	queue_reload(h->q, &h->config);
	h_submit_ok(h, "a@b", "c@here");
	H_UNTIL(h, asked == 8);
}

static void
question_without_memory_is_asked_again(void **state)
{
	struct harness *h = *state;

	/* Both, and one of them once more. */
	unsent_set(IPC_ROUTE_ASK, 0, 3);
	h_submit_ok(h, "a@b", "a@here b@here");
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(unsent.times, 0);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpt_count, 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(results_of_an_expansion_do_not_go_before_it),
		T(router_is_not_asked_twice_at_once),
		T(question_without_memory_is_asked_again),
		T(router_is_asked_again_where_its_answer_may_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
