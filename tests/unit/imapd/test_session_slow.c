/* What must go on while a command takes long. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "tests/unit/imapd/client.h"

#define BIG 1048576

/* Syncs of all sessions. */
static unsigned *syncs;

/* The one of the library's. */
int
fdatasync(int fd)
{
	__atomic_fetch_add(syncs, 1, __ATOMIC_SEQ_CST);
	return (int)syscall(SYS_fdatasync, fd);
}

static unsigned
syncs_so_far(void)
{
	return __atomic_load_n(syncs, __ATOMIC_SEQ_CST);
}

static int
setup(void **state)
{
	syncs = mmap(NULL, sizeof(*syncs), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return syncs == MAP_FAILED ? -1 : place_setup(state);
}

/* Append a header and a body of BIG bytes made of line. */
static void
append_big(struct client *c, const char *header, const char *line)
{
	struct buf mail = BUF_INIT(2 * BIG);
	size_t body = BIG / strlen(line) * strlen(line);

	assert_int_equal(buf_printf(&mail, "a APPEND INBOX {%zu+}\r\n%s",
			     strlen(header) + body, header),
	    0);
	for (size_t n = 0; n < body; n += strlen(line))
		assert_int_equal(buf_append_str(&mail, line), 0);
	assert_int_equal(buf_append_str(&mail, "\r\n"), 0);
	assert_int_equal(write_all(c->fd, mail.data, mail.len), 0);
	hear(c, "a OK ~\r\n");
	buf_free(&mail);
}

static void
flags_are_synced_while_a_client_does_not_read(void **state)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	struct client c;
	unsigned before;

	client_open(&c, *state, "");
	greeted(&c);
	append_big(&c, "Subject: big\r\n\r\n", "0123456789abcdef\r\n");
	ask(&c, "a SELECT INBOX\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* 1 EXISTS\r\n* 1 RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
	before = syncs_so_far();
	/* sets \Seen; more than the socket holds comes back */
	say(&c, "a FETCH 1 BODY[]\r\n");
	for (int i = 0; syncs_so_far() == before; i++) {
		assert_int_not_equal(i, 500);
		(void)nanosleep(&pause, NULL);
	}
	client_close(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_are_synced_while_a_client_does_not_read),
	};

	return cmocka_run_group_tests(tests, setup, place_teardown);
}
