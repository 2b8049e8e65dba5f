/* Queue's window, and who waits for room in it. */
#include "tests/unit/smtpd/house.h"
#include "tests/unit/unsent.h"

#define DATA HELLO ENVELOPE "C: DATA\nS: 354\n"

static void
window_of(struct house *h, uint64_t bytes)
{
	const struct ipc_intake_state m = { .code = 250, .window = bytes };

	assert_int_equal(ipc_send_msg(h->queue, intake_state, 0, 0, &m), 0);
	house_turn(h);
}

/* Queue has the mail it was given as number n, from 0. */
static void
queue_answers(struct house *h, unsigned n)
{
	const struct ipc_submitted m = { .code = 250, .id = SLICE("Q123") };

	assert_true(n < h->submits);
	assert_int_equal(ipc_send_msg(h->queue, submitted, IPC_REPLY,
			     h->submit_requests[n], &m),
	    0);
	house_turn(h);
}

/* One more client with a mail of so many lines of 100 bytes. */
static int
send_mail(struct house *h, unsigned lines)
{
	char line[101];

	if (h->fd == -1)
		house_client(h, "127.0.0.1", SESSION_SMTP, false);
	play(h, DATA);
	memset(line, 'x', 98);
	memcpy(line + 98, "\r\n", 3);
	while (lines-- > 0)
		house_send(h, line, 100);
	play(h, "C: .\n-:\n");
	return h->fd;
}

/* The client is left aside, and the next call makes another. */
static int
put_aside(struct house *h)
{
	int fd = h->fd;

	h->fd = -1;
	return fd;
}

static void
go_back(struct house *h, int fd)
{
	fd_close(h->fd);
	h->fd = fd;
}

static void
who_does_not_fit_waits_without_haste(void **state)
{
	struct house *h = house_new(false, "");
	int small;
	int large;

	(void)state;
	window_of(h, 4000);
	h->queue_silent = true;
	(void)send_mail(h, 1);
	small = put_aside(h);
	(void)send_mail(h, 30);
	large = put_aside(h);
	(void)send_mail(h, 30);
	assert_int_equal(h->submits, 2);
	/* Room for something, but not for that. */
	queue_answers(h, 0);
	assert_int_equal(h->submits, 2);
	queue_answers(h, 1);
	assert_int_equal(h->submits, 3);
	queue_answers(h, 2);
	play(h, "S: 250\n");
	go_back(h, small);
	play(h, "S: 250\n");
	go_back(h, large);
	play(h, "S: 250\n");
	assert_int_equal(h->smtpd.unanswered, 0);
	house_free(h);
}

static void
nobody_overtakes_a_large_mail(void **state)
{
	struct house *h = house_new(false, "");
	int first;
	int large;

	(void)state;
	window_of(h, 4000);
	h->queue_silent = true;
	(void)send_mail(h, 10);
	first = put_aside(h);
	(void)send_mail(h, 30);
	large = put_aside(h);
	(void)send_mail(h, 1);
	assert_int_equal(h->submits, 1);
	queue_answers(h, 0);
	assert_int_equal(h->submits, 3);
	go_back(h, large);
	queue_answers(h, 1);
	play(h, "S: 250\n");
	go_back(h, first);
	play(h, "S: 250\n");
	house_free(h);
}

static void
recipients_take_room_too(void **state)
{
	struct house *h = house_new(false, "");
	int first;

	(void)state;
	window_of(h, 4000);
	h->queue_silent = true;
	play(h, HELLO ENVELOPE);
	for (int i = 0; i < 150; i++)
		play(h, "C: RCPT TO:<pip@example.test>\nS: 250\n");
	play(h, "C: DATA\nS: 354\nC: .\n-:\n");
	first = put_aside(h);
	(void)send_mail(h, 1);
	assert_int_equal(h->submits, 1);
	queue_answers(h, 0);
	assert_int_equal(h->submits, 2);
	fd_close(first);
	house_free(h);
}

/* Whose client resets, as stream's errors tell it. */
static struct session *
only_session(struct house *h)
{
	struct slice key;
	size_t at = 0;
	void *value;

	assert_true(map_next(&h->smtpd.sessions, &at, &key, &value));
	assert_int_equal(h->smtpd.sessions.count, 1);
	return value;
}

static void
room_of_a_client_that_left_comes_back_with_the_answer(void **state)
{
	struct house *h = house_new(false, "");
	struct session *first;
	uint64_t room;

	(void)state;
	window_of(h, 4000);
	h->queue_silent = true;
	fd_close(send_mail(h, 30));
	(void)put_aside(h);
	first = only_session(h);
	(void)send_mail(h, 30);
	assert_int_equal(h->submits, 1);
	room = h->smtpd.unanswered;
	session_close(first, "reset");
	house_turn(h);
	/* Queue has it still. */
	assert_int_equal(h->smtpd.unanswered, room);
	assert_int_equal(h->submits, 1);
	queue_answers(h, 0);
	assert_int_equal(h->submits, 2);
	queue_answers(h, 1);
	play(h, "S: 250\n");
	assert_int_equal(h->smtpd.unanswered, 0);
	house_free(h);
}

static void
who_left_is_not_submitted_again(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	h->queue_silent = true;
	fd_close(send_mail(h, 1));
	(void)put_aside(h);
	session_close(only_session(h), "reset");
	house_turn(h);
	ipc_chan_close(h->queue);
	house_turn(h);
	assert_int_equal(h->smtpd.unanswered, 0);
	house_connect_queue(h);
	house_turn(h);
	assert_int_equal(h->submits, 1);
	house_free(h);
}

/* Or queue would keep the half of it. */
static void
submit_that_cannot_be_ended_goes_again_to_the_next_channel(void **state)
{
	struct house *h = house_new(false, "");
	int first;

	(void)state;
	window_of(h, 1 << 20);
	h->queue_silent = true;
	(void)send_mail(h, 1);
	first = put_aside(h);
	unsent_set(IPC_SUBMIT_MORE, 1, 1);
	(void)send_mail(h, 2000);
	assert_int_equal(unsent.times, 0);
	assert_null(h->smtpd.queue);
	assert_int_equal(h->smtpd.unanswered, 0);
	h->queue_silent = false;
	h->submits = 0;
	house_connect_queue(h);
	play(h, "S: 250\n");
	assert_int_equal(h->submits, 2);
	go_back(h, first);
	play(h, "S: 250\n");
	house_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_does_not_fit_waits_without_haste),
		cmocka_unit_test(nobody_overtakes_a_large_mail),
		cmocka_unit_test(recipients_take_room_too),
		cmocka_unit_test(
		    room_of_a_client_that_left_comes_back_with_the_answer),
		cmocka_unit_test(who_left_is_not_submitted_again),
		cmocka_unit_test(
		    submit_that_cannot_be_ended_goes_again_to_the_next_channel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
