#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "store/state.h"
#include "tests/unit/store/fixture.h"

/*
 * What opening and closing cost: no UID, no recovery that anybody reads
 * about, and no work that comes to nothing.
 */

/* Lines at or above warnings, and what a recovery says. */
static int
capture_log(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	log_open("test", fd, false);
	return fd;
}

static void
assert_nothing_logged(int fd)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_int_not_equal(n, -1);
	text[n] = '\0';
	assert_string_equal(text, "");
	log_open("test", 2, false);
	close(fd);
}

static void
assert_inbox(struct fixture *x, uint32_t exists, uint32_t uidnext)
{
	struct account *a = open_account(x);
	struct mailbox_status s;

	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.exists, exists);
	assert_int_equal(s.uidnext, uidnext);
	account_close(a);
}

/* -- clean closes -------------------------------------------------- */

typedef void session_fn(struct fixture *x, struct account *a);

static void
only_log_in(struct fixture *x, struct account *a)
{
	(void)x;
	(void)a;
}

static void
only_look(struct fixture *x, struct account *a)
{
	(void)x;
	mailbox_close(open_box(a, "INBOX"));
}

static void
only_wait(struct fixture *x, struct account *a)
{
	(void)x;
	account_work(a);
	account_work(a);
}

static void
take_in(struct fixture *x, struct account *a)
{
	drop_mail(x, "mail\r\n");
	assert_int_equal(account_takein(a), 0);
}

static void
expunge_all(struct fixture *x, struct account *a)
{
	struct mailbox *mb = open_box(a, "INBOX");

	(void)x;
	assert_int_equal(mailbox_remove(mb, NULL, NULL), 0);
	mailbox_close(mb);
}

/* Each session after each other one, in a new home, and over boots. */
static void
clean_close_costs_no_uids(void **state)
{
	session_fn *const sessions[] = { only_log_in, only_look, only_wait,
		take_in, expunge_all };
	const size_t n = ARRAY_LEN(sessions);
	struct account *a;
	struct fixture *x;
	uint32_t exists;
	uint32_t taken;
	void *s;
	int fd;

	(void)state;
	for (size_t i = 0; i < n * n * n; i++) {
		session_fn *const run[] = { sessions[i / n / n],
			sessions[i / n % n], sessions[i % n] };

		assert_int_equal(fixture_up(&s), 0);
		x = s;
		fd = capture_log();
		exists = 0;
		taken = 0;
		for (size_t k = 0; k < 9; k++) {
			a = open_account(x);
			run[k % 3](x, a);
			account_close(a);
			taken += run[k % 3] == take_in;
			exists += run[k % 3] == take_in;
			if (run[k % 3] == expunge_all)
				exists = 0;
			assert_inbox(x, exists, taken + 1);
			if (k % 3 == 2)
				x->config.boot_id[0]++;
		}
		assert_nothing_logged(fd);
		fixture_down(&s);
	}
}

/* -- work that is left --------------------------------------------- */

#define MANY 1500 /* more files than are removed in one step */

static void
drop_many(struct fixture *x)
{
	for (int i = 0; i < MANY; i++)
		drop_mail(x, "mail\r\n");
}

static unsigned
log_lines(int fd)
{
	char text[65536];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	unsigned lines = 0;

	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

static void
expunge_many(struct account *a)
{
	struct mailbox *mb = open_box(a, "INBOX");

	assert_int_equal(exists(mb), MANY);
	assert_int_equal(mailbox_remove(mb, NULL, NULL), 0);
	mailbox_close(mb);
}

/* While another one has the mailbox open, and moves not. */
static void
expunged_files_go_in_few_steps(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b = open_account(x);
	struct mailbox *idle;
	int steps = 0;

	drop_many(x);
	idle = open_box(b, "INBOX");
	expunge_many(a);
	for (; account_due_ms(a) != -1 && steps < 20; steps++)
		account_work(a);
	assert_in_range(steps, 1, MANY / 256 + 4);
	assert_int_equal(files_in(x, "mail/cur"), 0);
	account_close(a);
	/* The other one finds nothing left to do. */
	for (steps = 0; account_due_ms(b) != -1 && steps < 5; steps++)
		account_work(b);
	assert_in_range(steps, 0, 2);
	mailbox_close(idle);
	account_close(b);
}

static void
close_removes_all_and_ends(void **state)
{
	struct fixture *x = *state;
	struct account *b = open_account(x);
	struct mailbox *idle = open_box(b, "INBOX");
	struct account *a = open_account(x);
	clock_t start;

	drop_many(x);
	expunge_many(a);
	start = clock();
	account_close(a);
	assert_true(clock() - start < CLOCKS_PER_SEC);
	assert_int_equal(files_in(x, "mail/cur"), 0);
	mailbox_close(idle);
	account_close(b);
}

/* A session was killed: the next one does what it left. */
static void
work_of_the_killed_is_done(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	int status;
	pid_t pid;

	drop_many(x);
	pid = fork();
	if (pid == 0) {
		expunge_many(open_account(x));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	a = open_account(x);
	assert_in_range(account_due_ms(a), 0, 100);
	account_close(a);
	assert_int_equal(files_in(x, "mail/cur"), 0);
	a = open_account(x);
	assert_int_equal(account_due_ms(a), -1);
	account_close(a);
}

/* Where expunged/ is no directory, files cannot go. */
static void
work_that_fails_waits_ever_longer(void **state)
{
	struct fixture *x = *state;
	int shift = memfd_create("shift", MFD_CLOEXEC);
	struct account *a;
	int64_t by = 0;
	int due = 0;
	int log;

	assert_int_equal(ftruncate(shift, sizeof(by)), 0);
	assert_int_equal(clock_shift_map(shift), 0);
	x->config.retention_s = 3600;
	remove_tree(x->home, "expunged");
	close(openat(x->home, "expunged", O_WRONLY | O_CREAT, 0600));
	drop_many(x);
	a = open_account(x);
	expunge_many(a);
	log = capture_log();
	for (int i = 0; i < 12; i++) {
		account_work(a);
		assert_true(account_due_ms(a) > due || due > 50000);
		due = account_due_ms(a);
		by += due / 1000 + 1;
		assert_int_equal(pwrite(shift, &by, sizeof(by), 0), sizeof(by));
	}
	assert_true(due <= 60000);
	assert_int_equal(log_lines(log), 12);
	account_close(a);
	assert_in_range(log_lines(log), 12, 13);
	/* It is not forgotten. */
	remove_tree(x->home, "expunged");
	account_close(open_account(x));
	assert_int_equal(files_in(x, "mail/cur"), 0);
	assert_int_equal(files_in(x, "expunged"), MANY);
	log_open("test", 2, false);
	close(log);
	by = 0;
	assert_int_equal(pwrite(shift, &by, sizeof(by), 0), sizeof(by));
	close(shift);
}

/* Somebody comes back to an account that was left open, not closed. */
static void
what_was_left_is_found_up_to_date(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox_status s;

	mailbox_close(open_box(a, "INBOX"));
	assert_int_equal(account_leave(a), 0);
	drop_mail(x, "meanwhile\r\n");
	assert_inbox(x, 1, 2);
	account_rest(a);
	assert_int_equal(account_refresh(a), 0);
	assert_int_equal(account_takein(a), 0);
	assert_int_equal(account_create(a, SLICE("New"), 0), 0);
	assert_int_equal(account_leave(a), 0);
	assert_inbox(x, 1, 2);
	assert_int_equal(account_refresh(a), 0);
	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.exists, 1);
	/* A journal that could not be synced is opened anew. */
	a->j.failed = true;
	assert_int_equal(account_leave(a), -1);
	account_close(a);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_close_costs_no_uids),
		T(expunged_files_go_in_few_steps),
		T(close_removes_all_and_ends),
		T(work_of_the_killed_is_done),
		T(work_that_fails_waits_ever_longer),
		T(what_was_left_is_found_up_to_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
