#ifndef TESTS_UNIT_NOMEM_H
#define TESTS_UNIT_NOMEM_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>

/*
 * No memory at the n-th time our own code asks for some, for programs that
 * the Makefile links for it (NOMEM). Libraries are always served; in programs
 * that run they are refused, too (tests/faults/nomem.c).
 */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);

static long nomem_left;    /* 1: the next time; 0: never */
static bool *nomem_struck; /* was anything refused? Children tell, too. */

/* For this process and those it forks from now on. */
static void
nomem_at(long n)
{
	if (nomem_struck == NULL)
		nomem_struck = mmap(NULL, sizeof(bool), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (nomem_struck == MAP_FAILED)
		abort();
	*nomem_struck = false;
	nomem_left = n;
}

static bool
nomem_refuses(void)
{
	if (nomem_left == 0 || --nomem_left > 0)
		return false;
	*nomem_struck = true;
	errno = ENOMEM;
	return true;
}

void *
__wrap_malloc(size_t n)
{
	return nomem_refuses() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return nomem_refuses() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *p, size_t n)
{
	return nomem_refuses() ? NULL : __real_realloc(p, n);
}

#endif
