/* More mails than memory, or more recipients than anybody takes at once. */
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
	assert_in_range(parked_count(&d->parked), 1, 100);
	h->auto_status = STATUS_DONE;
	h_connect(h, PROC_RELAY);
	H_UNTIL(h, h_mails(h) == 0);
}

/* Not one of them waits for longer than there is no room. */
static void
parked_mails_that_were_tried_go_when_there_is_room(void **state)
{
	struct harness *h = *state;
	const struct dest *d;

	h->config.queue_retry_min = 100;
	h->config.queue_retry_max = 100;
	h->auto_status = STATUS_DEFERRED;
	submit_many(h, 50);
	H_UNTIL(h, h->q->counts.deferrals == 50);
	h_kill(h, PROC_RELAY);
	h->config.queue_memory_mails = 80;
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	d = sched_dest(&h->q->sched, AGENT_RELAY, SLICE("far"));
	H_UNTIL(h, d->queued + parked_count(&d->parked) == 50);
	assert_in_range(parked_count(&d->parked), 1, 49);
	h->auto_status = STATUS_DONE;
	h_connect(h, PROC_RELAY);
	H_UNTIL(h, h_mails(h) == 0);
}

/* -- a mail for very many, and a new one behind it ----------------------- */

#define MANY 2000

static struct {
	uint32_t requests[MANY]; /* to router, not answered */
	unsigned held;
	unsigned asked;
	unsigned fresh; /* the question about it was the so-manyth */
} router;

static void
on_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ipc_route_ask m;

	router.asked++;
	assert_int_equal(ipc_route_ask_decode(&m, f->payload), 0);
	if (slice_eq(m.recipient, SLICE("fresh@here")))
		router.fresh = router.asked;
	if (router.fresh != 0)
		h_on_route_ask(arg, c, f);
	else
		router.requests[router.held++] = f->request;
}

static const struct ipc_handler handlers[] = { { IPC_ROUTE_ASK, on_ask },
	{ 0, NULL } };
static const struct ipc_ops ops = { handlers, h_ours_closed, NULL };

/* u0@0.far u1@1.far ..., each to a destination of its own. */
static void
submit_to_many(struct harness *h)
{
	static char to[MANY * 16];
	const struct h_mail m = { .from = "a@b", .to = to, .size = 100 };
	size_t n = 0;

	for (int i = 0; i < MANY; i++)
		n += (size_t)snprintf(
		    to + n, sizeof(to) - n, "%su@%d.far", i == 0 ? "" : " ", i);
	assert_int_equal(h_submit(h, &m).code, 250);
}

static void
answer_held(struct harness *h)
{
	struct ipc_frame f = { .type = IPC_ROUTE_ASK };

	while (router.held > 0) {
		f.request = router.requests[--router.held];
		h_route(h->ours[PROC_ROUTER], &f, ROUTE_DISCARD, "", false);
	}
}

static void
router_is_asked_about_a_new_mail_first(void **state)
{
	struct harness *h = *state;
	unsigned before;

	memset(&router, 0, sizeof(router));
	ipc_chan_ops(h->ours[PROC_ROUTER], &ops, h);
	submit_to_many(h);
	h_settle(h);
	before = router.asked;
	assert_in_range(before, 1, 300); /* the others wait here */
	h_submit_ok(h, "c@d", "fresh@here");
	answer_held(h);
	H_UNTIL(h, router.fresh != 0);
	assert_in_range(router.fresh, before + 1, before + 50);
	answer_held(h);
	H_UNTIL(h, router.asked == MANY + 1);
	H_UNTIL(h, h_last(h, PROC_DELIVER) != NULL);
}

/* clang-format off */
void note_for_real(struct queue *q, struct mail *m)
    __asm__("__real_note_results");
void note_counted(struct queue *q, struct mail *m)
    __asm__("__wrap_note_results");
/* clang-format on */

static unsigned settled;

void
note_counted(struct queue *q, struct mail *m)
{
	settled++;
	note_for_real(q, m);
}

/* Nobody answers there. */
static void
fail_to_connect(struct harness *h, struct given *g)
{
	for (size_t i = 0; i < g->w->rcpt_count; i++) {
		const struct ipc_result m = { .job = g->w->m.job,
			.number = g->w->rcpts[i].number,
			.status = STATUS_DEFERRED,
			.blame = BLAME_CONNECT,
			.code = 451 };

		assert_int_equal(
		    ipc_send_msg(h->ours[PROC_RELAY], result, 0, 0, &m), 0);
	}
	work_free(g->w);
	g->w = NULL;
}

/* All its recipients are looked at for it: once, not once for each task. */
static void
mail_for_many_is_put_off_in_one_go(void **state)
{
	static char to[MANY * 16];
	const struct h_mail m = { .from = "a@b", .to = to, .size = 100 };
	struct harness *h = *state;
	const struct dest *d;
	unsigned given;
	size_t n = 0;

	for (int i = 0; i < MANY; i++)
		n += (size_t)snprintf(
		    to + n, sizeof(to) - n, "%su%d@far", i == 0 ? "" : " ", i);
	h->config.queue_retry_min = 100;
	h->config.queue_retry_max = 100;
	assert_int_equal(h_submit(h, &m).code, 250);
	d = sched_dest(&h->q->sched, AGENT_RELAY, SLICE("far"));
	H_UNTIL(h, h->given_count > 0);
	h_settle(h);
	given = h->given_count;
	assert_int_equal(d->queued + given, MANY / 100);
	assert_true(d->queued > 10);
	settled = 0;
	for (unsigned i = 0; i < given; i++)
		fail_to_connect(h, &h->given[i]);
	H_UNTIL(h, h_open(h) == 0 && d->sent == 0);
	assert_true(d->limits->dead);
	assert_int_equal(d->queued, 0);
	assert_in_range(settled, 1, given + 1);
}

static void
agents_keep_room_for_a_new_mail(void **state)
{
	struct harness *h = *state;
	const unsigned given = 750; /* of a thousand credits */

	submit_to_many(h);
	H_UNTIL(h, h->given_count >= given);
	h_settle(h);
	assert_int_equal(h->given_count, given);
	h_submit_ok(h, "a@b", "u@new");
	H_UNTIL(h, h->given_count == given + 1);
	assert_true(
	    slice_eq(h_last(h, PROC_RELAY)->w->m.next_hop, SLICE("new")));
	h->auto_status = STATUS_DONE;
	for (unsigned i = 0; i <= given; i++)
		h_answer(h, &h->given[i], STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(crowded_queue_waits_for_room_without_turning),
		T(parked_mails_are_listed_once),
		T(parked_mails_that_were_tried_go_when_there_is_room),
		T(router_is_asked_about_a_new_mail_first),
		T(mail_for_many_is_put_off_in_one_go),
		T(agents_keep_room_for_a_new_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
