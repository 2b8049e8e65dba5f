#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/store/fixture.h"

/* How often changes are synced, and what an unsynced rename may cost. */

static struct shared {
	unsigned journal; /* syncs of what is not an append's file */
	unsigned content;
	unsigned dirs;
} * count;

/* When set, runs in the next sync of the journal. */
static void (*meanwhile)(void);

static bool
is_append(int fd)
{
	char link[64];
	char path[256] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) == -1)
		return false;
	return strstr(path, "/mail/tmp/append.") != NULL;
}

/* The one of the library's. */
int
fdatasync(int fd)
{
	void (*run)(void) = meanwhile;

	if (is_append(fd)) {
		__atomic_fetch_add(&count->content, 1, __ATOMIC_SEQ_CST);
	} else {
		__atomic_fetch_add(&count->journal, 1, __ATOMIC_SEQ_CST);
		meanwhile = NULL;
		if (run != NULL)
			run();
	}
	return (int)syscall(SYS_fdatasync, fd);
}

int
fsync(int fd)
{
	__atomic_fetch_add(&count->dirs, 1, __ATOMIC_SEQ_CST);
	return (int)syscall(SYS_fsync, fd);
}

#define assert_synced(contents, journals)                                      \
	do {                                                                   \
		assert_int_equal(count->content, contents);                    \
		assert_int_equal(count->journal, journals);                    \
		assert_int_equal(count->dirs, 0);                              \
		*count = (struct shared){ 0 };                                 \
	} while (0)

/* An account whose journal's segment is known to be durable. */
static struct account *
open_settled(struct fixture *x)
{
	account_close(open_account(x));
	*count = (struct shared){ 0 };
	return open_account(x);
}

static void
changes_cost_one_sync(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_settled(x);
	struct copy_result r = COPY_RESULT_INIT;
	struct uidset set = uids(1, 1);
	struct mailbox_changes c;
	struct mailbox *mb;

	assert_int_equal(append_text(a, "INBOX", "one\r\n", 0), 0);
	assert_synced(1, 1);
	assert_int_equal(append_text(a, "Sent", "two\r\n", 0), 0);
	assert_synced(1, 1);
	mb = open_box(a, "INBOX");
	assert_synced(0, 0);
	assert_int_equal(mailbox_copy(mb, &set, SLICE("Sent"), &r), 0);
	assert_synced(0, 1);
	assert_int_equal(mailbox_move(mb, &set, SLICE("Sent"), &r), 0);
	assert_synced(0, 1);
	drop_mail(x, "three\r\n");
	assert_int_equal(account_takein(a), 0);
	assert_synced(0, 1);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_int_equal(store_flags(mb, 1, 9, STORE_ADD, MESSAGE_SEEN), 0);
	assert_synced(0, 0);
	account_work(a);
	assert_synced(0, 1);
	account_work(a);
	assert_synced(0, 0);
	uidset_free(&set);
	copy_result_free(&r);
	mailbox_close(mb);
	account_close(a);
}

static void
messages_of_one_append_share_a_sync(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_settled(x);
	struct append_about about = { .flags = 0 };
	struct append *ap = append_begin(a, SLICE("INBOX"));
	struct mailbox *mb;
	char text[32];

	assert_non_null(ap);
	for (int i = 1; i <= 100; i++) {
		snprintf(text, sizeof(text), "mail %d\r\n", i);
		assert_int_equal(append_message(ap, &about), 0);
		assert_int_equal(append_write(ap, text, strlen(text)), 0);
	}
	assert_int_equal(append_commit(ap, NULL, NULL), 0);
	append_free(ap);
	assert_synced(100, 1);
	mb = open_box(a, "INBOX");
	assert_string_equal(content(mb, 1), "mail 1\r\n");
	assert_string_equal(content(mb, 100), "mail 100\r\n");
	mailbox_close(mb);
	account_close(a);
}

/* -- several sessions ---------------------------------------------- */

#define SESSIONS 6

static struct fixture *fixture;
static struct account *observer;
static pid_t children[SESSIONS];

/* Others append while a sync is under way: theirs wait for one, together. */
static void
others_append(void)
{
	uint64_t messages = 0;
	uint64_t bytes;

	for (int i = 0; i < SESSIONS; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		_exit(append_text(
			  open_account(fixture), "INBOX", "mail\r\n", 0) != 0);
	}
	/* Their records are there, and ours. */
	for (int i = 0; i < 5000 && messages < SESSIONS + 1; i++) {
		usleep(1000);
		assert_int_equal(account_refresh(observer), 0);
		account_usage(observer, &messages, &bytes);
	}
	assert_int_equal(messages, SESSIONS + 1);
}

static void
appends_at_once_share_a_sync(void **state)
{
	struct account *a;
	int status;

	fixture = *state;
	a = open_settled(fixture);
	observer = open_account(fixture);
	meanwhile = others_append;
	assert_int_equal(append_text(a, "INBOX", "mail\r\n", 0), 0);
	for (int i = 0; i < SESSIONS; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	assert_synced(SESSIONS + 1, 2);
	account_close(observer);
	account_close(a);
}

/* -- what a power cut leaves --------------------------------------- */

/* An APPEND's rename is not synced: its name in tmp is, and the record. */
static void
appended_messages_survive_a_power_cut(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);
	struct mailbox *mb;
	struct dirent *e;
	char path[100];
	char to[100];
	unsigned n = 0;
	DIR *d;
	int fd;

	assert_int_equal(append_text(a, "INBOX", "one\r\n", 0), 0);
	assert_int_equal(append_text(a, "INBOX", "two\r\n", 0), 0);
	account_close(a);
	snprintf(path, sizeof(path), "%s/mail/cur", x->path);
	d = opendir(path);
	assert_non_null(d);
	fd = openat(x->home, "mail/tmp", O_RDONLY | O_DIRECTORY);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(
		    to, sizeof(to), "append.%.16s", strchr(e->d_name, 'W') + 1);
		assert_int_equal(renameat(dirfd(d), e->d_name, fd, to), 0);
		n++;
	}
	assert_int_equal(n, 2);
	close(fd);
	closedir(d);
	x->config.boot_id[0]++;
	a = open_account(x);
	mb = open_box(a, "INBOX");
	assert_int_equal(exists(mb), 2);
	assert_string_equal(content(mb, 1), "one\r\n");
	assert_string_equal(content(mb, 2), "two\r\n");
	mailbox_close(mb);
	account_close(a);
}

static int
count_up(void **state)
{
	(void)state;
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return count == MAP_FAILED ? -1 : 0;
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(changes_cost_one_sync),
		T(messages_of_one_append_share_a_sync),
		T(appends_at_once_share_a_sync),
		T(appended_messages_survive_a_power_cut),
	};

	return cmocka_run_group_tests(tests, count_up, NULL);
}
