#include "imapd/parse.h"

#include <string.h>

#include "common/base/ascii.h"
#include "common/base/num.h"

void
parse_init(struct parse *p, struct slice in)
{
	*p = (struct parse){ .in = in };
	buf_init(&p->text, in.len);
}

void
parse_free(struct parse *p)
{
	buf_free(&p->text);
}

bool
parse_fail(struct parse *p, const char *error)
{
	if (p->error == NULL)
		p->error = error;
	return false;
}

bool
parse_skip(struct parse *p, char c)
{
	if (parse_peek(p) != (unsigned char)c)
		return false;
	p->at++;
	return true;
}

bool
parse_byte(struct parse *p, char c)
{
	return parse_skip(p, c) || parse_fail(p, "Syntax error");
}

bool
parse_space(struct parse *p)
{
	return parse_skip(p, ' ') || parse_fail(p, "Missing argument");
}

bool
parse_end(struct parse *p)
{
	return parse_peek(p) == -1 || parse_fail(p, "Junk after the command");
}

/* §9 ATOM-CHAR: no control byte, no 8-bit, none of atom-specials. */
static bool
is_atom_char(int c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

static bool
is_astring_char(int c)
{
	return is_atom_char(c) || c == ']';
}

static bool
is_list_char(int c)
{
	return is_astring_char(c) || c == '%' || c == '*';
}

static bool
is_tag_char(int c)
{
	return is_astring_char(c) && c != '+';
}

/* The longest run of bytes of a kind; at least one. */
static bool
read_run(struct parse *p, bool (*is)(int), size_t max, struct slice *s)
{
	size_t start = p->at;

	while (is(parse_peek(p)))
		p->at++;
	*s = slice_sub(p->in, start, p->at - start);
	if (s->len == 0)
		return parse_fail(p, "Syntax error");
	if (s->len > max)
		return parse_fail(p, "Word too long");
	return true;
}

bool
parse_tag(struct parse *p, struct slice *tag)
{
	return read_run(p, is_tag_char, PARSE_TAG_MAX, tag);
}

bool
parse_atom(struct parse *p, struct slice *s)
{
	return read_run(p, is_atom_char, PARSE_ATOM_MAX, s);
}

/*
 * Undo quoting into p->text, which never grows over the size of the input,
 * so that it is allocated once and the slices stay where they are.
 */
static bool
unquote(struct parse *p, struct slice raw, struct slice *s)
{
	size_t at;
	char *room;

	if (p->text.alloc == NULL && buf_reserve(&p->text, p->in.len) == NULL)
		return parse_fail(p, "Out of memory");
	at = p->text.len;
	room = buf_reserve(&p->text, raw.len);
	if (room == NULL)
		return parse_fail(p, "Out of memory");
	s->len = 0;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.p[i] == '\\')
			i++; /* what follows was seen by read_quoted() */
		room[s->len++] = raw.p[i];
	}
	buf_commit(&p->text, s->len);
	s->p = p->text.data + at;
	return true;
}

/* §9 quoted: TEXT-CHAR, and '\' before '"' and '\' only. */
static bool
read_quoted(struct parse *p, struct slice *s)
{
	size_t start = ++p->at;
	bool escaped = false;

	while (!parse_skip(p, '"')) {
		int c = parse_peek(p);

		if (c == '\\') {
			escaped = true;
			p->at++;
			c = parse_peek(p);
			if (c != '"' && c != '\\')
				return parse_fail(p, "Bad quoted string");
		}
		if (c <= 0 || c == '\r' || c == '\n')
			return parse_fail(p, "Bad quoted string");
		p->at++;
	}
	*s = slice_sub(p->in, start, p->at - 1 - start);
	return !escaped || unquote(p, *s, s);
}

/* §9 literal and RFC 7888; what is in it has come already. */
static bool
read_literal(struct parse *p, struct slice *s)
{
	uint32_t n;

	p->at++;
	if (!parse_number(p, &n))
		return false;
	(void)parse_skip(p, '+');
	if (!parse_skip(p, '}') || !parse_skip(p, '\r') ||
	    !parse_skip(p, '\n') || n > p->in.len - p->at)
		return parse_fail(p, "Bad literal");
	*s = slice_sub(p->in, p->at, n);
	p->at += n;
	if (n > 0 && memchr(s->p, '\0', n) != NULL)
		return parse_fail(p, "NUL in a literal");
	return true;
}

bool
parse_string(struct parse *p, struct slice *s)
{
	if (parse_peek(p) == '"')
		return read_quoted(p, s);
	if (parse_peek(p) == '{')
		return read_literal(p, s);
	return parse_fail(p, "Not a string");
}

bool
parse_astring(struct parse *p, struct slice *s)
{
	if (parse_peek(p) == '"' || parse_peek(p) == '{')
		return parse_string(p, s);
	return read_run(p, is_astring_char, PARSE_ATOM_MAX, s);
}

bool
parse_nstring(struct parse *p, struct slice *s)
{
	if (parse_peek(p) == '"' || parse_peek(p) == '{')
		return parse_string(p, s);
	if (!parse_atom(p, s))
		return false;
	if (!slice_ieq(*s, SLICE("NIL")))
		return parse_fail(p, "Neither a string nor NIL");
	*s = SLICE_EMPTY;
	return true;
}

bool
parse_list_mailbox(struct parse *p, struct slice *s)
{
	if (parse_peek(p) == '"' || parse_peek(p) == '{')
		return parse_string(p, s);
	return read_run(p, is_list_char, PARSE_ATOM_MAX, s);
}

static bool
is_digit(int c)
{
	return c >= '0' && c <= '9';
}

bool
parse_number(struct parse *p, uint32_t *n)
{
	struct slice digits;
	uint64_t v;

	if (!read_run(p, is_digit, 32, &digits) ||
	    num_parse(digits, UINT32_MAX, &v) == -1)
		return parse_fail(p, "Bad number");
	*n = (uint32_t)v;
	return true;
}

bool
parse_nz_number(struct parse *p, uint32_t *n)
{
	if (!parse_number(p, n))
		return false;
	return *n != 0 || parse_fail(p, "Zero is not allowed here");
}
