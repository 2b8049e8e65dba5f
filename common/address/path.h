#ifndef COMMON_ADDRESS_PATH_H
#define COMMON_ADDRESS_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * path - the addresses of the envelope (RFC 5321 §4.1.2, RFC 6531 §3.3).
 *
 * A path is a value: no allocation, no NUL, CR, LF or other control byte in
 * any part, so it may be copied, logged and sent on as it is. Grammar is the
 * only filter: `%`, `!` and `|` in a local part are bytes like others.
 * More lenient than the RFC in one place: `_` is allowed in a domain label.
 */
#define PATH_LOCAL_MAX  64  /* octets, quoting undone: §4.5.3.1.1 */
#define PATH_DOMAIN_MAX 255 /* octets: §4.5.3.1.2 */
/* Longest result of path_format(), its NUL included. */
#define PATH_TEXT_MAX (2 * PATH_LOCAL_MAX + 2 + 1 + PATH_DOMAIN_MAX + 1)
/* Longest source route that is read over before it is called an error. */
#define PATH_ROUTE_MAX 1024

enum path_kind {
	PATH_NULL,       /* <>: local and domain are "" */
	PATH_POSTMASTER, /* <postmaster>: no domain (§4.1.1.3) */
	PATH_NAME,       /* local@domain.name */
	PATH_LITERAL,    /* local@[1.2.3.4] or local@[IPv6:2001:db8::1] */
};

struct path {
	enum path_kind kind;
	bool utf8;                        /* holds 8-bit: needs SMTPUTF8 */
	char local[PATH_LOCAL_MAX + 1];   /* quoting undone, case kept */
	char domain[PATH_DOMAIN_MAX + 1]; /* lower case; a literal with [] */
};

/* What the parser lets through beside <local@domain>. */
#define PATH_ALLOW_NULL       0x1U /* <>, as in MAIL */
#define PATH_ALLOW_POSTMASTER 0x2U /* <postmaster>, as in RCPT */
#define PATH_ALLOW_UTF8       0x4U /* RFC 6531 */
#define PATH_ALLOW_BARE       0x8U /* no angle brackets */

enum path_result {
	PATH_OK = 0,
	PATH_SYNTAX,      /* not a path at all */
	PATH_LOCAL_LONG,  /* local part over PATH_LOCAL_MAX */
	PATH_DOMAIN_LONG, /* domain over PATH_DOMAIN_MAX, or a label over 63 */
	PATH_BAD_LITERAL, /* [...] is no address */
	PATH_NEEDS_UTF8,  /* 8-bit without PATH_ALLOW_UTF8, or not UTF-8 */
	PATH_NOT_ALLOWED, /* <> or <postmaster> where the caller forbids it */
};

/*
 * Read the path text begins with (a source route is read over, §4.1.1.3).
 * In *used, which may be NULL, the bytes it took, the '>' included; a bare
 * path ends before a space or at the end. *path is complete when PATH_OK is
 * returned and zeroed otherwise.
 */
enum path_result path_parse(struct path *path, struct slice text,
    unsigned flags, size_t *used) MUST_USE;

/*
 * The same for a mailbox without brackets that is all of text, as it stands
 * in tables and configuration.
 */
enum path_result path_from_address(
    struct path *path, struct slice text, unsigned flags) MUST_USE;

/* Words for a result, "path is fine" for PATH_OK. */
const char *path_result_text(enum path_result r);

/*
 * Write the canonical form without brackets: the local part quoted where
 * the grammar wants it, "" for PATH_NULL, "postmaster" for
 * PATH_POSTMASTER. dst holds PATH_TEXT_MAX bytes. Returns the length.
 */
size_t path_format(const struct path *path, char dst[PATH_TEXT_MAX]);

/* Append `<canonical form>`. Errors as buf_append(). */
int path_append(struct buf *b, const struct path *path) MUST_USE;

/* Same mailbox? Domains without case, local parts byte by byte. */
bool path_equal(const struct path *a, const struct path *b);

/*
 * Split `user+tag` at the first byte of delimiters (such as "+" or "+-").
 * False, with all of the local part in *user and *tag empty, when there is
 * none, when it comes first, or when delimiters is "". Slices are borrowed
 * from path.
 */
bool path_split_tag(const struct path *path, const char *delimiters,
    struct slice *user, struct slice *tag);

/*
 * Is text a domain of §4.1.2 (no literal)? 8-bit labels only with utf8.
 * PATH_OK, PATH_SYNTAX, PATH_DOMAIN_LONG or PATH_NEEDS_UTF8.
 */
enum path_result path_check_domain(struct slice text, bool utf8) MUST_USE;

/*
 * Read an address literal with its brackets (§4.1.3) and write it in one
 * spelling, at most PATH_DOMAIN_MAX + 1 bytes with NUL. PATH_OK or
 * PATH_BAD_LITERAL.
 */
enum path_result path_parse_literal(
    struct slice text, char dst[PATH_DOMAIN_MAX + 1]) MUST_USE;

#endif
