#ifndef TESTS_FUZZ_DICE_H
#define TESTS_FUZZ_DICE_H

/* dice - choices made by a fuzzer's bytes, and text made of them. */
#include <stdarg.h>
#include <stdlib.h>

#include "common/base/attr.h"
#include "common/base/buf.h"

struct dice {
	const uint8_t *p;
	size_t left;
};

/* Less than n; 0 when there are no bytes left. */
static inline unsigned
dice_draw(struct dice *d, unsigned n)
{
	if (d->left == 0)
		return 0;
	d->left--;
	return *d->p++ % n;
}

static inline void dice_put(struct buf *b, const char *fmt, ...) PRINTF(2, 3);

static inline void
dice_put(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (buf_vprintf(b, fmt, ap) == -1)
		abort();
	va_end(ap);
}

#endif
