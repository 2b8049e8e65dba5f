#include "common/base/base64.h"

#include <errno.h>
#include <stdint.h>

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int
base64_encode(struct buf *b, struct slice s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	char *to = buf_reserve(b, (s.len + 2) / 3 * 4);
	size_t n = 0;

	if (to == NULL)
		return -1;
	for (size_t i = 0; i < s.len; i += 3) {
		size_t have = MIN(s.len - i, (size_t)3);
		uint32_t v = (uint32_t)p[i] << 16;

		if (have > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (have > 2)
			v |= p[i + 2];
		to[n++] = alphabet[v >> 18];
		to[n++] = alphabet[(v >> 12) & 63];
		to[n++] = have > 1 ? alphabet[(v >> 6) & 63] : '=';
		to[n++] = have > 2 ? alphabet[v & 63] : '=';
	}
	buf_commit(b, n);
	return 0;
}

static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Value of four characters, or -1; pad counts the '=' at their end. */
static int32_t
quad_value(const char *q, size_t *pad)
{
	int32_t v = 0;

	*pad = q[3] != '=' ? 0U : q[2] != '=' ? 1U : 2U;
	for (size_t i = 0; i < 4; i++) {
		int d = i < 4 - *pad ? value_of(q[i]) : 0;

		if (d == -1)
			return -1;
		v = v * 64 + d;
	}
	/* Bits that stand for nothing must be zero (RFC 4648 §3.5). */
	if (*pad > 0 && (v & ((1 << (8 * (int)*pad)) - 1)) != 0)
		return -1;
	return v;
}

int
base64_decode(struct buf *b, struct slice s)
{
	size_t n = 0;
	size_t pad;
	char *to;

	if (s.len % 4 != 0) {
		errno = EINVAL;
		return -1;
	}
	to = buf_reserve(b, s.len / 4 * 3);
	if (to == NULL)
		return -1;
	for (size_t i = 0; i < s.len; i += 4) {
		int32_t v = quad_value(s.p + i, &pad);

		if (v == -1 || (pad > 0 && i + 4 < s.len)) {
			errno = EINVAL;
			return -1;
		}
		to[n++] = (char)(v >> 16);
		if (pad < 2)
			to[n++] = (char)(v >> 8);
		if (pad < 1)
			to[n++] = (char)v;
	}
	buf_commit(b, n);
	return 0;
}
