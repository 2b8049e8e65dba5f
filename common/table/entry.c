#include "common/table/entry.h"

#include <errno.h>
#include <string.h>

#include "common/base/ascii.h"

void
entry_reader_init(struct entry_reader *r, struct slice text)
{
	*r = (struct entry_reader){ .rest = text };
	buf_init(&r->logical, ENTRY_MAX);
	buf_init(&r->key, ENTRY_MAX);
}

void
entry_reader_free(struct entry_reader *r)
{
	buf_free(&r->logical);
	buf_free(&r->key);
}

bool
entry_text_fine(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* One physical line without its end; a CR before LF belongs to the end. */
static struct slice
cut_line(struct slice *rest)
{
	struct slice line;

	*rest = slice_cut(*rest, '\n', &line);
	if (line.len > 0 && line.p[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool
is_nothing(struct slice line)
{
	line = slice_trim(line);
	return line.len == 0 || line.p[0] == '#';
}

static int
append_line(struct entry_reader *r, struct slice line)
{
	if (r->logical.len > 0 && buf_append_byte(&r->logical, ' ') == -1)
		return -1;
	return buf_append_slice(&r->logical, slice_trim(line));
}

/* Skip comments; is the next line one that goes on? */
static bool
at_continuation(struct entry_reader *r)
{
	for (;;) {
		struct slice after = r->rest;
		struct slice line = cut_line(&after);

		if (r->rest.len == 0)
			return false;
		if (!is_nothing(line))
			return is_space(line.p[0]);
		r->rest = after;
		r->line++;
	}
}

/*
 * Collect the next entry's lines in r->logical. False at the end of the
 * text; *fits tells whether it was within ENTRY_MAX.
 */
static bool
read_logical(struct entry_reader *r, bool *fits)
{
	buf_truncate(&r->logical, 0);
	*fits = true;
	(void)at_continuation(r); /* skips what is nothing */
	if (r->rest.len == 0)
		return false;
	r->first_line = r->line + 1;
	do {
		if (append_line(r, cut_line(&r->rest)) == -1)
			*fits = false;
		r->line++;
	} while (at_continuation(r));
	return true;
}

/*
 * Where the key ends: at the first white space outside of quotes. *colon is
 * the place of the only colon outside of quotes, or SIZE_MAX when there is
 * none or several (an IPv6 address is no alias).
 */
static size_t
key_end(struct slice s, size_t *colon)
{
	bool quoted = false;
	unsigned colons = 0;
	size_t i;

	*colon = SIZE_MAX;
	for (i = 0; i < s.len; i++) {
		if (s.p[i] == '\\' && quoted && i + 1 < s.len)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && is_space(s.p[i]))
			break;
		else if (!quoted && s.p[i] == ':' && colons++ == 0)
			*colon = i;
	}
	if (colons != 1)
		*colon = SIZE_MAX;
	return MIN(i, s.len);
}

/* Is all of the key one quoted string? */
static bool
is_quoted(struct slice key)
{
	if (key.len < 2 || key.p[0] != '"')
		return false;
	for (size_t i = 1; i < key.len; i++) {
		if (key.p[i] == '\\')
			i++;
		else if (key.p[i] == '"')
			return i == key.len - 1;
	}
	return false;
}

/* Copy the key, lower case, without quotes around all of it. */
static int
put_key(struct entry_reader *r, struct slice key)
{
	bool quoted = is_quoted(key);

	buf_truncate(&r->key, 0);
	if (quoted)
		key = slice_sub(key, 1, key.len - 2);
	for (size_t i = 0; i < key.len; i++) {
		if (quoted && key.p[i] == '\\' && i + 1 < key.len)
			i++;
		if (buf_append_byte(&r->key, ascii_lower(key.p[i])) == -1)
			return -1;
	}
	return 0;
}

/* `key value`, `key: value`, `key : value` or `key:value`. */
static struct slice
split(struct slice s, struct slice *value)
{
	size_t colon;
	size_t end = key_end(s, &colon);
	struct slice key = slice_sub(s, 0, end);

	*value = slice_trim(slice_sub(s, end, s.len));
	if (colon != SIZE_MAX && colon + 1 == end) {
		key.len--;
	} else if (colon != SIZE_MAX && colon > 0 && value->len == 0) {
		key.len = colon;
		*value = slice_sub(s, colon + 1, end - colon - 1);
	} else if (value->len > 1 && value->p[0] == ':' &&
		   is_space(value->p[1])) {
		*value = slice_trim(slice_sub(*value, 1, value->len));
	}
	return key;
}

static enum entry_result
bad(struct entry_reader *r, const char *why)
{
	r->problem = why;
	return ENTRY_BAD;
}

enum entry_result
entry_next(struct entry_reader *r, struct slice *key, struct slice *value)
{
	bool fits;
	struct slice raw;

	*key = *value = SLICE_EMPTY;
	if (!read_logical(r, &fits))
		return ENTRY_END;
	if (!fits)
		return bad(r, "longer than a megabyte");
	if (!entry_text_fine(buf_slice(&r->logical)))
		return bad(r, "a NUL or control byte in it");
	if (is_space(r->logical.data[0]))
		return bad(r, "begins with white space");
	raw = split(buf_slice(&r->logical), value);
	if (put_key(r, raw) == -1)
		return bad(r, "out of memory");
	if (r->key.len == 0)
		return bad(r, "no key");
	if (value->len == 0)
		return bad(r, "a key without a value");
	*key = buf_slice(&r->key);
	return ENTRY_OK;
}

enum entry_result
entry_inline_next(struct slice *rest, struct slice *key, struct slice *value)
{
	struct slice item;

	*key = *value = SLICE_EMPTY;
	do {
		*rest = slice_trim(*rest);
		while (rest->len > 0 && rest->p[0] == ',')
			*rest = slice_trim(slice_sub(*rest, 1, rest->len));
		if (rest->len == 0)
			return ENTRY_END;
		if (rest->p[0] == '{') {
			if (memchr(rest->p, '}', rest->len) == NULL)
				return ENTRY_BAD;
			*rest = slice_cut(
			    slice_sub(*rest, 1, rest->len), '}', &item);
		} else {
			*rest = slice_cut(*rest, ',', &item);
		}
		item = slice_trim(item);
	} while (item.len == 0);
	if (memchr(item.p, '=', item.len) == NULL || !entry_text_fine(item))
		return ENTRY_BAD;
	*value = slice_trim(slice_cut(item, '=', key));
	*key = slice_trim(*key);
	return key->len == 0 || value->len == 0 ? ENTRY_BAD : ENTRY_OK;
}
