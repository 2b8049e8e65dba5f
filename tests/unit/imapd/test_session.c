/* Whole sessions over a socketpair: commands, folders, flags, SEARCH. */
#include "tests/unit/imapd/client.h"

static void
any_state_commands(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a CAPABILITY\r\n",
	    "* CAPABILITY " CAPS "\r\na OK Capability completed\r\n");
	ask(&c, "a noop\r\n", "a OK Noop completed\r\n");
	ask(&c, "a NAMESPACE\r\n",
	    "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
	    "a OK Namespace completed\r\n");
	ask(&c, "a ID NIL\r\n", "* ID (\"name\" \"Wemmick\"~\r\na OK ID~\r\n");
	ask(&c, "a ID (\"name\" {3+}\r\nx y \"os\" NIL)\r\n",
	    "* ID ~\r\na OK ID completed\r\n");
	ask(&c, "a ENABLE CONDSTORE\r\n",
	    "* ENABLED\r\na OK Enable completed\r\n");
	log_out(&c);
}

static void
bad_input_is_answered_and_counted(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a FROB\r\n", "a BAD Unknown command\r\n");
	ask(&c, "+ NOOP\r\n", "* BAD ~\r\n");
	ask(&c, "\r\n", "* BAD ~\r\n");
	ask(&c, "a NOOP x\r\n", "a BAD Junk after the command\r\n");
	ask(&c, "a NOOP\r\n", "a OK ~\r\n");
	ask(&c, "a NOOP\n", "a BAD Lines end in CRLF\r\n");
	ask(&c, "a LOGIN x y\r\n", "a BAD Already logged in\r\n");
	ask(&c, "a FETCH 1 FLAGS\r\n", "a BAD No mailbox selected\r\n");
	ask(&c, "a SELECT {100000}\r\n", "a BAD Literal too big\r\n");
	ask(&c, "a NOOP\r\n", "a OK ~\r\n");
	/* the client does not wait: what it sent is read over */
	ask(&c, "a SELECT {5+}\r\nIN\0OX\r\n", "");
	assert_int_equal(write_all(c.fd, "NBOX\r\n", 6), 0);
	hear(&c, "a ~\r\n");
	ask(&c, "a SELECT {2}\r\n", "+ OK\r\n");
	ask(&c, "no\r\n", "a NO [NONEXISTENT] No such mailbox\r\n");
	for (int i = 0; i < 4; i++)
		ask(&c, "a FROB\r\n", "a BAD ~\r\n");
	ask(&c, "a FROB\r\n", "a BAD ~\r\n* BYE Too many bad commands\r\n");
	assert_false(more(&c));
	client_close(&c);
}

static void
long_lines_are_refused(void **state)
{
	struct client c;
	char *big = malloc(200001);

	memset(big, 'x', 200000);
	big[200000] = '\0';
	client_open(&c, *state, "");
	greeted(&c);
	say(&c, "a NOOP ");
	say(&c, big);
	ask(&c, "\r\nb NOOP\r\n", "a BAD Line too long\r\nb OK ~\r\n");
	say(&c, "a SELECT ");
	say(&c, big);
	ask(&c, "{3+}\r\nabc {2+}\r\nxx\r\nb NOOP\r\n",
	    "a BAD Line too long\r\nb OK ~\r\n");
	log_out(&c);
	free(big);
}

static void
folders_are_listed(void **state)
{
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	ask(&c, "a LIST \"\" \"\"\r\n",
	    "* LIST (\\Noselect) \"/\" \"\"\r\na OK List completed\r\n");
	ask(&c, "a LIST \"\" in*\r\n",
	    "* LIST (\\HasNoChildren) \"/\" INBOX\r\na OK ~\r\n");
	ask(&c, "a CREATE Archive\r\n", "a OK Create completed\r\n");
	ask(&c, "a CREATE Archive\r\n", "a NO [ALREADYEXISTS] ~\r\n");
	ask(&c, "a CREATE inbox\r\n", "a NO [ALREADYEXISTS] ~\r\n");
	ask(&c, "a CREATE Lists/linux/\r\n", "a OK Create completed\r\n");
	ask(&c, "a CREATE \"Entw&APw-rfe\"\r\n", "a OK ~\r\n");
	ask(&c, "a LIST \"\" A%\r\n",
	    "* LIST (\\HasNoChildren \\Archive) \"/\" Archive\r\na OK ~\r\n");
	ask(&c, "a LIST \"\" Entw%\r\n",
	    "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe\r\na OK ~\r\n");
	/* the same name, spelt with a combining mark */
	ask(&c, "a LIST \"\" \"Entwu&Awg-*\"\r\n",
	    "* LIST (\\HasNoChildren) \"/\" Entw&APw-rfe\r\na OK ~\r\n");
	ask(&c, "a LIST \"\" L%\r\n",
	    "* LIST (\\Noselect \\HasChildren) \"/\" Lists\r\n"
	    "a OK List completed\r\n");
	ask(&c, "a LIST Lists/ \"%\"\r\n",
	    "* LIST (\\HasNoChildren) \"/\" Lists/linux\r\na OK ~\r\n");
	ask(&c, "a SELECT Lists\r\n", "a NO [NONEXISTENT] ~\r\n");
	ask(&c, "a SUBSCRIBE Lists/linux\r\n", "a OK ~\r\n");
	ask(&c, "a LSUB \"\" L*\r\n",
	    "* LSUB (\\HasNoChildren) \"/\" Lists/linux\r\na OK ~\r\n");
	ask(&c, "a LSUB \"\" L%\r\n",
	    "* LSUB (\\Noselect \\HasChildren) \"/\" Lists\r\na OK ~\r\n");
	ask(&c, "a UNSUBSCRIBE Lists/linux\r\n", "a OK ~\r\n");
	ask(&c, "a LSUB \"\" L*\r\n", "a OK ~\r\n");
	ask(&c, "a RENAME Lists Post\r\n", "a OK ~\r\n");
	ask(&c, "a LIST \"\" Post*\r\n",
	    "* LIST (\\Noselect \\HasChildren) \"/\" Post\r\n"
	    "* LIST (\\HasNoChildren) \"/\" Post/linux\r\na OK ~\r\n");
	ask(&c, "a DELETE Post/linux\r\n", "a OK ~\r\n");
	ask(&c, "a DELETE Post/linux\r\n", "a NO [NONEXISTENT] ~\r\n");
	ask(&c, "a DELETE INBOX\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE a//b\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE \"&AAA\"\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE \"../../etc\"\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE .\r\n", "a NO [CANNOT] ~\r\n");
	ask(&c, "a CREATE {4+}\r\na\r\nb\r\n", "a NO [CANNOT] ~\r\n");
	log_out(&c);
}

/* RFC 9051 §9, seq-number: not even "*" is there. */
static void
numbers_of_an_empty_mailbox_are_bad(void **state)
{
	static const char *const commands[] = { "FETCH 1:* FLAGS",
		"FETCH * FLAGS", "FETCH 1 FLAGS", "FETCH 2,*:4 FLAGS",
		"STORE 1:* FLAGS (\\Seen)", "COPY 1:* Sent", "MOVE * Sent" };
	char line[64];
	struct client c;

	client_open(&c, *state, "x SELECT INBOX\r\n");
	greeted(&c);
	hear(&c, "* FLAGS ~\r\n* OK ~\r\n* 0 EXISTS\r\n* 0 RECENT\r\n* OK ~\r\n"
		 "* OK ~\r\nx OK ~\r\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		snprintf(line, sizeof(line), "a %s\r\n", commands[i]);
		ask(&c, line, "a BAD No such message\r\n");
		snprintf(line, sizeof(line), "a UID %s\r\n", commands[i]);
		ask(&c, line, "a OK ~\r\n");
	}
	/* which asks who there is */
	ask(&c, "a SEARCH 1:*\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a UID SEARCH *\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a SEARCH 1\r\n", "a BAD No such message\r\n");
	log_out(&c);
}

static void
flags_copies_and_expunges(void **state)
{
	struct client c;

	client_open(&c, *state, "x CREATE Work\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	for (int i = 1; i <= 4; i++) {
		append_one(&c, "Work", "");
		hear(&c, "a OK ~\r\n");
	}
	ask(&c, "a EXAMINE Work\r\n",
	    "* FLAGS ~\r\n* OK [PERMANENTFLAGS ()] ~\r\n* 4 EXISTS\r\n"
	    "* 4 RECENT\r\n* OK [UNSEEN 1] ~\r\n* OK [UIDVALIDITY ~\r\n"
	    "* OK [UIDNEXT 5] ~\r\na OK [READ-ONLY] Selected\r\n");
	ask(&c, "a STORE 1 FLAGS ()\r\n", "a NO [READ-ONLY] ~\r\n");
	ask(&c, "a EXPUNGE\r\n", "a NO [READ-ONLY] ~\r\n");
	ask(&c, "a SELECT Work\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 4 EXISTS\r\n* 4 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a STORE 1:2 +FLAGS (\\Deleted New)\r\n",
	    "* FLAGS (~\r\n* OK [PERMANENTFLAGS ~\r\n"
	    "* 1 FETCH (FLAGS (\\Deleted \\Recent New))\r\n"
	    "* 2 FETCH (FLAGS (\\Deleted \\Recent New))\r\n"
	    "a OK Store completed\r\n");
	ask(&c, "a UID STORE 2 -FLAGS \\Deleted\r\n",
	    "* 2 FETCH (UID 2 FLAGS (\\Recent New))\r\na OK ~\r\n");
	ask(&c, "a STORE 3 FLAGS.SILENT (\\Flagged)\r\n", "a OK ~\r\n");
	ask(&c, "a STORE 3 FLAGS (\\Recent)\r\n", "a BAD ~\r\n");
	/* a client that has not heard of an EXPUNGE means none of these */
	ask(&c, "a STORE 5:* +FLAGS (\\Deleted)\r\n",
	    "a BAD No such message\r\n");
	ask(&c, "a COPY *:9 INBOX\r\n", "a BAD No such message\r\n");
	ask(&c, "a FETCH 1,5:* UID\r\n", "a BAD No such message\r\n");
	ask(&c, "a FETCH 4:* UID\r\n", "* 4 FETCH (UID 4)\r\na OK ~\r\n");
	ask(&c, "a UID FETCH 9:* UID\r\n", "* 4 FETCH (UID 4)\r\na OK ~\r\n");
	ask(&c, "a COPY 1:2 Nowhere\r\n", "a NO [TRYCREATE] ~\r\n");
	ask(&c, "a CREATE Old\r\n", "a OK ~\r\n");
	ask(&c, "a COPY 2:3 Old\r\n",
	    "a OK [COPYUID ~ 2:3 1:2] Copy completed\r\n");
	ask(&c, "a UID COPY 77 Old\r\n", "a OK Copy completed\r\n");
	ask(&c, "a UID EXPUNGE 2:4\r\n", "a OK ~\r\n");
	ask(&c, "a EXPUNGE\r\n", "* 1 EXPUNGE\r\na OK ~\r\n");
	ask(&c, "a MOVE 1,3 Old\r\n",
	    "* OK [COPYUID ~ 2,4 3:4] Moved\r\n"
	    "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\na OK Move completed\r\n");
	ask(&c, "a UID SEARCH ALL\r\n", "* SEARCH 3\r\na OK ~\r\n");
	ask(&c, "a CHECK\r\n", "a OK ~\r\n");
	ask(&c, "a STORE 1 FLAGS.SILENT \\Deleted\r\n", "a OK ~\r\n");
	ask(&c, "a CLOSE\r\n", "a OK ~\r\n");
	ask(&c, "a STATUS Work (MESSAGES)\r\n",
	    "* STATUS Work (MESSAGES 0)\r\na OK ~\r\n");
	ask(&c, "a SELECT Old\r\n",
	    "* FLAGS (~\r\n* OK ~\r\n* 4 EXISTS\r\n* 4 RECENT\r\n"
	    "* OK ~\r\n* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a FETCH 1:2 FLAGS\r\n",
	    "* 1 FETCH (FLAGS (\\Recent New))\r\n"
	    "* 2 FETCH (FLAGS (\\Flagged \\Recent))\r\na OK ~\r\n");
	ask(&c, "a UNSELECT\r\n", "a OK ~\r\n");
	ask(&c, "a DELETE Old\r\n", "a OK ~\r\n");
	log_out(&c);
}

/* Bytes that nobody read must not make the BYE a reset. */
static void
last_words_reach_who_is_still_sending(void **state)
{
	struct buf b = BUF_INIT(1 << 20);
	struct client c;
	char byte;

	client_open(&c, *state, "");
	greeted(&c);
	for (int i = 0; i < 5000; i++)
		assert_int_equal(buf_append_str(&b, "a XYZZY\r\n"), 0);
	say(&c, buf_str(&b));
	for (int i = 0; i < 5; i++)
		hear(&c, "a BAD ~\r\n");
	hear(&c, "* BYE Too many bad commands\r\n");
	assert_int_equal(read(c.fd, &byte, 1), 0);
	client_close(&c);
	buf_free(&b);
}

/* §6.3.1 */
static void
a_select_that_fails_leaves_nothing_selected(void **state)
{
	static const char *const refused[] = { "a SELECT nowhere\r\n",
		"a SELECT ../x\r\n", "a EXAMINE \"&\"\r\n" };
	const char *selected = "* FLAGS ~\r\n* OK ~\r\n* 0 EXISTS\r\n"
			       "* 0 RECENT\r\n* OK ~\r\n* OK ~\r\na OK ~\r\n";
	struct client c;

	client_open(&c, *state, "x CREATE Fails\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		ask(&c, "a SELECT Fails\r\n", selected);
		ask(&c, refused[i], "a NO ~\r\n");
		ask(&c, "a CHECK\r\n", "a BAD ~\r\n");
	}
	ask(&c, "a SELECT Fails\r\n", selected);
	ask(&c, "a SELECT\r\n", "a BAD ~\r\n");
	ask(&c, "a CHECK\r\n", "a OK ~\r\n");
	log_out(&c);
}

static void
messages_are_searched(void **state)
{
	struct client c;

	client_open(&c, *state, "x CREATE Find\r\n");
	greeted(&c);
	hear(&c, "x OK ~\r\n");
	append_one(&c, "Find", "(\\Seen) \" 7-Feb-1994 21:52:25 -0800\" ");
	hear(&c, "a OK ~\r\n");
	append_text(&c, "Find", "(\\Flagged Kw) ",
	    "To: x@y\r\nSubject: =?utf-8?q?Entw=C3=BCrfe?=\r\n"
	    "Content-Language: de\r\n\r\nx\r\n");
	hear(&c, "a OK ~\r\n");
	ask(&c, "a SELECT Find\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 2 EXISTS\r\n* 2 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	ask(&c, "a SEARCH ALL\r\n", "* SEARCH 1 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH SEEN\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH NOT SEEN KEYWORD kw\r\n", "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH KEYWORD unknown\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a SEARCH ON 7-Feb-1994\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH BEFORE 7-Feb-1994\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a SEARCH SENTSINCE 8-Feb-1994\r\n", "* SEARCH\r\na OK ~\r\n");
	ask(&c, "a SEARCH SENTON 7-Feb-1994\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH SUBJECT ONE\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH CHARSET UTF-8 SUBJECT {8+}\r\nENTW\xc3\x9cR\r\n",
	    "a BAD ~\r\n");
	ask(&c, "a SEARCH CHARSET UTF-8 SUBJECT {7+}\r\nENTW\xc3\x9cR\r\n",
	    "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH CHARSET nonsense ALL\r\n",
	    "a NO [BADCHARSET (US-ASCII UTF-8)] ~\r\n");
	ask(&c, "a SEARCH HEADER Content-Language \"\"\r\n",
	    "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH BODY hello\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH TEXT example.test\r\n", "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH LARGER 80 SMALLER 100\r\n",
	    "* SEARCH 1\r\na OK ~\r\n");
	ask(&c, "a SEARCH OR UID 2 1 NOT FROM pip\r\n",
	    "* SEARCH 2\r\na OK ~\r\n");
	ask(&c, "a SEARCH 3\r\n", "a BAD No such message\r\n");
	ask(&c, "a SEARCH UID 3,5:*\r\n", "* SEARCH 2\r\na OK ~\r\n");
	log_out(&c);
}

static void
commands_may_come_in_one_piece(void **state)
{
	struct buf all = BUF_INIT(1 << 20);
	struct client c;

	client_open(&c, *state, "");
	greeted(&c);
	for (int i = 0; i < 500; i++)
		assert_int_equal(buf_printf(&all,
				     "n%d NOOP\r\ns%d STATUS INBOX"
				     " (UIDVALIDITY)\r\n",
				     i, i),
		    0);
	say(&c, buf_str(&all));
	for (int i = 0; i < 500; i++) {
		char want[128];

		(void)snprintf(want, sizeof(want),
		    "n%d OK ~\r\n* STATUS INBOX (UIDVALIDITY ~)\r\n"
		    "s%d OK ~\r\n",
		    i, i);
		hear(&c, want);
	}
	log_out(&c);
	buf_free(&all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_state_commands),
		cmocka_unit_test(bad_input_is_answered_and_counted),
		cmocka_unit_test(long_lines_are_refused),
		cmocka_unit_test(folders_are_listed),
		cmocka_unit_test(numbers_of_an_empty_mailbox_are_bad),
		cmocka_unit_test(flags_copies_and_expunges),
		cmocka_unit_test(last_words_reach_who_is_still_sending),
		cmocka_unit_test(a_select_that_fails_leaves_nothing_selected),
		cmocka_unit_test(messages_are_searched),
		cmocka_unit_test(commands_may_come_in_one_piece),
	};

	return cmocka_run_group_tests(tests, place_setup, place_teardown);
}
