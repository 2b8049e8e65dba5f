/* Deliveries over real sockets to servers that behave and misbehave. */
#include "relay/session_state.h"
#include "tests/unit/relay/world.h"

/* -- the ordinary -----------------------------------------------------------
 */

static void
mail_arrives_as_it_was(void **state)
{
	static const char *const two[] = { "bob@remote.test",
		"\"a b\"@remote.test", NULL };
	struct world *w = &world;
	struct work *k =
	    job(at(&w->server), "Subject: x\r\n\r\n.\r\n..x\r\nend\r\n", two);

	(void)state;
	k->m.envid = SLICE("E1");
	k->m.ret = RET_HDRS;
	k->m.flags = IPC_MAIL_8BIT;
	k->rcpts[0].notify = IPC_NOTIFY_SUCCESS | IPC_NOTIFY_DELAY;
	k->rcpts[0].orcpt = SLICE("rfc822;bob@remote.test");
	deliver(w, k);
	assert_int_equal(w->result_count, 2);
	assert_int_equal(w->results[0].o.status, STATUS_DONE);
	assert_int_equal(w->results[0].o.code, 250);
	assert_string_equal(w->results[0].o.enhanced, "2.0.0");
	assert_string_equal(w->results[0].o.text, "250 2.0.0 taken");
	assert_non_null(strstr(w->results[0].o.remote, "[127.0.0.1]:"));
	assert_true(w->results[0].dsn);
	assert_string_equal(
	    w->server.mails[0], "Subject: x\r\n\r\n.\r\n..x\r\nend\r\n");
	assert_true(server_heard(&w->server,
	    "MAIL FROM:<pip@example.test> SIZE=27 BODY=8BITMIME RET=HDRS "
	    "ENVID=E1\n"
	    "RCPT TO:<bob@remote.test> NOTIFY=SUCCESS,DELAY "
	    "ORCPT=rfc822;bob@remote.test\n"
	    "RCPT TO:<\"a b\"@remote.test>\nDATA\n"));
}

static const char *
without_extensions(struct client *c, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		return "502 what?\r\n";
	return polite(c, line);
}

static void
server_without_ehlo_gets_helo_and_plain_commands(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.script = without_extensions;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_false(w->results[0].dsn);
	assert_true(server_heard(&w->server, "HELO mail.example.test\n"));
	assert_true(server_heard(&w->server, "MAIL FROM:<pip@example.test>\n"));
}

static void
null_sender_stays_null(void **state)
{
	static const char *const rcpt[] = { "bob@remote.test", NULL };
	struct world *w = &world;
	struct work *k = job(at(&w->server), "\r\nx\r\n", rcpt);

	(void)state;
	k->m.sender = SLICE_EMPTY;
	deliver(w, k);
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_true(server_heard(&w->server, "MAIL FROM:<> SIZE"));
}

static void
connection_is_used_again(void **state)
{
	struct world *w = &world;

	(void)state;
	for (int i = 0; i < 3; i++)
		deliver_one(w, at(&w->server));
	assert_int_equal(w->server.mail_count, 3);
	assert_int_equal(w->server.connections, 1);
	assert_int_equal(pool_count(w->pool), 1);
	pool_drain(w->pool);
	while (pool_count(w->pool) > 0)
		assert_int_equal(event_base_loop(w->base, EVLOOP_ONCE), 0);
	assert_int_equal(w->server.quits, 1);
}

static const char *
closes_after_mail(struct client *c, const char *line)
{
	if (strncmp(line, "MAIL", 4) == 0 && c->server->mail_count == 1 &&
	    c->server->connections == 1)
		return NULL;
	return polite(c, line);
}

static void
stale_connection_is_replaced_at_once(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.script = closes_after_mail;
	deliver_one(w, at(&w->server));
	deliver_one(w, at(&w->server));
	assert_int_equal(w->result_count, 2);
	assert_int_equal(w->results[1].o.status, STATUS_DONE);
	assert_int_equal(w->server.connections, 2);
}

static void
large_mail_goes_in_pieces(void **state)
{
	static const char *const rcpt[] = { "bob@remote.test", NULL };
	struct world *w = &world;
	size_t n = 3000000;
	char *text = malloc(n + 1);

	(void)state;
	for (size_t i = 0; i < n; i++)
		text[i] = i % 60 == 58 ? '\r' : i % 60 == 59 ? '\n' : '.';
	text[n] = '\0';
	w->server.script = without_extensions;
	deliver(w, job(at(&w->server), text, rcpt));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_string_equal(w->server.mails[0], text);
	free(text);
}

static struct work *
from_file(struct world *w, const char *text, const char *sum)
{
	static const char *const rcpt[] = { "bob@remote.test", NULL };
	struct work *k = job(at(&w->server), text, rcpt);

	k->content = SLICE_EMPTY;
	k->fd = world_memfd();
	assert_int_equal(write(k->fd, text, strlen(text)), strlen(text));
	k->m.sha256 = slice_of(sum, 32);
	return k;
}

static void
content_of_a_file_is_checked(void **state)
{
	struct world *w = &world;
	unsigned char sum[EVP_MAX_MD_SIZE];

	(void)state;
	assert_int_equal(
	    EVP_Digest("a\r\n", 3, sum, NULL, EVP_sha256(), NULL), 1);
	deliver(w, from_file(w, "a\r\n", (const char *)sum));
	expect_one(w, STATUS_DONE, "2.0.0");
	w->result_count = 0;
	deliver(w, from_file(w, "b\r\n", (const char *)sum));
	expect_one(w, STATUS_DEFERRED, "4.3.0");
	assert_int_equal(w->results[0].o.blame, BLAME_CONTENT);
	assert_int_equal(w->server.mail_count, 1);
}

static const char *
only_three(struct client *c, const char *line)
{
	if (strncmp(line, "RCPT", 4) == 0 && c->rcpts >= 3)
		return "452 4.5.3 too many\r\n";
	return polite(c, line);
}

static void
too_many_recipients_go_in_another_transaction(void **state)
{
	static const char *const many[] = { "a@r.test", "b@r.test", "c@r.test",
		"d@r.test", "e@r.test", "f@r.test", "g@r.test", NULL };
	struct world *w = &world;

	(void)state;
	w->server.script = only_three;
	deliver(w, job(at(&w->server), "\r\nx\r\n", many));
	assert_int_equal(w->result_count, 7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(w->results[i].o.status, STATUS_DONE);
	assert_int_equal(w->server.mail_count, 3);
	assert_int_equal(w->server.connections, 1);
}

static void
more_than_a_hundred_recipients_are_split(void **state)
{
	const char *list[251];
	char names[250][32];
	struct world *w = &world;

	(void)state;
	for (size_t i = 0; i < 250; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "r%zu@r.test", i);
		list[i] = names[i];
	}
	list[250] = NULL;
	deliver(w, job(at(&w->server), "\r\nx\r\n", list));
	assert_int_equal(w->result_count, 250);
	assert_int_equal(w->server.mail_count, 3);
}

static const char *
knows_only_bob(struct client *c, const char *line)
{
	if (strncmp(line, "RCPT", 4) == 0 && strstr(line, "bob") == NULL)
		return strstr(line, "joe") != NULL
			   ? "450 4.2.1 busy\r\n"
			   : "550-5.1.1 no such\r\n550 5.1.1 user\r\n";
	return polite(c, line);
}

static void
each_recipient_gets_its_own_answer(void **state)
{
	static const char *const three[] = { "bob@r.test", "eve@r.test",
		"joe@r.test", NULL };
	struct world *w = &world;

	(void)state;
	w->server.script = knows_only_bob;
	deliver(w, job(at(&w->server), "\r\nx\r\n", three));
	assert_int_equal(w->result_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct result *r = &w->results[i];

		if (r->rcpt == 0)
			assert_int_equal(r->o.status, STATUS_DONE);
		if (r->rcpt == 1) {
			assert_int_equal(r->o.status, STATUS_FAILED);
			assert_string_equal(
			    r->o.text, "550 5.1.1 no such user");
		}
		if (r->rcpt == 2)
			assert_int_equal(r->o.status, STATUS_DEFERRED);
	}
}

static void
refused_transaction_is_reset_before_the_next(void **state)
{
	static const char *const eve[] = { "eve@r.test", NULL };
	struct world *w = &world;

	(void)state;
	w->server.script = knows_only_bob;
	deliver(w, job(at(&w->server), "\r\nx\r\n", eve));
	deliver_one(w, at(&w->server));
	assert_int_equal(w->results[0].o.status, STATUS_FAILED);
	assert_int_equal(w->results[1].o.status, STATUS_DONE);
	assert_int_equal(w->server.connections, 1);
	assert_true(server_heard(&w->server, "RSET\nMAIL"));
}

static void
bad_addresses_never_reach_the_server(void **state)
{
	static const char *const bad[] = { "a\r\nRSET@r.test", "a b@r.test", "",
		"a@b>", "bob@r.test", NULL };
	struct world *w = &world;

	(void)state;
	deliver(w, job(at(&w->server), "\r\nx\r\n", bad));
	assert_int_equal(w->result_count, 5);
	for (size_t i = 0; i < 5; i++)
		if (w->results[i].rcpt != 4)
			assert_string_equal(w->results[i].o.enhanced, "5.1.3");
		else
			assert_int_equal(w->results[i].o.status, STATUS_DONE);
	assert_false(server_heard(&w->server, "RSET"));
}

static void
mail_over_the_size_limit_is_not_sent(void **state)
{
	static const char *const rcpt[] = { "bob@remote.test", NULL };
	struct world *w = &world;
	char *text = calloc(1, 100002);

	(void)state;
	memset(text, 'x', 100001);
	deliver(w, job(at(&w->server), text, rcpt));
	expect_one(w, STATUS_FAILED, "5.3.4");
	assert_false(server_heard(&w->server, "MAIL"));
	free(text);
}

/* RFC 6152 §3, with the content in the frame and in a file. */
static void
eight_bits_are_made_seven_where_they_must_be(void **state)
{
	static const char *const bob[] = { "bob@remote.test", NULL };
	static const char mail[] = "Subject: x\r\n\r\n\xc3\xb6\r\n";
	unsigned char sum[EVP_MAX_MD_SIZE];
	struct world *w = &world;
	struct work *k = job(at(&w->server), mail, bob);

	(void)state;
	w->server.script = without_extensions;
	deliver(w, k);
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_non_null(strstr(w->server.mails[0],
	    "Content-Transfer-Encoding: quoted-printable\r\n\r\n=C3=B6\r\n"));
	w->result_count = 0;
	assert_int_equal(
	    EVP_Digest(mail, sizeof(mail) - 1, sum, NULL, EVP_sha256(), NULL),
	    1);
	deliver(w, from_file(w, mail, (const char *)sum));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_string_equal(w->server.mails[1], w->server.mails[0]);
	w->result_count = 0;
	sum[0] ^= 1;
	deliver(w, from_file(w, mail, (const char *)sum));
	expect_one(w, STATUS_DEFERRED, "4.3.0");
	w->result_count = 0;
	k = job(at(&w->server), "Subject: \xc3\xb6\r\n\r\nx\r\n", bob);
	deliver(w, k);
	expect_one(w, STATUS_FAILED, "5.6.3");
	w->result_count = 0;
	k = job(at(&w->server), "Subject: x\r\n\r\nx\r\n", bob);
	deliver(w, k);
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_int_equal(w->server.mail_count, 3);
}

/* One more than there is room for waits; alone it may be as large as it is. */
static void
conversions_share_a_ceiling(void **state)
{
	static const char *const bob[] = { "bob@remote.test", NULL };
	static const char mail[] = "Subject: x\r\n\r\n\xc3\xb6\r\n";
	struct world *w = &world;

	(void)state;
	w->server.script = without_extensions;
	w->converting = CONVERTING_MAX;
	deliver(w, job(at(&w->server), mail, bob));
	expect_one(w, STATUS_DEFERRED, "4.3.1");
	assert_int_equal(w->converting, CONVERTING_MAX);
	assert_int_equal(w->server.mail_count, 0);
	w->result_count = 0;
	w->converting = 1000;
	deliver(w, job(at(&w->server), mail, bob));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_int_equal(w->converting, 1000);
}

static void
international_mail_needs_smtputf8(void **state)
{
	static const char *const joerg[] = { "j\xc3\xb6rg@remote.test", NULL };
	static const char *const bob[] = { "bob@remote.test", NULL };
	struct world *w = &world;
	struct work *k = job(at(&w->server), "\r\nx\r\n", joerg);

	(void)state;
	k->m.flags = IPC_MAIL_SMTPUTF8;
	deliver(w, k);
	expect_one(w, STATUS_FAILED, "5.6.7");
	w->result_count = 0;
	k = job(at(&w->server), "Subject: \xc3\xb6\r\n\r\nx\r\n", bob);
	k->m.flags = IPC_MAIL_SMTPUTF8;
	deliver(w, k);
	expect_one(w, STATUS_FAILED, "5.6.9");
	w->result_count = 0;
	k = job(at(&w->server), "Subject: o\r\n\r\n\xc3\xb6\r\n", bob);
	k->m.flags = IPC_MAIL_SMTPUTF8;
	deliver(w, k);
	expect_one(w, STATUS_DONE, "2.0.0");
}

/* -- bad servers (a table: verb, reply, what we make of it) ------------------
 */

static const char *bad_verb;
static const char *bad_reply;

static const char *
misbehaves(struct client *c, const char *line)
{
	if (strncmp(line, bad_verb, strlen(bad_verb)) == 0 &&
	    (*bad_verb != '\0' || *line == '\0'))
		return bad_reply;
	return polite(c, line);
}

static void
bad_servers_are_answered_by_the_book(void **state)
{
	/* clang-format off */
	static const struct {
		const char *verb;
		const char *reply; /* NULL: closes */
		enum ipc_status status;
		const char *enhanced;
	} cases[] = {
		{ "",     "421 4.3.2 not now\r\n",     STATUS_DEFERRED, "4.3.2" },
		{ "",     "554 5.7.1 go away\r\n",     STATUS_FAILED,   "5.7.1" },
		{ "",     "554 go away\r\n",           STATUS_FAILED,   "5.0.0" },
		{ "",     "hello\r\n",                 STATUS_DEFERRED, "4.5.0" },
		{ "",     "250 strange\r\n",           STATUS_DEFERRED, "4.5.0" },
		{ "",     "220-a\r\n250 b\r\n",        STATUS_DEFERRED, "4.5.0" },
		{ "",     NULL,                        STATUS_DEFERRED, "4.4.2" },
		{ "EHLO", "2x0 what\r\n",              STATUS_DEFERRED, "4.5.0" },
		{ "EHLO", "421 later\r\n",             STATUS_DEFERRED, "4.0.0" },
		{ "EHLO", "250 mail.example.test\r\n", STATUS_FAILED,   "5.4.6" },
		{ "EHLO", NULL,                        STATUS_DEFERRED, "4.4.2" },
		{ "MAIL", "451 4.7.1 grey\r\n",        STATUS_DEFERRED, "4.7.1" },
		{ "MAIL", "550 no\r\n",                STATUS_FAILED,   "5.0.0" },
		{ "MAIL", "354 what\r\n",              STATUS_DEFERRED, "4.5.0" },
		{ "MAIL", "999 beyond\r\n",            STATUS_DEFERRED, "4.5.0" },
		{ "MAIL", NULL,                        STATUS_DEFERRED, "4.4.2" },
		{ "RCPT", "552 5.2.2 full\r\n",        STATUS_DEFERRED, "4.2.2" },
		{ "RCPT", "421 4.7.0 slow\r\n",        STATUS_DEFERRED, "4.7.0" },
		{ "RCPT", "550 4.9.9 odd class\r\n",   STATUS_FAILED,   "5.0.0" },
		{ "DATA", "451 4.3.0 disk\r\n",        STATUS_DEFERRED, "4.3.0" },
		{ "DATA", "554 5.5.1 none\r\n",        STATUS_FAILED,   "5.5.1" },
		{ "DATA", "250 ok\r\n",                STATUS_DEFERRED, "4.5.0" },
		{ "DATA", NULL,                        STATUS_DEFERRED, "4.4.2" },
		{ ".",    "452 4.3.1 full\r\n",        STATUS_DEFERRED, "4.3.1" },
		{ ".",    "550 5.7.1 spam\r\n",        STATUS_FAILED,   "5.7.1" },
		{ ".",    "354 more\r\n",              STATUS_DEFERRED, "4.5.0" },
		{ ".",    NULL,                        STATUS_DEFERRED, "4.4.2" },
		{ ".",    "250 ok\r\ngarbage\r\n",     STATUS_DONE,     "2.0.0" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = &world;

		bad_verb = cases[i].verb;
		bad_reply = cases[i].reply;
		w->server.script = misbehaves;
		w->result_count = 0;
		deliver_one(w, at(&w->server));
		assert_int_equal(w->result_count, 1);
		if (w->results[0].o.status != cases[i].status ||
		    strcmp(w->results[0].o.enhanced, cases[i].enhanced) != 0)
			fail_msg("case %zu (%s): %d %s %s", i, cases[i].verb,
			    (int)w->results[0].o.status,
			    w->results[0].o.enhanced, w->results[0].o.text);
		teardown(NULL);
		setup(NULL);
	}
}

static const char *
endless(struct client *c, const char *line)
{
	static char lines[200000];

	if (strncmp(line, "EHLO", 4) != 0)
		return polite(c, line);
	for (size_t i = 0; i + 10 < sizeof(lines); i += 10)
		memcpy(lines + i, "250-aaaa\r\n", 10);
	return lines;
}

static void
endless_reply_is_cut_off(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.script = endless;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.5.0");
}

static const char *
huge_line(struct client *c, const char *line)
{
	static char text[1000000];

	if (strncmp(line, "RCPT", 4) != 0)
		return polite(c, line);
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "550 5.1.1 ", 10);
	text[sizeof(text) - 3] = '\r';
	text[sizeof(text) - 2] = '\n';
	return text;
}

static void
huge_line_is_cut_and_counts(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.script = huge_line;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_FAILED, "5.1.1");
}

static const char *
silent(struct client *c, const char *line)
{
	if (strncmp(line, "RCPT", 4) == 0)
		c->closed = true;
	return c->closed ? "" : polite(c, line);
}

static void
silence_is_a_timeout(void **state)
{
	struct world *w = &world;

	(void)state;
	w->settings.reply_ms = 100;
	w->server.script = silent;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.4.2");
	assert_int_equal(w->results[0].o.blame, BLAME_CONNECT);
}

static const char *
data_for_nobody(struct client *c, const char *line)
{
	if (strncmp(line, "RCPT", 4) == 0)
		return "550 5.1.1 none\r\n";
	if (strcmp(line, "DATA") == 0)
		return "354 go\r\n";
	return polite(c, line);
}

static void
data_let_in_for_nobody_is_ended_at_once(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.script = data_for_nobody;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_FAILED, "5.1.1");
	assert_int_equal(w->server.mail_count, 1);
	assert_string_equal(w->server.mails[0], "");
}

static const char *
early(struct client *c, const char *line)
{
	if (strcmp(line, "DATA") == 0)
		return "354 go\r\n552 5.3.4 too much\r\n";
	return polite(c, line);
}

static void
refusal_in_the_middle_of_data_counts(void **state)
{
	static const char *const rcpt[] = { "bob@remote.test", NULL };
	struct world *w = &world;
	char *text = calloc(1, 5000001);

	(void)state;
	memset(text, 'x', 5000000);
	w->server.script = early;
	deliver(w, job(at(&w->server), text, rcpt));
	free(text);
	assert_int_equal(w->result_count, 1);
	assert_int_equal(w->results[0].o.status, STATUS_FAILED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mail_arrives_as_it_was),
		TEST(server_without_ehlo_gets_helo_and_plain_commands),
		TEST(null_sender_stays_null),
		TEST(connection_is_used_again),
		TEST(stale_connection_is_replaced_at_once),
		TEST(large_mail_goes_in_pieces),
		TEST(content_of_a_file_is_checked),
		TEST(too_many_recipients_go_in_another_transaction),
		TEST(more_than_a_hundred_recipients_are_split),
		TEST(each_recipient_gets_its_own_answer),
		TEST(refused_transaction_is_reset_before_the_next),
		TEST(bad_addresses_never_reach_the_server),
		TEST(mail_over_the_size_limit_is_not_sent),
		TEST(eight_bits_are_made_seven_where_they_must_be),
		TEST(conversions_share_a_ceiling),
		TEST(international_mail_needs_smtputf8),
		TEST(bad_servers_are_answered_by_the_book),
		TEST(endless_reply_is_cut_off),
		TEST(huge_line_is_cut_and_counts),
		TEST(silence_is_a_timeout),
		TEST(data_let_in_for_nobody_is_ended_at_once),
		TEST(refusal_in_the_middle_of_data_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
