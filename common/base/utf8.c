#include "common/base/utf8.h"

#include <errno.h>
#include <string.h>

int32_t
utf8_next(struct slice s, size_t *len)
{
	const unsigned char *p = (const unsigned char *)s.p;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t v;
	size_t n;

	*len = 1;
	if (p[0] < 0x80)
		return p[0];
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return -1;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (s.len < n)
		return -1;
	v = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;
		v = v << 6 | (p[i] & 0x3fU);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return -1;
	*len = n;
	return (int32_t)v;
}

bool
utf8_valid(struct slice s)
{
	size_t n;

	for (; s.len > 0; s = slice_sub(s, n, s.len))
		if (utf8_next(s, &n) == -1)
			return false;
	return true;
}

bool
utf8_has_8bit(struct slice s)
{
	const uint64_t high = 0x8080808080808080;
	uint64_t word;
	size_t i = 0;

	/* Whole mails go through here: eight at a time. */
	for (; s.len - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		if ((word & high) != 0)
			return true;
	}
	for (; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	return false;
}

int
utf8_put(struct buf *b, uint32_t code)
{
	char out[4];
	size_t n;

	if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
		errno = EINVAL;
		return -1;
	}
	if (code < 0x80)
		return buf_append_byte(b, (char)code);
	n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = n; i-- > 1; code >>= 6)
		out[i] = (char)(0x80 | (code & 0x3f));
	out[0] = (char)((0xf00U >> n & 0xf0U) | code);
	return buf_append(b, out, n);
}
