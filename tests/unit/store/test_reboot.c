#include <sys/syscall.h>

#include "store/state.h"
#include "tests/unit/store/fixture.h"

/*
 * What the first open after a boot does anew: it must come to what the
 * journal says, however often it is done, and from whatever was durable.
 */

static void
run(const char *script, const char *path)
{
	char command[512];

	snprintf(command, sizeof(command), "set -e; cd '%s'; %s", path, script);
	assert_int_equal(system(command), 0);
}

/* The one message of a mailbox. */
static void
assert_holds(struct fixture *x, const char *name, const char *text)
{
	struct account *a = open_account(x);
	struct mailbox *mb = open_box(a, name);
	struct message m;

	assert_int_equal(exists(mb), text == NULL ? 0 : 1);
	if (text != NULL) {
		assert_int_equal(mailbox_message(mb, 1, &m), 0);
		assert_int_equal(m.uid, 1);
		assert_string_equal(content(mb, 1), text);
		assert_true((m.flags & MESSAGE_SEEN) != 0);
	}
	mailbox_close(mb);
	account_close(a);
}

/* A snapshot cannot be written: that is tried last. */
static void
recovery_that_failed_is_done_again(void **state)
{
	struct fixture *x = *state;
	struct account *a = open_account(x);

	assert_int_equal(append_text(a, "INBOX", "one\r\n", MESSAGE_SEEN), 0);
	account_close(a);
	x->config.boot_id[0]++;
	run("mkdir -p mail/.Found/cur; echo >mail/.Found/cur/1.x.y:2,S;"
	    "rm -f account.1; mkdir -p account.1/x",
	    x->path);
	assert_null(account_open(x->home, &x->config));
	run("rm -r account.1", x->path);
	a = open_account(x);
	assert_int_equal(a->j.now.boot_id[0], x->config.boot_id[0]);
	assert_int_equal(a->epoch, a->j.now.epoch);
	account_close(a);
	assert_holds(x, "INBOX", "one\r\n");
	assert_holds(x, "Found", "\n");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(recovery_that_failed_is_done_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
