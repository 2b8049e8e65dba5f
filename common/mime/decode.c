#include "common/mime/decode.h"

#include <stdint.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/mime/param.h"

enum mime_encoding
mime_encoding_of(struct slice value)
{
	struct slice token = mime_token_parse(value, NULL);

	if (slice_ieq(token, SLICE("base64")))
		return MIME_BASE64;
	if (slice_ieq(token, SLICE("quoted-printable")))
		return MIME_QP;
	return MIME_IDENTITY;
}

/* Value of a base64 digit, or -1. */
static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_digit(c))
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

static int
decode_base64(struct buf *b, struct slice body)
{
	char *room = buf_reserve(b, body.len / 4 * 3 + 3);
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	if (room == NULL)
		return -1;
	for (size_t i = 0; i < body.len && body.p[i] != '='; i++) {
		int v = digit(body.p[i]);

		if (v == -1)
			continue;
		bits = (bits << 6 | (uint32_t)v) & 0xffffffU;
		have += 6;
		if (have >= 8) {
			have -= 8;
			room[n++] = (char)(bits >> have & 0xff);
		}
	}
	buf_commit(b, n);
	return 0;
}

/* Bytes of a soft line break behind '=': blanks, then the line end. */
static size_t
soft_break(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	if (n < s.len && s.p[n] == '\r')
		n++;
	return n < s.len && s.p[n] == '\n' ? n + 1 : 0;
}

static int
decode_qp(struct buf *b, struct slice s)
{
	char *room = buf_reserve(b, s.len);
	size_t n = 0;

	if (room == NULL)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		int hi = i + 2 < s.len ? ascii_hex(s.p[i + 1]) : -1;
		int lo = hi != -1 ? ascii_hex(s.p[i + 2]) : -1;

		if (s.p[i] != '=') {
			room[n++] = s.p[i];
		} else if (lo != -1) {
			room[n++] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			size_t gap = soft_break(slice_sub(s, i + 1, s.len));

			if (gap == 0)
				room[n++] = '=';
			i += gap;
		}
	}
	buf_commit(b, n);
	return 0;
}

int
mime_decode(struct buf *b, enum mime_encoding enc, struct slice body)
{
	switch (enc) {
	case MIME_BASE64:
		return decode_base64(b, body);
	case MIME_QP:
		return decode_qp(b, body);
	case MIME_IDENTITY:
		break;
	}
	return buf_append_slice(b, body);
}
