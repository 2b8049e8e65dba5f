#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "store/state.h"
#include "tests/unit/store/fixture.h"

/*
 * What the first open after a boot does anew: it must come to what the
 * journal says, however often it is done, and from whatever was durable.
 */

static time_t wall_shift_s;

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int rc = (int)syscall(SYS_clock_gettime, clock, now);

	if (clock == CLOCK_REALTIME)
		now->tv_sec += wall_shift_s;
	return rc;
}

static void
run(const char *script, const char *path)
{
	char command[512];

	snprintf(command, sizeof(command), "set -e; cd '%s'; %s", path, script);
	assert_int_equal(system(command), 0);
}

/* The one message of a mailbox. */
static void
assert_holds(struct fixture *x, const char *name, const char *text)
{
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, name);
	struct message m;

	assert_int_equal(exists(mb), text == NULL ? 0 : 1);
	if (text != NULL) {
		assert_int_equal(mailbox_message(mb, 1, &m), 0);
		assert_int_equal(m.uid, 1);
		assert_string_equal(content(mb, 1), text);
		assert_true((m.flags & MESSAGE_SEEN) != 0);
	}
	mailbox_close(mb);
	account_close(a);
}

/* A snapshot cannot be written: that is tried last. */
static void
recovery_that_failed_is_done_again(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	assert_int_equal(append_text(a, "INBOX", "one\r\n", MESSAGE_SEEN), 0);
	account_close(a);
	x->config.boot_id[0]++;
	run("mkdir -p mail/.Found/cur; echo >mail/.Found/cur/1.x.y:2,S;"
	    "rm -f account.1; mkdir -p account.1/x",
	    x->path);
	assert_null(account_open(x->home, &x->config));
	run("rm -r account.1", x->path);
	a = open_account(x);
	assert_int_equal(a->j.now.boot_id[0], x->config.boot_id[0]);
	assert_int_equal(a->epoch, a->j.now.epoch);
	account_close(a);
	assert_holds(x, "INBOX", "one\r\n");
	assert_holds(x, "Found", "\n");
}

/* -- directories --------------------------------------------------- */

/* When set, "old" has what a power cut leaves of the mailboxes' files. */
static const struct fixture *cutting;

int
fsync(int fd)
{
	char script[300];
	char link[64];
	char path[200];
	const char *dir;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = cutting == NULL ? 0 : readlink(link, path, sizeof(path) - 1);
	path[MAX(n, 0)] = '\0';
	dir = strstr(path, "/mail/");
	if (dir != NULL && strcmp(strrchr(dir, '/'), "/cur") == 0) {
		dir += strlen("/mail/");
		snprintf(script, sizeof(script),
		    "rm -r 'old/%s'; cp -a 'mail/%s' 'old/%s'", dir, dir, dir);
		run(script, cutting->path);
	}
	return (int)syscall(SYS_fsync, fd);
}

static void
make(struct account *a, const char *name, const char *text)
{
	assert_int_equal(account_create(a, slice_str(name), 0), 0);
	if (text != NULL)
		assert_int_equal(append_text(a, name, text, MESSAGE_SEEN), 0);
}

static void
rename_box(struct account *a, const char *from, const char *to)
{
	assert_int_equal(account_rename(a, slice_str(from), slice_str(to)), 0);
}

static void
assert_gone(struct fixture *x, const char *name)
{
	struct account *a = open_account(x);

	assert_null(mailbox_open(a, slice_str(name), true));
	assert_int_equal(errno, ENOENT);
	account_close(a);
}

/* What is there by now is on the disk. */
static struct account *
keep_mail(struct fixture *x, struct account *a)
{
	account_close(a);
	run("cp -a mail old", x->path);
	return open_account(x);
}

/* A power cut: the journal was synced, and nothing else since keep_mail(). */
static void
cut(struct fixture *x)
{
	run("rm -rf mail expunged/folder.*; mv old mail", x->path);
	x->config.boot_id[0]++;
}

/* Renames that were done long ago. */
static void
name_used_again_keeps_its_new_mailbox(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	/* Junk has no directory yet, so Spam has none. */
	rename_box(a, "Junk", "Spam");
	make(a, "Junk", "one\r\n");
	make(a, "A", "old\r\n");
	rename_box(a, "A", "B");
	make(a, "A", "new\r\n");
	assert_int_equal(account_delete(a, SLICE("B")), 0);
	make(a, "C", NULL);
	rename_box(a, "C", "D");
	rename_box(a, "D", "E");
	make(a, "C", "two\r\n");
	account_close(a);
	x->config.boot_id[0]++;
	assert_holds(x, "Junk", "one\r\n");
	assert_holds(x, "Spam", NULL);
	assert_holds(x, "A", "new\r\n");
	assert_gone(x, "B");
	assert_holds(x, "C", "two\r\n");
	assert_holds(x, "E", NULL);
	assert_gone(x, "D");
}

/* Each has the name of the next. */
static void
make_round(struct fixture *x)
{
	struct account *a = open_account(x);

	make(a, "A", "was A\r\n");
	make(a, "B", "was B\r\n");
	make(a, "C", "was C\r\n");
	a = keep_mail(x, a);
	rename_box(a, "C", "T");
	rename_box(a, "B", "C");
	rename_box(a, "A", "B");
	rename_box(a, "T", "A");
	account_close(a);
}

static void
assert_round(struct fixture *x)
{
	assert_holds(x, "A", "was C\r\n");
	assert_holds(x, "B", "was A\r\n");
	assert_holds(x, "C", "was B\r\n");
	assert_gone(x, "T");
}

static void
exchanged_names_stay(void **state)
{
	struct fixture *x = *state;

	make_round(x);
	x->config.boot_id[0]++;
	assert_round(x);
}

static void
exchanged_names_are_exchanged_again(void **state)
{
	struct fixture *x = *state;

	make_round(x);
	cut(x);
	assert_round(x);
}

/* A recovery was killed between two of its own renames. */
static void
exchange_that_was_cut_short_is_finished(void **state)
{
	struct fixture *x = *state;

	make_round(x);
	run("mv old/.A old/.x; mv old/.B old/.A; mv old/.x old/.B", x->path);
	cut(x);
	assert_round(x);
}

static void
lost_delete_and_rename_are_done_again(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	make(a, "A", "new\r\n");
	make(a, "B", "old\r\n");
	make(a, "C", "other\r\n");
	a = keep_mail(x, a);
	assert_int_equal(account_delete(a, SLICE("B")), 0);
	rename_box(a, "A", "B");
	rename_box(a, "C", "D");
	assert_int_equal(account_delete(a, SLICE("D")), 0);
	account_close(a);
	cut(x);
	assert_holds(x, "B", "new\r\n");
	assert_gone(x, "A");
	assert_gone(x, "C");
	assert_gone(x, "D");
}

/* Its directory is younger than the record. */
static void
what_is_put_back_after_its_deletion_stays(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	make(a, "A", "one\r\n");
	run("cp -a mail/.A backup", x->path);
	wall_shift_s = -10;
	assert_int_equal(account_delete(a, SLICE("A")), 0);
	wall_shift_s = 0;
	account_close(a);
	run("rm -rf expunged/folder.*; mv backup mail/.A", x->path);
	x->config.boot_id[0]++;
	assert_holds(x, "A", "one\r\n");
	x->config.boot_id[0]++;
	assert_holds(x, "A", "one\r\n");
}

static void
transfer(struct account *a, const char *from, const char *to, bool move)
{
	struct copy_result r = COPY_RESULT_INIT;
	struct uidset set = uids(1, 1);
	struct mailbox *mb = open_box(a, from);

	assert_int_equal(
	    (move ? mailbox_move : mailbox_copy)(mb, &set, slice_str(to), &r),
	    0);
	mailbox_close(mb);
	uidset_free(&set);
	copy_result_free(&r);
}

/* The ways of a mail out of a mailbox that is deleted then. */
static void
what_came_from_a_deleted_mailbox_stays(void **state)
{
	static const char *const names[] = { "A", "B", "C", "D", "E", "F" };
	struct fixture *x = *state;
	struct account *a = open_account(x);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		make(a, names[i], NULL);
	assert_int_equal(append_text(a, "A", "one\r\n", MESSAGE_SEEN), 0);
	a = keep_mail(x, a);
	cutting = x;
	transfer(a, "A", "B", true);
	transfer(a, "B", "C", true);
	assert_int_equal(account_delete(a, SLICE("B")), 0);
	assert_int_equal(append_text(a, "D", "two\r\n", MESSAGE_SEEN), 0);
	transfer(a, "D", "E", false);
	assert_int_equal(account_delete(a, SLICE("D")), 0);
	transfer(a, "E", "F", true);
	assert_int_equal(account_delete(a, SLICE("A")), 0);
	assert_int_equal(account_delete(a, SLICE("E")), 0);
	account_close(a);
	cutting = NULL;
	cut(x);
	assert_holds(x, "C", "one\r\n");
	assert_holds(x, "F", "two\r\n");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strchr("ABDE", *names[i]) != NULL)
			assert_gone(x, names[i]);
}

/* The first open with so many descriptors. */
static bool
opens_with(struct fixture *x, rlim_t files)
{
	const struct rlimit most = { files, files };
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		log_level((enum log_level)(LOG_FAIL + 1));
		if (setrlimit(RLIMIT_NOFILE, &most) == -1)
			_exit(2);
		_exit(account_open(x->home, &x->config) == NULL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void
want_of_files_leaves_nothing_undone(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	rlim_t files = (rlim_t)x->home + 1;

	make(a, "A", "one\r\n");
	make(a, "B", NULL);
	make(a, "C", "two\r\n");
	make(a, "D", "three\r\n");
	a = keep_mail(x, a);
	transfer(a, "A", "B", true);
	rename_box(a, "C", "E");
	rename_box(a, "D", "C");
	assert_int_equal(account_delete(a, SLICE("C")), 0);
	account_close(a);
	cut(x);
	assert_false(opens_with(x, files));
	while (!opens_with(x, files))
		files++;
	assert_holds(x, "A", NULL);
	assert_holds(x, "B", "one\r\n");
	assert_holds(x, "E", "two\r\n");
	assert_gone(x, "C");
	assert_gone(x, "D");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(recovery_that_failed_is_done_again),
		T(name_used_again_keeps_its_new_mailbox),
		T(exchanged_names_stay),
		T(exchanged_names_are_exchanged_again),
		T(exchange_that_was_cut_short_is_finished),
		T(lost_delete_and_rename_are_done_again),
		T(what_is_put_back_after_its_deletion_stays),
		T(what_came_from_a_deleted_mailbox_stays),
		T(want_of_files_leaves_nothing_undone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
