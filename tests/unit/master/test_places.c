/* Whose the directories are that master makes. */
#include <pwd.h>
#include <string.h>

#include "common/base/mem.h"
#include "master/master.h"
#include "tests/unit/cmocka.h"
#include "tests/unit/tmp.h"

#define UID_OF(proc) (20000U + (unsigned)(proc))
#define GID_OF(proc) (30000U + (unsigned)(proc))

/* A host where the group of a user has another number than the user. */
struct passwd *
getpwnam(const char *name)
{
	static struct passwd pw;

	for (unsigned p = 1; p < PROC_COUNT; p++)
		if (strncmp(name, "wm-", 3) == 0 &&
		    strcmp(name + 3, proc_name((enum proc)p)) == 0) {
			pw.pw_uid = UID_OF(p);
			pw.pw_gid = GID_OF(p);
			return &pw;
		}
	return NULL;
}

static struct config *
config_in(const char *dir)
{
	struct buf problems = BUF_INIT(4096);
	char *text = xasprintf("hostname = \"mail.example.test\"\n"
			       "state-directory = \"%s/state\"\n"
			       "run-directory = \"%s/run\"\n"
			       "table-directory = \"%s/tables\"\n"
			       "tls-certificate = \"/cert\"\n"
			       "tls-key = \"/key\"\n",
	    dir, dir, dir);
	struct config *c = config_parse(slice_str(text), &problems);

	if (c == NULL)
		fail_msg("%s", buf_str(&problems));
	buf_free(&problems);
	free(text);
	return c;
}

static void
assert_owner(const char *dir, const char *name, unsigned uid, unsigned gid)
{
	char *path = xasprintf("%s/%s", dir, name);
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	free(path);
}

static void
group_is_that_of_the_user(void **state)
{
	char dir[TMP_PATH];
	static struct master m;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(tmp_make(dir), 0);
	m.config = config_in(dir);
	assert_int_equal(places_prepare(&m), 0);
	assert_owner(
	    dir, "state/spool", UID_OF(PROC_QUEUE), GID_OF(PROC_QUEUE));
	assert_owner(dir, "state/auth", 0, GID_OF(PROC_AUTH));
	config_free(m.config);
	tmp_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(group_is_that_of_the_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
