#ifndef COMMON_ADDRESS_TOKEN_H
#define COMMON_ADDRESS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * token - the lexical pieces structured header fields share (RFC 5322 §3.2,
 * RFC 2045 §5.1). A cursor over a raw field value, folding still in it; it
 * never reads beyond the end, and nothing nests on the stack. Malformed
 * input ends a piece early and is never an error. Where a piece does not
 * fit into the caller's buf it is cut.
 */
struct token_in {
	struct slice in;
	size_t at;
};

/* The byte under the cursor, or -1 at the end. */
static inline int
token_peek(const struct token_in *c)
{
	return c->at < c->in.len ? (unsigned char)c->in.p[c->at] : -1;
}

/* Step over this byte if it is next. */
static inline bool
token_skip(struct token_in *c, char want)
{
	if (token_peek(c) != (unsigned char)want)
		return false;
	c->at++;
	return true;
}

/*
 * Step over white space, line breaks and comments. The text of the last
 * comment, quoting undone, replaces what is in *comment unless that is
 * NULL. Returns whether there was anything to step over.
 */
bool token_cfws(struct token_in *c, struct buf *comment);

/*
 * At a '"': append the content, quoting and line breaks undone, and step
 * behind the closing '"' (or to the end). out may be NULL.
 */
void token_quoted(struct token_in *c, struct buf *out);

/* What ends a run, beside white space and control bytes. */
enum token_stop {
	TOKEN_ADDRESS = 1 << 0, /* "@[<>,;:( */
	TOKEN_MIME = 1 << 1,    /* RFC 2045 §5.1 tspecials */
	TOKEN_VALUE = 1 << 2,   /* ;"( */
	TOKEN_DATE = 1 << 3,    /* ,:( */
	TOKEN_LIST = 1 << 4,    /* ,;"( */
};

/* The longest run of other bytes. */
struct slice token_run(struct token_in *c, enum token_stop stop);

/* Append, or fill b to its ceiling when s does not fit. */
void token_put(struct buf *b, struct slice s);

#endif
