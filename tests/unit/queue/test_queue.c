/* The queue as a whole: the ways of mails through it. */
#include "tests/unit/queue/harness.h"

static void
local_mail_is_delivered_once_and_gone(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@here", .size = 3000 };
	struct harness *h = *state;
	struct answer_submit a = h_submit(h, &m);
	char *content = h_content(&m);
	struct given *g;

	assert_int_equal(a.code, 250);
	H_UNTIL(h, h_open(h) == 1);
	g = h_last(h, PROC_DELIVER);
	assert_string_equal(g->id, a.id);
	assert_int_equal(g->w->m.kind, WORK_LOCAL);
	assert_int_equal(g->w->m.flags & IPC_WORK_RETRY, 0);
	assert_true(slice_eq(g->w->content, slice_of(content, m.size)));
	assert_true(slice_eq(g->w->m.sender, SLICE("a@b")));
	assert_true(slice_eq(g->w->rcpts[0].home, SLICE("u@here")));
	assert_int_equal(h_mails(h), 1);
	h_answer(h, g, STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	h_settle(h);
	assert_int_equal(h->given_count, 1);
	free(content);
}

static void
content_of_several_frames_arrives_whole(void **state)
{
	const struct h_mail m = {
		.from = "a@b", .to = "u@here", .size = 250000, .fill = 'q'
	};
	struct harness *h = *state;
	char *content = h_content(&m);

	assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_open(h) == 1);
	assert_true(slice_eq(
	    h_last(h, PROC_DELIVER)->w->content, slice_of(content, m.size)));
	free(content);
}

static void
many_recipients_go_in_jobs_of_a_hundred(void **state)
{
	struct harness *h = *state;
	struct buf to = BUF_INIT(100000);
	size_t seen = 0;

	for (int i = 0; i < 250; i++)
		assert_int_equal(
		    buf_printf(&to, "%su%d@far", i == 0 ? "" : " ", i), 0);
	h_submit_ok(h, "a@b", buf_str(&to));
	H_UNTIL(h, h_open(h) == 3);
	for (unsigned i = 0; i < h->given_count; i++) {
		assert_true(h->given[i].w->rcpt_count <= 100);
		seen += h->given[i].w->rcpt_count;
		assert_true(slice_eq(h->given[i].w->m.next_hop, SLICE("far")));
	}
	assert_int_equal(seen, 250);
	for (unsigned i = 0; i < 3; i++)
		h_answer(h, &h->given[i], STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	buf_free(&to);
}

static void
list_expands_without_duplicates_and_numbers_stay(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "list@here b@here alias@here");
	H_UNTIL(h, h_open(h) == 2);
	/* a, b (given itself), alias is a once more; c is far away. */
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpt_count, 2);
	assert_int_equal(h_last(h, PROC_RELAY)->w->rcpt_count, 1);
	assert_int_equal(h_last(h, PROC_RELAY)->w->rcpts[0].number, 5);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	h_settle(h);
	/* After a crash only the far one is left, under its number. */
	h_crash(h);
	assert_int_equal(h_mails(h), 1);
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(h_last(h, PROC_RELAY)->w->rcpts[0].number, 5);
	assert_true(slice_eq(
	    h_last(h, PROC_RELAY)->w->rcpts[0].address, SLICE("c@far")));
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
expansion_is_on_disk_before_the_first_delivery(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "list@here");
	H_UNTIL(h, h_open(h) == 2);
	h_crash(h); /* both agents had the work, nobody answered */
	H_UNTIL(h, h_open(h) == 2);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpts[0].number, 1);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpts[1].number, 2);
	assert_true(h_last(h, PROC_DELIVER)->w->m.flags & IPC_WORK_RETRY);
}

static void
discarded_recipient_ends_a_mail(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "hole@here");
	H_UNTIL(h, h_mails(h) == 0);
	assert_int_equal(h->given_count, 0);
}

static void
failure_is_told_to_the_sender(void **state)
{
	struct harness *h = *state;
	const struct work *w;

	h_submit_ok(h, "a@b", "none@here u@far");
	H_UNTIL(h, h_open(h) == 1);
	/* The bounce waits for the other recipient's first attempt. */
	h_answer(h, h_last(h, PROC_RELAY), STATUS_FAILED);
	H_UNTIL(h, h_open(h) == 1);
	w = h_last(h, PROC_BOUNCE)->w;
	assert_int_equal(w->m.kind, WORK_BOUNCE_FAILURE);
	assert_true(slice_eq(w->m.sender, SLICE("a@b")));
	assert_int_equal(w->rcpt_count, 2);
	assert_true(slice_eq(w->rcpts[0].enhanced, SLICE("5.1.1")));
	assert_true(slice_eq(w->rcpts[1].remote, SLICE("mx.far[192.0.2.1]")));
	assert_int_equal(w->rcpts[1].action, STATUS_FAILED);
	h_answer(h, h_last(h, PROC_BOUNCE), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
failure_survives_a_crash_until_it_is_told(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "none@here");
	H_UNTIL(h, h_open(h) == 1);
	h_settle(h);
	h_crash(h);
	H_UNTIL(h, h_open(h) == 1);
	assert_true(slice_eq(h_last(h, PROC_BOUNCE)->w->rcpts[0].text,
	    SLICE("nobody of that name")));
	h_answer(h, h_last(h, PROC_BOUNCE), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
null_sender_and_who_said_never_are_not_told(void **state)
{
	const struct h_mail never = { .from = "a@b",
		.to = "none@here",
		.size = 200,
		.notify = IPC_NOTIFY_NEVER };
	struct harness *h = *state;

	h_submit_ok(h, "", "none@here");
	assert_int_equal(h_submit(h, &never).code, 250);
	H_UNTIL(h, h_mails(h) == 0);
	assert_int_equal(h->given_count, 0);
}

static void
success_is_told_to_who_asked_for_it(void **state)
{
	const struct h_mail m = { .from = "a@b",
		.to = "u@here",
		.size = 200,
		.notify = IPC_NOTIFY_SUCCESS };
	struct harness *h = *state;

	assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(
	    h_last(h, PROC_BOUNCE)->w->m.kind, WORK_BOUNCE_SUCCESS);
	h_settle(h);
	h_crash(h);
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(
	    h_last(h, PROC_BOUNCE)->w->m.kind, WORK_BOUNCE_SUCCESS);
	h_answer(h, h_last(h, PROC_BOUNCE), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
deferred_mail_is_tried_again(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "u@far");
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	h_settle(h);
	assert_int_equal(h_open(h), 0);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	assert_int_equal(h->rows, 1);
	assert_non_null(strstr(h->row, "\"state\": \"deferred\""));
	assert_non_null(strstr(h->row, "so it was said"));
	assert_non_null(strstr(h->row, "\"attempts\": 1"));
	H_UNTIL(h, h_open(h) == 1); /* by itself, a second later */
	assert_int_equal(h_last(h, PROC_RELAY)->w->m.flags & IPC_WORK_RETRY, 0);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
delay_is_told_once(void **state)
{
	struct harness *h = *state;

	h->config.queue_delay_warning = 1;
	h_submit_ok(h, "a@b", "u@far");
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	/* The warning waits for an attempt that is under way. */
	for (int i = 0; i < 10 && h_last(h, PROC_BOUNCE) == NULL; i++) {
		H_UNTIL(h, h_open(h) > 0);
		if (h_last(h, PROC_RELAY) != NULL)
			h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
		h_settle(h);
	}
	assert_int_equal(h_last(h, PROC_BOUNCE)->w->m.kind, WORK_BOUNCE_DELAY);
	h_answer(h, h_last(h, PROC_BOUNCE), STATUS_DONE);
	for (int i = 0; i < 2; i++) {
		H_UNTIL(h, h_last(h, PROC_RELAY) != NULL);
		assert_null(h_last(h, PROC_BOUNCE));
		h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	}
	h_settle(h);
	assert_null(h_last(h, PROC_BOUNCE));
}

/* When the only mail's only recipient is tried next. */
static const char *
next_try(struct harness *h)
{
	static char text[40];
	const char *at;

	h_admin(h, ADMIN_QUEUE_LIST, "");
	at = strstr(h->row, "\"next\": ");
	assert_non_null(at);
	(void)snprintf(text, sizeof(text), "%.30s", at);
	return text;
}

static void
warning_that_waits_leaves_the_next_try_alone(void **state)
{
	struct harness *h = *state;
	char next[40];

	h->config.queue_retry_min = 1000;
	h->config.queue_retry_max = 4000;
	h->config.queue_delay_warning = 1;
	h_submit_ok(h, "a@b", "u@far");
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	h_settle(h);
	(void)snprintf(next, sizeof(next), "%s", next_try(h));
	H_UNTIL(h, h_last(h, PROC_BOUNCE) != NULL);
	h_kill(h, PROC_BOUNCE);
	h_connect(h, PROC_BOUNCE);
	H_UNTIL(h, h_last(h, PROC_BOUNCE) != NULL);
	assert_string_equal(next_try(h), next);
	h_answer(h, h_last(h, PROC_BOUNCE), STATUS_DEFERRED);
	h_settle(h);
	assert_int_equal(h_open(h), 0);
	assert_string_equal(next_try(h), next);
}

static void
mail_expires_at_a_failed_attempt_after_its_time(void **state)
{
	struct harness *h = *state;

	h->config.queue_lifetime = 0;
	h_submit_ok(h, "a@b", "u@far");
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_RELAY), STATUS_DEFERRED);
	H_UNTIL(h, h_last(h, PROC_BOUNCE) != NULL);
	assert_true(slice_eq(
	    h_last(h, PROC_BOUNCE)->w->rcpts[0].enhanced, SLICE("4.0.0")));
	h_answer(h, h_last(h, PROC_BOUNCE), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
agent_that_dies_leaves_its_work_in_doubt(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "u@here v@here");
	H_UNTIL(h, h_open(h) == 1);
	h_result(h, h_last(h, PROC_DELIVER), 0, STATUS_DONE);
	h_settle(h);
	h_kill(h, PROC_DELIVER);
	h_connect(h, PROC_DELIVER);
	H_UNTIL(h, h_open(h) == 1);
	assert_true(h_last(h, PROC_DELIVER)->w->m.flags & IPC_WORK_RETRY);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpt_count, 1);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpts[0].number, 1);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

/* Who was answered may be under way again before the others are. */
static void
agent_that_dies_loses_nobody_where_one_is_tried_again(void **state)
{
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "u@here v@here w@here");
	H_UNTIL(h, h_open(h) == 1);
	h_result(h, h_last(h, PROC_DELIVER), 0, STATUS_DEFERRED);
	h_settle(h);
	h_admin(h, ADMIN_QUEUE_FLUSH, "");
	H_UNTIL(h, h_open(h) == 2);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	h_settle(h);
	h_kill(h, PROC_DELIVER);
	h_connect(h, PROC_DELIVER);
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(h_last(h, PROC_DELIVER)->w->rcpt_count, 2);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
}

static void
result_of_a_job_nobody_has_ends_the_agent(void **state)
{
	const struct ipc_result m = { .job = 77, .status = STATUS_DONE };
	struct harness *h = *state;

	assert_int_equal(
	    ipc_send_msg(h->ours[PROC_RELAY], result, 0, 0, &m), 0);
	H_UNTIL(h, h->theirs[PROC_RELAY] == NULL);
}

static void
router_that_dies_is_asked_again(void **state)
{
	struct harness *h = *state;

	h_kill(h, PROC_ROUTER);
	h_submit_ok(h, "a@b", "u@here");
	h_settle(h);
	assert_int_equal(h_open(h), 0);
	h_connect(h, PROC_ROUTER);
	H_UNTIL(h, h_open(h) == 1);
}

static void
same_token_gets_the_same_answer(void **state)
{
	const struct h_mail m = {
		.from = "a@b", .to = "u@here", .size = 200, .token = 5
	};
	struct harness *h = *state;
	struct answer_submit first;
	struct answer_submit again;

	/* Both before the record is durable, then after it, then later. */
	h_send(h, &m, &first);
	h_send(h, &m, &again);
	H_UNTIL(h, first.there && again.there);
	assert_int_equal(first.code, 250);
	assert_string_equal(first.id, again.id);
	assert_string_equal(h_submit(h, &m).id, first.id);
	H_UNTIL(h, h_open(h) == 1);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	assert_string_equal(h_submit(h, &m).id, first.id);
	h_crash(h);
	assert_string_equal(h_submit(h, &m).id, first.id);
	h_settle(h);
	assert_int_equal(h->given_count, 0);
}

static void
ask_large(struct harness *h, size_t size)
{
	const struct ipc_large_ask m = { .expected = size };
	struct ipc_chan *c = h->ours[PROC_SMTPD];

	h->large = 0;
	assert_int_equal(
	    ipc_send_msg(c, large_ask, 0, ipc_expect(c, h_on_large, h), &m), 0);
	H_UNTIL(h, h->large != 0);
	assert_int_not_equal(h->large_fd, -1);
}

static void
large_mail_goes_by_descriptor_and_survives_a_crash(void **state)
{
	struct h_mail m = { .from = "a@b", .to = "u@here", .size = 400000 };
	struct harness *h = *state;
	char *content = h_content(&m);
	char *back = malloc(m.size);
	struct answer_submit a;

	ask_large(h, m.size);
	assert_int_equal(write_all(h->large_fd, content, m.size), 0);
	m.large = h->large;
	a = h_submit(h, &m);
	assert_int_equal(a.code, 250);
	H_UNTIL(h, h_open(h) == 1);
	h_crash(h);
	H_UNTIL(h, h_open(h) == 1);
	assert_string_equal(h_last(h, PROC_DELIVER)->id, a.id);
	assert_int_equal(
	    pread_all(h_last(h, PROC_DELIVER)->w->fd, back, m.size, 0), 0);
	assert_memory_equal(back, content, m.size);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	assert_int_equal(large_open(h->q, (struct qid){ 0, 0 }), -1);
	free(content);
	free(back);
}

static void
large_file_of_another_length_is_refused(void **state)
{
	struct h_mail m = { .from = "a@b", .to = "u@here", .size = 400000 };
	struct harness *h = *state;

	ask_large(h, m.size);
	assert_int_equal(write_all(h->large_fd, "short", 5), 0);
	m.large = h->large;
	assert_int_equal(h_submit(h, &m).code, 451);
	assert_int_equal(h_mails(h), 0);
	m.large = h->large; /* and it is used up */
	assert_int_equal(h_submit(h, &m).code, 451);
}

static void
large_file_of_a_sender_that_died_is_removed(void **state)
{
	struct harness *h = *state;

	ask_large(h, 1000);
	assert_int_equal(h_files_in(h, "large"), 1);
	h_kill(h, PROC_SMTPD);
	assert_int_equal(h_files_in(h, "large"), 0);
	h_connect(h, PROC_SMTPD);
	ask_large(h, 1000);
	h_crash(h); /* and at a start, when queue died too */
	assert_int_equal(h_files_in(h, "large"), 0);
}

static void
large_content_an_agent_finds_damaged_is_held(void **state)
{
	struct h_mail m = { .from = "a@b", .to = "u@here", .size = 5 };
	struct harness *h = *state;
	struct ipc_result r;

	ask_large(h, m.size);
	assert_int_equal(write_all(h->large_fd, "other", 5), 0);
	m.large = h->large;
	assert_int_equal(h_submit(h, &m).code, 250);
	H_UNTIL(h, h_open(h) == 1);
	r = (struct ipc_result){
		.job = h_last(h, PROC_DELIVER)->w->m.job,
		.status = STATUS_DEFERRED,
		.blame = BLAME_CONTENT,
	};
	assert_int_equal(
	    ipc_send_msg(h->ours[PROC_DELIVER], result, 0, 0, &r), 0);
	H_UNTIL(h, h->q->mails.held == 1);
	h_admin(h, ADMIN_QUEUE_LIST, "");
	assert_non_null(strstr(h->row, "held"));
}

static void
malformed_submissions_end_the_sender(void **state)
{
	struct ipc_submit m = { .token = SLICE("0123456789abcdef"),
		.source = SOURCE_SMTP,
		.recipients = SLICE("\3\0\0\0a@b\0\0\0\0\0"),
		.length = 1,
		.content = SLICE("x") };
	struct ipc_submit bad[6];
	struct harness *h = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = m;
	bad[0].token = SLICE("short");
	bad[1].source = SOURCE_SUBMISSION; /* smtpd is not that */
	bad[2].recipients = SLICE("\xff\xff\xff\xff");
	bad[3].recipients = SLICE_EMPTY;
	bad[4].length = 2;
	bad[5].flags = 0x80;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct ipc_chan *c = h->ours[PROC_SMTPD];

		assert_int_equal(
		    ipc_send_msg(c, submit, 0, (uint32_t)i, &bad[i]), 0);
		H_UNTIL(h, h->theirs[PROC_SMTPD] == NULL);
		H_UNTIL(h, h->ours[PROC_SMTPD] == NULL);
		h_connect(h, PROC_SMTPD);
	}
	assert_int_equal(h_mails(h), 0);
	h_submit_ok(h, "a@b", "u@here");
}

static void
on_drained(void *arg)
{
	((struct harness *)arg)->drained = true;
}

static void
stopped_queue_takes_nothing_and_ends_when_work_has(void **state)
{
	const struct h_mail m = { .from = "a@b", .to = "u@here", .size = 9 };
	struct harness *h = *state;

	h_submit_ok(h, "a@b", "u@here");
	H_UNTIL(h, h_open(h) == 1);
	queue_stop(h->q, 10000, on_drained, h);
	H_UNTIL(h, h->intake_code == 421);
	assert_int_equal(h_submit(h, &m).code, 421);
	assert_false(h->drained);
	h_answer(h, h_last(h, PROC_DELIVER), STATUS_DONE);
	H_UNTIL(h, h->drained);
	assert_int_equal(h_mails(h), 0);
}

static void
memory_for_mails_is_bounded_and_all_go_out(void **state)
{
	struct harness *h = *state;

	h->config.queue_memory_mails = 100;
	h_kill(h, PROC_DELIVER);
	for (int i = 0; i < 500; i++)
		h_submit_ok(h, i % 2 ? "a@b" : "c@d", "u@here");
	assert_true(h->q->mails.hot <= 100);
	assert_int_equal(h_mails(h), 500);
	h->auto_status = STATUS_DONE;
	h_connect(h, PROC_DELIVER);
	H_UNTIL(h, h_mails(h) == 0);
	assert_int_equal(h->given_count, 500);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(local_mail_is_delivered_once_and_gone),
		T(content_of_several_frames_arrives_whole),
		T(many_recipients_go_in_jobs_of_a_hundred),
		T(list_expands_without_duplicates_and_numbers_stay),
		T(expansion_is_on_disk_before_the_first_delivery),
		T(discarded_recipient_ends_a_mail),
		T(failure_is_told_to_the_sender),
		T(failure_survives_a_crash_until_it_is_told),
		T(null_sender_and_who_said_never_are_not_told),
		T(success_is_told_to_who_asked_for_it),
		T(deferred_mail_is_tried_again),
		T(delay_is_told_once),
		T(warning_that_waits_leaves_the_next_try_alone),
		T(mail_expires_at_a_failed_attempt_after_its_time),
		T(agent_that_dies_leaves_its_work_in_doubt),
		T(agent_that_dies_loses_nobody_where_one_is_tried_again),
		T(result_of_a_job_nobody_has_ends_the_agent),
		T(router_that_dies_is_asked_again),
		T(same_token_gets_the_same_answer),
		T(large_mail_goes_by_descriptor_and_survives_a_crash),
		T(large_file_of_another_length_is_refused),
		T(large_file_of_a_sender_that_died_is_removed),
		T(large_content_an_agent_finds_damaged_is_held),
		T(malformed_submissions_end_the_sender),
		T(stopped_queue_takes_nothing_and_ends_when_work_has),
		T(memory_for_mails_is_bounded_and_all_go_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
