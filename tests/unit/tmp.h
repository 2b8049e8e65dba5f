#ifndef TESTS_UNIT_TMP_H
#define TESTS_UNIT_TMP_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Directories for tests. tests/run says where and removes what a program that
 * died has left there; else it is in memory where that can be had, for tests
 * sync thousands of times. What a disk really keeps is asked in tests/faults.
 */
#define TMP_PATH 64

/* Makes one, whose name goes to path[TMP_PATH]. Returns 0 or -1. */
static inline int
tmp_make(char *path)
{
	const char *root = getenv("TMPDIR");
	int n;

	if (root == NULL)
		root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	n = snprintf(path, TMP_PATH, "%s/wm-unit-XXXXXX", root);
	if (n >= TMP_PATH) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return mkdtemp(path) == NULL ? -1 : 0;
}

static inline int
tmp_remove_one(
    const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* With all that is in it. Returns 0 or -1. */
static inline int
tmp_remove(const char *path)
{
	return nftw(path, tmp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
