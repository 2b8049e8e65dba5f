/* Whole POP3 sessions over a socketpair, in a home of their own. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "pop3d/session.h"
#include "store/account.h"
#include "store/append.h"
#include "store/home.h"
#include "store/mailbox.h"
#include "tests/unit/tmp.h"

#define WAIT_MS 20000
#define INBOX   SLICE("INBOX")

static const uint8_t boot_id[16] = "boot";

struct place {
	char path[TMP_PATH];
	int home;
	struct config config;
};

struct client {
	int fd;
	int alive; /* closing it stops the session */
	pid_t pid;
	char in[65536];
	size_t len;
};

static int
place_setup(void **state)
{
	struct home_owner owner = {
		.uid = getuid(), .gid = getgid(), .deliver = (uid_t)-1
	};
	struct place *p = calloc(1, sizeof(*p));
	int parent;

	assert_non_null(p);
	log_level((enum log_level)(LOG_FAIL + 1));
	assert_int_equal(tmp_make(p->path), 0);
	parent = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(home_create(parent, "pip", &owner), 0);
	p->home = openat(parent, "pip", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fd_close(parent);
	assert_int_not_equal(p->home, -1);
	p->config.pop3_timeout = 600;
	p->config.errors_limit = 20;
	*state = p;
	return 0;
}

static int
place_teardown(void **state)
{
	struct place *p = *state;

	fd_close(p->home);
	assert_int_equal(tmp_remove(p->path), 0);
	free(p);
	return 0;
}

static struct account *
account_of(const struct place *p)
{
	struct account_config c = { .retention_s = 0 };
	struct account *a;

	memcpy(c.boot_id, boot_id, sizeof(boot_id));
	a = account_open(p->home, &c);
	assert_non_null(a);
	return a;
}

static void
add_bytes(const struct place *p, const char *text, size_t n)
{
	const struct append_about about = { .flags = 0 };
	struct account *a = account_of(p);
	struct append *ap = append_begin(a, INBOX);
	uint32_t uidvalidity;

	assert_non_null(ap);
	assert_int_equal(append_message(ap, &about), 0);
	assert_int_equal(append_write(ap, text, n), 0);
	assert_int_equal(append_commit(ap, &uidvalidity, NULL), 0);
	append_free(ap);
	account_close(a);
}

static void
add(const struct place *p, const char *text)
{
	add_bytes(p, text, strlen(text));
}

/* What another session would see: messages, and how many are seen. */
static void
count(const struct place *p, uint32_t exists, uint32_t unseen)
{
	struct account *a = account_of(p);
	struct mailbox_status status;

	assert_int_equal(account_status(a, INBOX, &status), 0);
	assert_int_equal(status.exists, exists);
	assert_int_equal(status.unseen, unseen);
	account_close(a);
}

/* -- the client ----------------------------------------------------------- */

static void
begin(struct client *c, const struct place *p, const char *preread)
{
	struct login_session login = {
		.number = 1,
		.user = "pip@example.test",
		.client = "192.0.2.1",
		.tag = "",
		.preread = slice_str(preread),
		.config = &p->config,
		.boot_id = boot_id,
	};
	int alive[2];
	int pair[2];

	memset(c, 0, sizeof(*c));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
	c->pid = fork();
	assert_int_not_equal(c->pid, -1);
	if (c->pid == 0) {
		fd_close(pair[0]);
		fd_close(alive[1]);
		login.fd = pair[1];
		login.alive = alive[0];
		_exit((int)pop3_session_serve(&login, p->home));
	}
	fd_close(pair[1]);
	fd_close(alive[0]);
	c->fd = pair[0];
	c->alive = alive[1];
}

static void
send_text(struct client *c, const char *text)
{
	assert_int_equal(write_all(c->fd, text, strlen(text)), 0);
}

/* Read until end stands at the end of what was read, or end of file. */
static const char *
receive(struct client *c, const char *end)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	size_t n = strlen(end);
	ssize_t got;

	c->len = 0;
	for (;;) {
		c->in[c->len] = '\0';
		if (n > 0 && c->len >= n &&
		    memcmp(c->in + c->len - n, end, n) == 0)
			return c->in;
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		got = read(c->fd, c->in + c->len, sizeof(c->in) - 1 - c->len);
		if (got <= 0)
			return c->in;
		c->len += (size_t)got;
	}
}

static const char *
ask(struct client *c, const char *line, const char *end)
{
	send_text(c, line);
	return receive(c, end);
}

static void
expect(struct client *c, const char *line, const char *reply)
{
	assert_string_equal(ask(c, line, "\r\n"), reply);
}

static void
expect_many(struct client *c, const char *line, const char *reply)
{
	assert_string_equal(ask(c, line, "\r\n.\r\n"), reply);
}

static void
expect_err(struct client *c, const char *line)
{
	if (strncmp(ask(c, line, "\r\n"), "-ERR", 4) != 0)
		fail_msg("%s said %s", line, c->in);
}

static enum pop3_end
end(struct client *c)
{
	int status;

	fd_close(c->fd);
	fd_close(c->alive);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	assert_true(WIFEXITED(status));
	return (enum pop3_end)WEXITSTATUS(status);
}

#define ONE "From: a\r\n\r\none\r\n"                    /* 16 */
#define TWO "From: b\r\n\r\n.two\r\n..\r\n.\r\nend\r\n" /* 29 */

static void
commands_answer_as_the_rfc_shows(void **state)
{
	struct place *p = *state;
	struct client c;

	add(p, ONE);
	add(p, TWO);
	begin(&c, p, "");
	assert_string_equal(
	    receive(&c, "\r\n"), "+OK 2 messages (45 octets)\r\n");
	expect(&c, "STAT\r\n", "+OK 2 45\r\n");
	expect_many(&c, "LIST\r\n", "+OK\r\n1 16\r\n2 29\r\n.\r\n");
	expect(&c, "list 2\r\n", "+OK 2 29\r\n");
	expect_many(&c, "RETR 1\r\n", "+OK 16 octets\r\n" ONE ".\r\n");
	expect_many(&c, "RETR 2\r\n",
	    "+OK 29 octets\r\nFrom: b\r\n\r\n..two\r\n...\r\n..\r\nend\r\n"
	    ".\r\n");
	expect_many(&c, "TOP 2 1\r\n",
	    "+OK Top follows\r\nFrom: b\r\n\r\n..two\r\n.\r\n");
	expect_many(
	    &c, "TOP 2 0\r\n", "+OK Top follows\r\nFrom: b\r\n\r\n.\r\n");
	expect(&c, "NOOP\r\n", "+OK\r\n");
	expect(&c, "QUIT\r\n", "+OK Goodbye\r\n");
	assert_int_equal(end(&c), POP3_QUIT);
	count(p, 2, 0); /* what was retrieved is seen */
}

/* P4, P5, P13 and more */
static void
wrong_commands_cost_nothing(void **state)
{
	static const char *const bad[] = { "RETR 0\r\n", "RETR -1\r\n",
		"RETR 99999999999\r\n", "RETR 18446744073709551617\r\n",
		"RETR 1x\r\n", "RETR\r\n", "RETR \r\n", "RETR 1 1\r\n",
		"RETR 2\r\n", "DELE 0\r\n", "DELE\r\n", "TOP 1\r\n",
		"TOP 1 -1\r\n", "TOP 1 \r\n", "TOP\r\n", "TOP 2 1\r\n",
		"LIST 2\r\n", "LIST \r\n", "UIDL 0\r\n", "STAT 1\r\n",
		"USER x\r\n", "PASS x\r\n", "STLS\r\n", "AUTH PLAIN\r\n",
		"\r\n", "QUIT now\r\n", "RSET 1\r\n", "NOOP \r\n" };
	struct place *p = *state;
	struct client c;
	size_t i;

	add(p, ONE);
	p->config.errors_limit = 1000;
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	for (i = 0; i < ARRAY_LEN(bad); i++)
		expect_err(&c, bad[i]);
	expect_many(
	    &c, "TOP 1 4294967296\r\n", "+OK Top follows\r\n" ONE ".\r\n");
	expect_many(&c, "TOP 1 99999999999999999999\r\n",
	    "+OK Top follows\r\n" ONE ".\r\n");
	expect(&c, "STAT\r\n", "+OK 1 16\r\n");
	assert_int_equal(end(&c), POP3_EOF);
}

static void
bad_commands_in_a_row_end_it(void **state)
{
	struct place *p = *state;
	struct client c;

	p->config.errors_limit = 3;
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	for (int i = 0; i < 3; i++) {
		expect_err(&c, "XYZZY\r\n");
		expect_err(&c, "RETR 1\r\n");
		expect(&c, "NOOP\r\n", "+OK\r\n");
	}
	send_text(&c, "XYZZY\r\nXYZZY\r\nXYZZY\r\nNOOP\r\n");
	assert_non_null(strstr(receive(&c, ""), "-ERR Too many bad commands"));
	assert_null(strstr(c.in, "+OK"));
	assert_int_equal(end(&c), POP3_ERRORS);
}

/* P6 */
static void
numbers_stay_when_messages_are_deleted(void **state)
{
	struct place *p = *state;
	struct client c;

	add(p, ONE);
	add(p, TWO);
	add(p, ONE);
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	expect(&c, "DELE 2\r\n", "+OK Deleted\r\n");
	expect_err(&c, "DELE 2\r\n");
	expect_err(&c, "RETR 2\r\n");
	expect_err(&c, "TOP 2 0\r\n");
	expect_err(&c, "LIST 2\r\n");
	expect_err(&c, "UIDL 2\r\n");
	expect_many(&c, "LIST\r\n", "+OK\r\n1 16\r\n3 16\r\n.\r\n");
	expect(&c, "STAT\r\n", "+OK 2 32\r\n");
	expect(&c, "RSET\r\n", "+OK\r\n");
	expect(&c, "STAT\r\n", "+OK 3 61\r\n");
	expect(&c, "DELE 1\r\n", "+OK Deleted\r\n");
	expect(&c, "QUIT\r\n", "+OK Goodbye\r\n");
	assert_int_equal(end(&c), POP3_QUIT);
	count(p, 2, 2);
}

/* What is \Recent stays so until a session shows it (RFC 3501 §2.3.2). */
static void
quit_takes_nothing_recent(void **state)
{
	struct place *p = *state;
	struct mailbox_status status;
	struct account *a;
	struct client c;

	add(p, ONE);
	add(p, TWO);
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	(void)ask(&c, "RETR 1\r\n", "\r\n.\r\n");
	expect(&c, "DELE 2\r\n", "+OK Deleted\r\n");
	add(p, ONE);
	expect(&c, "QUIT\r\n", "+OK Goodbye\r\n");
	assert_int_equal(end(&c), POP3_QUIT);
	a = account_of(p);
	assert_int_equal(account_status(a, INBOX, &status), 0);
	assert_int_equal(status.exists, 2);
	assert_int_equal(status.unseen, 1);
	assert_int_equal(status.recent, 2);
	account_close(a);
}

/* P7 */
static void
only_quit_deletes(void **state)
{
	struct place *p = *state;
	struct client c;

	add(p, ONE);
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	expect(&c, "DELE 1\r\n", "+OK Deleted\r\n");
	assert_int_equal(end(&c), POP3_EOF);
	count(p, 1, 1);
}

static void
unique_ids_are_the_same_tomorrow(void **state)
{
	struct place *p = *state;
	struct client c;
	char first[512];

	add(p, ONE);
	add(p, TWO);
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	(void)snprintf(
	    first, sizeof(first), "%s", ask(&c, "UIDL 2\r\n", "\r\n"));
	assert_memory_equal(first, "+OK 2 ", 6);
	expect(&c, "DELE 1\r\n", "+OK Deleted\r\n");
	expect(&c, "QUIT\r\n", "+OK Goodbye\r\n");
	(void)end(&c);
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	first[4] = '1';
	expect(&c, "UIDL 1\r\n", first);
	(void)end(&c);
}

/* P9 */
static void
odd_content_arrives_whole(void **state)
{
	struct place *p = *state;
	struct client c;

	add(p, "a: b\r\n\r\nno end");
	add_bytes(p, "a: b\r\n\r\nx\0y\r\n", 13);
	add(p, "a: b\n\n.\nbare\r\n");
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	/* 14 octets of file, and the line end it lacks. */
	expect_many(
	    &c, "RETR 1\r\n", "+OK 16 octets\r\na: b\r\n\r\nno end\r\n.\r\n");
	(void)ask(&c, "RETR 2\r\n", "\r\n.\r\n");
	assert_int_equal(c.len, 15 + 13 + 3);
	assert_memory_equal(
	    c.in, "+OK 13 octets\r\na: b\r\n\r\nx\0y\r\n.\r\n", c.len);
	expect_many(
	    &c, "RETR 3\r\n", "+OK 14 octets\r\na: b\n\n..\nbare\r\n.\r\n");
	(void)end(&c);
}

/* P10 */
static void
one_session_has_the_maildrop(void **state)
{
	struct place *p = *state;
	struct client a;
	struct client b;

	begin(&a, p, "");
	(void)receive(&a, "\r\n");
	/* What is pipelined behind must not destroy the answer. */
	begin(&b, p, "STAT\r\n");
	send_text(&b, "RETR 1\r\n");
	assert_memory_equal(receive(&b, ""), "-ERR [IN-USE]", 13);
	assert_int_equal(end(&b), POP3_FAILED);
	expect(&a, "QUIT\r\n", "+OK Goodbye\r\n");
	(void)end(&a);
	begin(&b, p, "");
	assert_memory_equal(receive(&b, "\r\n"), "+OK", 3);
	(void)end(&b);
}

/* P16 */
static void
a_message_removed_meanwhile_is_gone(void **state)
{
	struct place *p = *state;
	struct uidset first = UIDSET_INIT;
	struct account *a;
	struct mailbox *mb;
	struct client c;

	add(p, ONE);
	add(p, TWO);
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	a = account_of(p);
	mb = mailbox_open(a, INBOX, false);
	assert_non_null(mb);
	assert_int_equal(uidset_add(&first, 1, 1), 0);
	assert_int_equal(mailbox_remove(mb, &first, NULL), 0);
	mailbox_close(mb);
	account_close(a);
	uidset_free(&first);
	expect(&c, "STAT\r\n", "+OK 2 45\r\n");
	/* which is no fault of the client's, however often */
	for (int i = 0; i <= p->config.errors_limit; i++)
		expect_err(&c, "RETR 1\r\n");
	assert_memory_equal(ask(&c, "RETR 2\r\n", "\r\n.\r\n"), "+OK 29", 6);
	expect(&c, "DELE 1\r\n", "+OK Deleted\r\n");
	expect(&c, "QUIT\r\n", "+OK Goodbye\r\n");
	(void)end(&c);
	count(p, 1, 0);
}

/* P17, and what was deleted stays */
static void
silence_ends_it_without_a_word(void **state)
{
	struct place *p = *state;
	struct client c;

	add(p, ONE);
	p->config.pop3_timeout = 0;
	begin(&c, p, "DELE 1\r\n");
	assert_string_equal(
	    receive(&c, ""), "+OK 1 messages (16 octets)\r\n+OK Deleted\r\n");
	assert_int_equal(end(&c), POP3_IDLE);
	count(p, 1, 1);
}

static void
the_end_of_master_ends_it(void **state)
{
	struct place *p = *state;
	struct client c;

	add(p, ONE);
	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	expect(&c, "DELE 1\r\n", "+OK Deleted\r\n");
	fd_close(c.alive);
	c.alive = -1;
	assert_memory_equal(receive(&c, ""), "-ERR [SYS/TEMP]", 15);
	assert_int_equal(end(&c), POP3_STOPPED);
	count(p, 1, 1);
}

/* P3 */
static void
long_lines_and_bare_ends_are_refused(void **state)
{
	struct place *p = *state;
	struct client c;
	char line[700];

	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	memset(line, 'x', sizeof(line));
	memcpy(line + 690, "\r\n", 3);
	expect_err(&c, line);
	expect(&c, "NOOP\r\n", "+OK\r\n");
	send_text(&c, "NOOP\n");
	expect_err(&c, "NOOP\r\n");
	expect(&c, "NOOP\r\n", "+OK\r\n");
	assert_int_equal(end(&c), POP3_EOF);
}

static void
too_many_bad_commands_end_it(void **state)
{
	struct place *p = *state;
	struct client c;
	int i;

	begin(&c, p, "");
	(void)receive(&c, "\r\n");
	for (i = 0; i < 19; i++)
		expect_err(&c, "XYZZY\r\n");
	assert_non_null(strstr(ask(&c, "XYZZY\r\n", ""), "-ERR Too many"));
	assert_int_equal(end(&c), POP3_ERRORS);
}

static void
many_answers_to_one_write_come_in_order(void **state)
{
	static const char tail[] = "+OK Deleted\r\n+OK\r\n.\r\n+OK Goodbye\r\n";
	static char big[20000];
	struct place *p = *state;
	struct client c;
	const char *second;
	size_t i;

	memcpy(big, "a: b\r\n\r\n", 8);
	for (i = 8; i < sizeof(big); i += 2)
		memcpy(big + i, "\r\n", 2);
	big[10000] = '.'; /* a line start: one octet more on the wire */
	add_bytes(p, big, sizeof(big));
	begin(&c, p,
	    "STAT\r\nRETR 1\r\nDELE 1\r\nRSET\r\nRETR 1\r\n"
	    "DELE 1\r\nUIDL\r\nQUIT\r\n");
	(void)receive(&c, "Goodbye\r\n");
	second = strstr(c.in + 100, "+OK 20000 octets\r\n");
	assert_non_null(second);
	assert_memory_equal(
	    strstr(c.in, "+OK 20000 octets\r\n"), second, 20000 + 1 + 18 + 3);
	assert_string_equal(c.in + c.len - (sizeof(tail) - 1), tail);
	assert_int_equal(end(&c), POP3_QUIT);
	count(p, 0, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_answer_as_the_rfc_shows),
		TEST(wrong_commands_cost_nothing),
		TEST(bad_commands_in_a_row_end_it),
		TEST(numbers_stay_when_messages_are_deleted),
		TEST(quit_takes_nothing_recent),
		TEST(only_quit_deletes),
		TEST(unique_ids_are_the_same_tomorrow),
		TEST(odd_content_arrives_whole),
		TEST(one_session_has_the_maildrop),
		TEST(a_message_removed_meanwhile_is_gone),
		TEST(silence_ends_it_without_a_word),
		TEST(the_end_of_master_ends_it),
		TEST(long_lines_and_bare_ends_are_refused),
		TEST(too_many_bad_commands_end_it),
		TEST(many_answers_to_one_write_come_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
