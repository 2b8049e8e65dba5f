#include <ctype.h>
#include <sys/syscall.h>

#include "store/state.h"
#include "tests/unit/store/fixture.h"

/*
 * A kernel that drops what it failed to write, and tells it once. For each
 * segment of the journal there is what a disk would have: pages get there by
 * a sync that succeeds; by one that fails they do not, and are clean after
 * it all the same.
 */

#define PAGE     4096
#define PAGES    64
#define SEGMENTS 8
#define CHANGES  200

struct segment_model {
	ino_t ino; /* 0: none */
	char name[16];
	bool clean[PAGES];
	char disk[PAGES * PAGE];
};

static struct segment_model models[SEGMENTS];
static bool sync_fails;
static unsigned writes; /* to segments */

/* The model of the segment open as fd, or NULL for another file. */
static struct segment_model *
model_of(int fd)
{
	char path[256] = "";
	struct segment_model *m = models;
	char link[64];
	const char *name;
	struct stat st;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) == -1)
		return NULL;
	name = strstr(path, "/journal/");
	if (name == NULL || !isxdigit((unsigned char)name[9]) ||
	    fstat(fd, &st) == -1)
		return NULL;
	while (m->ino != 0 && m->ino != st.st_ino)
		m++;
	assert_true(m < models + SEGMENTS);
	m->ino = st.st_ino;
	snprintf(m->name, sizeof(m->name), "%.8s", name + 9);
	return m;
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	ssize_t rc = syscall(SYS_pwrite64, fd, p, n, at);
	struct segment_model *m = rc > 0 ? model_of(fd) : NULL;

	if (m == NULL)
		return rc;
	assert_true((size_t)at + (size_t)rc <= sizeof(m->disk));
	for (off_t i = at / PAGE; i <= (at + rc - 1) / PAGE; i++)
		m->clean[i] = false;
	writes++;
	return rc;
}

int
fdatasync(int fd)
{
	struct segment_model *m = model_of(fd);
	bool fails = sync_fails;

	if (m == NULL)
		return 0;
	for (size_t i = 0; i < PAGES; i++) {
		if (!m->clean[i] && !fails)
			(void)!pread(
			    fd, m->disk + i * PAGE, PAGE, (off_t)(i * PAGE));
		m->clean[i] = true;
	}
	sync_fails = false;
	errno = EIO;
	return fails ? -1 : 0;
}

/* What is on the disk is all there is from now on. */
static void
drop_memory(struct fixture *x)
{
	char path[32];
	struct stat st;
	int fd;

	for (struct segment_model *m = models; m->ino != 0; m++) {
		snprintf(path, sizeof(path), "journal/%s", m->name);
		fd = openat(x->home, path, O_WRONLY);
		if (fd == -1)
			continue;
		assert_int_equal(fstat(fd, &st), 0);
		assert_int_equal(
		    syscall(SYS_pwrite64, fd, m->disk, st.st_size, 0),
		    st.st_size);
		close(fd);
		memset(m->clean, 1, sizeof(m->clean));
	}
}

static void
power_cut(struct fixture *x)
{
	drop_memory(x);
	x->config.boot_id[0]++;
}

/*
 * Somebody marks the first mail, with more than a page of records, and hears
 * that it is not on the disk.
 */
static void
mark_and_fail(struct fixture *x)
{
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, "INBOX");

	for (int i = 0; i < CHANGES; i++)
		assert_int_equal(
		    store_flags(mb, 1, 1, i % 2 == 0 ? STORE_ADD : STORE_REMOVE,
			MESSAGE_SEEN),
		    0);
	assert_int_equal(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_FLAGGED), 0);
	sync_fails = true;
	assert_int_equal(account_sync(a), -1);
	assert_int_equal(errno, EIO);
	assert_false(sync_fails);
	mailbox_close(mb);
	account_close(a);
}

static void
first_mail(struct fixture *x)
{
	struct account *a = open_account(x);

	assert_int_equal(append_text(a, "INBOX", "one\r\n", 0), 0);
	account_close(a);
}

/* Two mails, the first one marked, and no UID passed over for damage. */
static void
assert_all_is_there(struct fixture *x)
{
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, "INBOX");
	struct mailbox_status st;
	struct message m;

	assert_int_equal(exists(mb), 2);
	assert_int_equal(mailbox_message(mb, 1, &m), 0);
	assert_int_equal(m.flags & MESSAGE_FLAGGED, MESSAGE_FLAGGED);
	mailbox_status(mb, &st);
	assert_int_equal(st.uidnext, 3);
	mailbox_close(mb);
	account_close(a);
}

static void
what_a_failed_sync_dropped_is_written_again(void **state)
{
	struct fixture *x = *state;
	struct account *a;

	first_mail(x);
	mark_and_fail(x);
	a = open_account(x);
	assert_int_equal(append_text(a, "INBOX", "two\r\n", 0), 0);
	account_close(a);
	power_cut(x);
	assert_all_is_there(x);
}

/* One who had it open leaves it without a sync, and so without a word. */
static void
it_is_from_the_segment_before_too(void **state)
{
	struct fixture *x = *state;
	struct account *a;

	a = open_account(x);
	assert_int_equal(append_text(a, "INBOX", "one\r\n", 0), 0);
	assert_true(a->j.now.durable);
	mark_and_fail(x);
	assert_int_equal(account_lock(a), 0);
	assert_int_equal(journal_roll(&a->j, a->epoch, true), 0);
	account_unlock(a);
	assert_int_equal(append_text(a, "INBOX", "two\r\n", 0), 0);
	account_free(a); /* no snapshot, which would have it all */
	power_cut(x);
	assert_all_is_there(x);
}

/* The page has left memory, too: nobody vouches for what was in it. */
static void
what_is_nowhere_any_more_is_not_vouched_for(void **state)
{
	struct fixture *x = *state;
	struct mailbox_status st;
	struct account *a;
	struct account *b;
	struct mailbox *mb;

	first_mail(x);
	mark_and_fail(x);
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_SEEN), 0);
	drop_memory(x);
	assert_int_equal(account_sync(a), -1);
	assert_int_equal(append_text(a, "INBOX", "two\r\n", 0), -1);
	mailbox_close(mb);
	b = open_account(x);
	assert_int_equal(append_text(b, "INBOX", "three\r\n", 0), 0);
	account_close(a);
	account_close(b);
	power_cut(x);
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 2);
	assert_string_equal(content(mb, 1), "one\r\n");
	mailbox_status(mb, &st);
	assert_string_equal(content(mb, st.uidnext - 1), "three\r\n");
	mailbox_close(mb);
	account_close(a);
}

static void
what_is_synced_is_written_once(void **state)
{
	struct fixture *x = *state;
	struct account *a;
	unsigned first;

	first_mail(x);
	a = open_account(x);
	writes = 0;
	assert_int_equal(append_text(a, "INBOX", "two\r\n", 0), 0);
	first = writes;
	writes = 0;
	assert_int_equal(append_text(a, "INBOX", "three\r\n", 0), 0);
	assert_int_equal(writes, first);
	account_close(a);
}

static int
forget(void **state)
{
	memset(models, 0, sizeof(models));
	sync_fails = false;
	return fixture_up(state);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, forget, fixture_down)
	const struct CMUnitTest tests[] = {
		T(what_a_failed_sync_dropped_is_written_again),
		T(it_is_from_the_segment_before_too),
		T(what_is_nowhere_any_more_is_not_vouched_for),
		T(what_is_synced_is_written_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
