#include <sys/wait.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/wire.h"
#include "store/name.h"
#include "store/state.h"
#include "tests/unit/store/fixture.h"

/*
 * The home is the user's, who may put there what he likes: what is not mail
 * costs no mail, keeps nobody waiting, and is not met again and again.
 */

/* So many names are read before reading a directory fails; -1: all. */
static int names_left = -1;

/* The one of the library's. */
struct dirent *
readdir(DIR *d)
{
	if (names_left == 0) {
		errno = EIO;
		return NULL;
	}
	if (names_left > 0)
		names_left--;
	return (struct dirent *)(void *)readdir64(d);
}

static void
make_file(struct fixture *x, const char *path)
{
	int fd = openat(x->home, path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_int_not_equal(fd, -1);
	close(fd);
}

static void
assert_inbox(struct fixture *x, uint32_t messages)
{
	struct account *a = open_account(x);
	struct mailbox_status s;

	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.exists, messages);
	account_close(a);
}

/* -- the drop box -------------------------------------------------- */

static void
drop_box_is_rid_of_what_is_no_mail(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;

	drop_mail(x, "one\r\n");
	assert_int_equal(mkdirat(x->home, "drop/new/dir", 0700), 0);
	assert_int_equal(mkdirat(x->home, "drop/new/dir/deep", 0700), 0);
	make_file(x, "drop/new/dir/deep/file");
	assert_int_equal(mkfifoat(x->home, "drop/new/fifo", 0600), 0);
	assert_int_equal(symlinkat("/etc/passwd", x->home, "drop/new/link"), 0);
	assert_int_equal(
	    symlinkat("nowhere", x->home, "drop/new/q9.1.0.5.1700000000"), 0);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	assert_int_equal(files_in(x, "drop/new"), 0);
	assert_int_equal(files_in(x, "expunged"), 4);
	mailbox_close(mb);
	account_close(a);
	assert_inbox(x, 1);
}

/* -- fifos --------------------------------------------------------- */

/* What a session does, in a process that must come to an end. */
static void
assert_session_ends(struct fixture *x)
{
	struct account *a;
	struct mailbox *mb;
	int status;
	pid_t pid;

	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		log_level(LOG_FAIL);
		alarm(10);
		a = account_open(x->home, &x->config);
		if (a == NULL)
			_exit(0);
		mb = mailbox_open(a, SLICE("INBOX"), false);
		if (mb != NULL)
			(void)append_text(a, "INBOX", "x\r\n", 0);
		(void)append_text(a, "Sent", "x\r\n", 0);
		mailbox_close(mb);
		account_close(a);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
nobody_waits_for_a_fifo(void **state)
{
	static const char *const names[] = { "account", "account.1",
		"account.new", "journal/lock", "journal/new", "journal/tokens",
		"mail/records", "mail/records.1", "mail/records.new",
		"mail/cache", "mail/cache.new", "mail/changed", "mail/tmp",
		"mail/cur", "mail/.Sent", "expunged", "drop/new",
		"journal/00000001", "journal/ffffffff" };
	struct fixture *x;
	void *s;

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(names); i++) {
		const char *name = names[i / 2];

		assert_int_equal(fixture_up(&s), 0);
		x = s;
		drop_mail(x, "one\r\n");
		assert_inbox(x, 1);
		remove_tree(x->home, name);
		assert_int_equal(mkfifoat(x->home, name, 0600), 0);
		if (i % 2 == 0)
			x->config.boot_id[0]++;
		assert_session_ends(x);
		fixture_down(&s);
	}
}

/* -- directories --------------------------------------------------- */

/* A directory that cannot be read to its end is no shorter one. */
static void
unreadable_directory_loses_no_mail(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct mailbox *mb;
	int fd;

	for (int i = 0; i < 20; i++)
		drop_mail(x, "mail\r\n");
	assert_inbox(x, 20);
	fd = open("/dev/null", O_WRONLY);
	log_open("test", fd, false);
	for (int left = 0; left < 40; left++) {
		x->config.boot_id[0]++;
		names_left = left;
		a = account_open(x->home, &x->config);
		mb = a == NULL ? NULL : mailbox_open(a, SLICE("INBOX"), true);
		if (mb != NULL)
			assert_int_equal(exists(mb), 20);
		mailbox_close(mb);
		account_close(a);
		names_left = -1;
	}
	log_open("test", 2, false);
	close(fd);
	x->config.boot_id[0]++;
	assert_inbox(x, 20);
	assert_int_equal(files_in(x, "mail/cur"), 20);
	assert_int_equal(files_in(x, "expunged"), 0);
}

static void
strange_segments_are_passed_over(void **state)
{
	struct fixture *x = *state;
	char name[32];

	drop_mail(x, "one\r\n");
	assert_inbox(x, 1);
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "journal/%08x", 0xf0000000 + i);
		make_file(x, name);
	}
	assert_int_equal(mkdirat(x->home, "journal/ffffffff", 0700), 0);
	for (int i = 0; i < 3; i++) {
		x->config.boot_id[0]++;
		drop_mail(x, "more\r\n");
		assert_inbox(x, 2 + (uint32_t)i);
	}
}

static void
removed_mailbox_goes_in_steps(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	int steps = 0;

	for (int i = 0; i < 600; i++)
		assert_int_equal(append_text(a, "Sent", "mail\r\n", 0), 0);
	assert_int_equal(account_delete(a, SLICE("Sent")), 0);
	assert_int_equal(files_in(x, "expunged"), 1);
	/* What is too deep stays, and is tried once. */
	assert_int_equal(mkdirat(x->home, "expunged/1", 0700), 0);
	assert_int_equal(mkdirat(x->home, "expunged/1/2", 0700), 0);
	assert_int_equal(mkdirat(x->home, "expunged/1/2/3", 0700), 0);
	make_file(x, "expunged/1/2/3/4");
	log_level(LOG_FAIL);
	for (; account_due_ms(a) != -1 && steps < 20; steps++)
		account_work(a);
	log_level(LOG_INFORM);
	assert_in_range(steps, 3, 8);
	assert_int_equal(files_in(x, "expunged"), 1);
	account_close(a);
}

static void
names_have_few_levels(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct buf name = BUF_INIT(1000);

	for (int i = 0; i < NAME_MAX_LEVELS; i++)
		assert_int_equal(buf_append_str(&name, i > 0 ? "/a" : "a"), 0);
	assert_int_equal(account_create(a, buf_slice(&name), 0), 0);
	assert_int_equal(buf_append_str(&name, "/a"), 0);
	assert_int_equal(account_create(a, buf_slice(&name), 0), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	buf_free(&name);
	account_close(a);
}

/* Written by the user, who knows how to make a checksum. */
static void
change_snapshot(struct fixture *x, struct slice from, const char *to)
{
	struct buf b = BUF_INIT(65536);
	char *at;
	int fd;

	assert_int_equal(file_read_at(x->home, "account", &b), 0);
	at = memmem(b.data, b.len, from.p, from.len);
	assert_non_null(at);
	memcpy(at, to, from.len);
	wire_set_u32(b.data + 8, crc32c(0, b.data + 12, b.len - 12));
	fd = openat(x->home, "account", O_WRONLY);
	assert_int_equal(write_all(fd, b.data, b.len), 0);
	close(fd);
	buf_free(&b);
}

static void
snapshot_with_a_name_that_is_none_is_not_believed(void **state)
{
	struct fixture *x = *state;
	struct folder_list list;
	struct account *a;

	account_close(open_account(x));
	change_snapshot(x, SLICE("Sent"), "Se\0t");
	a = open_account(x);
	assert_int_equal(account_folders(a, &list), 0);
	for (size_t i = 0; i < list.count; i++)
		mailbox_close(open_box(a, list.entries[i].name));
	folder_list_free(&list);
	mailbox_close(open_box(a, "Sent"));
	account_close(a);
}

/* Else none of its records would count, and it would be made anew for ever. */
static void
snapshot_of_the_future_is_not_believed(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	const struct folder *f;
	int steps = 0;
	char then[16]; /* its last record, the one that made it */

	assert_int_equal(account_create(a, SLICE("A"), 0), 0);
	f = folder_by_name(a, SLICE("A"));
	assert_non_null(f);
	assert_int_equal(f->last, f->created);
	wire_set_u64(then, f->last);
	wire_set_u64(then + 8, f->created);
	assert_int_equal(account_lock(a), 0);
	assert_int_equal(snapshot_write(a), 0);
	account_unlock(a);
	account_close(a);
	change_snapshot(x, slice_of(then, sizeof(then)), "================");
	a = open_account(x);
	mailbox_close(open_box(a, "A"));
	log_level(LOG_FAIL);
	for (; account_due_ms(a) != -1 && steps < 20; steps++)
		account_work(a);
	log_level(LOG_INFORM);
	assert_in_range(steps, 0, 8);
	account_close(a);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(drop_box_is_rid_of_what_is_no_mail),
		cmocka_unit_test(nobody_waits_for_a_fifo),
		T(unreadable_directory_loses_no_mail),
		T(strange_segments_are_passed_over),
		T(removed_mailbox_goes_in_steps),
		T(names_have_few_levels),
		T(snapshot_with_a_name_that_is_none_is_not_believed),
		T(snapshot_of_the_future_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
