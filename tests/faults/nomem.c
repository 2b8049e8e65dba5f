/*
 * Linked into every program of BUILD/nomem: an allocator that has nothing to
 * give when it is asked for the nomem.left-th time from now. Libraries ask it,
 * too. tests/libwm/nomem.py sets the number from outside while the program
 * runs, and reads how often it was asked.
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Of the C library, behind the names that are ours here. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t count, size_t n);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t alignment, size_t n);

enum { STRUCK = -1 };

/* nomem.py looks for it by its name. */
struct nomem {
	long asked;
	long left; /* 0: all are served */
};
extern struct nomem nomem;
struct nomem nomem;

static bool
refused(void)
{
	__atomic_add_fetch(&nomem.asked, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&nomem.left, __ATOMIC_RELAXED) <= 0)
		return false;
	if (__atomic_sub_fetch(&nomem.left, 1, __ATOMIC_RELAXED) != 0)
		return false;
	__atomic_store_n(&nomem.left, STRUCK, __ATOMIC_RELAXED);
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t n)
{
	return refused() ? NULL : __libc_malloc(n);
}

void *
calloc(size_t count, size_t n)
{
	return refused() ? NULL : __libc_calloc(count, n);
}

void *
realloc(void *p, size_t n)
{
	return refused() ? NULL : __libc_realloc(p, n);
}

void *
aligned_alloc(size_t alignment, size_t n)
{
	return refused() ? NULL : __libc_memalign(alignment, n);
}

void *
memalign(size_t alignment, size_t n)
{
	return refused() ? NULL : __libc_memalign(alignment, n);
}

int
posix_memalign(void **p, size_t alignment, size_t n)
{
	void *got = refused() ? NULL : __libc_memalign(alignment, n);

	if (got == NULL)
		return ENOMEM;
	*p = got;
	return 0;
}
