#include "router/target.h"

static bool
is_gap(char c)
{
	return c == ',' || c == ' ' || c == '\t';
}

/* Bytes of the target at the start of s; it ends at an unquoted gap. */
static size_t
target_length(struct slice s, bool to_comma)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < s.len; i++) {
		if (quoted && s.p[i] == '\\' && i + 1 < s.len)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (!quoted && (to_comma ? s.p[i] == ',' : is_gap(s.p[i])))
			break;
	}
	return i;
}

/* "|command with words" in quotes, as alias files have it. */
static struct slice
unquote(struct slice s)
{
	if (s.len < 3 || s.p[0] != '"' || s.p[s.len - 1] != '"')
		return s;
	if (s.p[1] == '|' || s.p[1] == '/' || s.p[1] == ':')
		return slice_sub(s, 1, s.len - 2);
	return s;
}

static enum target_kind
kind_of(struct slice *s)
{
	*s = unquote(*s);
	if (s->len >= 2 && s->p[0] == '<' && s->p[s->len - 1] == '>')
		*s = slice_sub(*s, 1, s->len - 2);
	if (s->len == 0)
		return TARGET_ADDRESS; /* "<>": no address, and found so */
	switch (s->p[0]) {
	case '|':
		return TARGET_COMMAND;
	case '/':
		return TARGET_FILE;
	case '@':
		*s = slice_sub(*s, 1, s->len);
		return TARGET_DOMAIN;
	case '\\':
		*s = slice_sub(*s, 1, s->len);
		return TARGET_LITERAL;
	default:
		break;
	}
	if (slice_istarts(*s, SLICE(":include:")))
		return TARGET_INCLUDE;
	return TARGET_ADDRESS;
}

enum target_kind
target_next(struct slice *rest, struct slice *text)
{
	size_t n;

	while (rest->len > 0 && is_gap(rest->p[0]))
		*rest = slice_sub(*rest, 1, rest->len);
	*text = SLICE_EMPTY;
	if (rest->len == 0)
		return TARGET_END;
	n = target_length(*rest, rest->p[0] == '|' || rest->p[0] == ':');
	*text = slice_trim(slice_sub(*rest, 0, n));
	*rest = slice_sub(*rest, n, rest->len);
	return kind_of(text);
}
