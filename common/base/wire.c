#include "common/base/wire.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

void
wire_set_u16(void *at, uint16_t v)
{
	v = htole16(v);
	memcpy(at, &v, sizeof(v));
}

void
wire_set_u32(void *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

void
wire_set_u64(void *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

uint16_t
wire_get_u16(const void *at)
{
	uint16_t v;

	memcpy(&v, at, sizeof(v));
	return le16toh(v);
}

uint32_t
wire_get_u32(const void *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

uint64_t
wire_get_u64(const void *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

int
wire_put_u8(struct buf *b, uint8_t v)
{
	return buf_append(b, &v, sizeof(v));
}

int
wire_put_u16(struct buf *b, uint16_t v)
{
	v = htole16(v);
	return buf_append(b, &v, sizeof(v));
}

int
wire_put_u32(struct buf *b, uint32_t v)
{
	v = htole32(v);
	return buf_append(b, &v, sizeof(v));
}

int
wire_put_u64(struct buf *b, uint64_t v)
{
	v = htole64(v);
	return buf_append(b, &v, sizeof(v));
}

int
wire_put_bytes(struct buf *b, struct slice s)
{
	size_t before = b->len;

	if (s.len > UINT32_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	if (wire_put_u32(b, (uint32_t)s.len) == -1)
		return -1;
	if (buf_append_slice(b, s) == -1) {
		buf_truncate(b, before);
		return -1;
	}
	return 0;
}

struct slice
wire_raw(struct wire_in *w, size_t n)
{
	struct slice s;

	if (w->failed || w->rest.len < n) {
		w->failed = true;
		return SLICE_EMPTY;
	}
	s = slice_of(w->rest.p, n);
	w->rest.p += n;
	w->rest.len -= n;
	return s;
}

uint8_t
wire_u8(struct wire_in *w)
{
	struct slice s = wire_raw(w, 1);

	return s.len == 1 ? (uint8_t)s.p[0] : 0;
}

uint16_t
wire_u16(struct wire_in *w)
{
	struct slice s = wire_raw(w, 2);

	return s.len == 2 ? wire_get_u16(s.p) : 0;
}

uint32_t
wire_u32(struct wire_in *w)
{
	struct slice s = wire_raw(w, 4);

	return s.len == 4 ? wire_get_u32(s.p) : 0;
}

uint64_t
wire_u64(struct wire_in *w)
{
	struct slice s = wire_raw(w, 8);

	return s.len == 8 ? wire_get_u64(s.p) : 0;
}

struct slice
wire_bytes(struct wire_in *w, size_t max)
{
	uint32_t n = wire_u32(w);

	if (n > max)
		w->failed = true;
	return wire_raw(w, n);
}

int
wire_done(const struct wire_in *w)
{
	if (!w->failed && w->rest.len == 0)
		return 0;
	errno = EBADMSG;
	return -1;
}
