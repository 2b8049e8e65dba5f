#include "common/address/token.h"

void
token_put(struct buf *b, struct slice s)
{
	if (s.len > b->max - b->len)
		s.len = b->max - b->len;
	if (buf_append_slice(b, s) == -1)
		return; /* no memory: cut, as at the ceiling */
}

static bool
is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A run of plain text up to a byte of these two or a special one. */
static struct slice
plain_run(struct token_in *c, char a, char b)
{
	size_t start = c->at;

	while (c->at < c->in.len) {
		char x = c->in.p[c->at];

		if (x == a || x == b || x == '\\' || x == '\r' || x == '\n')
			break;
		c->at++;
	}
	return slice_sub(c->in, start, c->at - start);
}

/* A backslash and what it protects, or a line break to be left out. */
static void
odd_byte(struct token_in *c, struct buf *out)
{
	if (token_skip(c, '\\') && token_peek(c) != -1 && out != NULL)
		token_put(out, slice_sub(c->in, c->at, 1));
	if (token_peek(c) != -1)
		c->at++;
}

/* The cursor stands behind the opening '('. */
static void
read_comment(struct token_in *c, struct buf *out)
{
	size_t depth = 1;

	if (out != NULL)
		buf_truncate(out, 0);
	while (depth > 0 && token_peek(c) != -1) {
		struct slice run = plain_run(c, '(', ')');
		int next = token_peek(c);

		if (out != NULL)
			token_put(out, run);
		if (next != '(' && next != ')') {
			odd_byte(c, out);
			continue;
		}
		depth = next == '(' ? depth + 1 : depth - 1;
		if (depth > 0 && out != NULL)
			token_put(out, slice_sub(c->in, c->at, 1));
		c->at++;
	}
}

bool
token_cfws(struct token_in *c, struct buf *comment)
{
	size_t start = c->at;

	for (;;) {
		if (is_space(token_peek(c)))
			c->at++;
		else if (token_skip(c, '('))
			read_comment(c, comment);
		else
			return c->at > start;
	}
}

void
token_quoted(struct token_in *c, struct buf *out)
{
	if (!token_skip(c, '"'))
		return;
	while (token_peek(c) != -1 && !token_skip(c, '"')) {
		struct slice run = plain_run(c, '"', '"');

		if (out != NULL)
			token_put(out, run);
		if (token_peek(c) != '"')
			odd_byte(c, out);
	}
}

#define A TOKEN_ADDRESS
#define M TOKEN_MIME
#define V TOKEN_VALUE
#define D TOKEN_DATE
#define L TOKEN_LIST

/* clang-format off */
static const unsigned char stops[256] = {
	['"'] = A | M | V | L,
	['('] = A | M | V | D | L,
	[')'] = M,
	[','] = A | M | D | L,
	['/'] = M,
	[':'] = A | M | D,
	[';'] = A | M | V | L,
	['<'] = A | M,
	['='] = M,
	['>'] = A | M,
	['?'] = M,
	['@'] = A | M,
	['['] = A | M,
	['\\'] = M,
	[']'] = M,
};
/* clang-format on */

struct slice
token_run(struct token_in *c, enum token_stop stop)
{
	size_t start = c->at;

	while (c->at < c->in.len) {
		unsigned char x = (unsigned char)c->in.p[c->at];

		if (x <= ' ' || x == 0x7f || (stops[x] & stop) != 0)
			break;
		c->at++;
	}
	return slice_sub(c->in, start, c->at - start);
}
