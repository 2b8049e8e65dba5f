#include "common/base/mem.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

/* Of the stack, below where we are; what is not there does no harm. */
#define STACK_BELOW 131072
#define PAGE        4096

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13, for files 6.15 */
#endif

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

#ifndef WM_SAN
/*
 * A page of the program's text, and one of its constants, that nothing uses.
 */
__asm__(".pushsection .text\n"
	".balign 4096\n"
	"mem_spare_text: .fill 4096, 1, 0xcc\n"
	".popsection\n");
extern const char mem_spare_text[PAGE];
static const char spare_constants[PAGE] __attribute__((aligned(PAGE))) = { 1 };

static int
map_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + h->p_vaddr) / PAGE * PAGE;
		uintptr_t end = info->dlpi_addr + h->p_vaddr + h->p_memsz;

		if (h->p_type == PT_LOAD && (h->p_flags & PF_X) != 0)
			(void)madvise(
			    (void *)start, end - start, MADV_POPULATE_READ);
	}
	return 1; /* the program itself is enough */
}

/*
 * A child finds nothing of a file mapped, and asks for each part of the text
 * it comes to; but what has a guard page, is copied by fork() as it is. An
 * older kernel knows no such pages, and nothing changes.
 */
static void
inherit_text(void)
{
	(void)dl_iterate_phdr(map_text, NULL);
	(void)madvise(
	    (void *)(uintptr_t)mem_spare_text, PAGE, MADV_GUARD_INSTALL);
	(void)madvise(
	    (void *)(uintptr_t)spare_constants, PAGE, MADV_GUARD_INSTALL);
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
	inherit_text();
	(void)mem_apart(apart);
#endif
}
