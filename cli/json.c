#include "cli/json.h"

#include "common/base/ascii.h"
#include "common/base/utf8.h"

#define TEXT_MAX (256 * 1024)

static void
skip_space(struct slice *s)
{
	while (s->len > 0 && (s->p[0] == ' ' || s->p[0] == '\t' ||
				 s->p[0] == '\n' || s->p[0] == '\r'))
		*s = slice_sub(*s, 1, s->len);
}

static bool
take(struct slice *s, char c)
{
	skip_space(s);
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = slice_sub(*s, 1, s->len);
	return true;
}

bool
json_begin(struct json_reader *r, struct slice text)
{
	*r = (struct json_reader){ .rest = text, .first = true };
	buf_init(&r->key, TEXT_MAX);
	buf_init(&r->value, TEXT_MAX);
	return take(&r->rest, '{');
}

void
json_free(struct json_reader *r)
{
	buf_free(&r->key);
	buf_free(&r->value);
}

/* Four hexadecimal digits; -1 when they are not there. */
static int32_t
read_hex4(struct slice *s)
{
	int32_t v = 0;

	if (s->len < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		int d = ascii_hex(s->p[i]);

		if (d == -1)
			return -1;
		v = v * 16 + d;
	}
	*s = slice_sub(*s, 4, s->len);
	return v;
}

/* Behind "\u": one code point, perhaps of two halves. */
static bool
read_unicode(struct slice *s, struct buf *b)
{
	int32_t high = read_hex4(s);
	int32_t low;

	if (high == -1)
		return false;
	if (high >= 0xd800 && high < 0xdc00) {
		if (s->len < 2 || s->p[0] != '\\' || s->p[1] != 'u')
			return false;
		*s = slice_sub(*s, 2, s->len);
		low = read_hex4(s);
		if (low < 0xdc00 || low > 0xdfff)
			return false;
		high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	}
	return utf8_put(b, (uint32_t)high) == 0;
}

static bool
read_escape(struct slice *s, struct buf *b)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	char c;

	if (s->len == 0)
		return false;
	c = s->p[0];
	*s = slice_sub(*s, 1, s->len);
	if (c == 'u')
		return read_unicode(s, b);
	at = c == '\0' ? NULL : strchr(from, c);
	return at != NULL && buf_append_byte(b, to[at - from]) == 0;
}

static bool
read_string(struct slice *s, struct buf *b)
{
	buf_truncate(b, 0);
	if (!take(s, '"'))
		return false;
	while (s->len > 0) {
		char c = s->p[0];

		*s = slice_sub(*s, 1, s->len);
		if (c == '"')
			return true;
		if ((unsigned char)c < 0x20)
			return false;
		if (c == '\\') {
			if (!read_escape(s, b))
				return false;
		} else if (buf_append_byte(b, c) == -1) {
			return false;
		}
	}
	return false;
}

static bool
read_word(struct slice *s, struct buf *b)
{
	size_t n = 0;

	while (n < s->len && (ascii_alnum(s->p[n]) || s->p[n] == '-' ||
				 s->p[n] == '+' || s->p[n] == '.'))
		n++;
	buf_truncate(b, 0);
	if (n == 0 || buf_append(b, s->p, n) == -1)
		return false;
	*s = slice_sub(*s, n, s->len);
	return true;
}

static bool
read_value(struct json_reader *r)
{
	skip_space(&r->rest);
	r->is_string = r->rest.len > 0 && r->rest.p[0] == '"';
	return r->is_string ? read_string(&r->rest, &r->value)
			    : read_word(&r->rest, &r->value);
}

enum json_result
json_next(struct json_reader *r)
{
	if (take(&r->rest, '}')) {
		skip_space(&r->rest);
		return r->rest.len == 0 ? JSON_END : JSON_BAD;
	}
	if (!r->first && !take(&r->rest, ','))
		return JSON_BAD;
	r->first = false;
	if (!read_string(&r->rest, &r->key) || !take(&r->rest, ':') ||
	    !read_value(r))
		return JSON_BAD;
	return JSON_PAIR;
}

static int
put_ascii(struct buf *b, char c)
{
	switch (c) {
	case '"':
		return buf_append_str(b, "\\\"");
	case '\\':
		return buf_append_str(b, "\\\\");
	case '\n':
		return buf_append_str(b, "\\n");
	case '\r':
		return buf_append_str(b, "\\r");
	case '\t':
		return buf_append_str(b, "\\t");
	default:
		break;
	}
	if ((unsigned char)c < 0x20 || c == 0x7f)
		return buf_printf(b, "\\u%04x", (unsigned)(unsigned char)c);
	return buf_append_byte(b, c);
}

int
json_put_string(struct buf *b, struct slice s)
{
	if (buf_append_byte(b, '"') == -1)
		return -1;
	while (s.len > 0) {
		size_t n;
		int32_t code = utf8_next(s, &n);
		int rc;

		if (code >= 0 && code < 0x80)
			rc = put_ascii(b, (char)code);
		else if (code >= 0)
			rc = buf_append(b, s.p, n);
		else
			rc = utf8_put(b, 0xfffd);
		if (rc == -1)
			return -1;
		s = slice_sub(s, n, s.len);
	}
	return buf_append_byte(b, '"');
}
