/* What must go on while a command takes long. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "common/base/clock.h"
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

/* Ticks of processor time the session has used. */
static unsigned long
used(const struct client *c)
{
	unsigned long ticks;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)c->pid);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f,
			     "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u"
			     " %*u %*u %lu",
			     &ticks),
	    1);
	(void)fclose(f);
	return ticks;
}

/*
 * A search that takes long: each key is almost there at every place of the
 * messages. Returns when it runs.
 */
static void
begin_search(struct client *c)
{
	struct timespec pause = { .tv_nsec = 10000000 };
	unsigned long before = used(c);
	struct buf b = BUF_INIT(65536);

	assert_int_equal(buf_append_str(&b, "b SEARCH"), 0);
	for (int i = 0; i < 900; i++)
		assert_int_equal(
		    buf_printf(&b, " TEXT %s%03d%s",
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", i, "aaaaaaaa"),
		    0);
	assert_int_equal(buf_append_str(&b, "\r\n"), 0);
	say(c, buf_str(&b));
	buf_free(&b);
	for (int i = 0; used(c) < before + 20; i++) {
		assert_int_not_equal(i, 500);
		(void)nanosleep(&pause, NULL);
	}
}

static void
search_setup(struct client *c, const struct place *p)
{
	client_open(c, p, "");
	greeted(c);
	for (int i = 0; i < 3; i++)
		append_big(c,
		    "Content-Transfer-Encoding: quoted-printable"
		    "\r\n\r\n",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\r\n");
	ask(c, "a EXAMINE INBOX\r\n",
	    "* FLAGS ~\r\n* OK ~\r\n* ~ EXISTS\r\n* ~ RECENT\r\n* OK ~\r\n"
	    "* OK ~\r\n* OK ~\r\na OK ~\r\n");
}

/* Much less than the search takes. */
#define SOON_MS 5000

static void
who_leaves_ends_the_search(void **state)
{
	int64_t start;
	struct client c;

	search_setup(&c, *state);
	start = clock_boot_ms();
	begin_search(&c);
	client_close(&c);
	assert_in_range(clock_boot_ms() - start, 0, SOON_MS);
}

static void
a_stop_ends_the_search(void **state)
{
	struct place *p = *state;
	struct client c;
	int alive[2];
	int64_t start;

	assert_int_equal(pipe2(alive, O_CLOEXEC), 0);
	p->alive = alive[0];
	search_setup(&c, p);
	p->alive = 0;
	start = clock_boot_ms();
	begin_search(&c);
	assert_int_equal(write_all(alive[1], "x", 1), 0);
	hear(&c, "* BYE [UNAVAILABLE] Shutting down\r\n");
	assert_false(more(&c));
	assert_in_range(clock_boot_ms() - start, 0, SOON_MS);
	client_close(&c);
	close(alive[0]);
	close(alive[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_are_synced_while_a_client_does_not_read),
		cmocka_unit_test(who_leaves_ends_the_search),
		cmocka_unit_test(a_stop_ends_the_search),
	};

	return cmocka_run_group_tests(tests, setup, place_teardown);
}
