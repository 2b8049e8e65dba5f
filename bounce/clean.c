#include "bounce/clean.h"

#include "common/base/ascii.h"
#include "common/base/utf8.h"
#include "common/smtp/reply.h"

#define LINE_WISH (size_t)76  /* lines are folded to this where they can be */
#define LINE_HARD (size_t)900 /* and cut at this (RFC 5322 §2.1.1: 998) */
#define TEXT_MAX  (size_t)16384

int
clean_put(struct buf *b, struct slice s, bool utf8)
{
	bool as_is = utf8 && utf8_valid(s);

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];
		bool fine =
		    ascii_print(c) || (as_is && ((unsigned char)c & 0x80) != 0);

		if (c == '\t')
			c = ' ';
		else if (!fine)
			c = '?';
		if (buf_append_byte(b, c) == -1)
			return -1;
	}
	return 0;
}

/* Bytes of s that go on a line with this much room; never 0. */
static size_t
line_length(struct slice s, size_t room)
{
	size_t n = s.len;

	if (n <= room)
		return n;
	for (size_t i = MIN(room, n - 1); i > 0; i--)
		if (s.p[i] == ' ')
			return i;
	/* No space soon enough: at the next one, or cut a long word. */
	for (size_t i = room; i < n && i < LINE_HARD; i++)
		if (s.p[i] == ' ')
			return i;
	n = MIN(n, LINE_HARD);
	while (n > 1 && n < s.len && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--; /* not through a character */
	return n;
}

static struct slice
without_spaces(struct slice s)
{
	while (s.len > 0 && s.p[0] == ' ')
		s = slice_sub(s, 1, s.len);
	return s;
}

static int
put_folded(struct buf *b, struct slice s, const char *indent, size_t used)
{
	size_t room = used < LINE_WISH ? LINE_WISH - used : 1;

	while (s.len > 0) {
		size_t n = line_length(s, room);

		if (buf_append(b, s.p, n) == -1)
			return -1;
		s = without_spaces(slice_sub(s, n, s.len));
		if (s.len == 0)
			break;
		if (buf_append_str(b, "\r\n") == -1 ||
		    buf_append_str(b, indent) == -1)
			return -1;
		room = LINE_WISH - strlen(indent);
	}
	return buf_append_str(b, "\r\n");
}

int
clean_field(struct buf *b, const char *name, struct slice value, bool utf8)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	int rc = -1;

	if (clean_put(&text, slice_trim(slice_sub(value, 0, TEXT_MAX - 1)),
		utf8) == -1)
		goto out;
	if (buf_append_str(b, name) == -1 || buf_append_str(b, ": ") == -1)
		goto out;
	rc = put_folded(b, buf_slice(&text), " ", strlen(name) + 2);
out:
	buf_free(&text);
	return rc;
}

int
clean_lines(struct buf *b, const char *indent, struct slice s, bool utf8)
{
	struct buf text = BUF_INIT(TEXT_MAX);
	int rc = -1;

	if (clean_put(&text, slice_trim(slice_sub(s, 0, TEXT_MAX - 1)), utf8) ==
		0 &&
	    buf_append_str(b, indent) == 0)
		rc = put_folded(b, buf_slice(&text), indent, strlen(indent));
	buf_free(&text);
	return rc;
}

bool
clean_status_valid(struct slice s)
{
	return s.len < SMTP_ENHANCED_MAX && s.len > 0 &&
	       (s.p[0] == '2' || s.p[0] == '4' || s.p[0] == '5') &&
	       smtp_enhanced_valid(s, (unsigned)(s.p[0] - '0') * 100);
}
