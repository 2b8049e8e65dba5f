#include "store/state.h"
#include "tests/unit/store/fixture.h"

/* Who holds a lock and does not let go keeps nobody for ever. */

#define BRIEF_MS  20
#define SYNC_BYTE 4095 /* of page.c */

/* An account that waits for BRIEF_MS, and one that holds its lock. */
struct pair {
	struct account *holder;
	struct account *a;
};

static struct pair
open_pair(struct fixture *x)
{
	struct pair p;

	p.holder = open_account(x);
	x->config.wait.most_ms = BRIEF_MS;
	p.a = open_account(x);
	assert_int_equal(append_text(p.a, "INBOX", "one\r\n", 0), 0);
	return p;
}

static void
close_pair(struct pair *p)
{
	account_close(p->a);
	account_close(p->holder);
}

#define assert_busy(call)                                                      \
	do {                                                                   \
		errno = 0;                                                     \
		assert_int_equal(call, -1);                                    \
		assert_int_equal(errno, EBUSY);                                \
	} while (0)

static void
changes_say_busy_and_work_afterwards(void **state)
{
	struct pair p = open_pair(*state);
	struct mailbox *mb = open_box(p.a, "INBOX");

	assert_int_equal(account_lock(p.holder), 0);
	assert_busy(append_text(p.a, "INBOX", "two\r\n", 0));
	assert_busy(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_SEEN));
	assert_busy(account_create(p.a, SLICE("New"), 0));
	account_unlock(p.holder);
	assert_int_equal(append_text(p.a, "INBOX", "two\r\n", 0), 0);
	assert_int_equal(store_flags(mb, 1, 1, STORE_ADD, MESSAGE_SEEN), 0);
	assert_int_equal(account_create(p.a, SLICE("New"), 0), 0);
	mailbox_close(mb);
	close_pair(&p);
}

static void
what_is_there_is_read_meanwhile(void **state)
{
	struct fixture *x = *state;
	struct pair p = open_pair(x);
	struct mailbox *mb = open_box(p.a, "INBOX");
	struct mailbox_changes c;

	assert_int_equal(account_lock(p.holder), 0);
	drop_mail(x, "new\r\n");
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_true(c.busy);
	assert_int_equal(exists(mb), 1);
	assert_string_equal(content(mb, 1), "one\r\n");
	account_work(p.a);
	account_unlock(p.holder);
	assert_int_equal(mailbox_refresh(mb, true, &c), 0);
	assert_false(c.busy);
	assert_int_equal(exists(mb), 2);
	mailbox_close(mb);
	close_pair(&p);
}

static bool
give_up(void *ctx)
{
	unsigned *calls = ctx;

	++*calls;
	return false;
}

static void
a_wait_ends_when_its_client_is_gone(void **state)
{
	struct fixture *x = *state;
	struct pair p = open_pair(x);
	unsigned calls = 0;
	struct account_wait wait = {
		.most_ms = 3600000,
		.wanted = give_up,
		.ctx = &calls,
	};

	account_set_wait(p.a, &wait);
	assert_int_equal(account_lock(p.holder), 0);
	assert_int_equal(append_text(p.a, "INBOX", "two\r\n", 0), -1);
	assert_int_equal(errno, ECANCELED);
	assert_int_equal(calls, 1);
	account_unlock(p.holder);
	assert_int_equal(append_text(p.a, "INBOX", "two\r\n", 0), 0);
	assert_int_equal(calls, 1);
	close_pair(&p);
}

static void
an_account_that_is_opened_first_waits_with_an_end(void **state)
{
	struct fixture *x = *state;
	struct pair p = open_pair(x);

	assert_int_equal(account_lock(p.holder), 0);
	x->config.boot_id[0]++;
	assert_null(account_open(x->home, &x->config));
	assert_int_equal(errno, EBUSY);
	x->config.boot_id[0]--;
	account_unlock(p.holder);
	close_pair(&p);
}

/* One who syncs and never ends: the others sync for themselves. */
static void
a_sync_is_done_beside_one_that_hangs(void **state)
{
	struct pair p = open_pair(*state);
	struct flock l = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = SYNC_BYTE,
		.l_len = 1,
	};

	assert_int_equal(fcntl(p.holder->j.lock_fd, F_OFD_SETLK, &l), 0);
	assert_int_equal(append_text(p.a, "INBOX", "two\r\n", 0), 0);
	assert_false(p.a->j.dirty);
	close_pair(&p);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		T(changes_say_busy_and_work_afterwards),
		T(what_is_there_is_read_meanwhile),
		T(a_wait_ends_when_its_client_is_gone),
		T(an_account_that_is_opened_first_waits_with_an_end),
		T(a_sync_is_done_beside_one_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
