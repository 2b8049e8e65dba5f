#ifndef COMMON_BASE_WIRE_H
#define COMMON_BASE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * wire - integers and strings as they go into IPC payloads, the spool and
 * the journal: little-endian, strings as u32 length and bytes.
 *
 * Writers append to a buf; errors are those of buf_append(). A reader
 * remembers the first error: after any failure every further get answers
 * zero or an empty slice, so that a decoder checks wire_done() once.
 */
int wire_put_u8(struct buf *b, uint8_t v) MUST_USE;
int wire_put_u16(struct buf *b, uint16_t v) MUST_USE;
int wire_put_u32(struct buf *b, uint32_t v) MUST_USE;
int wire_put_u64(struct buf *b, uint64_t v) MUST_USE;
int wire_put_bytes(struct buf *b, struct slice s) MUST_USE;

struct wire_in {
	struct slice rest; /* not read yet */
	bool failed;
};

static inline struct wire_in
wire_in(struct slice s)
{
	return (struct wire_in){ .rest = s, .failed = false };
}

uint8_t wire_u8(struct wire_in *w);
uint16_t wire_u16(struct wire_in *w);
uint32_t wire_u32(struct wire_in *w);
uint64_t wire_u64(struct wire_in *w);

/* A counted string of at most max bytes, borrowed from the input. */
struct slice wire_bytes(struct wire_in *w, size_t max);

/* Exactly n raw bytes without a count. */
struct slice wire_raw(struct wire_in *w, size_t n);

/* 0 when nothing failed and every byte was read, else -1, errno EBADMSG. */
int wire_done(const struct wire_in *w) MUST_USE;

/* Fixed places in memory, for headers of a fixed layout. */
void wire_set_u16(void *at, uint16_t v);
void wire_set_u32(void *at, uint32_t v);
void wire_set_u64(void *at, uint64_t v);
uint16_t wire_get_u16(const void *at);
uint32_t wire_get_u32(const void *at);
uint64_t wire_get_u64(const void *at);

#endif
