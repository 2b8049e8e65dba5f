/* Commands, right and wrong, in every order: what a client hears. */
#include "tests/unit/smtpd/house.h"

#include "common/tls/stream.h"

#define PLAY(text)                                                             \
	do {                                                                   \
		struct house *h = house_new(false, "");                        \
                                                                               \
		(void)state;                                                   \
		play(h, text);                                                 \
		house_free(h);                                                 \
	} while (0)

static void
a_mail_goes_through(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO ENVELOPE "C: DATA\n"
			       "S: 354 \n"
			       "C: Subject: x\n"
			       "C: \n"
			       "C: ..dot\n"
			       "C: .\n"
			       "S: 250 2.0.0 Ok, queued as Q123\n"
			       "C: QUIT\n"
			       "S: 221 2.0.0\n"
			       "S: closed\n");
	assert_non_null(strstr(buf_str(&h->content),
	    "Received: from client.example (localhost [127.0.0.1])\r\n"
	    "\tby mail.example.test with ESMTP id "));
	assert_non_null(strstr(
	    buf_str(&h->content), "\r\n\tfor <pip@example.test>;\r\n\t"));
	assert_non_null(strstr(
	    buf_str(&h->content), " +0000\r\nSubject: x\r\n\r\n.dot\r\n"));
	assert_int_equal(h->length, h->content.len);
	assert_string_equal(h->sender, "a@b.example");
	assert_int_equal(h->smtpd.sessions.count, 0);
	assert_int_equal(h->smtpd.unanswered, 0);
	house_free(h);
}

static void
ehlo_lists_what_there_is(void **state)
{
	struct house *h = house_new(false, "");
	char reply[2048];

	(void)state;
	play(h, "S: 220\nP: EHLO x\nC: EHLO x\n");
	(void)house_reply(h, reply, sizeof(reply));
	assert_string_equal(reply,
	    "250-mail.example.test\r\n250-PIPELINING\r\n"
	    "250-SIZE 52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
	    "250-CHUNKING\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES\r\n");
	house_free(h);
}

static void
verbs(void **state)
{
	PLAY("S: 220\n"
	     "C: FROB\n"
	     "S: 500 5.5.2\n"
	     "C: \n"
	     "S: 500 5.5.2\n"
	     "C: TURN\n"
	     "S: 502 5.5.1\n"
	     "C: ETRN x\n"
	     "S: 502 5.5.1\n"
	     "C: \xc3\xa4hlo\n"
	     "S: 500 5.5.2\n"
	     "C: noop with words\n"
	     "S: 250 2.0.0\n"
	     "C: HELP\n"
	     "S: 214 2.0.0\n"
	     "C: VRFY pip\n"
	     "S: 252 2.0.0\n"
	     "C: EXPN list\n"
	     "S: 502 5.5.1\n"
	     "C: XCLIENT ADDR=1.2.3.4\n"
	     "S: 550 5.7.0\n"
	     "C: RSET x\n"
	     "S: 501 5.5.4\n"
	     "C: QUIT now\n"
	     "S: 501 5.5.4\n"
	     "C: EHLO\n"
	     "S: 501 5.5.4\n"
	     "C: EHLO a b\n"
	     "S: 501 5.5.4\n"
	     "C: AUTH PLAIN\n"
	     "S: 503 5.5.1\n"
	     "C: EHLO [127.0.0.1]\n"
	     "S: 250-\n"
	     "C: AUTH PLAIN\n"
	     "S: 502 5.5.1\n");
}

static void
order(void **state)
{
	PLAY("S: 220\n"
	     "C: MAIL FROM:<a@b>\n"
	     "S: 503 5.5.1\n"
	     "C: HELO x\n"
	     "S: 250 mail.example.test\n"
	     "C: RCPT TO:<pip@example.test>\n"
	     "S: 503 5.5.1\n"
	     "C: DATA\n"
	     "S: 503 5.5.1\n"
	     "C: MAIL FROM:<a@b>\n"
	     "S: 250\n"
	     "C: MAIL FROM:<a@b>\n"
	     "S: 503 5.5.1\n"
	     "C: DATA\n"
	     "S: 554 5.5.1\n"
	     "C: VRFY x\n"
	     "S: 252\n"
	     "C: NOOP\n"
	     "S: 250\n"
	     "C: HELP\n"
	     "S: 214\n"
	     "C: RCPT TO:<pip@example.test>\n"
	     "S: 250 2.1.5\n"
	     "C: EHLO again\n"
	     "S: 250-\n"
	     "C: RCPT TO:<pip@example.test>\n"
	     "S: 503 5.5.1\n"
	     "C: MAIL FROM:<>\n"
	     "S: 250\n"
	     "C: RSET\n"
	     "S: 250 2.0.0\n"
	     "C: RCPT TO:<pip@example.test>\n"
	     "S: 503 5.5.1\n");
}

static void
paths_and_parameters(void **state)
{
	PLAY(HELLO "C: MAIL FROM:<a@b\n"
		   "S: 501 5.1.7\n"
		   "C: MAIL FROM:<a@b> FOO=BAR\n"
		   "S: 555 5.5.4\n"
		   "C: MAIL FROM:<a@b> SIZE=99999999999\n"
		   "S: 552 5.3.4\n"
		   "C: MAIL FROM:<a@b> AUTH=<>\n"
		   "S: 555 5.5.4\n"
		   "C: MAIL FROM:<\xc3\xa4@b>\n"
		   "S: 553 5.6.7\n"
		   "C: MAIL FROM:<nobody@b>\n"
		   "S: 550 5.1.1 No such user\n"
		   "C: RCPT TO:<pip@example.test>\n"
		   "S: 503 5.5.1\n"
		   "C: MAIL FROM:<a@b>\n"
		   "S: 250\n"
		   "C: RCPT TO:<>\n"
		   "S: 501 5.1.3\n"
		   "C: RCPT TO:<nobody@example.test>\n"
		   "S: 550 5.1.1 No such user\n"
		   "C: RCPT TO:<later@example.test>\n"
		   "S: 451 4.3.0\n"
		   "C: RCPT TO:<x@elsewhere.example>\n"
		   "S: 554 5.7.1\n"
		   "C: RCPT TO:<x%elsewhere@example.test>\n"
		   "S: 554 5.7.1\n"
		   "C: RCPT TO:<\xc3\xa4@example.test>\n"
		   "S: 553 5.6.7\n"
		   "C: RCPT TO:<postmaster>\n"
		   "S: 250 2.1.5\n");
}

static void
pipelining_keeps_the_order(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO "P: MAIL FROM:<a@b>\n"
		      "P: RCPT TO:<hold@example.test>\n"
		      "P: RCPT TO:<nobody@example.test>\n"
		      "P: RCPT TO:<>\n"
		      "P: RCPT TO:<pip@example.test>\n"
		      "C: DATA\n"
		      "S: 250 2.1.0\n"
		      "-:\n");
	assert_int_equal(h->verdicts, 4); /* all were asked at once */
	house_verdict(h->router, h->held[0], 250, "2.1.5", "ok");
	play(h, "S: 250 2.1.5\n"
		"S: 550 5.1.1\n"
		"S: 501 5.1.3\n"
		"S: 250 2.1.5\n"
		"S: 354\n"
		"C: .\n"
		"S: 250\n");
	house_free(h);
}

static void
a_refused_sender_takes_its_recipients_along(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO "P: MAIL FROM:<hold@b>\n"
		      "P: RCPT TO:<pip@example.test>\n"
		      "P: DATA\n"
		      "C: RSET\n"
		      "-:\n");
	house_verdict(h->router, h->held[0], 550, "5.7.1", "not\r\n250 you");
	play(h, "S: 550-5.7.1 not?\n"
		"S: 503 5.5.1\n"
		"S: 503 5.5.1\n"
		"S: 250 2.0.0\n");
	house_free(h);
}

static void
a_whole_group_and_the_next_one(void **state)
{
	PLAY(HELLO "P: MAIL FROM:<a@b>\n"
		   "P: RCPT TO:<nobody@example.test>\n"
		   "P: RCPT TO:<pip@example.test>\n"
		   "P: RSET\n"
		   "P: FROB\n"
		   "P: NOOP\n"
		   "P: MAIL FROM:<c@d>\n"
		   "P: RCPT TO:<nobody@example.test>\n"
		   "C: DATA\n"
		   "S: 250\n"
		   "S: 550\n"
		   "S: 250\n"
		   "S: 250\n"
		   "S: 500\n"
		   "S: 250\n"
		   "S: 250\n"
		   "S: 550\n"
		   "S: 554 5.5.1\n");
}

static void
recipients_have_a_limit(void **state)
{
	struct house *h = house_new(false, "recipients-limit = 100\n");

	(void)state;
	play(h, HELLO "C: MAIL FROM:<a@b>\nS: 250\n");
	for (int i = 0; i < 102; i++)
		house_send(h, "RCPT TO:<pip@example.test>\r\n", 28);
	for (int i = 0; i < 100; i++)
		play(h, "S: 250 2.1.5\n");
	play(h, "S: 452 4.5.3\nS: 452 4.5.3\n"
		"C: DATA\nS: 354\nC: .\nS: 250\n");
	house_free(h);
}

static void
many_recipients_travel_in_several_frames(void **state)
{
	struct house *h = house_new(false, "recipients-limit = 3000\n");
	struct wire_in w;
	struct ipc_rcpt r;
	char line[128];
	int n;

	(void)state;
	play(h, HELLO "C: MAIL FROM:<a@b>\nS: 250\n");
	for (int i = 0; i < 2500; i++) {
		n = snprintf(line, sizeof(line),
		    "RCPT TO:<u%d@example.test> NOTIFY=DELAY "
		    "ORCPT=rfc822;a%d@b\r\n",
		    i, i);
		house_send(h, line, (size_t)n);
	}
	for (int i = 0; i < 2500; i++)
		play(h, "S: 250 2.1.5\n");
	play(h, "C: DATA\nS: 354\nC: .\nS: 250\n");
	w = wire_in(buf_slice(&h->rcpts));
	for (int i = 0; i < 2500; i++) {
		assert_int_equal(ipc_rcpt_get(&r, &w), 0);
		assert_int_equal(r.notify, IPC_NOTIFY_DELAY);
		n = snprintf(line, sizeof(line), "u%d@example.test", i);
		assert_true(slice_eq(r.address, slice_of(line, (size_t)n)));
	}
	assert_int_equal(w.rest.len, 0);
	assert_null(strstr(buf_str(&h->content), "for <"));
	house_free(h);
}

static void
the_envelope_carries_what_dsn_needs(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO
	    "C: MAIL FROM:<a@b> RET=HDRS ENVID=x+2By BODY=8BITMIME SMTPUTF8\n"
	    "S: 250\n"
	    "C: RCPT TO:<pip@example.test> NOTIFY=SUCCESS\n"
	    "S: 250\nC: DATA\nS: 354\nC: .\nS: 250\n");
	assert_string_equal(h->envid, "x+2By");
	assert_int_equal(h->ret, RET_HDRS);
	assert_int_equal(h->flags, IPC_MAIL_8BIT | IPC_MAIL_SMTPUTF8);
	assert_int_equal(h->source, SOURCE_SMTP);
	assert_non_null(strstr(buf_str(&h->content), " with UTF8SMTP id "));
	house_free(h);
}

static void
lines_that_are_none(void **state)
{
	struct house *h = house_new(false, "");
	char big[10000];

	(void)state;
	play(h, HELLO);
	house_send(h, "NO\rOP\r\n", 7);
	play(h, "S: 500 5.5.2\n");
	house_send(h, "NO\0OP\r\n", 7);
	play(h, "S: 500 5.5.2\n");
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 20; i++)
		house_send(h, big, sizeof(big));
	house_send(h, "\r\n", 2);
	play(h, "S: 500 5.5.2\nC: NOOP\nS: 250\n");
	house_send(h, "NOOP\nNOOP\r\n", 11);
	play(h, "S: 500 5.5.2\nS: closed\n");
	house_free(h);
}

static void
too_many_errors(void **state)
{
	struct house *h = house_new(false, "errors-limit = 3\n");

	(void)state;
	play(h, "S: 220\nC: A\nS: 500\nC: B\nS: 500\nC: C\nS: 421 4.7.0\n"
		"S: closed\n");
	house_free(h);
}

static void
guessing_names_ends(void **state)
{
	struct house *h = house_new(false, "errors-limit = 3\n");

	(void)state;
	play(h, HELLO "C: MAIL FROM:<a@b>\nS: 250\n");
	for (int i = 0; i < 15; i++)
		play(h, "C: RCPT TO:<nobody@example.test>\nS: 550 5.1.1\n");
	play(h, "S: 421 4.7.0\nS: closed\n");
	house_free(h);
}

static void
browsers_are_sent_away(void **state)
{
	PLAY("S: 220\n"
	     "P: GET / HTTP/1.1\n"
	     "C: Host: mail.example.test\n"
	     "S: 421 4.7.0\n"
	     "S: closed\n");
}

static void
early_talkers_are_sent_away(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	house_client(h, "192.0.2.1", SESSION_SMTP, true);
	play(h, "S: 554 5.5.0\nS: closed\n");
	house_free(h);
}

static void
connections_have_limits(void **state)
{
	struct house *h = house_new(false, "client-connections-limit = 2\n");
	int first = h->fd;
	int second;

	(void)state;
	play(h, HELLO);
	h->fd = -1;
	house_client(h, "127.0.0.1", SESSION_SMTP, false);
	play(h, "S: 220\n");
	second = h->fd;
	h->fd = -1;
	house_client(h, "127.0.0.1", SESSION_SMTP, false);
	play(h, "S: 421 4.7.0\nS: closed\n");
	house_client(h, "192.0.2.1", SESSION_SMTP, false);
	play(h, "S: 220\n");
	fd_close(second);
	house_turn(h);
	house_client(h, "127.0.0.1", SESSION_SMTP, false);
	play(h, "S: 220\n");
	fd_close(first);
	house_free(h);
}

static void
idle_clients_are_sent_away(void **state)
{
	struct house *h = house_new(false, "idle-timeout = 10\n");
	struct config *c = h->config;

	(void)state;
	c->idle_timeout = 0; /* now */
	play(h, "S: 220\nC: EHLO x\nS: 250-\nS: 421 4.4.2\nS: closed\n");
	house_free(h);
}

static void
stopping_sends_idle_ones_away_and_lets_mails_end(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO);
	smtpd_stop(&h->smtpd);
	play(h, "S: 421 4.3.2\nS: closed\n");
	house_free(h);
	h = house_new(false, "");
	play(h, HELLO ENVELOPE);
	smtpd_stop(&h->smtpd);
	play(h, "C: DATA\nS: 354\nC: .\nS: 250\nS: 421 4.3.2\nS: closed\n");
	assert_int_equal(h->submits, 1);
	house_free(h);
	h = house_new(false, "");
	play(h, HELLO ENVELOPE);
	smtpd_stop(&h->smtpd);
	play(h, "C: RSET\nS: 250\nS: 421 4.3.2\nS: closed\n");
	house_free(h);
}

static void
the_clients_name_is_looked_up(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	house_connect_resolver(h);
	house_client(h, "192.0.2.1", SESSION_SMTP, false);
	play(h, HELLO ENVELOPE "C: DATA\nS: 354\nC: .\nS: 250\n");
	assert_non_null(
	    strstr(buf_str(&h->content), "(client.example [192.0.2.1])"));
	/* Another address does not get that name. */
	house_client(h, "192.0.2.2", SESSION_SMTP, false);
	play(h, HELLO ENVELOPE "C: DATA\nS: 354\nC: .\nS: 250\n");
	assert_non_null(strstr(buf_str(&h->content), "(unknown [192.0.2.2])"));
	house_free(h);
}

static void
router_comes_back(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO "P: MAIL FROM:<a@b>\nC: RCPT TO:<hold@example.test>\n"
		      "S: 250\n");
	ipc_chan_close(h->router);
	house_turn(h);
	assert_null(h->smtpd.router);
	play(h, "-:\n");
	h->held_count = 0;
	house_connect_router(h);
	house_turn(h);
	assert_int_equal(h->held_count, 1);
	house_verdict(h->router, h->held[0], 250, "", "");
	play(h, "S: 250 2.1.5\n");
	house_free(h);
}

static void
router_says_421(void **state)
{
	PLAY(HELLO "C: MAIL FROM:<away@b>\n"
		   "S: 421 4.7.0 Go away\n"
		   "S: closed\n");
}

static void
queue_is_full(void **state)
{
	struct house *h = house_new(false, "");
	const struct ipc_intake_state m = { .code = 452,
		.window = 1000,
		.enhanced = SLICE("4.3.1"),
		.text = SLICE("Insufficient system storage") };
	const struct ipc_intake_state good = { .code = 250, .window = 1000 };
	const struct ipc_intake_state bye = { .code = 421, .window = 1000 };

	(void)state;
	play(h, HELLO);
	assert_int_equal(ipc_send_msg(h->queue, intake_state, 0, 0, &m), 0);
	house_turn(h);
	play(h, "C: MAIL FROM:<a@b>\n"
		"S: 452 4.3.1 Insufficient system storage\n");
	assert_int_equal(ipc_send_msg(h->queue, intake_state, 0, 0, &good), 0);
	house_turn(h);
	play(h, "C: MAIL FROM:<a@b>\nS: 250\nC: RSET\nS: 250\n");
	assert_int_equal(ipc_send_msg(h->queue, intake_state, 0, 0, &bye), 0);
	house_turn(h);
	play(h, "C: MAIL FROM:<a@b>\nS: 421 4.3.1\nS: closed\n");
	house_free(h);
}

/* A client that asks and asks and does not listen to the answers. */
static void
replies_nobody_reads_do_not_pile_up(void **state)
{
	struct house *h = house_new(false, "");
	struct session *s;
	struct slice key;
	void *value;
	size_t at = 0;
	int full = 0;

	(void)state;
	play(h, HELLO);
	assert_true(map_next(&h->smtpd.sessions, &at, &key, &value));
	s = value;
	while (full < 100) {
		if (send(h->fd, "NOOP\r\nNOOP\r\n", 12, MSG_NOSIGNAL) <= 0)
			full++;
		house_turn(h);
	}
	assert_true(stream_backlog(s->stream) <= SESSION_OUT_HIGH + 1000);
	assert_true(stream_in(s->stream)->len <= SESSION_IN_MAX);
	house_read(h); /* and goes on when it does */
	assert_true(h->got.len > SESSION_OUT_HIGH);
	house_free(h);
}

/* Of a sender that can be looked up router says the same to everybody. */
static void
router_is_asked_about_odd_senders_only(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO "C: MAIL FROM:<nobody@b.example>\nS: 250 2.1.0\n"
		      "C: RSET\nS: 250\nC: MAIL FROM:<>\nS: 250 2.1.0\n"
		      "C: RSET\nS: 250\n"
		      "C: MAIL FROM:<nobody@[192.0.2.1]>\nS: 250 2.1.0\n");
	assert_int_equal(h->verdicts, 0);
	play(h, "C: RSET\nS: 250\nC: MAIL FROM:<nobody@b>\nS: 550 5.1.1\n");
	assert_int_equal(h->verdicts, 1);
	house_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(router_is_asked_about_odd_senders_only),
		cmocka_unit_test(a_mail_goes_through),
		cmocka_unit_test(ehlo_lists_what_there_is),
		cmocka_unit_test(verbs),
		cmocka_unit_test(order),
		cmocka_unit_test(paths_and_parameters),
		cmocka_unit_test(pipelining_keeps_the_order),
		cmocka_unit_test(a_refused_sender_takes_its_recipients_along),
		cmocka_unit_test(a_whole_group_and_the_next_one),
		cmocka_unit_test(recipients_have_a_limit),
		cmocka_unit_test(many_recipients_travel_in_several_frames),
		cmocka_unit_test(the_envelope_carries_what_dsn_needs),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(too_many_errors),
		cmocka_unit_test(guessing_names_ends),
		cmocka_unit_test(browsers_are_sent_away),
		cmocka_unit_test(early_talkers_are_sent_away),
		cmocka_unit_test(connections_have_limits),
		cmocka_unit_test(idle_clients_are_sent_away),
		cmocka_unit_test(
		    stopping_sends_idle_ones_away_and_lets_mails_end),
		cmocka_unit_test(the_clients_name_is_looked_up),
		cmocka_unit_test(router_comes_back),
		cmocka_unit_test(router_says_421),
		cmocka_unit_test(queue_is_full),
		cmocka_unit_test(replies_nobody_reads_do_not_pile_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
