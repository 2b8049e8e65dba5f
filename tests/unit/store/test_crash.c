#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "tests/unit/store/fixture.h"

/*
 * kill -9 before the n-th system call of a change, for every n, and what
 * the next session finds: by another one of the same boot, and by the first
 * one after a boot.
 */

struct scenario {
	void (*prepare)(struct fixture *x);
	void (*change)(struct fixture *x); /* in the child that is killed */
	void (*verify)(struct fixture *x, bool done);
};

/* Run change() and kill it before its n-th system call; 1: it was done. */
static bool
killed_at(struct fixture *x, const struct scenario *s, unsigned n)
{
	unsigned stops = 0;
	int status;
	pid_t pid;

	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1)
			_exit(3);
		raise(SIGSTOP);
		s->change(x);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	while (WIFSTOPPED(status)) {
		/* Two stops a call: before and after. */
		if (stops++ == 2 * n)
			kill(pid, SIGKILL);
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFEXITED(status);
}

static void
run(const struct scenario *s)
{
	struct fixture *x;
	void *state;
	bool done = false;
	unsigned n;

	for (n = 0; !done; n++) {
		assert_true(n < 2000);
		assert_int_equal(fixture_up(&state), 0);
		x = state;
		s->prepare(x);
		done = killed_at(x, s, n);
		if (n % 3 == 2)
			x->config.boot_id[0]++;
		s->verify(x, done);
		/* … and the same again after a boot. */
		x->config.boot_id[0]++;
		s->verify(x, done);
		fixture_down(&state);
	}
	assert_true(n > 10);
}

/* Every mail is "mail N\r\n": how often is N there? All can be read. */
static void
count_mails(struct account *a, const char *name, unsigned *times, unsigned max)
{
	struct mailbox *mb = open_box(a, name);
	struct message m;
	const char *text;
	unsigned long n;

	for (uint32_t seq = 1; seq <= exists(mb); seq++) {
		assert_int_equal(mailbox_message(mb, seq, &m), 0);
		text = content(mb, m.uid);
		if (text == NULL)
			fail_msg(
			    "no content of %u: %s", m.uid, strerror(errno));
		assert_int_equal(strncmp(text, "mail ", 5), 0);
		n = strtoul(text + 5, NULL, 10);
		assert_true(n < max);
		times[n]++;
	}
	mailbox_close(mb);
}

static void
drop_many(struct fixture *x, unsigned n)
{
	char text[32];

	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "mail %u\r\n", i);
		drop_mail(x, text);
	}
}

/* The account is there, with so many mails. */
static void
prepare_mails(struct fixture *x)
{
	struct account *a = open_account(x);

	assert_int_equal(account_create(a, SLICE("Box"), 0), 0);
	drop_many(x, 4);
	assert_int_equal(account_takein(a), 0);
	account_close(a);
}

/* -- taking in ----------------------------------------------------- */

static void
prepare_drops(struct fixture *x)
{
	struct account *a = open_account(x);

	account_close(a);
	drop_many(x, 4);
}

static void
change_takein(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);

	if (a == NULL || account_takein(a) == -1)
		_exit(4);
	account_close(a);
}

static void
verify_each_once(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	struct mailbox_status s;
	unsigned times[4] = { 0 };

	(void)done;
	count_mails(a, "INBOX", times, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(times[i], 1);
	/* Nothing a killed process wrote is lost, so no UID is passed over. */
	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.uidnext, 5);
	/* The first mailboxes came at once, and before a mail could. */
	assert_int_equal(account_status(a, SLICE("Drafts"), &s), 0);
	assert_int_equal(account_status(a, SLICE("Trash"), &s), 0);
	account_close(a);
}

static void
takein_is_exactly_once(void **state)
{
	static const struct scenario s = { prepare_drops, change_takein,
		verify_each_once };

	(void)state;
	run(&s);
}

static void
prepare_nothing(struct fixture *x)
{
	drop_many(x, 4);
}

static void
first_open_can_be_killed(void **state)
{
	static const struct scenario s = { prepare_nothing, change_takein,
		verify_each_once };

	(void)state;
	run(&s);
}

/* The first open after a boot, killed. */
static void
change_recover(struct fixture *x)
{
	x->config.boot_id[0] = 99;
	change_takein(x);
}

static void
recovery_can_be_killed(void **state)
{
	static const struct scenario s = { prepare_drops, change_recover,
		verify_each_once };

	(void)state;
	run(&s);
}

/* -- append -------------------------------------------------------- */

static void
change_append(struct fixture *x)
{
	struct append_about about = { .flags = MESSAGE_SEEN };
	struct account *a = account_open(x->home, &x->config);
	struct append *ap = append_begin(a, SLICE("Box"));

	if (ap == NULL || append_message(ap, &about) == -1 ||
	    append_write(ap, "mail 0\r\n", 8) == -1 ||
	    append_message(ap, &about) == -1 ||
	    append_write(ap, "mail 1\r\n", 8) == -1 ||
	    append_commit(ap, NULL, NULL) == -1)
		_exit(4);
	append_free(ap);
	account_close(a);
}

static void
verify_append(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	unsigned times[4] = { 0 };

	count_mails(a, "Box", times, 4);
	assert_int_equal(times[0], times[1]);
	assert_in_range(times[0], done ? 1 : 0, 1);
	account_close(a);
}

static void
append_is_all_or_nothing(void **state)
{
	static const struct scenario s = { prepare_mails, change_append,
		verify_append };

	(void)state;
	run(&s);
}

/* -- copy, move, expunge ------------------------------------------- */

static void
change_copying(struct fixture *x, bool move)
{
	struct copy_result r = COPY_RESULT_INIT;
	struct uidset set = uids(2, 4);
	struct account *a = account_open(x->home, &x->config);
	struct mailbox *mb = mailbox_open(a, SLICE("INBOX"), false);
	int rc;

	rc = move ? mailbox_move(mb, &set, SLICE("Box"), &r)
		  : mailbox_copy(mb, &set, SLICE("Box"), &r);
	if (rc == -1)
		_exit(4);
	uidset_free(&set);
	copy_result_free(&r);
	mailbox_close(mb);
	account_close(a);
}

static void
change_copy(struct fixture *x)
{
	change_copying(x, false);
}

static void
change_move(struct fixture *x)
{
	change_copying(x, true);
}

static void
verify_copy(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	unsigned here[4] = { 0 };
	unsigned there[4] = { 0 };

	count_mails(a, "INBOX", here, 4);
	count_mails(a, "Box", there, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(here[i], 1);
	assert_int_equal(there[0], 0);
	assert_in_range(there[1], done ? 1 : 0, 1);
	assert_int_equal(there[2], there[1]);
	assert_int_equal(there[3], there[1]);
	account_close(a);
}

static void
verify_move(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	unsigned here[4] = { 0 };
	unsigned there[4] = { 0 };

	count_mails(a, "INBOX", here, 4);
	count_mails(a, "Box", there, 4);
	assert_int_equal(here[0], 1);
	assert_in_range(there[1], done ? 1 : 0, 1);
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(here[i] + there[i], 1);
		assert_int_equal(there[i], there[1]);
	}
	account_close(a);
}

static void
copy_is_all_or_nothing(void **state)
{
	static const struct scenario s = { prepare_mails, change_copy,
		verify_copy };

	(void)state;
	run(&s);
}

static void
move_is_all_or_nothing(void **state)
{
	static const struct scenario s = { prepare_mails, change_move,
		verify_move };

	(void)state;
	run(&s);
}

static void
change_expunge(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);
	struct mailbox *mb = mailbox_open(a, SLICE("INBOX"), false);
	struct uidset set = uids(2, 3);

	if (mailbox_remove(mb, &set, NULL) == -1)
		_exit(4);
	uidset_free(&set);
	mailbox_close(mb);
	account_close(a);
}

static void
verify_expunge(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	unsigned times[4] = { 0 };

	count_mails(a, "INBOX", times, 4);
	assert_int_equal(times[0], 1);
	assert_int_equal(times[3], 1);
	assert_int_equal(times[1], times[2]);
	assert_in_range(times[1], 0, done ? 0 : 1);
	account_close(a);
}

static void
expunge_is_all_or_nothing(void **state)
{
	static const struct scenario s = { prepare_mails, change_expunge,
		verify_expunge };

	(void)state;
	run(&s);
}

/* -- folders ------------------------------------------------------- */

static void
prepare_tree(struct fixture *x)
{
	struct account *a = open_account(x);

	assert_int_equal(account_create(a, SLICE("Box"), 0), 0);
	assert_int_equal(account_create(a, SLICE("Box/In"), 0), 0);
	assert_int_equal(append_text(a, "Box", "mail 0\r\n", 0), 0);
	assert_int_equal(append_text(a, "Box/In", "mail 1\r\n", 0), 0);
	account_close(a);
}

static void
change_rename(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);

	if (account_rename(a, SLICE("Box"), SLICE("New/Name")) == -1)
		_exit(4);
	account_close(a);
}

static void
verify_rename(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	struct mailbox_status s;
	unsigned times[2] = { 0 };
	bool new = account_status(a, SLICE("New/Name"), &s) == 0;

	assert_true(new || !done);
	count_mails(a, new ? "New/Name" : "Box", times, 2);
	count_mails(a, new ? "New/Name/In" : "Box/In", times, 2);
	assert_int_equal(times[0], 1);
	assert_int_equal(times[1], 1);
	assert_int_equal(
	    account_status(a, new ? SLICE("Box") : SLICE("New/Name"), &s), -1);
	account_close(a);
}

static void
rename_takes_the_whole_tree(void **state)
{
	static const struct scenario s = { prepare_tree, change_rename,
		verify_rename };

	(void)state;
	run(&s);
}

static void
change_create_delete(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);

	if (account_delete(a, SLICE("Box")) == -1 ||
	    account_create(a, SLICE("Box"), 0) == -1 ||
	    append_text(a, "Box", "mail 2\r\n", 0) == -1)
		_exit(4);
	account_close(a);
}

static void
verify_create_delete(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	struct mailbox_status s;
	unsigned times[3] = { 0 };

	if (account_status(a, SLICE("Box"), &s) == 0)
		count_mails(a, "Box", times, 3);
	count_mails(a, "Box/In", times, 3);
	assert_int_equal(times[1], 1);
	assert_true(times[0] + times[2] <= 1);
	assert_true(!done || times[2] == 1);
	account_close(a);
}

static void
delete_and_create_can_be_killed(void **state)
{
	static const struct scenario s = { prepare_tree, change_create_delete,
		verify_create_delete };

	(void)state;
	run(&s);
}

/* -- background work ----------------------------------------------- */

/*
 * Enough changes that closing folds, writes a snapshot and removes files;
 * by a session that is killed before it does.
 */
static void
prepare_work(struct fixture *x)
{
	struct uidset set = uids(1, 1);
	struct mailbox *mb;
	int status;
	pid_t pid;

	drop_many(x, 100);
	pid = fork();
	if (pid == 0) {
		mb = open_box(open_account(x), "INBOX");
		assert_int_equal(mailbox_remove(mb, &set, NULL), 0);
		for (int i = 0; i < 40; i++)
			assert_int_equal(
			    store_flags(mb, 1, 100,
				i % 2 == 0 ? STORE_ADD : STORE_REMOVE,
				MESSAGE_FLAGGED),
			    0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	uidset_free(&set);
}

static void
change_work(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);
	struct mailbox *mb = mailbox_open(a, SLICE("INBOX"), false);

	if (mb == NULL)
		_exit(4);
	mailbox_close(mb);
	account_close(a);
}

static void
verify_work(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	unsigned times[100] = { 0 };

	(void)done;
	count_mails(a, "INBOX", times, 100);
	assert_int_equal(times[0], 0);
	for (unsigned i = 1; i < 100; i++)
		assert_int_equal(times[i], 1);
	account_close(a);
}

static void
folding_can_be_killed(void **state)
{
	static const struct scenario s = { prepare_work, change_work,
		verify_work };

	(void)state;
	run(&s);
}

/* -- repairing damage ---------------------------------------------- */

/* Three messages, and the record that gave the third its UID is damaged. */
static void
prepare_damage(struct fixture *x)
{
	struct account *a = open_account(x);
	char text[32];
	char byte;
	off_t at;
	off_t end;
	int fd;

	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "mail %d\r\n", i);
		assert_int_equal(append_text(a, "INBOX", text, 0), 0);
	}
	account_close(a);
	fd = open_last_record(x, &at, &end);
	assert_int_equal(pread(fd, &byte, 1, at + 20), 1);
	byte ^= 0x55;
	assert_int_equal(pwrite(fd, &byte, 1, at + 20), 1);
	close(fd);
}

static void
change_repair(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);

	if (a == NULL || account_subscribe(a, SLICE("any"), true) == -1)
		_exit(4);
	account_close(a);
}

/* UID 3 was told, so it is not given again. */
static void
verify_repair(struct fixture *x, bool done)
{
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct message m;
	unsigned times[4] = { 0 };
	uint32_t n;

	(void)done;
	assert_int_equal(append_text(a, "INBOX", "mail 3\r\n", 0), 0);
	count_mails(a, "INBOX", times, 4);
	for (int i = 0; i < 3; i++)
		assert_int_equal(times[i], 1);
	mb = open_box(a, "INBOX");
	n = exists(mb);
	assert_int_equal(n, 3 + times[3]);
	assert_int_equal(mailbox_message(mb, 4, &m), 0);
	assert_true(m.uid > 3);
	assert_string_equal(content(mb, 3), "mail 2\r\n");
	mailbox_close(mb);
	account_close(a);
}

static void
repair_can_be_killed(void **state)
{
	static const struct scenario s = { prepare_damage, change_repair,
		verify_repair };

	(void)state;
	log_level(LOG_FAIL + 1);
	run(&s);
	log_level(LOG_INFORM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takein_is_exactly_once),
		cmocka_unit_test(first_open_can_be_killed),
		cmocka_unit_test(recovery_can_be_killed),
		cmocka_unit_test(append_is_all_or_nothing),
		cmocka_unit_test(copy_is_all_or_nothing),
		cmocka_unit_test(move_is_all_or_nothing),
		cmocka_unit_test(expunge_is_all_or_nothing),
		cmocka_unit_test(rename_takes_the_whole_tree),
		cmocka_unit_test(delete_and_create_can_be_killed),
		cmocka_unit_test(folding_can_be_killed),
		cmocka_unit_test(repair_can_be_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
