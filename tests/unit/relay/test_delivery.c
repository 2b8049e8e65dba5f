/* Deliveries over real sockets to servers that behave and misbehave. */
#include "tests/unit/relay/world.h"

static struct world world;

static int
setup(void **state)
{
	(void)state;
	world_open(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_close(&world);
	return 0;
}

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

/* -- finding a server --------------------------------------------------------
 */

static void
refused_connection_is_deferred(void **state)
{
	struct world *w = &world;
	uint16_t port = w->other.port;
	char hop[64];

	(void)state;
	(void)event_del(w->other.accept);
	close(w->other.fd);
	w->other.fd = world_memfd();
	(void)snprintf(hop, sizeof(hop), "[127.0.0.1]:%u", port);
	deliver_one(w, hop);
	expect_one(w, STATUS_DEFERRED, "4.4.1");
	assert_int_equal(w->results[0].o.blame, BLAME_CONNECT);
}

static void
port_outside_the_list_is_refused(void **state)
{
	(void)state;
	deliver_one(&world, "[127.0.0.1]:1");
	expect_one(&world, STATUS_FAILED, "5.4.4");
}

static void
next_hop_that_is_none_is_our_fault(void **state)
{
	(void)state;
	deliver_one(&world, "a b");
	expect_one(&world, STATUS_DEFERRED, "4.3.5");
}

static void
answers_of_the_dns_decide(void **state)
{
	static const struct known known[] = {
		{ "null.test", DNS_MX, DNS_OK, { { 0, "." } } },
		{ "slow.test", DNS_MX, DNS_TEMPFAIL, { { 0, NULL } } },
		{ "forged.test", DNS_MX, DNS_BOGUS, { { 0, NULL } } },
		{ "nothing.test", DNS_TXT, DNS_OK, { { 0, NULL } } },
		{ "dangling.test", DNS_MX, DNS_OK, { { 5, "gone.test" } } },
		{ "us.test", DNS_MX, DNS_OK,
		    { { 5, "mail.example.test" }, { 10, "b.test" } } },
		{ "zero.test", DNS_A, DNS_OK, { { 0, "0.0.0.0" } } },
		{ "lame.test", DNS_MX, DNS_OK, { { 5, "lamehost.test" } } },
		{ "lamehost.test", DNS_A, DNS_TEMPFAIL, { { 0, NULL } } },
	};
	static const struct {
		const char *hop;
		enum ipc_status status;
		const char *enhanced;
	} cases[] = {
		{ "null.test", STATUS_FAILED, "5.1.10" },
		{ "unknown.test", STATUS_FAILED, "5.1.2" },
		{ "slow.test", STATUS_DEFERRED, "4.4.3" },
		{ "forged.test", STATUS_DEFERRED, "4.7.5" },
		{ "nothing.test", STATUS_FAILED, "5.4.4" },
		{ "dangling.test", STATUS_FAILED, "5.4.4" },
		{ "us.test", STATUS_FAILED, "5.4.6" },
		{ "zero.test", STATUS_FAILED, "5.4.4" },
		{ "lame.test", STATUS_DEFERRED, "4.4.3" },
		{ "[0.0.0.0]", STATUS_FAILED, "5.4.4" },
		{ "[224.0.0.1]", STATUS_FAILED, "5.4.4" },
		{ "[fe80::1]", STATUS_FAILED, "5.4.4" },
	};
	struct world *w = &world;

	(void)state;
	w->known = known;
	w->known_count = sizeof(known) / sizeof(known[0]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->result_count = 0;
		deliver_one(w, cases[i].hop);
		if (w->results[0].o.status != cases[i].status ||
		    strcmp(w->results[0].o.enhanced, cases[i].enhanced) != 0)
			fail_msg("%s: %d %s %s", cases[i].hop,
			    (int)w->results[0].o.status,
			    w->results[0].o.enhanced, w->results[0].o.text);
	}
	assert_int_equal(w->server.connections, 0);
}

static void
mx_implicit_mx_and_host_lead_there(void **state)
{
	static const struct known known[] = {
		{ "remote.test", DNS_MX, DNS_OK, { { 10, "mx.remote.test" } } },
		{ "mx.remote.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
		{ "implicit.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
	};
	struct world *w = &world;

	(void)state;
	w->known = known;
	w->known_count = sizeof(known) / sizeof(known[0]);
	deliver_one(w, "remote.test");
	deliver_one(w, "implicit.test");
	deliver_one(w, "[mx.remote.test]");
	assert_int_equal(w->result_count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(w->results[i].o.status, STATUS_DONE);
	assert_non_null(
	    strstr(w->results[0].o.remote, "mx.remote.test[127.0.0.1]"));
}

static void
own_listener_is_a_loop(void **state)
{
	static const struct known known[] = {
		{ "loop.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
	};
	struct world *w = &world;
	char text[32];
	char *item = text;

	(void)state;
	(void)snprintf(text, sizeof(text), "*:%u", w->server.port);
	w->listeners = (struct config_list){ .items = &item, .count = 1 };
	w->known = known;
	w->known_count = 1;
	deliver_one(w, "loop.test");
	expect_one(w, STATUS_FAILED, "5.4.6");
}

static const char *
says_later(struct client *c, const char *line)
{
	if (strncmp(line, "RCPT", 4) == 0)
		return "451 4.3.0 later\r\n";
	return polite(c, line);
}

static const char *
closed_shop(struct client *c, const char *line)
{
	return *line == '\0' ? "554 5.3.2 closed\r\n" : polite(c, line);
}

static const struct known two_hosts[] = {
	{ "remote.test", DNS_MX, DNS_OK,
	    { { 10, "a.test" }, { 20, "b.test" } } },
	{ "a.test", DNS_A, DNS_OK, { { 0, "127.0.0.1" } } },
	{ "b.test", DNS_A, DNS_OK, { { 0, "127.0.0.2" } } },
};

/* The second server on the same port of another address. */
static void
use_two_hosts(struct world *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET };

	server_close(&w->other);
	memset(&w->other, 0, sizeof(w->other));
	w->other.base = w->base;
	w->other.script = polite;
	buf_init(&w->other.lines, 1 << 20);
	w->other.fd =
	    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	a.sin_port = htons(w->server.port);
	assert_int_equal(inet_pton(AF_INET, "127.0.0.2", &a.sin_addr), 1);
	assert_int_equal(
	    bind(w->other.fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(w->other.fd, 16), 0);
	w->other.accept = event_new(w->base, w->other.fd, EV_READ | EV_PERSIST,
	    server_accept, &w->other);
	assert_int_equal(event_add(w->other.accept, NULL), 0);
	w->known = two_hosts;
	w->known_count = 3;
}

static void
next_host_takes_what_the_first_puts_off(void **state)
{
	struct world *w = &world;

	(void)state;
	use_two_hosts(w);
	w->server.script = says_later;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_int_equal(w->other.mail_count, 1);
	/* The same again over the connection kept to the second. */
	w->result_count = 0;
	deliver_one(w, "remote.test");
	assert_int_equal(w->results[0].o.status, STATUS_DONE);
}

static void
greeting_with_5xx_sends_us_to_the_next_host(void **state)
{
	struct world *w = &world;

	(void)state;
	use_two_hosts(w);
	w->server.script = closed_shop;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DONE, "2.0.0");
	w->other.script = closed_shop;
	pool_free(w->pool);
	w->pool = pool_new(NULL, NULL);
	w->env.pool = w->pool;
	w->result_count = 0;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_FAILED, "5.3.2");
}

static void
lost_verdict_is_not_tried_elsewhere_at_once(void **state)
{
	struct world *w = &world;

	(void)state;
	use_two_hosts(w);
	bad_verb = ".";
	bad_reply = NULL;
	w->server.script = misbehaves;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DEFERRED, "4.4.2");
	assert_int_equal(w->other.connections, 0);
}

static void
dead_resolver_is_a_temporary_failure(void **state)
{
	struct world *w = &world;
	struct ipc_chan *kept = w->to_resolver;

	(void)state;
	w->to_resolver = NULL;
	deliver_one(w, "remote.test");
	expect_one(w, STATUS_DEFERRED, "4.4.3");
	w->to_resolver = kept;
}

/* -- TLS and login -----------------------------------------------------------
 */

static const char *
offers_tls(struct client *c, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		return stream_tls_version(c->s) == NULL
			   ? "250-fake\r\n250 STARTTLS\r\n"
			   : "250-fake\r\n250-AUTH LOGIN PLAIN\r\n250 PIPELINING\r\n";
	if (strcmp(line, "STARTTLS") == 0)
		return "220 go\r\n";
	if (strncmp(line, "AUTH PLAIN AHBpcABwdw==", 23) == 0)
		return "235 in\r\n";
	if (strncmp(line, "AUTH", 4) == 0)
		return "535 5.7.8 no\r\n";
	return polite(c, line);
}

static void
tls_is_used_where_offered(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.tls = world_server_ctx();
	w->server.script = offers_tls;
	w->settings.tls = RELAY_TLS_MAY;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_true(server_heard(&w->server, "STARTTLS\nEHLO"));
	deliver_one(w, at(&w->server));
	assert_int_equal(w->server.connections, 1);
	tls_ctx_unref(w->server.tls);
}

static const char *
breaks_tls(struct client *c, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		return "250-fake\r\n250 STARTTLS\r\n";
	if (strcmp(line, "STARTTLS") == 0)
		return c->server->connections == 1 ? "220 go\r\nnonsense\r\n"
						   : "220 go\r\n";
	return polite(c, line);
}

static void
tls_that_fails_is_left_out_only_where_it_may_be(void **state)
{
	struct world *w = &world;

	(void)state;
	/* Plain text behind "220 go": an injection, or no TLS at all. */
	w->server.script = breaks_tls;
	w->settings.tls = RELAY_TLS_MUST;
	deliver_one(w, at(&w->server));
	assert_int_equal(w->result_count, 1);
	assert_int_equal(w->results[0].o.status, STATUS_DEFERRED);
	assert_false(server_heard(&w->server, "MAIL"));
	/* No answer to the handshake: in clear on a new connection. */
	w->result_count = 0;
	w->settings.tls = RELAY_TLS_MAY;
	w->settings.reply_ms = 300;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_int_equal(w->server.connections, 3);
}

static const char *
refuses_tls(struct client *c, const char *line)
{
	if (strncmp(line, "EHLO", 4) == 0)
		return "250-fake\r\n250 STARTTLS\r\n";
	if (strcmp(line, "STARTTLS") == 0)
		return "454 4.7.0 not now\r\n";
	return polite(c, line);
}

static void
refused_tls_is_policy(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.script = refuses_tls;
	w->settings.tls = RELAY_TLS_MUST;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.4");
	w->result_count = 0;
	w->settings.tls = RELAY_TLS_MAY;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	w->result_count = 0;
	w->server.script = polite;
	w->settings.tls = RELAY_TLS_MUST;
	pool_free(w->pool);
	w->pool = pool_new(NULL, NULL);
	w->env.pool = w->pool;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.4");
}

static void
log_in_as(struct world *w, const char *password)
{
	w->settings.user = "pip";
	free(w->settings.password);
	w->settings.password = xstrdup(password);
	(void)snprintf(w->settings.relay_host, sizeof(w->settings.relay_host),
	    "%s", at(&w->server));
}

static void
login_happens_under_tls_only(void **state)
{
	struct world *w = &world;

	(void)state;
	w->server.tls = world_server_ctx();
	w->server.script = offers_tls;
	w->settings.tls = RELAY_TLS_MAY;
	log_in_as(w, "pw");
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DONE, "2.0.0");
	assert_true(server_heard(&w->server, "AUTH PLAIN"));
	pool_free(w->pool);
	w->pool = pool_new(NULL, NULL);
	w->env.pool = w->pool;
	w->result_count = 0;
	log_in_as(w, "wrong");
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.8");
	w->result_count = 0;
	w->server.script = polite;
	deliver_one(w, at(&w->server));
	expect_one(w, STATUS_DEFERRED, "4.7.11");
	tls_ctx_unref(w->server.tls);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
		TEST(international_mail_needs_smtputf8),
		TEST(bad_servers_are_answered_by_the_book),
		TEST(endless_reply_is_cut_off),
		TEST(huge_line_is_cut_and_counts),
		TEST(silence_is_a_timeout),
		TEST(data_let_in_for_nobody_is_ended_at_once),
		TEST(refusal_in_the_middle_of_data_counts),
		TEST(refused_connection_is_deferred),
		TEST(port_outside_the_list_is_refused),
		TEST(next_hop_that_is_none_is_our_fault),
		TEST(answers_of_the_dns_decide),
		TEST(mx_implicit_mx_and_host_lead_there),
		TEST(own_listener_is_a_loop),
		TEST(next_host_takes_what_the_first_puts_off),
		TEST(greeting_with_5xx_sends_us_to_the_next_host),
		TEST(lost_verdict_is_not_tried_elsewhere_at_once),
		TEST(dead_resolver_is_a_temporary_failure),
		TEST(tls_is_used_where_offered),
		TEST(tls_that_fails_is_left_out_only_where_it_may_be),
		TEST(refused_tls_is_policy),
		TEST(login_happens_under_tls_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
