#include "imapd/front_args.h"

#include <stdint.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/num.h"

/* ATOM-CHAR (RFC 3501 §9); 8-bit bytes are none. */
static bool
atom_char(char c)
{
	return ascii_print(c) && strchr("(){ %*\"\\]", c) == NULL;
}

static bool
astring_char(char c)
{
	return atom_char(c) || c == ']';
}

static bool
tag_char(char c)
{
	return astring_char(c) && c != '+';
}

static bool
run_of(struct front_args *a, bool (*member)(char c), struct slice *run)
{
	size_t n = 0;

	while (n < a->rest.len && member(a->rest.p[n]))
		n++;
	*run = slice_sub(a->rest, 0, n);
	a->rest = slice_sub(a->rest, n, SIZE_MAX);
	return n > 0;
}

bool
args_tag(struct front_args *a, struct slice *tag)
{
	return run_of(a, tag_char, tag);
}

bool
args_atom(struct front_args *a, struct slice *atom)
{
	return run_of(a, atom_char, atom);
}

bool
args_byte(struct front_args *a, char c)
{
	if (a->rest.len == 0 || a->rest.p[0] != c)
		return false;
	a->rest = slice_sub(a->rest, 1, SIZE_MAX);
	return true;
}

bool
args_space(struct front_args *a)
{
	return args_byte(a, ' ');
}

/*
 * quoted = DQUOTE *QUOTED-CHAR DQUOTE, after the opening quote. 8-bit bytes
 * pass (RFC 9051 allows UTF-8 there, and passwords need it); backslash
 * stands before a quote or a backslash only.
 */
static bool
quoted(struct front_args *a, struct buf *value)
{
	size_t i;

	for (i = 0; i < a->rest.len; i++) {
		char c = a->rest.p[i];

		if (c == '"') {
			a->rest = slice_sub(a->rest, i + 1, SIZE_MAX);
			return true;
		}
		if (c == '\0' || c == '\r' || c == '\n')
			return false;
		if (c == '\\') {
			if (++i == a->rest.len)
				return false;
			c = a->rest.p[i];
			if (c != '"' && c != '\\')
				return false;
		}
		if (buf_append_byte(value, c) == -1)
			return false;
	}
	return false;
}

/* "n}" or "n+}", CRLF and n bytes, after the opening brace. */
static bool
literal(struct front_args *a, struct buf *value)
{
	struct slice digits;
	struct slice bytes;
	uint64_t n;

	a->rest = slice_cut(a->rest, '}', &digits);
	if (digits.len > 1 && digits.p[digits.len - 1] == '+')
		digits.len--;
	if (num_parse(digits, UINT32_MAX, &n) == -1)
		return false;
	if (!args_byte(a, '\r') || !args_byte(a, '\n') || n > a->rest.len)
		return false;
	bytes = slice_sub(a->rest, 0, (size_t)n);
	a->rest = slice_sub(a->rest, (size_t)n, SIZE_MAX);
	/* CHAR8 is any byte but NUL. */
	if (bytes.len > 0 && memchr(bytes.p, '\0', bytes.len) != NULL)
		return false;
	return buf_append_slice(value, bytes) == 0;
}

bool
args_string(struct front_args *a, struct buf *value)
{
	if (args_byte(a, '"'))
		return quoted(a, value);
	if (args_byte(a, '{'))
		return literal(a, value);
	return false;
}

bool
args_astring(struct front_args *a, struct buf *value)
{
	struct slice run;

	if (a->rest.len > 0 && (a->rest.p[0] == '"' || a->rest.p[0] == '{'))
		return args_string(a, value);
	return run_of(a, astring_char, &run) &&
	       buf_append_slice(value, run) == 0;
}

bool
args_end(const struct front_args *a)
{
	return slice_eq(a->rest, SLICE("\r\n"));
}
