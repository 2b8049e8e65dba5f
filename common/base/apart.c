#include "common/base/apart.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/mem.h"

/* Address space; pages are there once they are used. */
#define AREA ((size_t)64 << 20)
/* Before each block, how large it is; and what malloc() aligns to. */
#define HEAD       ((size_t)16)
#define SMALL_STEP ((size_t)16)
#define SMALL_MAX  ((size_t)1024)
#define SMALL      (SMALL_MAX / SMALL_STEP)
#define LARGE_MAX  ((size_t)1 << 20)
#define LARGE      10 /* 2 KiB to 1 MiB */

/* One list of free blocks for each size, the last freed first. */
static struct {
	bool on;
	bool failed; /* there is no area, or none that forks do not get */
	char *start; /* of the area; NULL before the first use */
	char *fresh; /* from here on nothing has been used */
	void *free[SMALL + LARGE];
} apart;

static size_t
class_of(size_t n)
{
	size_t class = SMALL;

	if (n <= SMALL_MAX)
		return n == 0 ? 0 : (n - 1) / SMALL_STEP;
	for (size_t size = 2 * SMALL_MAX; size < n; size *= 2)
		class ++;
	return class;
}

static size_t
class_size(size_t class)
{
	if (class < SMALL)
		return (class + 1) * SMALL_STEP;
	return 2 * SMALL_MAX << (class - SMALL);
}

static bool
make_area(void)
{
	char *p = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || madvise(p, AREA, MADV_DONTFORK) == -1) {
		apart.failed = true;
		return false;
	}
	apart.start = p;
	apart.fresh = p;
	return true;
}

void *
apart_alloc(size_t n)
{
	size_t class;
	void *p;

	if (n > LARGE_MAX || apart.failed ||
	    (apart.start == NULL && !make_area()))
		return NULL;
	class = class_of(n);
	p = apart.free[class];
	if (p != NULL) {
		memcpy(&apart.free[class], p, sizeof(void *));
		return p;
	}
	n = HEAD + class_size(class);
	if (n > AREA - (size_t)(apart.fresh - apart.start))
		return NULL;
	memcpy(apart.fresh, &class, sizeof(class));
	p = apart.fresh + HEAD;
	apart.fresh += n;
	return p;
}

bool
apart_has(const void *p)
{
	uintptr_t start = (uintptr_t)apart.start;

	return apart.start != NULL && (uintptr_t)p >= start &&
	       (uintptr_t)p < start + AREA;
}

static size_t
class_at(const void *p)
{
	size_t class;

	memcpy(&class, (const char *)p - HEAD, sizeof(class));
	assert(class < SMALL + LARGE);
	return class;
}

size_t
apart_size(const void *p)
{
	return class_size(class_at(p));
}

void
apart_free(void *p)
{
	size_t class = class_at(p);

	memcpy(p, &apart.free[class], sizeof(void *));
	apart.free[class] = p;
}

size_t
apart_taken(void)
{
	return apart.start == NULL ? 0 : (size_t)(apart.fresh - apart.start);
}

bool
apart_is_on(void)
{
	return apart.on;
}

void
mem_forked(void)
{
	apart.on = false;
	apart.failed = true;
	apart.start = NULL;
}

bool
mem_apart(bool on)
{
	bool was = apart.on;

	apart.on = on;
	return was;
}
