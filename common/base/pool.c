#include "common/base/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/log.h"
#include "common/base/mem.h"

#ifndef WM_SAN
#define CHUNK ((size_t)32768)
#define ALIGN ((size_t)16)

static void
chain(struct pool *pool, void *p)
{
	memcpy(p, &pool->free, sizeof(pool->free));
	pool->free = p;
}

static void
more(struct pool *pool)
{
	size_t step = (pool->size + ALIGN - 1) / ALIGN * ALIGN;
	size_t bytes = MAX(CHUNK, step);
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		log_die("event=out-of-memory bytes=%zu", bytes);
	if (pool->unshared && madvise(p, bytes, MADV_DONTFORK) == -1)
		log_debug("event=pool-shared bytes=%zu", bytes);
	/* The lowest is given away first. */
	for (size_t n = bytes / step; n-- > 0;)
		chain(pool, p + n * step);
}

void *
pool_get(struct pool *pool)
{
	void *p;

	if (pool->free == NULL)
		more(pool);
	p = pool->free;
	assert(p != NULL);
	memcpy(&pool->free, p, sizeof(pool->free));
	memset(p, 0, sizeof(pool->free));
	return p;
}

void
pool_put(struct pool *pool, void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, pool->size);
	chain(pool, p);
}

#else /* so that the sanitizers see each of them */

void *
pool_get(struct pool *pool)
{
	return xcalloc(1, pool->size);
}

void
pool_put(struct pool *pool, void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, pool->size);
	free(p);
}
#endif
