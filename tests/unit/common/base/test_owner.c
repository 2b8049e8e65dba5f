#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/capability.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/owner.h"
#include "tests/unit/tmp.h"

/* Root with SETUID and SETGID: as much of root as master is. */

#define USER 54321

static void
keep_only_setuid(void)
{
	static const cap_value_t kept[] = { CAP_SETUID, CAP_SETGID };
	cap_t caps = cap_init();

	if (cap_set_flag(caps, CAP_PERMITTED, 2, kept, CAP_SET) == -1 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, 2, kept, CAP_SET) == -1 ||
	    cap_set_proc(caps) == -1)
		_exit(99);
	(void)cap_free(caps);
}

/* Run test() in a process that has no more; it returns 0 where all is well. */
static void
run_with_little(int (*test)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		keep_only_setuid();
		_exit(test());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static char path[TMP_PATH];

static int
enters_the_directory(void)
{
	struct stat st;
	int fd;

	if (open(path, O_RDONLY | O_DIRECTORY) != -1)
		return 1;
	fd = owner_open_dir(path, true, &st);
	if (fd == -1 || st.st_uid != USER)
		return 2;
	if (geteuid() != 0 || getegid() != 0)
		return 3;
	if (openat(fd, "mark", O_WRONLY | O_CREAT, 0600) != -1)
		return 4;
	if (owner_enter(USER, USER) == -1 ||
	    openat(fd, "mark", O_WRONLY | O_CREAT, 0600) == -1)
		return 5;
	owner_leave();
	return geteuid() == 0 && getegid() == 0 ? 0 : 6;
}

static void
a_directory_closed_to_root_is_entered_as_its_owner(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(tmp_make(path), 0);
	assert_int_equal(chown(path, USER, USER), 0);
	run_with_little(enters_the_directory);
	assert_int_equal(tmp_remove(path), 0);
}

static pid_t other;

static int
signals_the_other(void)
{
	if (kill(other, SIGKILL) != -1 || errno != EPERM)
		return 1;
	if (owner_enter(USER, USER) == -1 || kill(other, SIGKILL) == -1)
		return 2;
	owner_leave();
	return 0;
}

static void
a_process_of_another_user_is_ended_as_that_user(void **state)
{
	int ready[2];
	int status;
	char byte;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe(ready), 0);
	other = fork();
	if (other == 0) {
		if (setresgid(USER, USER, USER) == -1 ||
		    setresuid(USER, USER, USER) == -1 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	run_with_little(signals_the_other);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_true(WIFSIGNALED(status));
	close(ready[0]);
	close(ready[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_directory_closed_to_root_is_entered_as_its_owner),
		cmocka_unit_test(
		    a_process_of_another_user_is_ended_as_that_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
