#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/identity.h"
#include "tests/unit/tmp.h"

static char state_dir[TMP_PATH];

static int
fresh(void **state)
{
	(void)state;
	return tmp_make(state_dir) == -1 || chdir(state_dir) == -1 ||
		       mkdir("spool", 0700) == -1
		   ? -1
		   : 0;
}

static int
clear(void **state)
{
	(void)state;
	return chdir("/") == -1 ? -1 : tmp_remove(state_dir);
}

static void
same_directory_is_known_again(void **state)
{
	(void)state;
	assert_int_equal(identity_check(state_dir, "spool"), 0);
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(access("spool/.identity", F_OK), 0);
	assert_int_equal(identity_check(state_dir, "spool"), 0);
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(identity_check(state_dir, "spool"), 0);
}

/* The mark of a daemon's directory is that daemon's, or was root's. */
static void
directory_of_another_user_is_marked_as_that_user(void **state)
{
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(state_dir, 0711), 0);
	assert_int_equal(chown("spool", 54321, 54321), 0);
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(stat("spool/.identity", &st), 0);
	assert_int_equal(st.st_uid, 54321);
	assert_int_equal(stat("identity.spool", &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(chown("spool/.identity", 0, 0), 0);
	assert_int_equal(chmod("spool/.identity", 0600), 0);
	assert_int_equal(identity_check(state_dir, "spool"), 0);
	assert_int_equal(stat("spool/.identity", &st), 0);
	assert_int_equal(st.st_uid, 54321);
}

static void
directory_without_its_mark_is_another(void **state)
{
	(void)state;
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(unlink("spool/.identity"), 0);
	assert_int_equal(identity_check(state_dir, "spool"), -1);
	assert_int_equal(rmdir("spool"), 0);
	assert_int_equal(identity_check(state_dir, "spool"), -1);
}

static void
mark_of_another_is_refused(void **state)
{
	(void)state;
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(rename("spool/.identity", "mark"), 0);
	assert_int_equal(unlink("identity.spool"), 0);
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(rename("mark", "spool/.identity"), 0);
	assert_int_equal(identity_check(state_dir, "spool"), -1);
}

/* A crash between the two writes, or a state directory that is new. */
static void
mark_alone_is_taken_over(void **state)
{
	(void)state;
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(unlink("identity.spool"), 0);
	assert_int_equal(identity_check(state_dir, "spool"), 0);
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(identity_check(state_dir, "spool"), 0);
	assert_int_equal(access("identity.spool", F_OK), 0);
}

static void
what_is_no_mark_is_not_believed(void **state)
{
	(void)state;
	assert_int_equal(identity_settle(state_dir, "spool"), 0);
	assert_int_equal(truncate("spool/.identity", 32), 0);
	assert_int_equal(identity_check(state_dir, "spool"), -1);
	assert_int_equal(truncate("spool/.identity", 34), 0);
	assert_int_equal(identity_check(state_dir, "spool"), -1);
	assert_int_equal(unlink("spool/.identity"), 0);
	assert_int_equal(symlink("../identity.spool", "spool/.identity"), 0);
	assert_int_equal(identity_check(state_dir, "spool"), -1);
}

static void
state_directory_that_is_not_there_yet_is_fine(void **state)
{
	(void)state;
	assert_int_equal(identity_check("/nonexistent", "spool"), 0);
	assert_int_equal(identity_settle("/nonexistent", "spool"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, fresh, clear)
		T(same_directory_is_known_again),
		T(directory_of_another_user_is_marked_as_that_user),
		T(directory_without_its_mark_is_another),
		T(mark_of_another_is_refused),
		T(mark_alone_is_taken_over),
		T(what_is_no_mark_is_not_believed),
		T(state_directory_that_is_not_there_yet_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
