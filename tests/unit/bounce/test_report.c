/* Jobs through bounce, with a queue of the test's at the other end. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bounce/dsn.h"
#include "bounce/report.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/unsent.h"

#define SUBMITS_MAX 8

/* What the queue's side has seen. */
struct submission {
	uint32_t request;
	char token[DSN_TOKEN_LEN];
	char recipient[128];
	size_t length;
	size_t got;
	size_t frames;
};

static struct {
	struct event_base *base;
	struct ipc_chan *ours;  /* bounce's end */
	struct ipc_chan *queue; /* the other */
	struct reports *reports;
	struct submission submits[SUBMITS_MAX];
	size_t submit_count;
	struct ipc_result results[SUBMITS_MAX];
	size_t result_count;
	unsigned credits;
	unsigned quiet;
	bool down; /* bounce's end has ended */
} world;

static void
on_submit(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct submission *s = &world.submits[world.submit_count];
	struct ipc_submit m;
	struct ipc_rcpt r;
	struct wire_in w;

	(void)arg;
	(void)c;
	assert_true(world.submit_count++ < SUBMITS_MAX);
	assert_int_equal(ipc_submit_decode(&m, f->payload), 0);
	assert_int_equal(m.source, SOURCE_BOUNCE);
	assert_int_equal(m.sender.len, 0);
	assert_int_equal(m.token.len, DSN_TOKEN_LEN);
	assert_int_equal(m.sha256.len, 32);
	w = wire_in(m.recipients);
	assert_int_equal(ipc_rcpt_get(&r, &w), 0);
	assert_int_equal(w.rest.len, 0);
	assert_int_equal(r.notify, IPC_NOTIFY_NEVER);
	s->request = f->request;
	memcpy(s->token, m.token.p, DSN_TOKEN_LEN);
	assert_int_equal(
	    slice_copy(s->recipient, sizeof(s->recipient), r.address), 0);
	s->length = m.length;
	s->got = m.content.len;
	s->frames = 1;
	assert_int_equal((f->flags & IPC_MORE) != 0, s->got < s->length);
}

static void
on_more(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct submission *s = &world.submits[world.submit_count - 1];
	struct ipc_submit_more m;

	(void)arg;
	(void)c;
	assert_int_equal(ipc_submit_more_decode(&m, f->payload), 0);
	assert_int_equal(f->request, s->request);
	s->got += m.content.len;
	s->frames++;
	assert_int_equal((f->flags & IPC_MORE) != 0, s->got < s->length);
}

static void
on_result(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	(void)arg;
	(void)c;
	assert_true(world.result_count < SUBMITS_MAX);
	assert_int_equal(
	    ipc_result_decode(&world.results[world.result_count++], f->payload),
	    0);
}

static void
on_credit(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	(void)arg;
	(void)c;
	(void)f;
	world.credits++;
}

static const struct ipc_handler queue_handlers[] = {
	{ IPC_SUBMIT, on_submit },
	{ IPC_SUBMIT_MORE, on_more },
	{ IPC_RESULT, on_result },
	{ IPC_CREDIT, on_credit },
	{ 0, NULL },
};
static const struct ipc_ops queue_ops = { .handlers = queue_handlers };

/* As main.c does it. */
static void
on_down(void *arg, struct ipc_chan *c)
{
	(void)arg;
	(void)c;
	world.down = true;
	reports_forget(world.reports);
}

static const struct ipc_ops our_ops = { .closed = on_down };

static int
setup(void **state)
{
	int pair[2];

	(void)state;
	memset(&world, 0, sizeof(world));
	log_level(LOG_FAIL);
	world.base = event_base_new();
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	world.ours =
	    ipc_chan_new(world.base, pair[0], PROC_BOUNCE, PROC_QUEUE, 0);
	world.queue =
	    ipc_chan_new(world.base, pair[1], PROC_QUEUE, PROC_BOUNCE, 0);
	ipc_chan_ops(world.ours, &our_ops, NULL);
	ipc_chan_ops(world.queue, &queue_ops, NULL);
	world.reports = reports_new("mail.example.test");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	reports_forget(world.reports);
	free(world.reports);
	if (!world.down) {
		ipc_chan_close(world.ours);
		ipc_chan_close(world.queue);
	}
	event_base_free(world.base);
	return 0;
}

/* Let everything that is under way arrive. */
static void
settle(void)
{
	for (int i = 0; i < 50; i++)
		(void)event_base_loop(world.base, EVLOOP_NONBLOCK);
}

static struct work *
job(uint64_t number, uint8_t kind, const char *sender, const char *content)
{
	struct work *w = xcalloc(1, sizeof(*w));

	w->fd = -1;
	w->c = world.ours;
	w->rcpts = xcalloc(1, sizeof(*w->rcpts));
	w->rcpt_count = 1;
	w->rcpts[0] = (struct ipc_work_rcpt){ .number = 3,
		.address = SLICE("bob@remote.test"),
		.enhanced = SLICE("5.1.1"),
		.text = SLICE("550 no") };
	w->m = (struct ipc_work){ .job = number,
		.kind = kind,
		.id = SLICE("QID"),
		.sender = slice_str(sender) };
	w->content = slice_str(content);
	return w;
}

static void
intake(uint16_t code, uint64_t window)
{
	const struct ipc_intake_state m = { .code = code, .window = window };

	reports_state(world.reports, &m);
}

static void
answer(size_t nth, uint16_t code)
{
	const struct ipc_submitted m = {
		.code = code, .id = SLICE("QID2"), .text = SLICE("words")
	};

	assert_int_equal(ipc_send_msg(world.queue, submitted, IPC_REPLY,
			     world.submits[nth].request, &m),
	    0);
	settle();
}

static void
job_is_done_only_when_queue_has_its_report(void **state)
{
	(void)state;
	intake(250, 1 << 20);
	reports_add(
	    world.reports, job(7, WORK_BOUNCE_FAILURE, "pip@example.test",
			       "a: b\r\n\r\nx\r\n"));
	settle();
	assert_int_equal(world.submit_count, 1);
	assert_string_equal(world.submits[0].recipient, "pip@example.test");
	assert_int_equal(world.submits[0].got, world.submits[0].length);
	assert_int_equal(world.result_count, 0);
	answer(0, 250);
	assert_int_equal(world.result_count, 1);
	assert_int_equal(world.results[0].job, 7);
	assert_int_equal(world.results[0].number, 3);
	assert_int_equal(world.results[0].status, STATUS_DONE);
	assert_int_equal(world.credits, 1);
	assert_int_equal(reports_counts(world.reports).open, 0);
}

static void
refused_report_is_put_off_or_given_up(void **state)
{
	(void)state;
	intake(250, 1 << 20);
	reports_add(world.reports,
	    job(1, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	reports_add(world.reports,
	    job(2, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	settle();
	answer(0, 452);
	answer(1, 552);
	assert_int_equal(world.results[0].status, STATUS_DEFERRED);
	assert_int_equal(world.results[1].status, STATUS_FAILED);
	assert_int_equal(world.credits, 2);
}

static void
nothing_is_submitted_while_queue_is_closed(void **state)
{
	(void)state;
	reports_add(world.reports,
	    job(1, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	settle();
	assert_int_equal(world.submit_count, 0);
	intake(452, 1 << 20);
	settle();
	assert_int_equal(world.submit_count, 0);
	intake(250, 1 << 20);
	settle();
	assert_int_equal(world.submit_count, 1);
}

static void
window_lets_one_through_at_a_time(void **state)
{
	(void)state;
	intake(250, 10);
	reports_add(world.reports,
	    job(1, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	reports_add(world.reports,
	    job(2, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	settle();
	assert_int_equal(world.submit_count, 1);
	answer(0, 250);
	assert_int_equal(world.submit_count, 2);
}

/* A job whose report needs a second frame. */
static struct work *
long_job(uint64_t number)
{
	static char text[90001];

	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "a: b\r\n\r\n", 8);
	return job(number, WORK_BOUNCE_FAILURE, "pip@example.test", text);
}

static void
long_report_goes_in_frames(void **state)
{
	(void)state;
	intake(250, 1 << 20);
	reports_add(world.reports, long_job(1));
	settle();
	assert_int_equal(world.submits[0].frames, 2);
	assert_int_equal(world.submits[0].got, world.submits[0].length);
}

static void
submit_that_cannot_be_ended_ends_the_channel(void **state)
{
	(void)state;
	intake(250, 1 << 20);
	reports_add(world.reports,
	    job(1, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	settle();
	unsent_set(IPC_SUBMIT_MORE, 0, 1);
	reports_add(world.reports, long_job(2));
	settle();
	assert_true(world.down);
	/* Queue gives all of them again. */
	assert_int_equal(reports_counts(world.reports).open, 0);
	assert_int_equal(reports_counts(world.reports).sent, 0);
	assert_int_equal(world.result_count, 0);
}

static void
job_that_comes_again_has_the_same_token(void **state)
{
	(void)state;
	intake(250, 1 << 20);
	reports_add(world.reports,
	    job(1, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	settle();
	reports_forget(world.reports);
	intake(250, 1 << 20);
	reports_add(world.reports,
	    job(9, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	settle();
	assert_int_equal(world.submit_count, 2);
	assert_memory_equal(
	    world.submits[0].token, world.submits[1].token, DSN_TOKEN_LEN);
}

static void
nobody_is_not_answered(void **state)
{
	struct work *never;

	(void)state;
	intake(250, 1 << 20);
	reports_add(world.reports, job(1, WORK_BOUNCE_DELAY, "", "\r\n"));
	never = job(2, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n");
	never->rcpts[0].notify = IPC_NOTIFY_NEVER;
	reports_add(world.reports, never);
	settle();
	assert_int_equal(world.submit_count, 0);
	assert_int_equal(world.result_count, 2);
	assert_int_equal(world.results[0].status, STATUS_DONE);
	/* But of a failure of nobody's mail the postmaster may hear. */
	reports_add(world.reports, job(3, WORK_BOUNCE_FAILURE, "", "\r\n"));
	settle();
	assert_int_equal(world.submit_count, 1);
	assert_string_equal(world.submits[0].recipient, "postmaster");
}

static void
on_quiet(void *arg)
{
	(void)arg;
	world.quiet++;
}

static void
stop_waits_for_what_queue_has(void **state)
{
	(void)state;
	intake(250, 10);
	reports_add(world.reports,
	    job(1, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	reports_add(world.reports,
	    job(2, WORK_BOUNCE_FAILURE, "pip@example.test", "\r\n"));
	settle();
	reports_when_quiet(world.reports, on_quiet, NULL);
	assert_int_equal(world.quiet, 0);
	answer(0, 250);
	assert_int_equal(world.quiet, 1);
	assert_int_equal(world.submit_count, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(job_is_done_only_when_queue_has_its_report),
		TEST(refused_report_is_put_off_or_given_up),
		TEST(nothing_is_submitted_while_queue_is_closed),
		TEST(window_lets_one_through_at_a_time),
		TEST(long_report_goes_in_frames),
		TEST(submit_that_cannot_be_ended_ends_the_channel),
		TEST(job_that_comes_again_has_the_same_token),
		TEST(nobody_is_not_answered),
		TEST(stop_waits_for_what_queue_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
