#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "tests/unit/tmp.h"

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
small_file_takes_little_memory(void **state)
{
	int fd = file_of("a few bytes");
	struct buf b = BUF_INIT(1 << 20);

	(void)state;
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(file_read(fd, &b), 0);
	assert_string_equal(buf_str(&b), "a few bytes");
	assert_in_range(b.cap, 12, 4096);
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

/* A house with a door to walk through and links to fall into. */
static int
house(char *path)
{
	int dir;

	assert_int_equal(tmp_make(path), 0);
	dir = open(path, O_PATH | O_DIRECTORY);
	assert_int_not_equal(dir, -1);
	assert_int_equal(mkdirat(dir, "a", 0700), 0);
	assert_int_equal(mkdirat(dir, "a/b", 0700), 0);
	assert_int_equal(symlinkat("/", dir, "a/root"), 0);
	assert_int_equal(symlinkat("b", dir, "a/link"), 0);
	return dir;
}

static void
only_directories_beneath_are_opened(void **state)
{
	static const char *const wrong[] = { "", "/", "/a", "..", "a/..",
		"a/../..", "a/root", "a/root/etc", "a/link", "a/link/x",
		"nothing", "a/b/../../.." };
	int (*const open_it[])(
	    int, const char *, int) = { file_dir_beneath, file_dir_by_steps };
	char path[TMP_PATH];
	int dir = house(path);
	struct stat b;
	struct stat found;

	(void)state;
	assert_int_equal(fstatat(dir, "a/b", &b, 0), 0);
	for (size_t i = 0; i < 2; i++) {
		int fd = open_it[i](dir, "a/b", O_PATH);

		assert_int_not_equal(fd, -1);
		assert_int_equal(fstat(fd, &found), 0);
		assert_true(found.st_ino == b.st_ino);
		close(fd);
		for (size_t k = 0; k < ARRAY_LEN(wrong); k++) {
			fd = open_it[i](dir, wrong[k], O_PATH);
			/* "a/.." is within, and nobody needs it. */
			if (fd != -1 && strcmp(wrong[k], "a/..") == 0 && i == 0)
				close(fd);
			else if (fd != -1)
				fail_msg("%s was opened", wrong[k]);
		}
	}
	close(dir);
	assert_int_equal(tmp_remove(path), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    shared_descriptor_is_read_whole_wherever_it_stands),
		cmocka_unit_test(file_over_the_ceiling_is_an_error),
		cmocka_unit_test(small_file_takes_little_memory),
		cmocka_unit_test(empty_file_is_empty),
		cmocka_unit_test(only_directories_beneath_are_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
