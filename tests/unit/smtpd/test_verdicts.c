/* When router is asked, and when its last answer is gone by. */
#include "tests/unit/smtpd/house.h"

/*
 * One that was accepted is not asked about again for a moment: as often as
 * it takes until that moment was not over.
 */
static void
router_is_not_asked_twice_at_once(void **state)
{
	struct house *h = house_new(false, "");
	unsigned times = 1;

	(void)state;
	play(h, HELLO ENVELOPE);
	for (; times < 200 && h->verdicts == times; times++)
		play(h, "C: RSET\nS: 250\n" ENVELOPE);
	assert_int_equal(h->verdicts, times - 1);
	/* Known, behind one that is not, and still in its place. */
	play(h, "P: RCPT TO:<nobody@example.test>\n"
		"P: RCPT TO:<pip@example.test>\n"
		"C: RCPT TO:<nobody@example.test>\n"
		"S: 550 5.1.1\nS: 250 2.1.5\nS: 550 5.1.1\n"
		"C: DATA\nS: 354\nC: .\nS: 250\n");
	house_free(h);
}

static void
router_is_asked_again_where_its_answer_may_differ(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO ENVELOPE);
	assert_int_equal(h->verdicts, 1);
	for (unsigned i = 2; i < 5; i++) {
		play(h, "C: RCPT TO:<nobody@example.test>\nS: 550 5.1.1\n");
		assert_int_equal(h->verdicts, i);
	}
	house_client(h, "192.0.2.1", SESSION_SMTP, false); /* another one */
	play(h, HELLO ENVELOPE);
	assert_int_equal(h->verdicts, 5);
	play(h, "C: RSET\nS: 250\n"
		"C: MAIL FROM:<a@b.example> SMTPUTF8\nS: 250\n"
		"C: RCPT TO:<pip@example.test>\nS: 250\n");
	assert_int_equal(h->verdicts, 6);
	/* What router said before its end counts no more. */
	ipc_chan_close(h->router);
	house_turn(h);
	ipc_chan_close(h->smtpd.router);
	smtpd_peer_down(&h->smtpd, h->smtpd.router);
	house_connect_router(h);
	play(h, "C: RSET\nS: 250\n" ENVELOPE);
	assert_int_equal(h->verdicts, 7);
	house_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(router_is_not_asked_twice_at_once),
		cmocka_unit_test(
		    router_is_asked_again_where_its_answer_may_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
