#ifndef COMMON_BASE_MAPPED_H
#define COMMON_BASE_MAPPED_H

#include <stddef.h>

#include "common/base/attr.h"

/*
 * mapped - files looked at through a mapping. Whoever touches a page that
 * the disk cannot read, or that is behind the file's end by now, dies by
 * SIGBUS, each time anew; so the kernel reads it first, and can say so
 * instead.
 */

/*
 * Before n bytes at p are touched for the first time; p stands at a page's
 * start. 0, or -1 with EUCLEAN where they cannot be read. Before Linux 5.14
 * the kernel does not know how to tell, and it is 0.
 */
int mapped_read_in(const char *p, size_t n) MUST_USE;

#endif
