#include <sys/wait.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/wire.h"
#include "store/box.h"
#include "store/name.h"
#include "store/segment.h"
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

/* Its two messages are there; what is added gets a UID of its own. */
static void
assert_two_and_one_more(struct fixture *x)
{
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, "A");
	struct mailbox_changes c;
	struct message m;

	assert_int_equal(exists(mb), 2);
	assert_int_equal(append_text(a, "A", "three\r\n", 0), 0);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(c.exists, 3);
	for (uint32_t seq = 1, last = 0; seq <= 3; seq++) {
		struct mailbox_status s;

		assert_int_equal(mailbox_message(mb, seq, &m), 0);
		mailbox_status(mb, &s);
		assert_true(m.uid > last && m.uid < s.uidnext);
		last = m.uid;
	}
	mailbox_close(mb);
	account_close(a);
}

static struct account *
account_with_two(struct fixture *x)
{
	struct account *a = open_account(x);

	assert_int_equal(account_create(a, SLICE("A"), 0), 0);
	assert_int_equal(append_text(a, "A", "one\r\n", 0), 0);
	assert_int_equal(append_text(a, "A", "two\r\n", 0), 0);
	return a;
}

/* Else UIDNEXT would be below UIDs that the mailbox shows. */
static void
snapshot_that_forgets_uids_is_corrected(void **state)
{
	struct fixture *x = *state;
	struct account *a = account_with_two(x);
	const struct folder *f = folder_by_name(a, SLICE("A"));
	char now[16]; /* UIDNEXT and the bytes of all messages */
	char then[16];

	assert_int_equal(f->n.uidnext, 3);
	wire_set_u64(now, f->n.uidnext);
	wire_set_u64(now + 8, f->n.bytes);
	memcpy(then, now, sizeof(then));
	wire_set_u64(then, 1);
	assert_int_equal(account_lock(a), 0);
	assert_int_equal(snapshot_write(a), 0);
	account_unlock(a);
	account_close(a);
	change_snapshot(x, slice_of(now, sizeof(now)), then);
	assert_two_and_one_more(x);
}

/* Else no epoch could begin behind it, and the account would not open. */
static void
snapshot_folded_in_the_future_opens(void **state)
{
	struct fixture *x = *state;
	struct account *a = account_with_two(x);
	const struct folder *f = folder_by_name(a, SLICE("A"));
	char now[24]; /* its first record, and what its files hold */
	char then[24];

	wire_set_u64(now, f->created);
	wire_set_u64(now + 8, f->folded);
	wire_set_u64(now + 16, f->folded_before);
	memcpy(then, now, sizeof(then));
	wire_set_u64(then + 8, UINT64_MAX);
	assert_int_equal(account_lock(a), 0);
	assert_int_equal(snapshot_write(a), 0);
	account_unlock(a);
	account_close(a);
	change_snapshot(x, slice_of(now, sizeof(now)), then);
	x->config.boot_id[0]++;
	assert_two_and_one_more(x);
}

/* -- records ------------------------------------------------------- */

#define RECORDS_HEAD  8192
#define RECORDS_ENTRY 64
#define RECORDS_PAGE  4096

/* One page of messages, with this UID in an entry and a fitting checksum. */
static void
forge_uid(struct fixture *x, unsigned entry, uint32_t uid)
{
	char page[RECORDS_PAGE];
	char crc[4];
	int fd = openat(x->home, "mail/.A/records", O_RDWR);

	assert_int_equal(pread_all(fd, page, sizeof(page), RECORDS_HEAD), 0);
	wire_set_u32(page + (size_t)entry * RECORDS_ENTRY, uid);
	wire_set_u32(crc, crc32c(0, page, sizeof(page)));
	assert_int_equal(pwrite_all(fd, page, sizeof(page), RECORDS_HEAD), 0);
	assert_int_equal(
	    pwrite_all(fd, crc, sizeof(crc), RECORDS_HEAD + RECORDS_PAGE), 0);
	close(fd);
}

static void
fold_two(struct fixture *x)
{
	struct account *a = account_with_two(x);
	struct mailbox *mb = open_box(a, "A");

	assert_int_equal(box_fold(mb), 0);
	mailbox_close(mb);
	account_close(a);
}

static void
records_with_uids_out_of_order_are_made_anew(void **state)
{
	static const uint32_t forged[][2] = { { 0, 2 }, { 0, 0 }, { 1, 7 } };
	struct fixture *x = *state;
	struct account *a;
	struct mailbox *mb;
	struct message m;

	fold_two(x);
	for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
		forge_uid(x, forged[i][0], forged[i][1]);
		a = open_account(x);
		mb = open_box(a, "A");
		assert_int_equal(mailbox_message(mb, 1, &m), -1);
		assert_int_equal(errno, EUCLEAN);
		mailbox_close(mb); /* who comes now repairs it */
		account_close(a);
		a = open_account(x);
		mb = open_box(a, "A");
		assert_int_equal(mailbox_message(mb, 1, &m), 0);
		assert_int_equal(m.uid, 1);
		assert_int_equal(mailbox_message(mb, 2, &m), 0);
		assert_int_equal(m.uid, 2);
		assert_int_equal(box_fold(mb), 0);
		mailbox_close(mb);
		account_close(a);
	}
	assert_two_and_one_more(x);
}

static void
forge_head(struct fixture *x, size_t at, uint64_t value)
{
	char head[RECORDS_HEAD];
	int fd = openat(x->home, "mail/.A/records", O_RDWR);

	assert_int_equal(pread_all(fd, head, sizeof(head), 0), 0);
	wire_set_u64(head + at, value);
	wire_set_u32(head, crc32c(0, head + 4, sizeof(head) - 4));
	assert_int_equal(pwrite_all(fd, head, sizeof(head), 0), 0);
	close(fd);
}

/* A position beside which none of the journal's is later. */
static void
forge_position(struct fixture *x, size_t at)
{
	forge_head(x, at, UINT64_C(0x3d00000000000000));
}

/* … as a session finds it that comes now, folds it, and leaves. */
static struct mailbox_status
status_of_a(struct fixture *x)
{
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, "A");
	struct mailbox_status s;

	mailbox_status(mb, &s);
	assert_int_equal(box_fold(mb), 0);
	mailbox_close(mb);
	account_close(a);
	return s;
}

/* Else nothing that comes would be seen in it. */
static void
records_of_the_future_are_made_anew(void **state)
{
	struct fixture *x = *state;

	fold_two(x);
	forge_position(x, 16);
	assert_two_and_one_more(x);
	assert_int_equal(status_of_a(x).exists, 3);
}

/* So many that the length of the file, in 32 bits, would be right. */
static void
records_of_too_many_are_made_anew(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;

	assert_int_equal(account_create(a, SLICE("A"), 0), 0);
	mailbox_close(open_box(a, "A"));
	account_close(a);
	forge_head(x, 48, UINT64_MAX); /* entries, and the first unseen */
	a = open_account(x);
	mb = open_box(a, "A");
	assert_int_equal(exists(mb), 0);
	mailbox_close(mb);
	account_close(a);
}

/* Without journal and snapshot its `records` is what is known: not this. */
static void
position_of_the_future_is_not_taken_over(void **state)
{
	static const size_t positions[] = { 16, 32, 40, 88 };
	struct fixture *x = *state;

	fold_two(x);
	for (size_t i = 0; i < ARRAY_LEN(positions); i++) {
		struct mailbox_status first;

		forge_position(x, positions[i]);
		remove_tree(x->home, "journal");
		(void)unlinkat(x->home, "account", 0);
		(void)unlinkat(x->home, "account.1", 0);
		first = status_of_a(x);
		assert_int_equal(first.exists, 2);
		/* What is lost is passed over once. */
		assert_int_equal(status_of_a(x).uidnext, first.uidnext);
	}
}

/* The last record says that its mailbox changed long after it. */
static void
forge_modseq(struct fixture *x, const struct account *a)
{
	char raw[4096];
	uint64_t pos;
	off_t last;
	off_t end;
	uint32_t len;
	int fd = open_last_record(x, &last, &end);

	len = (uint32_t)(end - last);
	assert_true(len <= sizeof(raw));
	pos = a->j.now.base << JOURNAL_SHIFT | (uint64_t)last;
	assert_int_equal(pread_all(fd, raw, len, last), 0);
	wire_set_u64(raw + RECORD_HEADER + 44, UINT64_MAX);
	wire_set_u32(raw + 4, segment_crc(&a->j.now, pos, raw, len));
	assert_int_equal(pwrite_all(fd, raw, len, last), 0);
	close(fd);
}

/* Else no snapshot with it would be believed, and all begin anew each time. */
static void
record_of_a_change_to_come_is_not_believed(void **state)
{
	struct fixture *x = *state;
	struct account *a = account_with_two(x);
	struct mailbox_status first;

	forge_modseq(x, a);
	account_close(a);
	(void)unlinkat(x->home, "account", 0);
	(void)unlinkat(x->home, "account.1", 0);
	x->config.boot_id[0]++;
	first = status_of_a(x);
	assert_int_equal(first.exists, 2);
	assert_int_equal(status_of_a(x).uidnext, first.uidnext);
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
		T(snapshot_that_forgets_uids_is_corrected),
		T(snapshot_folded_in_the_future_opens),
		T(records_with_uids_out_of_order_are_made_anew),
		T(records_of_the_future_are_made_anew),
		T(records_of_too_many_are_made_anew),
		T(position_of_the_future_is_not_taken_over),
		T(record_of_a_change_to_come_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
