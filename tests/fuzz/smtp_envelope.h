#ifndef TESTS_FUZZ_SMTP_ENVELOPE_H
#define TESTS_FUZZ_SMTP_ENVELOPE_H

/*
 * envelope - the arguments of MAIL, RCPT and BDAT as RFC 5321, 1870, 3030,
 * 3461, 6152 and 6531 have them, where they are plain; of others the model
 * says nothing.
 */
#include <string.h>

#include "common/base/attr.h"
#include "common/base/slice.h"
#include "tests/fuzz/walk.h"

static inline bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
	       c == '-' || c == '@';
}

/* "FROM:<…>" and what is behind; the address "?" where it is not plain. */
static inline struct slice
read_path(struct slice arg, const char *keyword, char address[256])
{
	struct slice rest = slice_sub(arg, strlen(keyword), SIZE_MAX);
	size_t n = 0;

	memcpy(address, "?", 2);
	if (!walk_begins(arg, keyword))
		return SLICE_EMPTY;
	while (n < rest.len && n < 255 && is_plain(rest.p[n]))
		n++;
	if (n == rest.len || n == 255 || rest.p[n] != '>' ||
	    (n > 0 && rest.p[0] == '@'))
		return SLICE_EMPTY;
	memcpy(address, rest.p, n);
	address[n] = '\0';
	return slice_sub(rest, n + 1, SIZE_MAX);
}

/* The value of a parameter; "" without it, "?" where it is not plain. */
static inline void
read_param(struct slice arg, const char *keyword, char value[80])
{
	const char *at = arg.len == 0
			     ? NULL
			     : memmem(arg.p, arg.len, keyword, strlen(keyword));
	struct slice rest;
	size_t n = 0;

	value[0] = '\0';
	for (size_t i = 0; at == NULL && i < arg.len; i++)
		if (arg.p[i] == keyword[1]) /* perhaps, in other letters */
			memcpy(value, "?", 2);
	if (at == NULL)
		return;
	rest = slice_sub(arg, (size_t)(at - arg.p) + strlen(keyword), SIZE_MAX);
	while (
	    n < rest.len && n < 79 && (is_plain(rest.p[n]) || rest.p[n] == ';'))
		n++;
	memcpy(value, rest.p, n);
	value[n] = '\0';
	if (n == 0 || (n < rest.len && rest.p[n] != ' '))
		memcpy(value, "?", 2);
}

/*
 * Parameters every server takes that says SIZE, 8BITMIME, SMTPUTF8 and DSN:
 * 2. Too large a mail (RFC 1870 §6.1): 5. Whatever else is there: 0.
 */
static inline unsigned
params_class(struct slice rest, const char *const *good, size_t count)
{
	unsigned class = 2;
	unsigned seen = 0;
	struct slice word;

	if (rest.len > 0 && rest.p[0] != ' ')
		return 0;
	rest = slice_sub(rest, 1, SIZE_MAX);
	while (rest.len > 0) {
		size_t i = 0;

		rest = slice_cut(rest, ' ', &word);
		while (i < count && !slice_eq(word, slice_str(good[i])))
			i++;
		if (slice_eq(word, SLICE("SIZE=999999999"))) {
			class = 5;
			continue;
		}
		if (i == count || (seen & 1U << i) != 0)
			return 0;
		seen |= 1U << i;
	}
	return class;
}

static inline unsigned
mail_class(struct slice arg)
{
	static const char *const good[] = { "SIZE=1000", "BODY=8BITMIME",
		"SMTPUTF8", "RET=HDRS", "ENVID=x1" };
	char address[256];
	struct slice rest = read_path(arg, "FROM:<", address);

	if (strcmp(address, "?") == 0 ||
	    (address[0] != '\0' && strcmp(address, "a@b.example") != 0 &&
		strcmp(address, "c@d.example") != 0 &&
		strcmp(address, "e@f.example") != 0))
		return 0;
	return params_class(rest, good, ARRAY_LEN(good));
}

/* What the house's router says to a plain recipient of our domain. */
static inline unsigned
rcpt_class(struct slice arg, bool room)
{
	static const char *const good[] = { "NOTIFY=NEVER", "ORCPT=rfc822;a" };
	char address[256];
	struct slice rest = read_path(arg, "TO:<", address);
	const char *domain = strchr(address, '@');
	unsigned class = params_class(rest, good, ARRAY_LEN(good));

	if (domain == NULL || domain == address || class == 0 ||
	    strcmp(domain, "@example.test") != 0 || strstr(address, "..") ||
	    address[0] == '.' || domain[-1] == '.')
		return 0;
	if (domain - address > 64)
		return 5; /* RFC 5321 §4.5.3.1.1 */
	if (!room)
		return 4; /* RFC 5321 §4.5.3.1.10 */
	if (strncmp(address, "nobody@", 7) == 0)
		return 9;
	return strncmp(address, "later@", 6) == 0 ||
		       strncmp(address, "away@", 5) == 0
		   ? 4
		   : 2;
}

static inline bool
parse_bdat(struct slice arg, uint64_t *n, bool *last)
{
	struct slice digits;
	struct slice word = slice_trim(slice_cut(arg, ' ', &digits));

	*n = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9' || i > 15)
			return false;
		*n = *n * 10 + (uint64_t)(digits.p[i] - '0');
	}
	*last = slice_ieq(word, SLICE("LAST"));
	return digits.len > 0 && (*last || word.len == 0);
}

#endif
