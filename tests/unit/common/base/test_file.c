#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"

static int
file_of(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_int_not_equal(fd, -1);
	assert_int_equal(write_all(fd, text, strlen(text)), 0);
	return fd;
}

static void
shared_descriptor_is_read_whole_wherever_it_stands(void **state)
{
	int fd = file_of("all of it");
	int other = dup(fd);
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(lseek(fd, 4, SEEK_SET), 4);
	assert_int_equal(file_pread(other, &b), 0);
	assert_string_equal(buf_str(&b), "all of it");
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
	buf_free(&b);
	close(other);
	close(fd);
}

static void
file_over_the_ceiling_is_an_error(void **state)
{
	int fd = file_of("eleven bytes");
	struct buf b = BUF_INIT(11);

	(void)state;
	assert_int_equal(file_pread(fd, &b), -1);
	assert_int_equal(errno, ENOBUFS);
	assert_int_equal(b.len, 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(file_read(fd, &b), -1);
	buf_free(&b);
	close(fd);
}

static void
empty_file_is_empty(void **state)
{
	int fd = file_of("");
	struct buf b = BUF_INIT(11);

	(void)state;
	assert_int_equal(file_pread(fd, &b), 0);
	assert_int_equal(b.len, 0);
	buf_free(&b);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    shared_descriptor_is_read_whole_wherever_it_stands),
		cmocka_unit_test(file_over_the_ceiling_is_an_error),
		cmocka_unit_test(empty_file_is_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
