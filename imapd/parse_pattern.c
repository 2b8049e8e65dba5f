#include "imapd/parse_pattern.h"

#include "common/base/ascii.h"

/* Places of the pattern that can be reached; one more than its bytes. */
struct places {
	bool at[PATTERN_MAX + 1];
};

/* A wildcard may stand for nothing: what is behind is reached as well. */
static void
pass_wildcards(struct places *r, struct slice pattern)
{
	for (size_t i = 0; i < pattern.len; i++)
		if (r->at[i] && (pattern.p[i] == '*' || pattern.p[i] == '%'))
			r->at[i + 1] = true;
}

/* Read one byte of the name. False when no place is left. */
static bool
step(struct places *r, struct slice pattern, char c, bool fold)
{
	bool any = false;
	bool before = false; /* was the place before reached, by c? */

	for (size_t i = 0; i <= pattern.len; i++) {
		bool here = r->at[i];
		char x = i < pattern.len ? pattern.p[i] : '\0';
		bool stays = here && (x == '*' || (x == '%' && c != '/'));

		r->at[i] = before || (i < pattern.len && stays);
		any = any || r->at[i];
		before = here && i < pattern.len && x != '*' && x != '%' &&
			 (x == c || (fold && ascii_lower(x) == ascii_lower(c)));
	}
	return any;
}

bool
pattern_match(struct slice pattern, struct slice name)
{
	bool inbox = slice_istarts(name, SLICE("INBOX")) &&
		     (name.len == 5 || name.p[5] == '/');
	struct places r = { .at = { true } };

	if (pattern.len > PATTERN_MAX)
		return false;
	pass_wildcards(&r, pattern);
	for (size_t i = 0; i < name.len; i++) {
		if (!step(&r, pattern, name.p[i], inbox && i < 5))
			return false;
		pass_wildcards(&r, pattern);
	}
	return r.at[pattern.len];
}
