#ifndef TESTS_UNIT_TMP_H
#define TESTS_UNIT_TMP_H

#include <unistd.h>

/*
 * Where tests that sync thousands of times make their directories: in memory
 * where that can be had. What a disk really keeps is asked in tests/faults.
 */
static inline const char *
tmp_root(void)
{
	return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

#endif
