#include <sys/resource.h>
#include <sys/wait.h>

#include "common/base/log.h"
#include "tests/unit/nomem.h"
#include "tests/unit/store/fixture.h"

/*
 * Any one file is lost or damaged, or all but the messages: every message
 * is still there under its UID, none that was expunged comes back, and no
 * UID or mod-sequence is given twice.
 */

static const uint32_t survivors[] = { 1, 2, 4, 5, 6, 8, 9, 10 };

struct known {
	uint32_t inbox_validity;
	uint32_t box_validity;
	uint32_t uidnext;
	uint64_t modseq;
	unsigned drops;
};

static void
fill_account(struct account *a, struct fixture *x, struct known *k)
{
	struct copy_result r = COPY_RESULT_INIT;
	struct mailbox_status s;
	struct mailbox *mb;
	struct uidset set;
	char text[32];

	assert_int_equal(account_create(a, SLICE("Box"), 0), 0);
	assert_int_equal(account_subscribe(a, SLICE("Box"), true), 0);
	for (int i = 1; i <= 10; i++) {
		snprintf(text, sizeof(text), "mail %d\r\n", i);
		drop_mail(x, text);
	}
	mb = open_box(a, "INBOX");
	assert_int_equal(store_flags(mb, 4, 6, STORE_ADD, MESSAGE_FLAGGED), 0);
	set = uids(3, 3);
	assert_int_equal(mailbox_remove(mb, &set, NULL), 0);
	uidset_free(&set);
	set = uids(7, 7);
	assert_int_equal(mailbox_move(mb, &set, SLICE("Box"), &r), 0);
	uidset_free(&set);
	account_work(a);
	mailbox_status(mb, &s);
	k->inbox_validity = s.uidvalidity;
	k->uidnext = s.uidnext;
	k->modseq = s.highestmodseq;
	k->box_validity = r.uidvalidity;
	k->drops = x->drops;
	copy_result_free(&r);
	mailbox_close(mb);
}

/* killed: the session does not come to closing its account. */
static void
fill(struct fixture *x, struct known *k, bool killed)
{
	struct account *a;
	int status;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		a = open_account(x);
		fill_account(a, x, k);
		if (!killed)
			account_close(a);
		_exit(write(fds[1], k, sizeof(*k)) != sizeof(*k));
	}
	assert_int_equal(read(fds[0], k, sizeof(*k)), sizeof(*k));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[0]);
	close(fds[1]);
	x->drops = k->drops;
}

/* A session that takes in, looks, and is killed. */
static void
take_and_die(struct fixture *x, uint32_t expected)
{
	struct account *a;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		a = open_account(x);
		_exit(exists(open_box(a, "INBOX")) != expected);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
verify(struct fixture *x, const struct known *k, bool flags)
{
	struct account *a = open_account(x);
	struct mailbox_status s;
	struct mailbox *mb;
	struct message m;
	char text[32];
	uint32_t last;

	mb = open_box(a, "INBOX");
	mailbox_status(mb, &s);
	assert_int_equal(s.uidvalidity, k->inbox_validity);
	assert_true(s.uidnext >= k->uidnext);
	assert_int_equal(s.exists, ARRAY_LEN(survivors));
	for (uint32_t i = 0; i < ARRAY_LEN(survivors); i++) {
		assert_int_equal(mailbox_message(mb, i + 1, &m), 0);
		assert_int_equal(m.uid, survivors[i]);
		snprintf(text, sizeof(text), "mail %u\r\n", survivors[i]);
		assert_string_equal(content(mb, m.uid), text);
		if (flags)
			assert_int_equal(m.flags & MESSAGE_FLAGGED,
			    m.uid >= 4 && m.uid <= 6 ? MESSAGE_FLAGGED : 0);
	}
	last = s.uidnext;
	drop_mail(x, "new\r\n");
	mailbox_close(mb);
	mb = open_box(a, "INBOX");
	mailbox_status(mb, &s);
	assert_int_equal(s.exists, ARRAY_LEN(survivors) + 1);
	assert_int_equal(mailbox_message(mb, s.exists, &m), 0);
	assert_true(m.uid >= last && m.uid >= k->uidnext);
	assert_true(m.modseq > k->modseq);
	mailbox_close(mb);
	mb = open_box(a, "Box");
	mailbox_status(mb, &s);
	assert_int_equal(s.uidvalidity, k->box_validity);
	assert_int_equal(s.exists, 1);
	assert_string_equal(content(mb, 1), "mail 7\r\n");
	mailbox_close(mb);
	account_close(a);
	/* It is mended for good. */
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), ARRAY_LEN(survivors) + 1);
	assert_int_equal(
	    store_flags(mb, 1, 9, STORE_REMOVE, MESSAGE_FLAGGED), 0);
	mailbox_close(mb);
	account_close(a);
}

static void
lose(struct fixture *x, const char *name)
{
	remove_tree(x->home, name);
}

/* Flip bits all over a file. */
static void
spoil(struct fixture *x, const char *name)
{
	int fd = openat(x->home, name, O_RDWR);
	struct stat st;
	char c;

	if (fd == -1)
		return;
	assert_int_equal(fstat(fd, &st), 0);
	for (off_t i = 5; i < st.st_size; i += 37) {
		assert_int_equal(pread(fd, &c, 1, i), 1);
		c ^= 0x55;
		assert_int_equal(pwrite(fd, &c, 1, i), 1);
	}
	close(fd);
}

/* Loses (or spoils) the files, in the same boot and after the next one. */
static void
each_way(const char *const *names, bool flags)
{
	void (*const ways[])(struct fixture *, const char *) = { lose, spoil };
	struct fixture *x;
	struct known k;
	void *state;

	for (int i = 0; i < 8; i++) {
		assert_int_equal(fixture_up(&state), 0);
		x = state;
		fill(x, &k, (i & 4) != 0);
		for (size_t n = 0; names[n] != NULL; n++)
			ways[i & 1](x, names[n]);
		if ((i & 2) != 0)
			x->config.boot_id[0]++;
		verify(x, &k, flags);
		fixture_down(&state);
	}
}

static void
nothing_is_lost(void **state)
{
	static const char *const names[] = { NULL };

	(void)state;
	each_way(names, true);
}

static void
records_are_lost(void **state)
{
	static const char *const names[] = { "mail/records", NULL };

	(void)state;
	each_way(names, true);
}

static void
all_records_are_lost(void **state)
{
	static const char *const names[] = { "mail/records", "mail/records.1",
		"mail/.Box/records", "mail/.Box/records.1", NULL };

	(void)state;
	each_way(names, true);
}

static void
snapshot_is_lost(void **state)
{
	static const char *const names[] = { "account", NULL };

	(void)state;
	each_way(names, true);
}

static void
both_snapshots_are_lost(void **state)
{
	static const char *const names[] = { "account", "account.1", NULL };

	(void)state;
	each_way(names, true);
}

static void
lock_page_is_lost(void **state)
{
	static const char *const names[] = { "journal/lock", NULL };

	(void)state;
	each_way(names, true);
}

static void
cache_is_lost(void **state)
{
	static const char *const names[] = { "mail/cache", NULL };

	(void)state;
	each_way(names, true);
}

/* The journal, and what was not folded of it. */
static void
journal_is_lost(void **state)
{
	static const char *const names[] = { "journal", NULL };
	struct fixture *x;
	struct known k;
	void *s;

	(void)state;
	(void)names;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fixture_up(&s), 0);
		x = s;
		fill(x, &k, (i & 1) != 0);
		lose(x, "journal");
		if ((i & 2) != 0)
			x->config.boot_id[0]++;
		verify(x, &k, false);
		fixture_down(&s);
	}
}

static void
journal_is_damaged(void **state)
{
	struct fixture *x;
	struct dirent *e;
	struct known k;
	char path[300];
	void *s;
	DIR *d;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fixture_up(&s), 0);
		x = s;
		fill(x, &k, (i & 1) != 0);
		snprintf(path, sizeof(path), "%s/journal", x->path);
		d = opendir(path);
		while ((e = readdir(d)) != NULL) {
			snprintf(path, sizeof(path), "journal/%s", e->d_name);
			if (strlen(e->d_name) == 8)
				spoil(x, path);
		}
		closedir(d);
		if ((i & 2) != 0)
			x->config.boot_id[0]++;
		verify(x, &k, false);
		fixture_down(&s);
	}
}

static void
all_but_messages_is_lost(void **state)
{
	static const char *const names[] = { "mail/records", "mail/records.1",
		"mail/.Box/records", "mail/.Box/records.1", "account",
		"account.1", "journal", NULL };
	struct fixture *x;
	struct known k;
	void *s;

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fixture_up(&s), 0);
		x = s;
		fill(x, &k, (i & 1) != 0);
		/* 10 is the highest UID a name tells. */
		for (size_t n = 0; names[n] != NULL; n++)
			lose(x, names[n]);
		if ((i & 2) != 0)
			x->config.boot_id[0]++;
		verify(x, &k, false);
		fixture_down(&s);
	}
}

/* -- what a power cut leaves --------------------------------------- */

/* The file was renamed, its record was not written. */
static void
files_without_records_are_adopted(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct message m;
	struct drop_name again = { .queue_id = "q000000",
		.recipient = 1,
		.size = 5,
		.date_s = 1700000000,
		.retry = true };
	off_t last;
	off_t end;
	int fd;

	account_close(a);
	fd = open_last_record(x, &last, &end);
	drop_mail(x, "one\r\n");
	drop_mail(x, "two\r\n");
	take_and_die(x, 2);
	assert_int_equal(ftruncate(fd, end), 0);
	close(fd);
	x->config.boot_id[0]++;
	/* The queue does not know what became of the first one, either. */
	drop_named(x, &again, "one\r\n");
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 2);
	assert_int_equal(mailbox_message(mb, 2, &m), 0);
	assert_int_equal(m.uid, 2);
	assert_int_equal(m.date_s, 1700000000);
	assert_string_equal(content(mb, 1), "one\r\n");
	assert_string_equal(content(mb, 2), "two\r\n");
	mailbox_close(mb);
	account_close(a);
}

/* The record was written, the rename was not. */
static void
records_without_files_are_finished(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct dirent *e;
	struct mailbox *mb;
	char from[400];
	char to[100];
	DIR *d;

	drop_mail(x, "one\r\n");
	take_and_die(x, 1);
	snprintf(from, sizeof(from), "%s/mail/cur", x->path);
	d = opendir(from);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			snprintf(from, sizeof(from), "mail/cur/%s", e->d_name);
	closedir(d);
	snprintf(to, sizeof(to), "drop/new/q000000.1.0.5.1700000000");
	assert_int_equal(renameat(x->home, from, x->home, to), 0);
	x->config.boot_id[0]++;
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	assert_string_equal(content(mb, 1), "one\r\n");
	mailbox_close(mb);
	account_close(a);
}

/* Both attempts lie in the drop box, and the retry's name sorts first. */
static void
retry_beside_its_first_attempt_comes_once(void **state)
{
	struct fixture *x = *state;
	struct drop_name d = { .queue_id = "q1",
		.recipient = 1,
		.size = 5,
		.date_s = 1700000000,
		.low = "q1" };
	struct account *a;
	struct mailbox *mb;

	drop_named(x, &d, "one\r\n");
	d.low[1] = '0';
	d.retry = true;
	drop_named(x, &d, "one\r\n");
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	mailbox_close(mb);
	account_close(a);
}

/* Neither was written, and the file is nowhere: the retry brings it. */
static void
lost_message_comes_again(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct drop_name again = { .queue_id = "q000000",
		.recipient = 1,
		.size = 5,
		.date_s = 1700000000,
		.retry = true };
	struct mailbox *mb;
	char path[100];

	drop_mail(x, "one\r\n");
	take_and_die(x, 1);
	x->config.boot_id[0]++;
	lose(x, "mail/cur");
	snprintf(path, sizeof(path), "%s/mail/cur", x->path);
	assert_int_equal(mkdir(path, 0700), 0);
	drop_named(x, &again, "one\r\n");
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	assert_string_equal(content(mb, 2), "one\r\n");
	mailbox_close(mb);
	account_close(a);
}

static void
retries_are_known(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct drop_name d = { .queue_id = "q1",
		.recipient = 1,
		.size = 5,
		.date_s = 1700000000 };
	struct mailbox *mb;

	/* Both in the box at once. */
	drop_named(x, &d, "one\r\n");
	d.retry = true;
	drop_named(x, &d, "one\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	mailbox_close(mb);
	/* After the first came in, and even after it was expunged. */
	drop_named(x, &d, "one\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	assert_int_equal(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_DELETED), 0);
	assert_int_equal(mailbox_expunge(mb, NULL, NULL), 0);
	drop_named(x, &d, "one\r\n");
	mailbox_close(mb);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 0);
	/* Another recipient of the same mail is another mail. */
	d.recipient = 2;
	drop_named(x, &d, "one\r\n");
	mailbox_close(mb);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	mailbox_close(mb);
	account_close(a);
}

static void
foreign_files_are_adopted(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct message m;
	static const char *const names[] = { "1700000000.M1P2.host:2,FS",
		"plain", "with\nnewline:2,", "same.U=3.4:2,S" };
	char path[100];
	int fd;

	drop_mail(x, "one\r\n");
	assert_int_equal(account_takein(a), 0);
	account_close(a);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "mail/cur/%s", names[i]);
		fd = openat(x->home, path, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(write(fd, "xyz\r\n", 5), 5);
		close(fd);
	}
	assert_int_equal(symlinkat("/etc/passwd", x->home, "mail/cur/link"), 0);
	assert_int_equal(mkdirat(x->home, "mail/cur/dir", 0700), 0);
	x->config.boot_id[0]++;
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 5);
	for (uint32_t i = 1; i <= 5; i++) {
		assert_int_equal(mailbox_message(mb, i, &m), 0);
		assert_int_equal(m.uid, i);
		assert_int_equal(m.size, 5);
		assert_non_null(content(mb, i));
	}
	assert_int_equal(mailbox_message(mb, 2, &m), 0);
	assert_int_equal(
	    m.flags & MESSAGE_FLAGS, MESSAGE_FLAGGED | MESSAGE_SEEN);
	mailbox_close(mb);
	account_close(a);
}

/* The head is well, an entry is not: found when it is wanted. */
static void
damaged_page_ends_the_session(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct message m;
	char byte = 0x55;
	int fd;

	for (int i = 0; i < 3000; i++)
		drop_mail(x, "mail\r\n");
	mb = open_box(a, "INBOX");
	assert_int_equal(
	    store_flags(mb, 10, 10, STORE_ADD, MESSAGE_FLAGGED), 0);
	assert_int_equal(
	    store_flags(mb, 200, 200, STORE_ADD, MESSAGE_FLAGGED), 0);
	mailbox_close(mb);
	account_close(a);
	fd = openat(x->home, "mail/records", O_WRONLY);
	assert_int_equal(pwrite(fd, &byte, 1, 2 * 4096 + 64 * 5 + 8), 1);
	close(fd);
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 3000);
	assert_int_equal(mailbox_message(mb, 3000, &m), 0);
	assert_int_equal(mailbox_message(mb, 6, &m), -1);
	assert_int_equal(errno, EUCLEAN);
	assert_int_equal(store_flags(mb, 1, 9, STORE_ADD, MESSAGE_SEEN), -1);
	assert_int_equal(errno, EUCLEAN);
	mailbox_close(mb);
	account_close(a);
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 3000);
	for (uint32_t i = 1; i <= 3000; i++) {
		assert_int_equal(mailbox_message(mb, i, &m), 0);
		assert_int_equal(m.uid, i);
		assert_int_equal(m.flags & MESSAGE_FLAGGED,
		    i == 200 || i == 10 ? MESSAGE_FLAGGED : 0);
	}
	mailbox_close(mb);
	account_close(a);
}

/* Old segments go; what they knew of deliveries does not. */
static void
old_segments_are_removed(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct drop_name d = { .queue_id = "q000000",
		.recipient = 1,
		.size = 6,
		.date_s = 1700000000,
		.retry = true };
	struct mailbox *mb;
	struct dirent *e;
	unsigned n = 0;
	char path[100];
	DIR *dir;

	assert_int_equal(account_create(a, SLICE("Box"), 0), 0);
	assert_int_equal(append_text(a, "Box", "one\r\n", 0), 0);
	drop_mail(x, "mail\r\n");
	mb = open_box(a, "INBOX");
	for (int i = 0; i < 330000; i++) {
		assert_int_equal(
		    store_flags(mb, 1, 1, i % 2 == 0 ? STORE_ADD : STORE_REMOVE,
			MESSAGE_FLAGGED),
		    0);
		if (i % 1000 == 0)
			account_work(a);
	}
	mailbox_close(mb);
	account_close(a);
	snprintf(path, sizeof(path), "%s/journal", x->path);
	dir = opendir(path);
	while ((e = readdir(dir)) != NULL)
		n += strlen(e->d_name) == 8;
	closedir(dir);
	assert_in_range(n, 2, 3);
	drop_named(x, &d, "mail\r\n");
	x->config.boot_id[0]++;
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 1);
	mailbox_close(mb);
	mb = open_box(a, "Box");
	assert_string_equal(content(mb, 1), "one\r\n");
	mailbox_close(mb);
	account_close(a);
}

static void
home_without_mail_is_left_alone(void **state)
{
	struct fixture *x = *state;

	lose(x, "mail");
	assert_null(account_open(x->home, &x->config));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(faccessat(x->home, "account", F_OK, 0), -1);
}

/* -- want of memory and of descriptors ------------------------------------- */

enum found { ALL = 0, DIED = 1, REFUSED, LESS };

static enum found
look_for_box(struct fixture *x)
{
	struct account *a = account_open(x->home, &x->config);
	struct mailbox *mb;

	if (a == NULL)
		return REFUSED;
	nomem_left = 0;
	mb = mailbox_open(a, SLICE("Box"), true);
	if (mb == NULL)
		return errno == ENOENT ? LESS : REFUSED;
	return exists(mb) == 1 ? ALL : LESS;
}

/* The n-th time without memory, with so many files; what is found? */
static enum found
recover_in_want(struct fixture *x, long n, rlim_t files)
{
	const struct rlimit most = { files, files };
	int status;
	pid_t pid;

	lose(x, "account");
	lose(x, "account.1");
	lose(x, "journal");
	lose(x, "mail/.Box/records"); /* and is found by its names */
	nomem_at(n);
	pid = fork();
	if (pid == 0) {
		log_level((enum log_level)(LOG_FAIL + 1));
		if (setrlimit(RLIMIT_NOFILE, &most) == -1)
			_exit(LESS);
		_exit((int)look_for_box(x));
	}
	nomem_left = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) > REFUSED)
		fail_msg("want %ld, files %lu", n, (unsigned long)files);
	return (enum found)WEXITSTATUS(status);
}

static void
want_of_memory_leaves_no_mailbox_out(void **state)
{
	struct fixture *x = *state;
	unsigned refused = 0;
	struct known k;
	long n = 0;

	fill(x, &k, false);
	do
		refused += recover_in_want(x, ++n, 1000) == REFUSED;
	while (*nomem_struck);
	assert_true(refused > 0);
	verify(x, &k, false);
}

static void
want_of_files_leaves_no_mailbox_out(void **state)
{
	struct fixture *x = *state;
	rlim_t files = (rlim_t)x->home + 1;
	struct known k;

	fill(x, &k, false);
	assert_int_equal(recover_in_want(x, 0, files), REFUSED);
	while (recover_in_want(x, 0, files) != ALL)
		files++;
	verify(x, &k, false);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost),
		cmocka_unit_test(records_are_lost),
		cmocka_unit_test(all_records_are_lost),
		cmocka_unit_test(snapshot_is_lost),
		cmocka_unit_test(both_snapshots_are_lost),
		cmocka_unit_test(lock_page_is_lost),
		cmocka_unit_test(cache_is_lost),
		cmocka_unit_test(journal_is_lost),
		cmocka_unit_test(journal_is_damaged),
		cmocka_unit_test(all_but_messages_is_lost),
		T(files_without_records_are_adopted),
		T(records_without_files_are_finished),
		T(retry_beside_its_first_attempt_comes_once),
		T(lost_message_comes_again),
		T(retries_are_known),
		T(foreign_files_are_adopted),
		T(damaged_page_ends_the_session),
		T(old_segments_are_removed),
		T(home_without_mail_is_left_alone),
		T(want_of_memory_leaves_no_mailbox_out),
		T(want_of_files_leaves_no_mailbox_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
