#include "common/mime/param.h"

#include <string.h>

#include "common/address/token.h"
#include "common/base/ascii.h"
#include "common/mime/charset.h"

/* RFC 2045 §5.1 tspecials end a token, and here '*' is looked at apart. */
#define TSPECIALS "()<>@,;:\\\"/[]?="

/* One `name*section*=value`, before anything is joined. */
struct piece {
	struct slice name;
	bool continued; /* it had a section number */
	bool extended;  /* it ended in '*' */
	unsigned section;
};

static struct slice
read_token(struct token_in *c)
{
	(void)token_cfws(c, NULL);
	return token_run(c, TSPECIALS);
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
		token_put(text, token_run(c, ";\"("));
	return true;
}

static struct mime_param *
find_param(struct mime_params *p, struct slice name)
{
	for (size_t i = 0; i < p->count; i++)
		if (slice_ieq(p->list[i].name, name))
			return &p->list[i];
	return NULL;
}

/* Append bytes that were not %-encoded to a value that is. */
static void
put_percent(struct buf *text, struct slice s)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char code[3] = { '%', hex[c >> 4], hex[c & 15] };

		if (ascii_alnum(s.p[i]) ||
		    memchr(".-_", s.p[i], 3) != NULL)
			token_put(text, slice_sub(s, i, 1));
		else
			token_put(text, slice_of(code, 3));
	}
}

/*
 * The value of the newest piece stands at the end of the text. The first
 * piece of a parameter, or the only one, starts it; a later one goes on
 * only where the parameter before is the last of the list (its bytes are
 * then just before).
 */
struct join {
	struct slice open; /* name of the parameter that may go on */
	unsigned next;     /* section that it waits for */
};

static void
add_piece(struct mime_params *p, struct join *j, const struct piece *piece,
    size_t at)
{
	struct mime_param *param = find_param(p, piece->name);
	size_t len = p->text.len - at;

	if (piece->continued && piece->section > 0) {
		if (param == NULL || !slice_ieq(j->open, piece->name) ||
		    piece->section != j->next) {
			buf_truncate(&p->text, at);
			return;
		}
		if (param->extended && !piece->extended) {
			char *copy = slice_dup(slice_of(p->text.data + at, len));

			buf_truncate(&p->text, at);
			put_percent(&p->text, slice_of(copy, len));
			free(copy);
		}
		param->len = p->text.len - param->at;
		j->next++;
		return;
	}
	if (param != NULL || p->count == MIME_PARAM_MAX) {
		buf_truncate(&p->text, at);
		j->open = SLICE_EMPTY;
		return;
	}
	p->list[p->count++] = (struct mime_param){ .name = piece->name,
		.extended = piece->extended,
		.at = at,
		.len = len };
	j->open = piece->continued ? piece->name : SLICE_EMPTY;
	j->next = 1;
}
