#include "common/base/mem.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/apart.h"
#include "common/base/log.h"

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);

	if (p == NULL)
		log_die("event=out-of-memory bytes=%zu", n * size);
	return p;
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n == 0 ? 1 : n, size);
	if (p == NULL)
		log_die("event=out-of-memory elements=%zu size=%zu", n, size);
	return p;
}

char *
xstrdup(const char *s)
{
	char *p;

	if (s == NULL)
		return NULL;
	p = strdup(s);
	if (p == NULL)
		log_die("event=out-of-memory bytes=%zu", strlen(s));
	return p;
}

char *
xasprintf(const char *fmt, ...)
{
	char *p = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&p, fmt, ap);
	va_end(ap);
	if (n < 0)
		log_die("event=out-of-memory");
	return p;
}

size_t
mem_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd + apart_taken();
}

/* Of the stack, below where we are; what is not there does no harm. */
#define STACK_BELOW 131072
#define PAGE        4096

void
mem_rest(void)
{
	int saved = errno;
#ifndef WM_SAN
	char *here = __builtin_frame_address(0);
	char *end = here - (uintptr_t)here % PAGE - PAGE;

	(void)madvise(end - STACK_BELOW, STACK_BELOW, MADV_DONTNEED);
#endif
	(void)malloc_trim(0);
	errno = saved;
}

#define EXPECTED 7 /* pages; what a session writes to before it waits */

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

void
mem_expect(void *p, size_t n)
{
#ifndef WM_SAN
	int saved = errno;
	char *end = (char *)p + n;

	end -= (uintptr_t)end % PAGE;
	(void)madvise(end, (size_t)EXPECTED * PAGE, MADV_POPULATE_WRITE);
	errno = saved;
#else
	(void)p;
	(void)n;
#endif
}

#define HOLE_LARGE  65536
#define HOLE_STEPS  1024 /* below, every size there is has its own list */
#define HOLE_STEP   16
#define HOLES       16384
#define ROOM_AT_TOP (256 << 10)

#ifndef WM_SAN
/* Was p, of n bytes, taken from the free end of the heap? */
static bool
is_at_top(const char *p, size_t n)
{
	const char *end = sbrk(0);

	return p >= end || (size_t)(end - p) <= mallinfo2().keepcost + n + 64;
}

static void
fill_holes(size_t n)
{
	void *p;

	for (unsigned i = 0; i < HOLES; i++) {
		p = malloc(n);
		if (p == NULL || is_at_top(p, n)) {
			free(p);
			return;
		}
	}
}
#endif

void
mem_settle(void)
{
#ifndef WM_SAN
	bool apart = mem_apart(false);

	(void)mallopt(M_TRIM_THRESHOLD, 4 * ROOM_AT_TOP);
	(void)mallopt(M_TOP_PAD, ROOM_AT_TOP);
	/* What is free in a page of the parent is best left alone. */
	(void)mallopt(M_MXFAST, 0);
	(void)malloc_trim(ROOM_AT_TOP);
	for (size_t n = HOLE_LARGE; n > HOLE_STEPS; n /= 2)
		fill_holes(n);
	for (size_t n = HOLE_STEPS; n >= HOLE_STEP; n -= HOLE_STEP)
		fill_holes(n - 8);
	(void)mem_apart(apart);
#endif
}
