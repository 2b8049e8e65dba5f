/*
 * Forced into one source file of a build in which syncs are left out, to see
 * that the tests miss them: see module.mk.
 */
#ifndef TESTS_FAULTS_OMIT_H
#define TESTS_FAULTS_OMIT_H

#include <unistd.h>

static inline int
omitted(int fd)
{
	(void)fd;
	return 0;
}

#ifdef OMIT_FDATASYNC
#define fdatasync(fd) omitted(fd)
#endif
#ifdef OMIT_FSYNC
#define fsync(fd) omitted(fd)
#endif
#ifdef OMIT_SYNCFS
#define syncfs(fd) omitted(fd)
#endif

#endif
