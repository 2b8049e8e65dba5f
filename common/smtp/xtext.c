#include "common/smtp/xtext.h"

#include <errno.h>

#include "common/base/ascii.h"
#include "common/base/utf8.h"

static bool
xtext_plain(char c)
{
	return c > 0x20 && c < 0x7f && c != '+' && c != '=';
}

int
smtp_xtext_encode(struct buf *b, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char enc[3] = { '+', hex[c >> 4], hex[c & 15] };

		if (xtext_plain(s.p[i])) {
			if (buf_append_byte(b, s.p[i]) == -1)
				return -1;
		} else if (buf_append(b, enc, 3) == -1) {
			return -1;
		}
	}
	return 0;
}

/* The byte at *i and behind it the next one; -1: no xtext. */
static int
xtext_next(struct slice s, size_t *i, bool utf8)
{
	char c = s.p[(*i)++];
	int high;
	int low;
	int v;

	if (c != '+')
		return xtext_plain(c) || (utf8 && (c & 0x80) != 0)
			   ? (unsigned char)c
			   : -1;
	if (s.len - *i < 2)
		return -1;
	high = ascii_hex(s.p[*i]);
	low = ascii_hex(s.p[*i + 1]);
	/* Lower case is not in the grammar (§4). */
	if (high == -1 || low == -1 || ascii_upper(s.p[*i]) != s.p[*i] ||
	    ascii_upper(s.p[*i + 1]) != s.p[*i + 1])
		return -1;
	*i += 2;
	v = high * 16 + low;
	return v < 0x20 || v == 0x7f ? -1 : v;
}

int
smtp_xtext_decode(struct buf *b, struct slice s, bool utf8)
{
	for (size_t i = 0; i < s.len;) {
		int c = xtext_next(s, &i, utf8);

		if (c == -1) {
			errno = EINVAL;
			return -1;
		}
		if (buf_append_byte(b, (char)c) == -1)
			return -1;
	}
	return 0;
}

bool
smtp_xtext_valid(struct slice s, bool utf8)
{
	if (utf8 && !utf8_valid(s))
		return false;
	for (size_t i = 0; i < s.len;)
		if (xtext_next(s, &i, utf8) == -1)
			return false;
	return true;
}

int
smtp_unitext_encode(struct buf *b, struct slice s)
{
	size_t n;

	for (; s.len > 0; s = slice_sub(s, n, SIZE_MAX)) {
		int32_t code = utf8_next(s, &n);

		if (code == -1) {
			errno = EINVAL;
			return -1;
		}
		if (code < 0x80
			? buf_append(b, s.p, 1) == -1
			: buf_printf(b, "\\x{%X}", (unsigned)code) == -1)
			return -1;
	}
	return 0;
}
