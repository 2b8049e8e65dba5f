/* Senders that do not keep to what they were told. */
#include <stdatomic.h>

#include "tests/unit/queue/harness.h"

#include "tests/unit/queue/disk.h"

#define PIECE 50000

static unsigned
frames_of(uint16_t code, const struct answer_submit *a, unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		count += a[i].there && a[i].code == code;
	return count;
}

/* The first frame of a mail of which more is to come. */
static uint32_t
begin(struct harness *h, struct answer_submit *a)
{
	struct ipc_chan *c = h->ours[PROC_SMTPD];
	uint32_t request = ipc_expect(c, h_on_submitted, a);
	unsigned char token[16] = { 7 };
	const struct ipc_submit m = { .token = slice_of(token, 16),
		.source = SOURCE_SMTP,
		.length = 1000000 };

	*a = (struct answer_submit){ .there = false };
	assert_int_equal(ipc_send_msg(c, submit, IPC_MORE, request, &m), 0);
	return request;
}

static void
grow(struct harness *h, uint32_t request)
{
	static char content[PIECE];
	const struct ipc_submit_more m = { .content =
					       slice_of(content, PIECE) };

	assert_int_equal(ipc_send_msg(h->ours[PROC_SMTPD], submit_more,
			     IPC_MORE, request, &m),
	    0);
}

static void
mails_begun_and_grown_do_not_fill_the_memory(void **state)
{
	struct harness *h = *state;
	struct answer_submit a[40];
	uint32_t requests[40];

	h->q->intake.kept_max = 1000000;
	for (int i = 0; i < 40; i++)
		requests[i] = begin(h, &a[i]);
	h_settle(h);
	for (int k = 0; k < 5; k++) {
		for (int i = 0; i < 40; i++)
			grow(h, requests[i]);
		h_settle(h);
		assert_in_range(h->q->intake.kept_bytes, 0, 1000000 + PIECE);
	}
	assert_in_range(frames_of(451, a, 40), 20, 40);
	/* Those that were refused are over, and the sender lives. */
	assert_non_null(h->ours[PROC_SMTPD]);
	h_kill(h, PROC_SMTPD);
	assert_int_equal(h->q->intake.kept_bytes, 0);
}

static void
sender_that_does_not_wait_is_refused(void **state)
{
	static struct answer_submit a[200];
	const struct h_mail m = {
		.from = "a@b", .to = "u@here", .size = PIECE
	};
	struct harness *h = *state;

	disk.slow_us = 50000;
	h->q->log.io = &disk_io;
	h->config.queue_memory = 100000;
	h->q->intake.backlog_max = 1000000;
	for (int i = 0; i < 200; i++)
		h_send(h, &m, &a[i]);
	for (int i = 0; i < 200; i++) {
		H_UNTIL(h, a[i].there);
		assert_in_range(
		    h->q->log.stock.bytes, 0, 1100000 + 2 * CHUNK_BYTES);
	}
	assert_true(frames_of(250, a, 200) > 0);
	assert_true(frames_of(451, a, 200) > 0);
	assert_int_equal(frames_of(250, a, 200) + frames_of(451, a, 200), 200);
}

static void
ask_large(struct harness *h)
{
	const struct ipc_large_ask ask = { .expected = 70000 };
	struct ipc_chan *c = h->ours[PROC_SMTPD];

	fd_close(h->large_fd);
	h->large_fd = -1;
	assert_int_equal(
	    ipc_send_msg(c, large_ask, 0, ipc_expect(c, h_on_large, h), &ask),
	    0);
	H_UNTIL(h, h->large_fd != -1);
	assert_int_equal(ftruncate(h->large_fd, 70000), 0);
}

/* What was a file's number before a restart is no other file's after it. */
static void
numbers_of_files_do_not_come_back(void **state)
{
	struct h_mail m = { .from = "a@b", .to = "u@here", .size = 70000 };
	struct harness *h = *state;

	ask_large(h);
	m.large = h->large;
	h_crash(h);
	H_UNTIL(h, h->intake_code == 250);
	ask_large(h);
	assert_true(h->large != m.large);
	assert_int_equal(h_submit(h, &m).code, 451);
	m.large = h->large;
	assert_int_equal(h_submit(h, &m).code, 250);
}

/*
 * A file may take long to come; the low-water mark, which agents were told
 * meanwhile, must not be above its mail.
 */
static void
large_mail_is_as_old_as_its_commit(void **state)
{
	struct h_mail m = { .from = "a@b", .to = "u@here", .size = 70000 };
	struct harness *h = *state;
	struct answer_submit large;
	char small[QID_TEXT];

	ask_large(h);
	m.large = h->large;
	h_submit_ok(h, "a@b", "u@here");
	H_UNTIL(h, h_open(h) == 1);
	memcpy(small, h->given[0].id, QID_TEXT);
	h_answer(h, &h->given[0], STATUS_DONE);
	H_UNTIL(h, h_mails(h) == 0);
	large = h_submit(h, &m);
	assert_int_equal(large.code, 250);
	assert_true(strcmp(large.id, small) > 0);
	H_UNTIL(h, h_open(h) == 1);
	h_crash(h);
	H_UNTIL(h, h_open(h) == 1);
	assert_int_equal(h->given[0].w->m.length, 70000);
}

/* RFC 3464 §2: a report has no sender; so bounce may speak for nobody. */
static void
report_with_a_sender_is_none(void **state)
{
	struct ipc_submit m = { .token = SLICE("0123456789abcdef"),
		.source = SOURCE_BOUNCE,
		.recipients = SLICE("\3\0\0\0a@b\0\0\0\0\0"),
		.length = 1,
		.content = SLICE("x") };
	struct harness *h = *state;
	struct ipc_chan *c = h->ours[PROC_BOUNCE];
	struct answer_submit a = { .there = false };

	assert_int_equal(
	    ipc_send_msg(c, submit, 0, ipc_expect(c, h_on_submitted, &a), &m),
	    0);
	H_UNTIL(h, a.there);
	assert_int_equal(a.code, 250);
	m.token = SLICE("1123456789abcdef");
	m.sender = SLICE("ceo@here");
	assert_int_equal(ipc_send_msg(c, submit, 0, 9, &m), 0);
	H_UNTIL(h, h->theirs[PROC_BOUNCE] == NULL);
	assert_int_equal(h_mails(h), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, h_setup, h_teardown)

/* The job is not even sent: all of it is over before that returns. */
static void
large_mail_whose_content_is_gone_is_held(void **state)
{
	struct harness *h = *state;
	struct h_mail m = { .from = "a@b", .to = "u@here", .size = 70000 };
	struct answer_submit a;
	char path[200];

	h_kill(h, PROC_DELIVER);
	ask_large(h);
	m.large = h->large;
	a = h_submit(h, &m);
	assert_int_equal(a.code, 250);
	(void)snprintf(path, sizeof(path), "%s/large/%s", h->path, a.id);
	assert_int_equal(unlink(path), 0);
	h_crash(h);
	H_UNTIL(h, h->q->mails.held == 1);
	assert_int_equal(h_mails(h), 1);
	h_submit_ok(h, "a@b", "u@here"); /* which goes its way */
	H_UNTIL(h, h_open(h) == 1);
}

struct places {
	unsigned got;
	unsigned refused;
};

static void
on_place(void *arg, struct ipc_frame *f)
{
	struct places *p = arg;
	struct ipc_large_file m;

	if (f == NULL)
		return;
	assert_int_equal(ipc_large_file_decode(&m, f->payload), 0);
	assert_true(m.code == 250 || m.code == 451);
	p->got += m.code == 250;
	p->refused += m.code == 451;
}

/* Files asked for and written by nobody. */
static struct places
ask_for_all_places(struct harness *h, enum proc who)
{
	const struct ipc_large_ask ask = { .expected = 70000 };
	struct ipc_chan *c = h->ours[who];
	struct places p = { 0 };

	for (unsigned i = 1; p.refused == 0 && i <= LARGES_MAX + 1; i++) {
		assert_int_equal(ipc_send_msg(c, large_ask, 0,
				     ipc_expect(c, on_place, &p), &ask),
		    0);
		H_UNTIL(h, p.got + p.refused == i);
	}
	return p;
}

static void
strangers_leave_places_for_large_mail_of_ours(void **state)
{
	struct harness *h = *state;

	assert_int_equal(
	    ask_for_all_places(h, PROC_SMTPD).got, LARGES_STRANGERS_MAX);
	assert_int_equal(ask_for_all_places(h, PROC_SUBMISSION).got,
	    LARGES_MAX - LARGES_STRANGERS_MAX);
	h_kill(h, PROC_SMTPD);
	assert_int_equal(
	    ask_for_all_places(h, PROC_SUBMISSION).got, LARGES_STRANGERS_MAX);
	h_connect(h, PROC_SMTPD);
	assert_int_equal(ask_for_all_places(h, PROC_SMTPD).got, 0);
	h_kill(h, PROC_SUBMISSION);
	assert_int_equal(
	    ask_for_all_places(h, PROC_SMTPD).got, LARGES_STRANGERS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(mails_begun_and_grown_do_not_fill_the_memory),
		T(sender_that_does_not_wait_is_refused),
		T(numbers_of_files_do_not_come_back),
		T(large_mail_is_as_old_as_its_commit),
		T(large_mail_whose_content_is_gone_is_held),
		T(report_with_a_sender_is_none),
		T(strangers_leave_places_for_large_mail_of_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
