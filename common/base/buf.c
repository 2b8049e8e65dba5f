#include "common/base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST 256

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf)BUF_INIT(max);
}

/* Make room for n more bytes and the NUL behind them. */
static int
buf_grow(struct buf *b, size_t n)
{
	size_t head = b->alloc == NULL ? 0 : (size_t)(b->data - b->alloc);
	size_t need;
	size_t cap;
	char *p;

	if (n > b->max - b->len) {
		errno = ENOBUFS;
		return -1;
	}
	need = b->len + n + 1;
	if (b->alloc != NULL && head + need <= b->cap)
		return 0;
	if (b->alloc != NULL && need <= b->cap && head >= b->len) {
		memmove(b->alloc, b->data, b->len + 1);
		b->data = b->alloc;
		return 0;
	}
	cap = b->cap == 0 ? BUF_FIRST : b->cap;
	while (cap < need)
		cap = cap > SIZE_MAX / 2 ? need : cap * 2;
	p = malloc(cap);
	if (p == NULL)
		return -1;
	if (b->len > 0)
		memcpy(p, b->data, b->len);
	p[b->len] = '\0';
	free(b->alloc);
	b->alloc = p;
	b->data = p;
	b->cap = cap;
	return 0;
}

char *
buf_reserve(struct buf *b, size_t n)
{
	if (buf_grow(b, n) == -1)
		return NULL;
	return b->data + b->len;
}

void
buf_commit(struct buf *b, size_t n)
{
	if (n == 0)
		return;
	assert(b->alloc != NULL);
	assert(n <= b->cap - 1 - b->len - (size_t)(b->data - b->alloc));
	b->len += n;
	b->data[b->len] = '\0';
}

int
buf_append(struct buf *b, const void *src, size_t n)
{
	if (buf_grow(b, n) == -1)
		return -1;
	if (n > 0)
		memcpy(b->data + b->len, src, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int
buf_append_slice(struct buf *b, struct slice s)
{
	return buf_append(b, s.p, s.len);
}

int
buf_append_str(struct buf *b, const char *s)
{
	return buf_append(b, s, strlen(s));
}

int
buf_append_byte(struct buf *b, char c)
{
	return buf_append(b, &c, 1);
}

int
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	size_t head;
	size_t room;
	va_list again;
	char *at;
	int n;

	/* Into the room there is: mostly that is enough, and the end of it. */
	if (b->alloc == NULL && buf_grow(b, MIN(b->max, BUF_FIRST - 1)) == -1)
		return -1;
	head = (size_t)(b->data - b->alloc);
	room = b->cap - head - b->len;
	at = b->data + b->len;
	va_copy(again, ap);
	n = vsnprintf(at, room, fmt, again);
	va_end(again);
	if (n >= 0 && (size_t)n < room && (size_t)n <= b->max - b->len) {
		b->len += (size_t)n;
		return 0;
	}
	*at = '\0';
	if (n < 0)
		return -1;
	at = buf_reserve(b, (size_t)n);
	if (at == NULL)
		return -1;
	(void)vsnprintf(at, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return 0;
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return rc;
}

void
buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n == 0)
		return;
	b->data += n;
	b->len -= n;
	if (b->len == 0) {
		b->data = b->alloc;
		b->data[0] = '\0';
	}
}

void
buf_truncate(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (b->alloc == NULL)
		return;
	b->len = n;
	b->data[n] = '\0';
}

struct slice
buf_slice(const struct buf *b)
{
	return slice_of(b->data, b->len);
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

char *
buf_take(struct buf *b, size_t *len)
{
	char *p;

	if (b->alloc == NULL && buf_grow(b, 0) == -1)
		return NULL;
	if (b->data != b->alloc)
		memmove(b->alloc, b->data, b->len + 1);
	p = b->alloc;
	if (len != NULL)
		*len = b->len;
	buf_init(b, b->max);
	return p;
}

void
buf_free(struct buf *b)
{
	free(b->alloc);
	buf_init(b, b->max);
}

void
buf_wipe(struct buf *b)
{
	if (b->alloc != NULL)
		explicit_bzero(b->alloc, b->cap);
	buf_free(b);
}
