/* A page that is damaged, and wants that are not damage: memory, room. */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "common/base/file.h"
#include "store/box.h"
#include "tests/unit/store/fixture.h"

#define MANY      200
#define IN_PAGE_2 (8192 + 64 * 70 + 20) /* of `records` */

static bool no_memory; /* to map files */
static bool no_room;   /* to write */

/* Those of the C library's. */
void *
mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	if (no_memory && fd != -1) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, at);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	if (no_room) {
		errno = ENOSPC;
		return -1;
	}
	return syscall(SYS_pwrite64, fd, p, n, at);
}

/* A mailbox in a file, and changes since; the last flags one message. */
static void
make_box(struct fixture *x)
{
	struct account *a = open_account(x);
	struct mailbox *mb;

	for (int i = 0; i < MANY; i++)
		assert_int_equal(append_text(a, "INBOX", "one\r\n", 0), 0);
	mb = open_box(a, "INBOX");
	assert_int_equal(box_fold(mb), 0);
	assert_int_equal(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_FLAGGED), 0);
	assert_int_equal(store_flags(mb, 70, 72, STORE_ADD, MESSAGE_SEEN), 0);
	mailbox_close(mb);
	account_close(a);
}

static void
assert_whole(struct fixture *x)
{
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, "INBOX");
	struct message m;

	assert_int_equal(exists(mb), MANY);
	assert_int_equal(mailbox_message(mb, 1, &m), 0);
	assert_int_equal(m.flags & MESSAGE_FLAGGED, MESSAGE_FLAGGED);
	assert_int_equal(mailbox_message(mb, 71, &m), 0);
	assert_int_equal(m.flags & MESSAGE_SEEN, MESSAGE_SEEN);
	mailbox_close(mb);
	account_close(a);
}

static int
truncate_records(struct fixture *x, off_t size)
{
	char path[sizeof(x->path) + 16];

	snprintf(path, sizeof(path), "%s/mail/records", x->path);
	return truncate(path, size);
}

static void
mailbox_with_a_damaged_page_is_opened(void **state)
{
	struct fixture *x = *state;
	char c;
	int fd;

	make_box(x);
	fd = openat(x->home, "mail/records", O_RDWR);
	assert_int_equal(pread(fd, &c, 1, IN_PAGE_2), 1);
	c ^= 0x10;
	assert_int_equal(pwrite(fd, &c, 1, IN_PAGE_2), 1);
	close(fd);
	assert_whole(x);
	x->config.boot_id[0]++;
	assert_whole(x);
}

/* As what the disk cannot read: to touch it would end the process. */
static void
page_that_cannot_be_read_is_damaged(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct mailbox *mb;
	struct message m;

	make_box(x);
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(
	    truncate_records(x, IN_PAGE_2 / 4096 * 4096 + 4096), 0);
	/* In a page that nobody has looked at before. */
	assert_int_equal(mailbox_message(mb, 150, &m), -1);
	assert_int_equal(errno, EUCLEAN);
	mailbox_close(mb);
	account_close(a);
	assert_whole(x);
}

static void
want_of_memory_is_no_damage(void **state)
{
	struct fixture *x = *state;
	struct account *a;

	make_box(x);
	a = open_account(x);
	no_memory = true;
	assert_null(mailbox_open(a, SLICE("INBOX"), false));
	assert_int_equal(errno, ENOMEM);
	no_memory = false;
	account_close(a);
	assert_whole(x);
}

/* Where the journal is durable up to: here, in the middle of a record. */
static void
mark_of_the_last_sync_is_believed_whole_only(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b;
	uint64_t mark;
	int fd;

	for (int i = 0; i < 2; i++)
		assert_int_equal(append_text(a, "INBOX", "one\r\n", 0), 0);
	b = open_account(x);
	fd = openat(x->home, "journal/lock", O_RDWR);
	assert_int_equal(pread(fd, &mark, sizeof(mark), 64), sizeof(mark));
	mark -= 9;
	assert_int_equal(pwrite(fd, &mark, sizeof(mark), 64), sizeof(mark));
	close(fd);
	assert_int_equal(append_text(b, "INBOX", "two\r\n", 0), 0);
	account_close(b);
	account_close(a);
}

/* … and may expunge, which makes some. */
static void
full_disk_keeps_nobody_out(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	struct mailbox *mb;
	struct mailbox_changes c;

	make_box(x);
	drop_mail(x, "two\r\n");
	a = open_account(x);
	no_room = true;
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), MANY);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_false(c.busy);
	no_room = false;
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(exists(mb), MANY + 1);
	mailbox_close(mb);
	account_close(a);
}

static void
nothing_is_copied_from_a_deleted_mailbox(void **state)
{
	struct copy_result r = COPY_RESULT_INIT;
	struct uidset s = uids(1, 1);
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct account *b = open_account(x);
	struct mailbox *mb;

	assert_int_equal(account_create(a, SLICE("A"), 0), 0);
	assert_int_equal(append_text(a, "A", "one\r\n", 0), 0);
	mb = mailbox_open(a, SLICE("A"), true);
	assert_non_null(mb);
	assert_int_equal(account_delete(b, SLICE("A")), 0);
	account_close(b);
	assert_int_equal(mailbox_copy(mb, &s, SLICE("INBOX"), &r), -1);
	assert_int_equal(errno, ENOENT);
	copy_result_free(&r);
	uidset_free(&s);
	mailbox_close(mb);
	account_close(a);
}

/* -- the journal has lost what was told ---------------------------- */

#define TOLD 10

/* Mails 1 to TOLD, all in `records`; where in the journal each came. */
static void
make_told(struct fixture *x, uint64_t pos[TOLD + 1])
{
	struct account *a = open_account(x);
	struct store_request q = { .how = STORE_ADD };
	struct slice keyword = SLICE("first");
	struct uidset s = uids(1, 1);
	struct mailbox *mb;
	char text[32];

	for (int i = 1; i <= TOLD; i++) {
		pos[i] = a->j.pos;
		snprintf(text, sizeof(text), "mail %d\r\n", i);
		assert_int_equal(append_text(a, "INBOX", text, 0), 0);
	}
	mb = open_box(a, "INBOX");
	q.keywords = &keyword;
	q.keyword_count = 1;
	assert_int_equal(mailbox_store(mb, &s, &q, NULL, NULL), 0);
	assert_int_equal(box_fold(mb), 0);
	mailbox_close(mb);
	uidset_free(&s);
	account_close(a);
}

static int
open_segment(struct fixture *x, uint64_t pos)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "journal/%08x",
	    (unsigned)(pos >> JOURNAL_SHIFT));
	fd = openat(x->home, path, O_RDWR);
	assert_int_not_equal(fd, -1);
	return fd;
}

/* Everything from a record on is not there any more. */
static void
lose_from(struct fixture *x, uint64_t pos)
{
	int fd = open_segment(x, pos);

	assert_int_equal(ftruncate(fd, (off_t)(pos & JOURNAL_OFFSET)), 0);
	close(fd);
}

static void
damage_length(struct fixture *x, uint64_t pos)
{
	int fd = open_segment(x, pos);
	off_t at = (off_t)(pos & JOURNAL_OFFSET);
	uint32_t len;

	assert_int_equal(pread(fd, &len, sizeof(len), at), sizeof(len));
	len ^= 1U << 20;
	assert_int_equal(pwrite(fd, &len, sizeof(len), at), sizeof(len));
	close(fd);
}

static void
look(struct fixture *x)
{
	struct account *a = open_account(x);

	mailbox_close(open_box(a, "INBOX"));
	account_close(a);
}

/* One more comes; then all are there, each under a UID of its own. */
static void
assert_told(struct fixture *x)
{
	struct account *a = open_account(x);
	struct mailbox_status s;
	struct mailbox *mb;
	struct message m;
	char text[32];

	assert_int_equal(append_text(a, "INBOX", "new\r\n", 0), 0);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), TOLD + 1);
	for (uint32_t i = 1; i <= TOLD; i++) {
		assert_int_equal(mailbox_message(mb, i, &m), 0);
		assert_int_equal(m.uid, i);
		snprintf(text, sizeof(text), "mail %u\r\n", i);
		assert_string_equal(content(mb, m.uid), text);
	}
	assert_int_equal(mailbox_message(mb, TOLD + 1, &m), 0);
	assert_true(m.uid > TOLD);
	assert_string_equal(content(mb, m.uid), "new\r\n");
	mailbox_close(mb);
	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.exists, TOLD + 1);
	account_close(a);
}

static void
damaged_length_brings_no_uid_back(void **state)
{
	struct fixture *x;
	uint64_t pos[TOLD + 1];
	void *s;

	(void)state;
	for (int boots = 0; boots < 2; boots++) {
		assert_int_equal(fixture_up(&s), 0);
		x = s;
		make_told(x, pos);
		damage_length(x, pos[8]);
		x->config.boot_id[0] += (uint8_t)boots;
		assert_told(x);
		fixture_down(&s);
	}
}

/*
 * Who has read beyond what others find damaged then must not go on there, nor
 * may what it has left behind lead others astray.
 */
static void
reader_of_what_was_cut_off_goes_no_further(void **state)
{
	struct fixture *x = *state;
	uint64_t pos[TOLD + 1];
	struct account *a;
	struct account *b;

	make_told(x, pos);
	a = open_account(x);
	damage_length(x, pos[8]);
	b = open_account(x);
	assert_int_equal(account_subscribe(b, SLICE("Box"), true), 0);
	account_close(b);
	assert_int_equal(append_text(a, "INBOX", "lost\r\n", 0), -1);
	assert_int_equal(errno, ESTALE);
	assert_int_equal(snapshot_write(a), 0);
	account_close(a);
	assert_told(x);
	x->config.boot_id[0]++;
	a = open_account(x);
	assert_int_equal(account_subscribe(a, SLICE("Box"), false), 0);
	account_close(a);
}

/* No damage shows: it just ends too early. `records` knows better. */
static void
lost_end_of_the_journal_brings_no_uid_back(void **state)
{
	struct fixture *x;
	uint64_t pos[TOLD + 1];
	void *s;

	(void)state;
	for (int boots = 0; boots < 2; boots++) {
		assert_int_equal(fixture_up(&s), 0);
		x = s;
		make_told(x, pos);
		lose_from(x, pos[4]);
		x->config.boot_id[0] += (uint8_t)boots;
		look(x);
		assert_told(x);
		x->config.boot_id[0]++;
		look(x);
		fixture_down(&s);
	}
}

static void
lost_keyword_stays_what_it_was(void **state)
{
	struct fixture *x = *state;
	struct mailbox *mb;
	struct account *a;
	uint64_t pos[TOLD + 1];

	make_told(x, pos);
	lose_from(x, pos[4]);
	x->config.boot_id[0]++;
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(mailbox_keyword_find(mb, SLICE("first")), 0);
	mailbox_close(mb);
	account_close(a);
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(mailbox_keyword_find(mb, SLICE("first")), 0);
	mailbox_close(mb);
	account_close(a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_up, fixture_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(mailbox_with_a_damaged_page_is_opened),
		T(page_that_cannot_be_read_is_damaged),
		T(want_of_memory_is_no_damage),
		T(mark_of_the_last_sync_is_believed_whole_only),
		T(full_disk_keeps_nobody_out),
		T(nothing_is_copied_from_a_deleted_mailbox),
		cmocka_unit_test(damaged_length_brings_no_uid_back),
		T(reader_of_what_was_cut_off_goes_no_further),
		cmocka_unit_test(lost_end_of_the_journal_brings_no_uid_back),
		T(lost_keyword_stays_what_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
