#include "common/address/path.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/utf8.h"

#define LABEL_MAX 63

/* A cursor over the text; nothing is read beyond its end. */
struct cursor {
	struct slice in;
	size_t at;
};

static bool
at_end(const struct cursor *c)
{
	return c->at >= c->in.len;
}

/* The next byte, or -1 at the end. */
static int
peek(const struct cursor *c)
{
	return at_end(c) ? -1 : (unsigned char)c->in.p[c->at];
}

static bool
skip(struct cursor *c, char want)
{
	if (peek(c) != want)
		return false;
	c->at++;
	return true;
}

/* RFC 5322 §3.2.3 atext; bytes over 127 are judged by the caller. */
static bool
is_atext(int c)
{
	if (c < 0)
		return false;
	if (c >= 0x80 || ascii_alnum((char)c))
		return true;
	return c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

/* What may stand in a quoted string (§4.1.2 qtextSMTP, quoted-pairSMTP). */
static bool
is_quotable(int c)
{
	return c >= 0x80 || (c >= 0x20 && c < 0x7f);
}

static enum path_result
local_add(struct path *path, size_t *n, int c)
{
	if (*n == PATH_LOCAL_MAX)
		return PATH_LOCAL_LONG;
	path->local[(*n)++] = (char)c;
	if (c >= 0x80)
		path->utf8 = true;
	return PATH_OK;
}

static enum path_result
parse_dot_string(struct cursor *c, struct path *path)
{
	enum path_result r = PATH_OK;
	size_t n = 0;
	int last = '.';

	while (r == PATH_OK && (is_atext(peek(c)) || peek(c) == '.')) {
		if (peek(c) == '.' && last == '.')
			return PATH_SYNTAX;
		last = peek(c);
		r = local_add(path, &n, last);
		c->at++;
	}
	if (r == PATH_OK && last == '.')
		return PATH_SYNTAX;
	return r;
}

static enum path_result
parse_quoted_string(struct cursor *c, struct path *path)
{
	enum path_result r = PATH_OK;
	size_t n = 0;

	c->at++;
	while (r == PATH_OK && !skip(c, '"')) {
		if (peek(c) == '\\')
			c->at++;
		if (!is_quotable(peek(c)))
			return PATH_SYNTAX;
		r = local_add(path, &n, peek(c));
		c->at++;
	}
	return r;
}

static enum path_result
parse_local(struct cursor *c, struct path *path)
{
	if (peek(c) == '"')
		return parse_quoted_string(c, path);
	return parse_dot_string(c, path);
}

static bool
is_domain_byte(int c)
{
	return c >= 0x80 ||
	       (c > 0 && (ascii_alnum((char)c) || c == '-' || c == '_'));
}

enum path_result
path_check_domain(struct slice text, bool utf8)
{
	size_t label = 0;
	int last = '.';

	if (text.len > PATH_DOMAIN_MAX)
		return PATH_DOMAIN_LONG;
	for (size_t i = 0; i < text.len; i++) {
		int c = (unsigned char)text.p[i];

		if (c == '.') {
			if (label == 0 || last == '-')
				return PATH_SYNTAX;
			label = 0;
		} else if (!is_domain_byte(c) || (c == '-' && label == 0)) {
			return PATH_SYNTAX;
		} else if (++label > LABEL_MAX) {
			return PATH_DOMAIN_LONG;
		}
		last = c;
	}
	if (label == 0 || last == '-')
		return PATH_SYNTAX;
	if (utf8_has_8bit(text) && (!utf8 || !utf8_valid(text)))
		return PATH_NEEDS_UTF8;
	return PATH_OK;
}

enum path_result
path_parse_literal(struct slice text, char dst[PATH_DOMAIN_MAX + 1])
{
	char inner[INET6_ADDRSTRLEN];
	unsigned char bin[16];
	struct slice s;
	size_t at = 1;
	int family = AF_INET;

	dst[0] = '\0';
	if (text.len < 2 || text.p[0] != '[' || text.p[text.len - 1] != ']')
		return PATH_BAD_LITERAL;
	s = slice_sub(text, 1, text.len - 2);
	if (slice_istarts(s, SLICE("IPv6:"))) {
		s = slice_sub(s, 5, s.len);
		family = AF_INET6;
	}
	if (slice_copy(inner, sizeof(inner), s) == -1 ||
	    inet_pton(family, inner, bin) != 1)
		return PATH_BAD_LITERAL;
	if (inet_ntop(family, bin, inner, sizeof(inner)) == NULL)
		return PATH_BAD_LITERAL;
	dst[0] = '[';
	if (family == AF_INET6) {
		memcpy(dst + at, "IPv6:", 5);
		at += 5;
	}
	memcpy(dst + at, inner, strlen(inner));
	at += strlen(inner);
	dst[at++] = ']';
	dst[at] = '\0';
	return PATH_OK;
}

static enum path_result
parse_literal(struct cursor *c, struct path *path)
{
	size_t start = c->at;

	while (!at_end(c) && peek(c) != ']')
		c->at++;
	if (!skip(c, ']'))
		return PATH_BAD_LITERAL;
	path->kind = PATH_LITERAL;
	return path_parse_literal(
	    slice_sub(c->in, start, c->at - start), path->domain);
}

/* The bytes that can stand in a domain, from the cursor on. */
static struct slice
take_domain(struct cursor *c)
{
	size_t start = c->at;

	while (is_domain_byte(peek(c)) || peek(c) == '.')
		c->at++;
	return slice_sub(c->in, start, c->at - start);
}

static enum path_result
parse_domain(struct cursor *c, struct path *path)
{
	enum path_result r;
	struct slice s;

	if (peek(c) == '[')
		return parse_literal(c, path);
	s = take_domain(c);
	r = path_check_domain(s, true);
	if (r != PATH_OK)
		return r;
	path->kind = PATH_NAME;
	path->utf8 = path->utf8 || utf8_has_8bit(s);
	for (size_t i = 0; i < s.len; i++)
		path->domain[i] = ascii_lower(s.p[i]);
	return PATH_OK;
}

/* §4.1.2 A-d-l: "@one,@two:" is read and forgotten. */
static enum path_result
parse_route(struct cursor *c)
{
	enum path_result r = PATH_OK;
	size_t start = c->at;

	while (r == PATH_OK && skip(c, '@')) {
		r = path_check_domain(take_domain(c), true);
		if (c->at - start > PATH_ROUTE_MAX)
			return PATH_SYNTAX;
		if (r == PATH_OK && skip(c, ':'))
			return PATH_OK;
		if (r == PATH_OK && !skip(c, ','))
			return PATH_SYNTAX;
	}
	return r == PATH_OK ? PATH_SYNTAX : r;
}

static enum path_result
parse_mailbox(struct cursor *c, struct path *path, unsigned flags)
{
	enum path_result r = parse_local(c, path);

	if (r != PATH_OK)
		return r;
	if (skip(c, '@'))
		return parse_domain(c, path);
	if (!slice_ieq(slice_str(path->local), SLICE("postmaster")))
		return PATH_SYNTAX;
	path->kind = PATH_POSTMASTER;
	memcpy(path->local, "postmaster", sizeof("postmaster"));
	return (flags & PATH_ALLOW_POSTMASTER) != 0 ? PATH_OK
						    : PATH_NOT_ALLOWED;
}

static enum path_result
check_utf8(const struct path *path, unsigned flags)
{
	if (!path->utf8)
		return PATH_OK;
	if ((flags & PATH_ALLOW_UTF8) == 0 ||
	    !utf8_valid(slice_str(path->local)) ||
	    !utf8_valid(slice_str(path->domain)))
		return PATH_NEEDS_UTF8;
	return PATH_OK;
}

static enum path_result
parse_path(struct cursor *c, struct path *path, unsigned flags)
{
	enum path_result r = PATH_OK;
	bool angle = skip(c, '<');

	if (!angle && (flags & PATH_ALLOW_BARE) == 0)
		return PATH_SYNTAX;
	if (angle && skip(c, '>'))
		return (flags & PATH_ALLOW_NULL) != 0 ? PATH_OK
						      : PATH_NOT_ALLOWED;
	if (peek(c) == '@')
		r = parse_route(c);
	if (r == PATH_OK)
		r = parse_mailbox(c, path, flags);
	if (r != PATH_OK)
		return r;
	if (angle ? !skip(c, '>') : !at_end(c) && peek(c) != ' ')
		return PATH_SYNTAX;
	return check_utf8(path, flags);
}

enum path_result
path_parse(struct path *path, struct slice text, unsigned flags, size_t *used)
{
	struct cursor c = { .in = text };
	enum path_result r;

	*path = (struct path){ .kind = PATH_NULL };
	r = parse_path(&c, path, flags);
	if (r != PATH_OK)
		*path = (struct path){ .kind = PATH_NULL };
	if (used != NULL)
		*used = r == PATH_OK ? c.at : 0;
	return r;
}

enum path_result
path_from_address(struct path *path, struct slice text, unsigned flags)
{
	enum path_result r;
	size_t used;

	if (text.len > 0 && text.p[0] == '<') {
		*path = (struct path){ .kind = PATH_NULL };
		return PATH_SYNTAX;
	}
	r = path_parse(path, text, flags | PATH_ALLOW_BARE, &used);
	if (r == PATH_OK && used != text.len) {
		*path = (struct path){ .kind = PATH_NULL };
		return PATH_SYNTAX;
	}
	return r;
}

const char *
path_result_text(enum path_result r)
{
	switch (r) {
	case PATH_OK:
		return "path is fine";
	case PATH_SYNTAX:
		return "bad address syntax";
	case PATH_LOCAL_LONG:
		return "local part too long";
	case PATH_DOMAIN_LONG:
		return "domain too long";
	case PATH_BAD_LITERAL:
		return "bad address literal";
	case PATH_NEEDS_UTF8:
		return "address needs SMTPUTF8";
	case PATH_NOT_ALLOWED:
		return "address not allowed here";
	}
	return "unknown";
}

static bool
local_is_dot_string(const char *s)
{
	char last = '.';

	for (; *s != '\0'; s++) {
		if (*s == '.' ? last == '.' : !is_atext((unsigned char)*s))
			return false;
		last = *s;
	}
	return last != '.';
}

size_t
path_format(const struct path *path, char dst[PATH_TEXT_MAX])
{
	bool bare = local_is_dot_string(path->local);
	size_t domain = strlen(path->domain);
	size_t n = 0;

	dst[0] = '\0';
	if (path->kind == PATH_NULL)
		return 0;
	if (!bare)
		dst[n++] = '"';
	for (const char *s = path->local; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			dst[n++] = '\\';
		dst[n++] = *s;
	}
	if (!bare)
		dst[n++] = '"';
	if (path->kind != PATH_POSTMASTER) {
		dst[n++] = '@';
		memcpy(dst + n, path->domain, domain);
		n += domain;
	}
	dst[n] = '\0';
	return n;
}

int
path_append(struct buf *b, const struct path *path)
{
	char text[PATH_TEXT_MAX];
	size_t before = b->len;
	size_t n = path_format(path, text);

	if (buf_append_byte(b, '<') == -1 || buf_append(b, text, n) == -1 ||
	    buf_append_byte(b, '>') == -1) {
		buf_truncate(b, before);
		return -1;
	}
	return 0;
}

bool
path_equal(const struct path *a, const struct path *b)
{
	return a->kind == b->kind && strcmp(a->local, b->local) == 0 &&
	       strcmp(a->domain, b->domain) == 0;
}

bool
path_split_tag(const struct path *path, const char *delimiters,
    struct slice *user, struct slice *tag)
{
	size_t len = strlen(path->local);
	size_t at = strcspn(path->local, delimiters);

	*user = slice_of(path->local, len);
	*tag = SLICE_EMPTY;
	if (at == 0 || at == len)
		return false;
	*user = slice_of(path->local, at);
	*tag = slice_of(path->local + at + 1, len - at - 1);
	return true;
}
