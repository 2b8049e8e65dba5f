#include <sys/mman.h>

#include "common/base/log.h"
#include "tests/unit/store/fixture.h"

/*
 * What opening and closing cost: no UID, no recovery that anybody reads
 * about, and no work that comes to nothing.
 */

/* Lines at or above warnings, and what a recovery says. */
static int
capture_log(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	log_open("test", fd, false);
	return fd;
}

static void
assert_nothing_logged(int fd)
{
	char text[1024];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_int_not_equal(n, -1);
	text[n] = '\0';
	assert_string_equal(text, "");
	log_open("test", 2, false);
	close(fd);
}

static void
assert_inbox(struct fixture *x, uint32_t exists, uint32_t uidnext)
{
	struct account *a = open_account(x);
	struct mailbox_status s;

	assert_int_equal(account_status(a, SLICE("INBOX"), &s), 0);
	assert_int_equal(s.exists, exists);
	assert_int_equal(s.uidnext, uidnext);
	account_close(a);
}

/* -- clean closes -------------------------------------------------- */

typedef void session_fn(struct fixture *x, struct account *a);

static void
only_log_in(struct fixture *x, struct account *a)
{
	(void)x;
	(void)a;
}

static void
only_look(struct fixture *x, struct account *a)
{
	(void)x;
	mailbox_close(open_box(a, "INBOX"));
}

static void
only_wait(struct fixture *x, struct account *a)
{
	(void)x;
	account_work(a);
	account_work(a);
}

static void
take_in(struct fixture *x, struct account *a)
{
	drop_mail(x, "mail\r\n");
	assert_int_equal(account_takein(a), 0);
}

static void
expunge_all(struct fixture *x, struct account *a)
{
	struct mailbox *mb = open_box(a, "INBOX");

	(void)x;
	assert_int_equal(mailbox_remove(mb, NULL, NULL), 0);
	mailbox_close(mb);
}

/* Each session after each other one, in a new home, and over boots. */
static void
clean_close_costs_no_uids(void **state)
{
	session_fn *const sessions[] = { only_log_in, only_look, only_wait,
		take_in, expunge_all };
	const size_t n = ARRAY_LEN(sessions);
	struct account *a;
	struct fixture *x;
	uint32_t exists;
	uint32_t taken;
	void *s;
	int fd;

	(void)state;
	for (size_t i = 0; i < n * n * n; i++) {
		session_fn *const run[] = { sessions[i / n / n],
			sessions[i / n % n], sessions[i % n] };

		assert_int_equal(fixture_up(&s), 0);
		x = s;
		fd = capture_log();
		exists = 0;
		taken = 0;
		for (size_t k = 0; k < 9; k++) {
			a = open_account(x);
			run[k % 3](x, a);
			account_close(a);
			taken += run[k % 3] == take_in;
			exists += run[k % 3] == take_in;
			if (run[k % 3] == expunge_all)
				exists = 0;
			assert_inbox(x, exists, taken + 1);
			if (k % 3 == 2)
				x->config.boot_id[0]++;
		}
		assert_nothing_logged(fd);
		fixture_down(&s);
	}
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_close_costs_no_uids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
