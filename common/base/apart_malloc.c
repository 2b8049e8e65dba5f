/*
 * malloc() and its kin, for programs linked with --wrap for each of them: in
 * others nobody asks for these names, and this file is not linked.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/apart.h"
#include "common/base/mem.h"

/* What the linker calls them. */
#define NAMED(name) __asm__("__" #name)

void *real_malloc(size_t n) NAMED(real_malloc);
void *real_calloc(size_t count, size_t size) NAMED(real_calloc);
void *real_realloc(void *p, size_t n) NAMED(real_realloc);
void real_free(void *p) NAMED(real_free);
void *wrap_malloc(size_t n) NAMED(wrap_malloc);
void *wrap_calloc(size_t count, size_t size) NAMED(wrap_calloc);
void *wrap_realloc(void *p, size_t n) NAMED(wrap_realloc);
void *wrap_reallocarray(void *p, size_t count, size_t size)
    NAMED(wrap_reallocarray);
void wrap_free(void *p) NAMED(wrap_free);

void *
wrap_malloc(size_t n)
{
	void *p = apart_is_on() ? apart_alloc(n) : NULL;

	return p != NULL ? p : real_malloc(n);
}

void *
wrap_calloc(size_t count, size_t size)
{
	size_t n;
	void *p;

	if (!apart_is_on() || __builtin_mul_overflow(count, size, &n))
		return real_calloc(count, size);
	p = apart_alloc(n);
	return p != NULL ? memset(p, 0, n) : real_calloc(count, size);
}

/* p moves from where it is to where memory is to be had now. */
static void *
move(void *p, size_t n)
{
	size_t old = apart_size(p);
	void *q;

	if (n <= old && n > old / 4)
		return p;
	q = wrap_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(q, p, old < n ? old : n);
	apart_free(p);
	return q;
}

void *
wrap_realloc(void *p, size_t n)
{
	if (p == NULL)
		return wrap_malloc(n);
	return apart_has(p) ? move(p, n == 0 ? 1 : n) : real_realloc(p, n);
}

void *
wrap_reallocarray(void *p, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n))
		n = SIZE_MAX; /* of which there is not so much: ENOMEM */
	return wrap_realloc(p, n);
}

void
wrap_free(void *p)
{
	if (apart_has(p))
		apart_free(p);
	else
		real_free(p);
}
