/* Whole sessions over a socketpair: mail in, mail out, and others. */
#include "tests/unit/imapd/client.h"

static void
mail_is_appended_and_fetched(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	append_one(&c, "nowhere", "");
	hear(&c, "a NO [TRYCREATE] ~\r\n");
	append_one(
	    &c, "inbox", "(\\Seen $Label) \" 7-Feb-1994 21:52:25 -0800\" ");
	hear(&c, "a OK [APPENDUID ~ 1] Append completed\r\n");
	ask(&c, "a APPEND INBOX {5}\r\n", "+ OK\r\n");
	ask(&c, "A: b\n\r\n", "a OK [APPENDUID ~ 2] ~\r\n");
	ask(&c, "a APPEND {5}\r\n", "+ OK\r\n");
	ask(&c, "INBOX {0}\r\n", "a NO An empty message is none\r\n");
	ask(&c, "a APPEND INBOX {99000000}\r\n", "a NO [TOOBIG] ~\r\n");
	ask(&c, "a APPEND INBOX {x {1}\r\n", "a BAD Expected a literal\r\n");
	ask(&c, "a APPEND INBOX (\\Foo) {9}\r\n", "a BAD ~\r\n");
	ask(&c, "a APPEND INBOX x\r\n", "a BAD APPEND wants a literal\r\n");
	ask(&c, "a STATUS INBOX (MESSAGES UNSEEN UIDNEXT)\r\n",
	    "* STATUS INBOX (MESSAGES 2 UIDNEXT 3 UNSEEN 1)\r\na OK ~\r\n");
	ask(&c, "a SELECT INBOX\r\n",
	    "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Label)"
	    "\r\n* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen"
	    " \\Draft $Label \\*)] ~\r\n"
	    "* 2 EXISTS\r\n* 2 RECENT\r\n* OK [UNSEEN 2] ~\r\n"
	    "* OK [UIDVALIDITY ~\r\n* OK [UIDNEXT 3] ~\r\n"
	    "a OK [READ-WRITE] Selected\r\n");
	ask(&c, "a FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE UID)\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent $Label) INTERNALDATE"
	    " \" 7-Feb-1994 21:52:25 -0800\" RFC822.SIZE 91)\r\n"
	    "a OK Fetch completed\r\n");
	for (int i = 0; i < 2; i++) /* rendered, then from the cache */
		ask(&c, "a FETCH 1 (ENVELOPE BODYSTRUCTURE BODY)\r\n",
		    "* 1 FETCH (ENVELOPE (\"Mon, 7 Feb 1994 21:52:25 -0800\""
		    " \"one\" ((\"Pip\" NIL \"pip\" \"example.test\"))"
		    " ((\"Pip\" NIL \"pip\" \"example.test\"))"
		    " ((\"Pip\" NIL \"pip\" \"example.test\")) NIL NIL NIL"
		    " NIL NIL) BODYSTRUCTURE (\"TEXT\" \"PLAIN\" (\"CHARSET\""
		    " \"US-ASCII\") NIL NIL \"7BIT\" 7 1 NIL NIL NIL NIL)"
		    " BODY (\"TEXT\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL"
		    " NIL \"7BIT\" 7 1))\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY[]\r\n",
	    "* 1 FETCH (BODY[] {91}\r\n" MAIL ")\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[]<86.100>\r\n",
	    "* 1 FETCH (BODY[]<86> {5}\r\nllo\r\n)\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[]<4294967295.4294967295>\r\n",
	    "* 1 FETCH (BODY[]<4294967295> {0}\r\n)\r\na OK ~\r\n");
	/* \Seen is set, and told */
	ask(&c, "a UID FETCH 2 (BODY[HEADER.FIELDS (a x)] BODY[2])\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent)"
	    " BODY[HEADER.FIELDS (a x)] {6}\r\nA: b\r\n BODY[2] NIL)\r\n"
	    "a OK ~\r\n");
	ask(&c, "a FETCH 3 FLAGS\r\n", "a BAD No such message\r\n");
	ask(&c, "a UID FETCH 3:9 FLAGS\r\n", "a OK ~\r\n");
	ask(&c, "a UID FETCH 9:* (FLAGS)\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent))\r\na OK ~\r\n");
	ask(&c, "a FETCH 2:1 RFC822.SIZE\r\n",
	    "* 1 FETCH (RFC822.SIZE 91)\r\n"
	    "* 2 FETCH (RFC822.SIZE 6)\r\na OK ~\r\n");
	log_out(&c);
}

/* Put a mail where the delivery agent would. */
static void
deliver(const struct place *p, const char *queue_id)
{
	struct drop_name d = {
		.recipient = 1, .size = strlen(MAIL), .date_s = 1700000000
	};
	char name[DROP_NAME_MAX + 1];
	char path[DROP_NAME_MAX + 20];
	int fd;

	(void)snprintf(d.queue_id, sizeof(d.queue_id), "%s", queue_id);
	assert_int_equal(drop_name_format(&d, name), 0);
	(void)snprintf(path, sizeof(path), "drop/tmp/%s", name);
	fd = openat(p->home, path, O_WRONLY | O_CREAT | O_EXCL, 0660);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write_all(fd, MAIL, strlen(MAIL)), 0);
	close(fd);
	{
		char to[DROP_NAME_MAX + 20];

		(void)snprintf(to, sizeof(to), "drop/new/%s", name);
		assert_int_equal(renameat(p->home, path, p->home, to), 0);
	}
}

/* Two clients with the same new mailbox of two messages; b opens it by how. */
static void
open_both(struct client *a, struct client *b, void **state, const char *name,
    const char *how)
{
	const char *selected = "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n"
			       "* ~ RECENT\r\n* OK ~\r\n* OK ~\r\n"
			       "* OK ~\r\na OK ~\r\n";
	char line[64];

	client_open(a, *state, "");
	greeted(a);
	(void)snprintf(line, sizeof(line), "a CREATE %s\r\n", name);
	ask(a, line, "a OK ~\r\n");
	for (int i = 0; i < 2; i++) {
		append_one(a, name, "");
		hear(a, "a OK ~\r\n");
	}
	(void)snprintf(line, sizeof(line), "a SELECT %s\r\n", name);
	ask(a, line, selected);
	client_open(b, *state, "");
	greeted(b);
	(void)snprintf(line, sizeof(line), "a %s %s\r\n", how, name);
	ask(b, line, selected);
}

static void
two_sessions_see_each_other(void **state)
{
	struct client a;
	struct client b;

	open_both(&a, &b, state, "Both", "SELECT");
	ask(&b, "i IDLE\r\n", "+ idling\r\n");
	ask(&a, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n", "a OK ~\r\n");
	hear(&b, "* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n");
	ask(&b, "DONE\r\n", "i OK Idle completed\r\n");
	ask(&a, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\na OK ~\r\n");
	/* no EXPUNGE while sequence numbers are used (RFC 3501 §7.4.1) */
	ask(&b, "a FETCH 2 UID\r\n", "* 2 FETCH (UID 2)\r\na OK ~\r\n");
	ask(&b, "a NOOP\r\n", "* 1 EXPUNGE\r\na OK ~\r\n");
	append_one(&a, "Both", "");
	hear(&a, "* 2 EXISTS\r\n* ~ RECENT\r\na OK ~\r\n");
	ask(&b, "a NOOP\r\n", "* 2 EXISTS\r\n* ~ RECENT\r\na OK ~\r\n");
	ask(&b, "i IDLE\r\n", "+ idling\r\n");
	ask(&b, "nonsense\r\n", "i BAD Expected DONE\r\n");
	log_out(&b);
	log_out(&a);
}

/* RFC 3501 §7.4.1 is about the command, whatever becomes of it. */
static void
refused_store_tells_no_expunge(void **state)
{
	struct client a;
	struct client b;

	open_both(&a, &b, state, "Refused", "EXAMINE");
	ask(&b, "a NOOP\r\n", "a OK ~\r\n");
	ask(&a, "a STORE 1 +FLAGS.SILENT (\\Deleted)\r\n", "a OK ~\r\n");
	ask(&a, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\na OK ~\r\n");
	ask(&b, "a STORE 2 +FLAGS (\\Seen)\r\n",
	    "* 1 FETCH (UID 1 FLAGS (\\Deleted))\r\n"
	    "a NO [READ-ONLY] ~\r\n");
	ask(&b, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\na NO [READ-ONLY] ~\r\n");
	log_out(&b);
	log_out(&a);
}

/* Another session renames what this one has selected. */
static void
who_deletes_the_selected_mailbox_leaves_it(void **state)
{
	struct client a;
	struct client b;

	open_both(&a, &b, state, "Old", "SELECT");
	ask(&a, "a RENAME Old New\r\n", "a OK ~\r\n");
	ask(&a, "a CREATE Old\r\n", "a OK ~\r\n");
	ask(&b, "a DELETE Old\r\n", "a OK ~\r\n");
	ask(&b, "a CHECK\r\n", "a OK ~\r\n");
	ask(&a, "a RENAME New Newer\r\n", "a OK ~\r\n");
	ask(&b, "a DELETE Newer\r\n", "a OK ~\r\n");
	ask(&b, "a CHECK\r\n", "a BAD No mailbox selected\r\n");
	ask(&a, "a NOOP\r\n", "* BYE ~\r\n");
	log_out(&b);
	client_close(&a);
}

static void
new_mail_wakes_an_idle_session(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a SELECT INBOX\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 0 RECENT\r\n"
	    "* OK [UIDVALIDITY ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "i IDLE\r\n", "+ idling\r\n");
	deliver(*state, "Q1");
	hear(&c, "* 3 EXISTS\r\n* 1 RECENT\r\n");
	ask(&c, "DONE\r\n", "i OK ~\r\n");
	ask(&c, "a FETCH 3 (RFC822.SIZE BODY.PEEK[TEXT])\r\n",
	    "* 3 FETCH (RFC822.SIZE 91 BODY[TEXT] {7}\r\nHello\r\n)\r\n"
	    "a OK ~\r\n");
	log_out(&c);
}

static void
a_client_that_dies_appends_nothing(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a APPEND INBOX {100}\r\n", "+ OK\r\n");
	say(&c, "half of it");
	client_close(&c);
	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a STATUS INBOX (MESSAGES)\r\n",
	    "* STATUS INBOX (MESSAGES 3)\r\na OK ~\r\n");
	log_out(&c);
}

/* The same answers when every byte comes alone. */
static void
single_bytes_make_no_difference(void **state)
{
	static const char script[] =
	    "a SELECT {5+}\r\nINBOX\r\nb UID FETCH 1:* (FLAGS)\r\n"
	    "c LOGOUT\r\n";
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	for (size_t i = 0; i < sizeof(script) - 1; i++)
		assert_int_equal(write_all(c.fd, script + i, 1), 0);
	hear(&c,
	    "* FLAGS ~\r\n* OK ~\r\n* 3 EXISTS\r\n* 0 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n"
	    "* 1 FETCH (UID 1 FLAGS (\\Seen $Label))\r\n"
	    "* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
	    "* 3 FETCH (UID ~ FLAGS ())\r\nb OK ~\r\n* BYE ~\r\nc OK ~\r\n");
	client_close(&c);
}

/* Read n bytes, to be compared by their sum. */
static uint64_t
hear_bytes(struct client *c, size_t n)
{
	uint64_t sum = 0;

	while (c->in.len < n)
		assert_true(more(c));
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + (unsigned char)c->in.data[i];
	buf_consume(&c->in, n);
	return sum;
}

static void
big_messages_are_streamed(void **state)
{
	struct buf mail = BUF_INIT(4 << 20);
	uint64_t sum = 0;
	struct client c;
	char text[64];

	assert_int_equal(buf_append_str(&mail,
			     "Content-Type: multipart/mixed; boundary=b\r\n"
			     "\r\n--b\r\n\r\n"),
	    0);
	for (int i = 0; i < 50000; i++)
		assert_int_equal(buf_printf(&mail,
				     "line %09d of a large mail, to be sent"
				     " in pieces\r\n",
				     i),
		    0);
	assert_int_equal(buf_append_str(&mail, "--b--\r\n"), 0);
	for (size_t i = 0; i < mail.len; i++)
		sum = sum * 31 + (unsigned char)mail.data[i];
	client_open(&c, *state, "x CREATE Big\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	(void)snprintf(text, sizeof(text), "a APPEND Big {%zu}\r\n", mail.len);
	ask(&c, text, "+ OK\r\n");
	assert_int_equal(write_all(c.fd, mail.data, mail.len), 0);
	ask(&c, "\r\n", "a OK [APPENDUID ~ 1] Append completed\r\n");
	ask(&c, "a SELECT Big\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 1 EXISTS\r\n* 1 RECENT\r\n"
	    "* OK ~\r\n* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[]\r\n", "* 1 FETCH (BODY[] {~}\r\n");
	assert_int_equal(hear_bytes(&c, mail.len), sum);
	hear(&c, ")\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[1]<1118561.9>\r\n",
	    "* 1 FETCH (BODY[1]<1118561> {9}\r\n000020714)\r\n"
	    "a OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[TEXT]<0.5>\r\n",
	    "* 1 FETCH (BODY[TEXT]<0> {5}\r\n--b\r\n)\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY.PEEK[HEADER]\r\n",
	    "* 1 FETCH (BODY[HEADER] {45}\r\nContent-Type: ~\r\n\r\n)\r\n"
	    "a OK ~\r\n");
	ask(&c, "a SEARCH BODY \"line 000049999\"\r\n",
	    "* SEARCH 1\r\na OK ~\r\n");
	log_out(&c);
	buf_free(&mail);
}

/* Remove a message's file behind everybody's back; NULL: no link for it. */
static void
lose_file(const struct place *p, const char *folder, const char *mark,
    const char *link_to)
{
	char path[64];
	char name[NAME_MAX + 1];
	struct dirent *e;
	size_t lost = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "mail/%s/cur", folder);
	d = fdopendir(openat(p->home, path, O_RDONLY | O_DIRECTORY));
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		if (strstr(e->d_name, mark) != NULL) {
			assert_int_equal(unlinkat(dirfd(d), e->d_name, 0), 0);
			(void)snprintf(name, sizeof(name), "%s", e->d_name);
			lost++;
		}
	assert_int_equal(lost, 1);
	if (link_to != NULL)
		assert_int_equal(symlinkat(link_to, dirfd(d), name), 0);
	closedir(d);
}

static void
a_message_without_content_is_told_apart(void **state)
{
	struct client c;

	client_open(&c, *state, "x CREATE Lost\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	for (int i = 0; i < 2; i++) {
		append_one(&c, "Lost", "");
		hear(&c, "a OK ~\r\n");
	}
	log_out(&c);
	lose_file(*state, ".Lost", "U=1.", NULL);
	client_open(&c, *state, "a SELECT Lost\r\n");
	greeted(&c);
	hear(&c, "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 2 RECENT\r\n* OK ~\r\n"
		 "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a FETCH 1:2 (UID BODY.PEEK[TEXT])\r\n",
	    "* 2 FETCH (UID 2 BODY[TEXT] {7}\r\nHello\r\n)\r\n"
	    "a NO [EXPUNGEISSUED] ~\r\n");
	ask(&c, "a FETCH 1 ENVELOPE\r\n", "a NO [EXPUNGEISSUED] ~\r\n");
	ask(&c, "a SEARCH BODY Hello\r\n", "* SEARCH 2\r\na OK ~\r\n");
	log_out(&c);
}

/* A link in its place stands for a file that cannot be opened. */
static void
content_that_cannot_be_read_is_told(void **state)
{
	struct client c;

	client_open(&c, *state, "x CREATE Bad\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	for (int i = 0; i < 2; i++) {
		append_one(&c, "Bad", "");
		hear(&c, "a OK ~\r\n");
	}
	log_out(&c);
	client_open(&c, *state, "a SELECT Bad\r\n");
	greeted(&c);
	hear(&c, "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 2 RECENT\r\n* OK ~\r\n"
		 "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	lose_file(*state, ".Bad", "U=1.", "nowhere");
	ask(&c, "a FETCH 1:2 (UID BODY.PEEK[TEXT])\r\n",
	    "* 2 FETCH (UID 2 BODY[TEXT] {7}\r\nHello\r\n)\r\n"
	    "a NO [SERVERBUG] ~\r\n");
	ask(&c, "a SEARCH BODY Hello\r\n",
	    "* SEARCH 2\r\na NO [SERVERBUG] ~\r\n");
	ask(&c, "a SEARCH NOT BODY Hello\r\n",
	    "* SEARCH\r\na NO [SERVERBUG] ~\r\n");
	ask(&c, "a SEARCH UNSEEN\r\n", "* SEARCH 1 2\r\na OK ~\r\n");
	log_out(&c);
}

/* The Subject of a mail within, which its ENVELOPE has. */
static void
what_is_too_long_to_render_is_opaque(void **state)
{
	const size_t n = 17 << 20;
	struct buf mail = BUF_INIT(18 << 20);
	struct client c;
	char text[64];
	char *subject;

	assert_int_equal(buf_append_str(&mail,
			     "Content-Type: message/rfc822\r\n\r\nSubject: "),
	    0);
	subject = buf_reserve(&mail, n);
	assert_non_null(subject);
	memset(subject, 'a', n);
	buf_commit(&mail, n);
	assert_int_equal(buf_append_str(&mail, "\r\n\r\nx\r\n"), 0);
	client_open(&c, *state, "x CREATE Long\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	(void)snprintf(text, sizeof(text), "a APPEND Long {%zu}\r\n", mail.len);
	ask(&c, text, "+ OK\r\n");
	assert_int_equal(write_all(c.fd, mail.data, mail.len), 0);
	ask(&c, "\r\n", "a OK ~\r\n");
	ask(&c, "a EXAMINE Long\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 1 EXISTS\r\n* 1 RECENT\r\n"
	    "* OK ~\r\n* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODYSTRUCTURE\r\n",
	    "* 1 FETCH (BODYSTRUCTURE (\"APPLICATION\" \"OCTET-STREAM\" ~"
	    "\r\na OK ~\r\n");
	ask(&c, "a FETCH 1 BODY\r\n",
	    "* 1 FETCH (BODY (\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL"
	    " \"8BIT\" ~))\r\na OK ~\r\n");
	log_out(&c);
	buf_free(&mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_is_appended_and_fetched),
		cmocka_unit_test(two_sessions_see_each_other),
		cmocka_unit_test(refused_store_tells_no_expunge),
		cmocka_unit_test(who_deletes_the_selected_mailbox_leaves_it),
		cmocka_unit_test(new_mail_wakes_an_idle_session),
		cmocka_unit_test(a_client_that_dies_appends_nothing),
		cmocka_unit_test(single_bytes_make_no_difference),
		cmocka_unit_test(big_messages_are_streamed),
		cmocka_unit_test(a_message_without_content_is_told_apart),
		cmocka_unit_test(content_that_cannot_be_read_is_told),
		cmocka_unit_test(what_is_too_long_to_render_is_opaque),
	};

	return cmocka_run_group_tests(tests, place_setup, place_teardown);
}
