#include <grp.h>
#include <sys/wait.h>

#include "tests/unit/store/fixture.h"

/*
 * Who may do what in a home, tried as those users. Needs root; without it
 * only the skeleton is looked at.
 */

#define USER    20001
#define DELIVER 20002
#define OTHER   20003

static void
become(unsigned id)
{
	gid_t group = id;

	if (setgroups(1, &group) == -1 || setgid(id) == -1 || setuid(id) == -1)
		_exit(9);
	umask(0007);
}

/* Run fn as that user; its exit status. */
static int
as(unsigned id, int (*fn)(struct fixture *x), struct fixture *x)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		become(id);
		_exit(fn(x));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
deliver(struct fixture *x)
{
	drop_mail(x, "one\r\n");
	if (openat(x->home, "drop/new", O_RDONLY | O_DIRECTORY) != -1 ||
	    errno != EACCES)
		return 1;
	if (openat(x->home, ".", O_RDONLY | O_DIRECTORY) != -1)
		return 2;
	if (openat(x->home, "mail/cur", O_PATH | O_DIRECTORY) != -1)
		return 3;
	if (openat(x->home, "expunged", O_RDONLY) != -1)
		return 4;
	return mkdirat(x->home, "x", 0700) == -1 ? 0 : 5;
}

static int
be_nosy(struct fixture *x)
{
	return openat(x->home, "drop/new", O_PATH) == -1 &&
		       openat(x->home, "mail", O_PATH) == -1
		   ? 0
		   : 1;
}

static int
read_mail(struct fixture *x)
{
	struct copy_result r = COPY_RESULT_INIT;
	struct account *a = account_open(x->home, &x->config);
	struct uidset set = uids(1, 1);
	struct mailbox *mb;

	if (a == NULL)
		return 1;
	mb = mailbox_open(a, SLICE("INBOX"), false);
	if (mb == NULL || exists(mb) != 1)
		return 2;
	if (account_create(a, SLICE("Box"), 0) == -1)
		return 3;
	/* A hard link to a file of deliver's (protected_hardlinks). */
	if (mailbox_copy(mb, &set, SLICE("Box"), &r) == -1)
		return 4;
	copy_result_free(&r);
	uidset_free(&set);
	mailbox_close(mb);
	mb = mailbox_open(a, SLICE("Box"), false);
	if (mb == NULL || strcmp(content(mb, 1), "one\r\n") != 0)
		return 5;
	mailbox_close(mb);
	account_close(a);
	return 0;
}

static void
each_may_do_its_own(void **state)
{
	struct home_owner owner = { USER, USER, DELIVER };
	struct fixture *x = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(fchmod(x->home, 0755), 0);
	assert_int_equal(home_create(x->home, "pip", &owner), 0);
	close(x->home);
	memcpy(x->path + strlen(x->path), "/pip", 5);
	x->home = open(x->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_not_equal(x->home, -1);
	assert_int_equal(as(DELIVER, deliver, x), 0);
	assert_int_equal(as(OTHER, be_nosy, x), 0);
	assert_int_equal(as(USER, read_mail, x), 0);
	*strrchr(x->path, '/') = '\0';
}

static void
calling_again_mends(void **state)
{
	struct home_owner owner = { geteuid(), getegid(), (uid_t)-1 };
	struct fixture *x = *state;
	struct stat st;

	assert_int_equal(home_create(x->home, "h", &owner), 0);
	assert_int_equal(unlinkat(x->home, "h/drop/new", AT_REMOVEDIR), 0);
	assert_int_equal(fchmodat(x->home, "h/mail", 0777, 0), 0);
	assert_int_equal(home_create(x->home, "h", &owner), 0);
	assert_int_equal(fstatat(x->home, "h/mail", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fstatat(x->home, "h/drop/new", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 02730);
	assert_int_equal(fstatat(x->home, "h", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 02710);
}

static void
only_the_skeleton_is_no_use(void **state)
{
	static const char *const used[] = { "h/account", "h/drop/new/mail",
		"h/mail/.Box", "h/journal/lock" };
	struct home_owner owner = { geteuid(), getegid(), (uid_t)-1 };
	struct fixture *x = *state;
	int home;

	assert_int_equal(mkdirat(x->home, "h", 0700), 0);
	home = openat(x->home, "h", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(home_used(home), 0);
	assert_int_equal(home_fill(home, &owner), 0);
	assert_int_equal(home_used(home), 0);
	for (size_t i = 0; i < ARRAY_LEN(used); i++) {
		assert_int_equal(
		    mknodat(x->home, used[i], S_IFREG | 0600, 0), 0);
		assert_int_equal(home_used(home), 1);
		assert_int_equal(unlinkat(x->home, used[i], 0), 0);
	}
	assert_int_equal(home_used(home), 0);
	close(home);
}

static void
links_are_not_followed(void **state)
{
	struct home_owner owner = { geteuid(), getegid(), (uid_t)-1 };
	struct fixture *x = *state;
	struct stat before;
	struct stat after;

	assert_int_equal(stat("/tmp", &before), 0);
	assert_int_equal(mkdirat(x->home, "h", 0700), 0);
	assert_int_equal(symlinkat("/tmp", x->home, "h/drop"), 0);
	assert_int_equal(home_create(x->home, "h", &owner), -1);
	assert_int_equal(errno, ELOOP);
	assert_int_equal(symlinkat("/tmp", x->home, "link"), 0);
	assert_int_equal(home_create(x->home, "link", &owner), -1);
	assert_int_equal(stat("/tmp", &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(each_may_do_its_own),
		T(calling_again_mends),
		T(only_the_skeleton_is_no_use),
		T(links_are_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
