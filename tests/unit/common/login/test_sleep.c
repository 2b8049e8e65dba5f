#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/login/sleep.h"

static void
a_note_is_read_as_written_and_in_no_other_length(void **state)
{
	struct buf b = BUF_INIT(SLEEP_NOTE_MAX);
	struct sleep_note n = { 1860000, SLICE("state") };

	(void)state;
	assert_int_equal(sleep_note_put(&b, &n), 0);
	assert_int_equal(sleep_note_parse(buf_slice(&b), &n), 0);
	assert_int_equal(n.wake_ms, 1860000);
	assert_true(slice_eq(n.state, SLICE("state")));
	for (size_t len = 0; len < b.len; len++)
		assert_int_equal(
		    sleep_note_parse(slice_of(b.data, len), &n), -1);
	assert_int_equal(buf_append_byte(&b, 'x'), 0);
	assert_int_equal(sleep_note_parse(buf_slice(&b), &n), -1);
	buf_free(&b);
}

static void
a_state_has_its_limit(void **state)
{
	static const char big[SLEEP_STATE_MAX + 1];
	struct buf b = BUF_INIT(SLEEP_NOTE_MAX + 1);
	struct sleep_note n = { 1, { big, SLEEP_STATE_MAX } };

	(void)state;
	assert_int_equal(sleep_note_put(&b, &n), 0);
	assert_int_equal(b.len, SLEEP_NOTE_MAX);
	assert_int_equal(sleep_note_parse(buf_slice(&b), &n), 0);
	buf_free(&b);
	n.state = slice_of(big, sizeof(big));
	assert_int_equal(sleep_note_put(&b, &n), 0);
	assert_int_equal(sleep_note_parse(buf_slice(&b), &n), -1);
	buf_free(&b);
}

static int pair[2];

static int
set_up(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
}

static int
tear_down(void **state)
{
	(void)state;
	fd_close(pair[0]);
	fd_close(pair[1]);
	return 0;
}

static void
descriptors_come_along(void **state)
{
	int fds[SLEEP_FDS] = { pair[0], pair[1] };
	struct stat one;
	struct stat two;
	char bytes[8];

	(void)state;
	for (size_t count = 0; count <= SLEEP_FDS; count++) {
		fds[0] = pair[0];
		fds[1] = pair[1];
		assert_int_equal(
		    sleep_send(pair[0], SLICE("hello"), fds, count), 0);
		assert_int_equal(
		    sleep_receive(pair[1], bytes, sizeof(bytes), fds), 5);
		assert_memory_equal(bytes, "hello", 5);
		for (size_t i = 0; i < SLEEP_FDS; i++) {
			assert_int_equal(fds[i] != -1, i < count);
			if (i >= count)
				continue;
			assert_int_equal(fstat(pair[i], &one), 0);
			assert_int_equal(fstat(fds[i], &two), 0);
			assert_int_equal(one.st_ino, two.st_ino);
			assert_true(fcntl(fds[i], F_GETFD) & FD_CLOEXEC);
			fd_close(fds[i]);
		}
	}
	assert_int_equal(sleep_receive(pair[1], bytes, sizeof(bytes), fds), -1);
	assert_int_equal(errno, EAGAIN);
}

static int
open_count(void)
{
	int n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* What is sent too much of is closed, whoever sent it. */
static void
too_much_is_refused_and_leaves_nothing_open(void **state)
{
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = "" };
	char text[] = "x";
	struct iovec iov = { text, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	const int three[] = { pair[0], pair[1], pair[0] };
	int fds[SLEEP_FDS];
	int before = open_count();
	char bytes[8];

	(void)state;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(three));
	memcpy(CMSG_DATA(c), three, sizeof(three));
	assert_int_equal(sendmsg(pair[0], &msg, 0), 1);
	assert_int_equal(sleep_receive(pair[1], bytes, sizeof(bytes), fds), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(fds[0], -1);
	assert_int_equal(open_count(), before);
	assert_int_equal(sleep_send(pair[0], SLICE("123456789"), three, 2), 0);
	assert_int_equal(sleep_receive(pair[1], bytes, sizeof(bytes), fds), -1);
	assert_int_equal(errno, EMSGSIZE);
	assert_int_equal(open_count(), before);
}

static void
the_end_is_seen(void **state)
{
	int fds[SLEEP_FDS];
	char byte;

	(void)state;
	fd_close(pair[0]);
	pair[0] = -1;
	assert_int_equal(sleep_receive(pair[1], &byte, 1, fds), 0);
	assert_int_equal(sleep_send(pair[1], SLICE("x"), NULL, 0), -1);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_note_is_read_as_written_and_in_no_other_length),
		cmocka_unit_test(a_state_has_its_limit),
		T(descriptors_come_along),
		T(too_much_is_refused_and_leaves_nothing_open),
		T(the_end_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
