/* Content by DATA and BDAT, and its way to queue. */
#include "tests/unit/smtpd/house.h"

#include <openssl/evp.h>

#include "common/base/rand.h"

#define DATA HELLO ENVELOPE "C: DATA\nS: 354\n"

static void
raw(struct house *h, const char *bytes)
{
	house_send(h, bytes, strlen(bytes));
}

/* What queue has of the mail, behind the field we put in front. */
static const char *
mail_of(struct house *h)
{
	const char *at = strstr(buf_str(&h->content), " +0000\r\n");

	assert_non_null(at);
	return at + 8;
}

static void
nothing_smuggles_a_second_mail(void **state)
{
	static const char *const ends[] = { "\n.\n", "\n.\r", "\r.\n", "\r.\r",
		"\n.\r\n", "\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n",
		"\r\r\n.\r\r\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct house *h = house_new(false, "");

		play(h, DATA);
		raw(h, "Subject: outer\r\n\r\nfirst");
		raw(h, ends[i]);
		raw(h, "MAIL FROM:<admin@example.test>\r\n"
		       "RCPT TO:<pip@example.test>\r\nDATA\r\nsmuggled\r\n"
		       ".\r\n");
		play(h, "S: 550 5.5.2\n-:\nC: NOOP\nS: 250\n");
		assert_int_equal(h->submits, 0);
		assert_int_equal(h->verdicts, 1); /* the first RCPT */
		house_free(h);
	}
}

static void
nul_and_endless_lines_are_refused(void **state)
{
	struct house *h = house_new(false, "");
	char *big = calloc(1, CONTENT_LINE_MAX + 1);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', CONTENT_LINE_MAX + 1);
	play(h, DATA);
	house_send(h, "a\r\n\0.\r\nb\r\n.\r\n", 13);
	play(h, "S: 550 5.6.0\n" ENVELOPE "C: DATA\nS: 354\n");
	house_send(h, big, CONTENT_LINE_MAX);
	play(h, "C: \nC: .\nS: 250\n" ENVELOPE "C: DATA\nS: 354\n");
	house_send(h, big, CONTENT_LINE_MAX + 1);
	play(h, "C: \nC: .\nS: 550 5.6.0\nC: NOOP\nS: 250\n");
	assert_int_equal(h->submits, 1);
	house_free(h);
	free(big);
}

static void
a_mail_one_byte_at_a_time(void **state)
{
	static const char text[] =
	    "Subject: x\r\n\r\n..\r\n...\r\n.a\r\n\r\n.\r\n";
	struct house *h = house_new(false, "");

	(void)state;
	play(h, DATA);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		assert_int_equal(h->submits, 0);
		house_send(h, text + i, 1);
		house_turn(h);
	}
	play(h, "S: 250\n");
	assert_string_equal(
	    mail_of(h), "Subject: x\r\n\r\n.\r\n..\r\na\r\n\r\n");
	house_free(h);
}

static void
limits_of_size_header_and_hops(void **state)
{
	struct house *h = house_new(false,
	    "message-size-limit = 65536\nheader-size-limit = 4096\n"
	    "received-limit = 10\n");

	(void)state;
	play(h, DATA);
	for (int i = 0; i < 10000; i++)
		raw(h, "\r\nlines\r\n");
	play(h, "C: .\nS: 552 5.3.4\n" ENVELOPE "C: DATA\nS: 354\n");
	for (int i = 0; i < 500; i++)
		raw(h, "X-Filler: y\r\n");
	play(h, "C: .\nS: 552 5.3.4\n" ENVELOPE "C: DATA\nS: 354\n");
	for (int i = 0; i < 11; i++)
		raw(h, "received: from a\r\n\tby b\r\n");
	play(h, "C: .\nS: 554 5.4.6\n" ENVELOPE "C: DATA\nS: 354\n");
	for (int i = 0; i < 10; i++)
		raw(h, "Received: from a\r\n\tby b\r\n");
	play(h, "C: \nC: Received: body\nC: .\nS: 250\n");
	assert_int_equal(h->submits, 1);
	house_free(h);
}

static void
a_mail_that_does_not_end_is_forgotten(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, DATA "C: half\n");
	fd_close(h->fd);
	h->fd = -1;
	house_turn(h);
	assert_int_equal(h->smtpd.sessions.count, 0);
	assert_int_equal(h->submits, 0);
	house_free(h);
}

static void
half_closed_clients_get_their_answers(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, DATA);
	raw(h, "x\r\n.\r\nNOOP\r\nNOO");
	assert_int_equal(shutdown(h->fd, SHUT_WR), 0);
	play(h, "S: 250 2.0.0 Ok, queued\nS: 250\nS: closed\n");
	house_free(h);
}

static void
data_before_354_ends_the_session(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO ENVELOPE "P: DATA\nC: Subject: x\n"
			       "S: 554 5.5.0\nS: closed\n");
	house_free(h);
}

/* -- large -------------------------------------------------------------- */

static void
send_large(struct house *h, size_t lines)
{
	char line[100];

	memset(line, 'a', sizeof(line));
	memcpy(line + 98, "\r\n", 2);
	raw(h, "Subject: large\r\n\r\n");
	for (size_t i = 0; i < lines; i++)
		house_send(h, line, sizeof(line));
}

static void
a_large_mail_goes_into_a_file(void **state)
{
	struct house *h = house_new(false, "");
	struct buf file = BUF_INIT(64 << 20);
	unsigned char sha[32];

	(void)state;
	play(h, DATA);
	send_large(h, 20000);
	play(h, "C: .\nS: 250\n");
	assert_int_equal(h->large_asks, 1);
	assert_int_equal(h->large, 77);
	assert_int_equal(h->large_drops, 0);
	assert_int_equal(h->content.len, 0);
	assert_int_equal(lseek(h->file, 0, SEEK_SET), 0);
	assert_int_equal(file_read(h->file, &file), 0);
	assert_int_equal(file.len, h->length);
	assert_true(slice_istarts(
	    buf_slice(&file), SLICE("Received: from client.example")));
	assert_non_null(
	    strstr(file.data, "+0000\r\nSubject: large\r\n\r\naaa"));
	assert_int_equal(
	    EVP_Digest(file.data, file.len, sha, NULL, EVP_sha256(), NULL), 1);
	assert_memory_equal(sha, h->sha256, 32);
	buf_free(&file);
	house_free(h);
}

static void
mails_around_the_edge_of_memory(void **state)
{
	(void)state;
	for (size_t extra = 0; extra < 4; extra++) {
		struct house *h = house_new(false, "");
		/* "Subject: large" and 98 bytes a line; the last decides. */
		size_t lines = (CONTENT_MEMORY - 18) / 100;
		char last[200];
		size_t n = CONTENT_MEMORY - 18 - lines * 100 - 3 + extra;

		play(h, DATA);
		send_large(h, lines);
		memset(last, 'b', sizeof(last));
		house_send(h, last, n);
		play(h, "C: \nC: .\nS: 250\n");
		assert_int_equal(h->large_asks, extra > 1);
		assert_int_equal(h->submits, 1);
		house_free(h);
	}
}

static void
without_a_file_a_large_mail_is_put_off(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	h->large_code = 452;
	play(h, DATA);
	send_large(h, 5000);
	play(h, "C: .\nS: 452 4.3.1\nC: NOOP\nS: 250\n");
	assert_int_equal(h->submits, 0);
	assert_int_equal(h->large_drops, 0);
	house_free(h);
}

static void
a_large_mail_that_is_not_wanted_frees_its_file(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, DATA);
	send_large(h, 5000);
	raw(h, "bare\nlf\r\n");
	play(h, "C: .\nS: 550 5.5.2\n");
	assert_int_equal(h->large_drops, 1);
	play(h, ENVELOPE "C: DATA\nS: 354\n");
	send_large(h, 5000);
	fd_close(h->fd);
	h->fd = -1;
	house_turn(h);
	assert_int_equal(h->large_drops, 2);
	assert_int_equal(h->smtpd.sessions.count, 0);
	house_free(h);
}

static void
queue_dies_under_a_large_mail(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, DATA);
	ipc_chan_close(h->queue);
	house_turn(h);
	send_large(h, 5000);
	play(h, "C: .\nS: 451 4.3.0\nC: NOOP\nS: 250\n");
	house_connect_queue(h);
	play(h, ENVELOPE "C: DATA\nS: 354\nC: .\nS: 250\n");
	house_free(h);
}

/* -- chunks ------------------------------------------------------------- */

static void
chunks_make_a_mail(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO ENVELOPE);
	raw(h, "BDAT 14\r\nSubject: x\r\n\r\nBDAT 5\r\n.\r\n.\r"
	       "BDAT 4 LAST\r\n\nend");
	play(h, "S: 250 2.0.0\nS: 250 2.0.0\nS: 250 2.0.0 Ok, queued\n");
	assert_string_equal(mail_of(h), "Subject: x\r\n\r\n.\r\n.\r\nend\r\n");
	raw(h, "MAIL FROM:<a@b>\r\nRCPT TO:<pip@example.test>\r\n"
	       "BDAT 3\r\na\r\nBDAT 0 LAST\r\nQUIT\r\n");
	play(h, "S: 250\nS: 250\nS: 250\nS: 250 2.0.0 Ok\nS: 221\nS: closed\n");
	assert_string_equal(mail_of(h), "a\r\n");
	house_free(h);
}

static void
chunks_one_byte_at_a_time(void **state)
{
	static const char text[] =
	    "MAIL FROM:<a@b>\r\nRCPT TO:<pip@example.test>\r\n"
	    "BDAT 5\r\na\r\nb\rBDAT 4 LAST\r\n\nc\r\nNOOP\r\n";
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		house_send(h, text + i, 1);
	play(h, "S: 250\nS: 250\nS: 250\nS: 250 2.0.0 Ok\nS: 250\n");
	assert_string_equal(mail_of(h), "a\r\nb\r\nc\r\n");
	house_free(h);
}

static void
chunks_that_cannot_be_followed_end_the_session(void **state)
{
	static const char *const bad[] = { "BDAT", "BDAT x", "BDAT 5 FIRST",
		"BDAT 99999999999999999999", "BDAT -1", "BDAT 1 LAST x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct house *h = house_new(false, "");

		play(h, HELLO ENVELOPE);
		raw(h, bad[i]);
		play(h, "C: \nS: 501 5.5.4\nS: closed\n");
		house_free(h);
	}
}

static void
chunks_of_no_mail_are_read_and_refused(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO);
	raw(h, "BDAT 7\r\nQUIT\r\n.NOOP\r\n");
	play(h, "S: 503 5.5.1\nS: 250\n"
		"C: MAIL FROM:<a@b>\nS: 250\n"
		"C: RCPT TO:<nobody@example.test>\nS: 550\n");
	raw(h, "BDAT 6\r\nQUIT\r\n");
	play(h, "S: 554 5.5.1\n"
		"C: RCPT TO:<pip@example.test>\nS: 503\n" ENVELOPE);
	raw(h, "BDAT 3\r\na\r\nDATA\r\n");
	play(h, "S: 250\nS: 503 5.5.1\n"
		"C: RCPT TO:<pip@example.test>\nS: 503\n" ENVELOPE);
	raw(h, "BDAT 3\r\na\nbBDAT 1 LAST\r\nx");
	play(h, "S: 550 5.5.2\nS: 503 5.5.1\nC: NOOP\nS: 250\n");
	assert_int_equal(h->submits, 0);
	house_free(h);
}

static void
a_large_mail_in_chunks(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO ENVELOPE);
	raw(h, "BDAT 500018\r\n");
	send_large(h, 5000);
	play(h, "S: 250 2.0.0 Chunk\n");
	raw(h, "BDAT 500018 LAST\r\n");
	send_large(h, 5000);
	play(h, "S: 250 2.0.0 Ok\n");
	assert_int_equal(h->large_asks, 1);
	house_free(h);
	/* One chunk, and the file is asked for at its end. */
	h = house_new(false, "");
	play(h, HELLO ENVELOPE);
	raw(h, "BDAT 270018 LAST\r\n");
	send_large(h, 2700);
	play(h, "S: 250 2.0.0 Ok\n");
	assert_int_equal(h->large_asks, 1);
	house_free(h);
}

/* -- queue -------------------------------------------------------------- */

static void
after_a_restart_queue_is_asked_with_the_same_token(void **state)
{
	struct house *h = house_new(false, "");
	char token[16];

	(void)state;
	h->queue_silent = true;
	play(h, DATA "C: text\nC: .\n-:\n");
	assert_int_equal(h->submits, 1);
	memcpy(token, h->token, sizeof(token));
	ipc_chan_close(h->queue);
	house_turn(h);
	assert_null(h->smtpd.queue);
	assert_int_equal(h->smtpd.unanswered, 0);
	play(h, "-:\n");
	h->queue_silent = false;
	house_connect_queue(h);
	play(h, "S: 250\n");
	assert_int_equal(h->submits, 2);
	assert_memory_equal(h->token, token, sizeof(token));
	assert_string_equal(mail_of(h), "text\r\n");
	assert_int_equal(h->smtpd.unanswered, 0);
	house_free(h);
}

static void
queue_refuses(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	h->queue_code = 452;
	play(h, DATA "C: .\nS: 452 4.3.1 Disk full\n"
		     "C: RCPT TO:<pip@example.test>\nS: 503\n");
	h->queue_code = 0;
	play(h, ENVELOPE "C: DATA\nS: 354\nC: .\nS: 250\n");
	house_free(h);
}

static void
a_client_that_leaves_while_queue_thinks(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	h->queue_silent = true;
	play(h, DATA "C: .\n-:\n");
	assert_true(h->smtpd.unanswered > 0);
	fd_close(h->fd);
	h->fd = -1;
	house_turn(h);
	/* It is noticed when there is something to say; the mail counts. */
	ipc_chan_close(h->queue);
	h->queue_silent = false;
	house_turn(h);
	house_connect_queue(h);
	house_turn(h);
	assert_int_equal(h->submits, 2);
	assert_int_equal(h->smtpd.sessions.count, 0);
	assert_int_equal(h->smtpd.unanswered, 0);
	house_free(h);
}

static void
a_small_window_lets_one_after_the_other_in(void **state)
{
	struct house *h = house_new(false, "");
	const struct ipc_intake_state m = { .code = 250, .window = 10 };
	int first;

	(void)state;
	assert_int_equal(ipc_send_msg(h->queue, intake_state, 0, 0, &m), 0);
	h->queue_silent = true;
	play(h, DATA "C: first\nC: .\n-:\n");
	first = h->fd;
	h->fd = -1;
	house_client(h, "127.0.0.1", SESSION_SMTP, false);
	play(h, DATA "C: second\nC: .\n-:\n");
	assert_int_equal(h->submits, 1);
	h->queue_silent = false;
	ipc_chan_close(h->queue);
	house_turn(h);
	house_connect_queue(h);
	play(h, "S: 250\n");
	assert_int_equal(h->submits, 3);
	fd_close(first);
	house_free(h);
}

static void
a_transaction_leaves_nothing_behind(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	/* Refused at its end: the next one begins at the beginning. */
	play(h, DATA);
	raw(h, "a\nb\r\n");
	play(h, "C: .\nS: 550\n"
		"C: RCPT TO:<pip@example.test>\nS: 503\nC: DATA\nS: 503\n"
		"C: MAIL FROM:<c@d>\nS: 250\nC: DATA\nS: 554\n"
		"C: RCPT TO:<estella@example.test>\nS: 250\n"
		"C: DATA\nS: 354\nC: .\nS: 250\n");
	assert_string_equal(h->sender, "c@d");
	assert_non_null(
	    strstr(buf_str(&h->content), "for <estella@example.test>"));
	house_free(h);
}

/*
 * Any sequence of commands against a model of a few lines: the class of
 * each reply must agree.
 */
static void
any_order_of_commands_keeps_to_the_model(void **state)
{
	static const char *const commands[] = { "EHLO x", "MAIL FROM:<a@b>",
		"RCPT TO:<pip@example.test>", "RCPT TO:<nobody@b>", "RSET",
		"NOOP", "VRFY x", "DATA", "BDAT 0", "BDAT 0 LAST", "FROB" };
	struct house *h = house_new(false, "errors-limit = 1000\n");
	bool helo = false;
	bool mail = false;
	bool chunk = false;
	unsigned rcpts = 0;

	(void)state;
	play(h, "S: 220\n");
	for (int i = 0; i < 3000; i++) {
		size_t c = (size_t)rand_below(ARRAY_LEN(commands));
		char text[128];
		char want = '2';

		if ((c == 1 && (!helo || mail)) ||
		    ((c == 2 || c == 3) && (!mail || chunk)) || c == 10 ||
		    c == 3 || ((c == 8 || c == 9) && rcpts == 0))
			want = '5';
		if (c == 7)
			want = rcpts > 0 && !chunk ? '3' : '5';
		(void)snprintf(
		    text, sizeof(text), "C: %s\nS: %c\n", commands[c], want);
		play(h, text);
		if (want == '3')
			play(h, "C: .\nS: 250\n");
		if (c == 0)
			helo = true;
		if (c == 1 && want == '2')
			mail = true;
		if (c == 2 && want == '2')
			rcpts++;
		if (c == 8 && want == '2')
			chunk = true;
		if (c == 0 || c == 4 || c == 9 || want == '3' ||
		    (c == 8 && want == '5') || (c == 7 && chunk)) {
			mail = chunk = false;
			rcpts = 0;
		}
		if (h->smtpd.received > 0 && i % 100 == 0)
			play(h, "C: NOOP\nS: 250\n");
	}
	house_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_smuggles_a_second_mail),
		cmocka_unit_test(nul_and_endless_lines_are_refused),
		cmocka_unit_test(a_mail_one_byte_at_a_time),
		cmocka_unit_test(limits_of_size_header_and_hops),
		cmocka_unit_test(a_mail_that_does_not_end_is_forgotten),
		cmocka_unit_test(half_closed_clients_get_their_answers),
		cmocka_unit_test(data_before_354_ends_the_session),
		cmocka_unit_test(a_large_mail_goes_into_a_file),
		cmocka_unit_test(mails_around_the_edge_of_memory),
		cmocka_unit_test(without_a_file_a_large_mail_is_put_off),
		cmocka_unit_test(
		    a_large_mail_that_is_not_wanted_frees_its_file),
		cmocka_unit_test(queue_dies_under_a_large_mail),
		cmocka_unit_test(chunks_make_a_mail),
		cmocka_unit_test(chunks_one_byte_at_a_time),
		cmocka_unit_test(
		    chunks_that_cannot_be_followed_end_the_session),
		cmocka_unit_test(chunks_of_no_mail_are_read_and_refused),
		cmocka_unit_test(a_large_mail_in_chunks),
		cmocka_unit_test(
		    after_a_restart_queue_is_asked_with_the_same_token),
		cmocka_unit_test(queue_refuses),
		cmocka_unit_test(a_client_that_leaves_while_queue_thinks),
		cmocka_unit_test(a_small_window_lets_one_after_the_other_in),
		cmocka_unit_test(a_transaction_leaves_nothing_behind),
		cmocka_unit_test(any_order_of_commands_keeps_to_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
