#include "common/mime/param.h"

#include <string.h>

#include "common/address/token.h"
#include "common/base/ascii.h"

#define PIECE_MAX 128 /* `name=value` of one field before they are joined */

/* One `name*section*=value`, before anything is joined. */
struct piece {
	struct slice name;
	bool continued; /* it had a section number */
	bool extended;  /* it ended in '*' */
	unsigned section;
	size_t at; /* of the value in the text of all pieces */
	size_t len;
};

static struct slice
read_token(struct token_in *c)
{
	(void)token_cfws(c, NULL);
	return token_run(c, TOKEN_MIME);
}

struct mime_type
mime_type_parse(struct slice value)
{
	struct token_in c = { .in = value };
	struct mime_type t = { .type = SLICE_EMPTY };

	t.type = read_token(&c);
	(void)token_cfws(&c, NULL);
	if (token_skip(&c, '/'))
		t.subtype = read_token(&c);
	t.rest = slice_sub(value, c.at, value.len);
	return t;
}

struct slice
mime_token_parse(struct slice value, struct slice *rest)
{
	struct token_in c = { .in = value };
	struct slice token = read_token(&c);

	if (rest != NULL)
		*rest = slice_sub(value, c.at, value.len);
	return token;
}

/* To behind the next ';' outside quotes and comments. */
static bool
next_parameter(struct token_in *c)
{
	for (;;) {
		(void)token_cfws(c, NULL);
		if (token_peek(c) == -1)
			return false;
		if (token_skip(c, ';'))
			return true;
		if (token_peek(c) == '"')
			token_quoted(c, NULL);
		else
			c->at++;
	}
}

/* "name", "name*", "name*3", "name*3*" (RFC 2231 §7). */
static bool
split_name(struct slice token, struct piece *piece)
{
	struct slice rest = slice_cut(token, '*', &piece->name);
	size_t i = 0;

	piece->extended = token.len > 0 && token.p[token.len - 1] == '*';
	piece->continued = rest.len > 0 && ascii_digit(rest.p[0]);
	piece->section = 0;
	for (; i < rest.len && ascii_digit(rest.p[i]); i++) {
		if (i == 4)
			return false;
		piece->section =
		    piece->section * 10 + (unsigned)(rest.p[i] - '0');
	}
	if (i < rest.len && rest.p[i] == '*')
		i++;
	return piece->name.len > 0 && i == rest.len;
}

/*
 * Read `name = value` behind a ';'. The value goes to the end of text.
 * Lenient where mail is: an unquoted value goes on to white space or ';'.
 */
static bool
read_piece(struct token_in *c, struct piece *piece, struct buf *text)
{
	if (!split_name(read_token(c), piece))
		return false;
	(void)token_cfws(c, NULL);
	if (!token_skip(c, '='))
		return false;
	(void)token_cfws(c, NULL);
	if (token_peek(c) == '"')
		token_quoted(c, text);
	else
		token_put(text, token_run(c, TOKEN_VALUE));
	return true;
}

/* Append bytes that were not %-encoded to a value that is. */
static void
put_percent(struct buf *text, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char code[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (ascii_alnum(s.p[i]) || memchr(".-_", s.p[i], 3) != NULL)
			token_put(text, slice_sub(s, i, 1));
		else
			token_put(text, slice_of(code, 3));
	}
}

/* All pieces of a field, their values one behind the other in raw. */
struct pieces {
	struct piece list[PIECE_MAX];
	size_t count;
	struct buf raw;
};

static void
read_pieces(struct pieces *ps, struct slice rest)
{
	struct token_in c = { .in = rest };

	ps->count = 0;
	buf_init(&ps->raw, MIME_PARAM_TEXT_MAX);
	while (ps->count < PIECE_MAX && next_parameter(&c)) {
		struct piece *piece = &ps->list[ps->count];

		piece->at = ps->raw.len;
		if (!read_piece(&c, piece, &ps->raw))
			continue;
		piece->len = ps->raw.len - piece->at;
		ps->count++;
	}
}

static const struct piece *
find_piece(const struct pieces *ps, struct slice name, unsigned section)
{
	for (size_t i = 0; i < ps->count; i++) {
		const struct piece *p = &ps->list[i];

		if (p->continued && p->section == section &&
		    slice_ieq(p->name, name))
			return p;
	}
	return NULL;
}

/* Append the value of this piece and of those that continue it. */
static void
join_value(struct mime_params *p, struct mime_param *param,
    const struct pieces *ps, const struct piece *first)
{
	for (const struct piece *x = first; x != NULL;) {
		struct slice value =
		    slice_sub(buf_slice(&ps->raw), x->at, x->len);

		if (param->extended && !x->extended)
			put_percent(&p->text, value);
		else
			token_put(&p->text, value);
		x = x->continued ? find_piece(ps, x->name, x->section + 1)
				 : NULL;
	}
	param->len = p->text.len - param->at;
}

static bool
has_param(const struct mime_params *p, struct slice name)
{
	for (size_t i = 0; i < p->count; i++)
		if (slice_ieq(p->list[i].name, name))
			return true;
	return false;
}

void
mime_params_parse(struct mime_params *p, struct slice rest)
{
	struct pieces ps;

	p->count = 0;
	buf_init(&p->text, MIME_PARAM_TEXT_MAX);
	read_pieces(&ps, rest);
	for (size_t i = 0; i < ps.count && p->count < MIME_PARAM_MAX; i++) {
		const struct piece *x = &ps.list[i];
		struct mime_param *param = &p->list[p->count];

		if (has_param(p, x->name))
			continue;
		if (x->continued)
			x = find_piece(&ps, x->name, 0);
		if (x == NULL)
			continue;
		*param = (struct mime_param){ .name = x->name,
			.extended = x->extended,
			.at = p->text.len };
		join_value(p, param, &ps, x);
		p->count++;
	}
	buf_free(&ps.raw);
}

void
mime_params_free(struct mime_params *p)
{
	buf_free(&p->text);
	p->count = 0;
}

struct slice
mime_param_value(const struct mime_params *p, const struct mime_param *param)
{
	return slice_sub(buf_slice(&p->text), param->at, param->len);
}

size_t
mime_param_get(struct slice rest, struct slice name, char *dst, size_t cap)
{
	struct token_in c = { .in = rest };
	struct buf text = BUF_INIT(MIME_PARAM_TEXT_MAX);
	struct piece piece;
	size_t len = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < PIECE_MAX && next_parameter(&c); i++) {
		buf_truncate(&text, 0);
		if (!read_piece(&c, &piece, &text) || piece.continued ||
		    piece.extended || !slice_ieq(piece.name, name))
			continue;
		if (slice_copy(dst, cap, buf_slice(&text)) == 0)
			len = text.len;
		break;
	}
	buf_free(&text);
	return len;
}
