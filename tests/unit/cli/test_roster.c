#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/password.h"
#include "cli/roster.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "tests/unit/tmp.h"

static char dir[TMP_PATH];
static struct config *config;

static int
setup(void **state)
{
	struct buf problems = BUF_INIT(65536);
	char *text;
	char *sub;

	(void)state;
	if (tmp_make(dir) == -1)
		return -1;
	sub = xasprintf("%s/auth", dir);
	if (mkdir(sub, 0700) == -1)
		return -1;
	free(sub);
	text = xasprintf("domains = {\"x.test\", \"xn--bcher-kva.test\"}\n"
			 "state-directory = \"%s\"\n"
			 "table-directory = \"%s\"\n"
			 "base-uid = 500000\n"
			 "user-uid-first = 100000\n"
			 "user-uid-last = 100002\n",
	    dir, dir);
	config = config_parse(slice_str(text), &problems);
	if (config == NULL)
		print_error("%s", buf_str(&problems));
	free(text);
	buf_free(&problems);
	return config == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	config_free(config);
	return tmp_remove(dir);
}

static void
users_are_kept_and_uids_never_come_back(void **state)
{
	struct roster u;

	(void)state;
	assert_int_equal(roster_open(&u, config), 0);
	assert_int_equal(u.count, 0);
	assert_non_null(roster_add(&u, "pip@x.test", "{PLAIN}a"));
	assert_non_null(roster_add(&u, "joe@x.test", "*"));
	assert_int_equal(roster_save(&u), 0);
	roster_close(&u);

	assert_int_equal(roster_open(&u, config), 0);
	assert_int_equal(u.count, 2);
	assert_string_equal(u.list[0].address, "joe@x.test");
	assert_int_equal(u.list[0].uid, 100001);
	assert_string_equal(u.list[0].home, "x.test/joe");
	assert_string_equal(roster_find(&u, "pip@x.test")->hash, "{PLAIN}a");
	roster_remove(&u, roster_find(&u, "joe@x.test"));
	assert_int_equal(roster_save(&u), 0);
	roster_close(&u);

	assert_int_equal(roster_open(&u, config), 0);
	assert_int_equal(u.count, 1);
	assert_null(roster_find(&u, "joe@x.test"));
	assert_int_equal(roster_add(&u, "tom@x.test", "*")->uid, 100002);
	assert_null(roster_add(&u, "none@x.test", "*"));
	roster_close(&u);
}

/* A home in the mail directory, of this uid, and of its mail if it has any. */
static void
leave_home(const char *name, uid_t uid, bool mail)
{
	static const char *const above[] = { "mail", "mail/x.test" };
	char *path;

	for (size_t i = 0; i < ARRAY_LEN(above); i++) {
		path = xasprintf("%s/%s", dir, above[i]);
		(void)mkdir(path, 0711);
		free(path);
	}
	path = xasprintf("%s/mail/x.test/%s", dir, name);
	assert_int_equal(mkdir(path, 0710), 0);
	assert_int_equal(chown(path, uid, uid), 0);
	if (mail) {
		char *file = xasprintf("%s/account", path);

		assert_int_equal(mknod(file, S_IFREG | 0600, 0), 0);
		free(file);
	}
	free(path);
}

static void
a_home_that_stayed_gives_its_uid_back(void **state)
{
	struct roster u;

	(void)state;
	if (geteuid() != 0)
		skip();
	leave_home("estella", 100001, true);
	leave_home("hers", 100001, true);
	leave_home("stranger", 99999, true);
	leave_home("broken-off", 100001, false);
	u = (struct roster){ .config = config, .lock = -1, .next_uid = 100000 };
	assert_int_equal(roster_add(&u, "estella@x.test", "*")->uid, 100001);
	assert_int_equal(roster_add(&u, "broken-off@x.test", "*")->uid, 100002);
	assert_null(roster_add(&u, "hers@x.test", "*"));
	assert_null(roster_add(&u, "stranger@x.test", "*"));
	assert_null(roster_add(&u, "biddy@x.test", "*"));
	assert_int_equal(u.count, 2);
	roster_close(&u);
}

static void
addresses_are_checked_and_lowered(void **state)
{
	static const char *const good[][2] = { { "Pip@X.test", "pip@x.test" },
		{ "a.b-c_d+e@x.test", "a.b-c_d+e@x.test" },
		{ "p\xc3\xafp@x.test", "p\xc3\xafp@x.test" },
		{ "Pip@Bücher.test", "pip@xn--bcher-kva.test" } };
	static const char *const bad[] = { "", "pip", "pip@", "@x.test",
		"pip@other.test", "a/b@x.test", "\"a b\"@x.test", "-pip@x.test",
		"\"..\"@x.test", "a%b@x.test", "postmaster", "pip@[192.0.2.1]",
		"pip\n@x.test" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char *got = roster_address(config, good[i][0]);

		assert_string_equal(got, good[i][1]);
		free(got);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(roster_address(config, bad[i]));
}

static void
hashes_are_judged(void **state)
{
	struct buf password = BUF_INIT(PASSWORD_MAX);
	char *hash;

	(void)state;
	assert_int_equal(buf_append_str(&password, "secret"), 0);
	hash = password_hash(&password);
	assert_non_null(hash);
	assert_true(password_hash_fine(hash));
	assert_string_equal(password_scheme(hash), "yescrypt");
	assert_true(password_hash_fine("{PLAIN}x"));
	assert_true(password_hash_fine("*"));
	assert_false(password_hash_fine("{PLAIN}"));
	assert_false(password_hash_fine(""));
	assert_false(password_hash_fine("secret"));
	assert_false(password_hash_fine("{PLAIN}a\tb"));
	assert_string_equal(password_scheme("{PLAIN}x"), "plain");
	assert_string_equal(password_scheme("*"), "locked");
	free(hash);
	buf_truncate(&password, 0);
	assert_null(password_hash(&password));
	buf_free(&password);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_are_kept_and_uids_never_come_back),
		cmocka_unit_test(a_home_that_stayed_gives_its_uid_back),
		cmocka_unit_test(addresses_are_checked_and_lowered),
		cmocka_unit_test(hashes_are_judged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
