/* The bytes of one message, where the disk has them and where it does not. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/file.h"
#include "imapd/fetch_content.h"
#include "imapd/session_state.h"
#include "tests/unit/cmocka.h"

#define LARGE (2U << 20) /* it is mapped */
#define SMALL 1000U

static const char header[] = "Subject: a\r\n\r\n";

static struct session session = { .file = BUF_INIT(LARGE) };

/* A message of so many bytes, of which the file has only these. */
static struct content
message(uint64_t size, uint64_t there)
{
	struct content c = { .s = &session, .size = size };

	c.fd = memfd_create("message", MFD_CLOEXEC);
	assert_int_not_equal(c.fd, -1);
	assert_int_equal(ftruncate(c.fd, (off_t)there), 0);
	assert_int_equal(pwrite_all(c.fd, header, sizeof(header) - 1, 0), 0);
	return c;
}

static void
assert_readable(uint64_t size)
{
	struct content c = message(size, size);
	struct slice s;

	assert_int_equal(content_header(&c, &s), 0);
	assert_true(slice_eq(s, SLICE(header)));
	assert_int_equal(content_all(&c, &s), 0);
	assert_int_equal(s.len, size);
	assert_memory_equal(s.p, header, sizeof(header) - 1);
	assert_int_equal(s.p[size - 1], 0);
	content_close(&c);
}

static void
all_of_it_is_read_or_mapped(void **state)
{
	(void)state;
	assert_readable(SMALL);
	assert_readable(LARGE);
}

/* As where a block is bad: not SIGBUS, which would be each time anew. */
static void
what_cannot_be_read_is_an_error(void **state)
{
	struct content c = message(LARGE, LARGE / 2);
	struct slice s;

	(void)state;
	assert_int_equal(content_header(&c, &s), 0);
	errno = 0;
	assert_int_equal(content_tree(&c), -1);
	assert_int_equal(errno, EIO);
	assert_null(c.map);
	content_close(&c);
	c = message(SMALL, SMALL / 2);
	assert_int_equal(content_tree(&c), -1);
	content_close(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_is_read_or_mapped),
		cmocka_unit_test(what_cannot_be_read_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
