#include "common/base/mapped.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

int
mapped_read_in(const char *p, size_t n)
{
	int saved = errno;

	if (madvise((void *)(uintptr_t)p, n, MADV_POPULATE_READ) == -1 &&
	    (errno == EFAULT || errno == EHWPOISON)) {
		errno = EUCLEAN;
		return -1;
	}
	errno = saved;
	return 0;
}
