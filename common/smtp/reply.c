#include "common/smtp/reply.h"

#include <errno.h>
#include <string.h>

#include "common/base/ascii.h"

#define LINE_CUT (size_t)500 /* of text in a line we send */

void
smtp_reply_init(struct smtp_reply *r)
{
	r->code = 0;
	r->enhanced[0] = '\0';
	r->text[0] = '\0';
	r->len = 0;
	r->total = 0;
	r->cut = 0;
	r->cutting = false;
	r->held = SMTP_REPLY_MORE;
}

static bool
enhanced_number(struct slice *s, bool last)
{
	size_t n = 0;

	while (n < s->len && n < 3 && ascii_digit(s->p[n]))
		n++;
	if (n == 0 || (last ? n != s->len : n >= s->len || s->p[n] != '.'))
		return false;
	*s = slice_sub(*s, n + !last, SIZE_MAX);
	return true;
}

bool
smtp_enhanced_valid(struct slice s, unsigned code)
{
	if (s.len < 5 || s.p[1] != '.' || s.p[0] < '0' ||
	    (unsigned)(s.p[0] - '0') != code / 100)
		return false;
	s = slice_sub(s, 2, SIZE_MAX);
	return enhanced_number(&s, false) && enhanced_number(&s, true);
}

/* Text of a line behind code and separator; the enhanced code is cut off. */
static struct slice
reply_enhanced(struct smtp_reply *r, struct slice text)
{
	struct slice first;
	struct slice rest = slice_cut(text, ' ', &first);

	if (!smtp_enhanced_valid(first, r->code) ||
	    first.len >= sizeof(r->enhanced))
		return text;
	if (r->enhanced[0] == '\0' &&
	    slice_copy(r->enhanced, sizeof(r->enhanced), first) == -1)
		return text;
	return rest;
}

static void
reply_keep(struct smtp_reply *r, struct slice text)
{
	size_t room = sizeof(r->text) - 1 - r->len;

	if (r->len > 0 && room > 0) {
		r->text[r->len++] = '\n';
		room--;
	}
	for (size_t i = 0; i < MIN(text.len, room); i++)
		r->text[r->len++] = ascii_print(text.p[i]) ? text.p[i] : '?';
	r->text[r->len] = '\0';
}

/* "250-text", "250 text", "250" (RFC 5321 §4.2); line without CRLF. */
static enum smtp_reply_result
reply_line(struct smtp_reply *r, struct slice line)
{
	unsigned code;

	if (line.len < 3 || line.p[0] < '2' || line.p[0] > '5' ||
	    !ascii_digit(line.p[1]) || !ascii_digit(line.p[2]))
		return SMTP_REPLY_BAD;
	if (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return SMTP_REPLY_BAD;
	code = (unsigned)(line.p[0] - '0') * 100 +
	       (unsigned)(line.p[1] - '0') * 10 + (unsigned)(line.p[2] - '0');
	if (r->code != 0 && r->code != code)
		return SMTP_REPLY_BAD;
	r->code = code;
	reply_keep(r, reply_enhanced(r, slice_sub(line, 4, SIZE_MAX)));
	return line.len > 3 && line.p[3] == '-' ? SMTP_REPLY_MORE
						: SMTP_REPLY_DONE;
}

/* Bytes up to and with the first CRLF; 0: there is none. */
static size_t
reply_line_end(struct slice in)
{
	const char *at = in.len == 0 ? NULL : memmem(in.p, in.len, "\r\n", 2);

	return at == NULL ? 0 : (size_t)(at - in.p) + 2;
}

/* The front of a line that is too long: it says what the line says. */
static size_t
reply_front(struct smtp_reply *r, struct slice rest)
{
	size_t n = SMTP_REPLY_LINE_MAX;

	/* Its CRLF must not be torn. */
	if (rest.p[n - 1] == '\r')
		n--;
	r->held = reply_line(r, slice_sub(rest, 0, n));
	r->cutting = r->held != SMTP_REPLY_BAD;
	return n;
}

/* Read over the rest of such a line; the number of bytes. */
static size_t
reply_cut(struct smtp_reply *r, struct slice rest)
{
	size_t n = reply_line_end(rest);

	r->cutting = n == 0;
	if (n == 0 && rest.len > 0)
		n = rest.len - (rest.p[rest.len - 1] == '\r' ? 1 : 0);
	r->cut += n;
	if (r->cut > SMTP_REPLY_CUT_MAX)
		r->held = SMTP_REPLY_BAD;
	return n;
}

/* One step: a line, the front of one, or some of what is cut away. */
static enum smtp_reply_result
reply_step(struct smtp_reply *r, struct slice rest, size_t *n)
{
	if (r->cutting) {
		*n = reply_cut(r, rest);
		return r->cutting && r->held != SMTP_REPLY_BAD ? SMTP_REPLY_MORE
							       : r->held;
	}
	*n = reply_line_end(rest);
	if (*n == 0 && rest.len < SMTP_REPLY_LINE_MAX)
		return SMTP_REPLY_MORE;
	if (*n == 0 || *n > SMTP_REPLY_LINE_MAX) {
		*n = reply_front(r, rest);
		r->total += *n;
		return r->cutting ? SMTP_REPLY_MORE : SMTP_REPLY_BAD;
	}
	r->total += *n;
	return reply_line(r, slice_sub(rest, 0, *n - 2));
}

enum smtp_reply_result
smtp_reply_take(struct smtp_reply *r, struct slice in, size_t *used)
{
	enum smtp_reply_result result;
	size_t n;

	*used = 0;
	do {
		n = 0;
		result = reply_step(r, slice_sub(in, *used, SIZE_MAX), &n);
		*used += n;
		if (r->total > SMTP_REPLY_TOTAL_MAX)
			result = SMTP_REPLY_BAD;
	} while (result == SMTP_REPLY_MORE && n > 0);
	return result;
}

bool
smtp_reply_line(const struct smtp_reply *r, size_t *at, struct slice *line)
{
	struct slice rest = slice_sub(slice_of(r->text, r->len), *at, SIZE_MAX);

	if (*at > r->len || (*at == r->len && *at > 0))
		return false;
	(void)slice_cut(rest, '\n', line);
	*at += line->len + 1;
	return true;
}

static int
put_line(struct buf *b, unsigned code, const char *enhanced, struct slice line,
    bool last)
{
	size_t n = MIN(line.len, LINE_CUT);
	char *room;

	if (buf_printf(b, "%03u%c%s%s", code % 1000, last ? ' ' : '-', enhanced,
		*enhanced == '\0' ? "" : " ") == -1)
		return -1;
	room = buf_reserve(b, n + 2);
	if (room == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)line.p[i];

		/* 8-bit only where an SMTPUTF8 address is repeated. */
		room[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	room[n] = '\r';
	room[n + 1] = '\n';
	buf_commit(b, n + 2);
	return 0;
}

int
smtp_reply_put(
    struct buf *b, unsigned code, const char *enhanced, struct slice text)
{
	size_t before = b->len;
	struct slice line;
	bool last;

	if (enhanced == NULL || !smtp_enhanced_valid(slice_str(enhanced), code))
		enhanced = ""; /* a peer's, not ours: it could be a line */
	do {
		last = text.len == 0 || memchr(text.p, '\n', text.len) == NULL;
		text = slice_cut(text, '\n', &line);
		if (put_line(b, code, enhanced, line, last) == -1) {
			int saved = errno;

			buf_truncate(b, before);
			errno = saved;
			return -1;
		}
	} while (!last);
	return 0;
}
