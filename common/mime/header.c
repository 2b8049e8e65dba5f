#include "common/mime/header.h"

#include <string.h>

/* Offset behind the line that starts at `at`. */
static size_t
line_end(struct slice in, size_t at)
{
	const char *lf = memchr(in.p + at, '\n', in.len - at);

	return lf == NULL ? in.len : (size_t)(lf - in.p) + 1;
}

/* Without the line break at its end. */
static struct slice
chomp(struct slice s)
{
	if (s.len > 0 && s.p[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.p[s.len - 1] == '\r')
		s.len--;
	return s;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
mime_fields_next(struct mime_fields *it, struct mime_field *f)
{
	size_t start = it->at;
	size_t end;
	const char *colon;
	struct slice line;

	if (start >= it->in.len)
		return false;
	end = line_end(it->in, start);
	line = chomp(slice_sub(it->in, start, end - start));
	colon = line.len == 0 ? NULL : memchr(line.p, ':', line.len);
	if (line.len == 0) {
		it->at = end;
		it->in.len = end;
		return false;
	}
	while (end < it->in.len && is_blank(it->in.p[end]))
		end = line_end(it->in, end);
	it->at = end;
	f->whole = slice_sub(it->in, start, end - start);
	f->name = SLICE_EMPTY;
	f->value = chomp(f->whole);
	if (colon == NULL || is_blank(line.p[0]))
		return true;
	f->name = slice_of(line.p, (size_t)(colon - line.p));
	f->value = slice_sub(f->value, f->name.len + 1, f->value.len);
	while (f->name.len > 0 && is_blank(f->name.p[f->name.len - 1]))
		f->name.len--;
	return true;
}

struct slice
mime_field_find(struct slice header, struct slice name)
{
	struct mime_fields it = mime_fields(header);
	struct mime_field f;

	while (mime_fields_next(&it, &f))
		if (slice_ieq(f.name, name))
			return f.value;
	return SLICE_EMPTY;
}

size_t
mime_header_size(struct slice message)
{
	size_t at = 0;

	while (at < message.len) {
		size_t end = line_end(message, at);

		if (chomp(slice_sub(message, at, end - at)).len == 0)
			return end;
		at = end;
	}
	return at;
}

/* White space as it surrounds a value, line breaks included. */
static bool
is_space(char c)
{
	return is_blank(c) || c == '\r' || c == '\n';
}

int
mime_unfold(struct buf *b, struct slice value)
{
	char *room;
	size_t n = 0;

	while (value.len > 0 && is_space(value.p[0]))
		value = slice_sub(value, 1, value.len);
	while (value.len > 0 && is_space(value.p[value.len - 1]))
		value.len--;
	room = buf_reserve(b, value.len);
	if (room == NULL)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c != '\r' && c != '\n')
			room[n++] = c == '\0' ? '?' : c;
	}
	buf_commit(b, n);
	return 0;
}
