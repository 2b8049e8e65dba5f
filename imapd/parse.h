#ifndef IMAPD_PARSE_H
#define IMAPD_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * parse - the pieces of a command (RFC 3501 §9), from the bytes of a whole
 * command, literals in their places. Pure: nothing is read but the input,
 * and nothing of it beyond its end. Every function steps over what it reads
 * and returns true, or false after setting p->error; the cursor is then
 * anywhere and the command is BAD.
 */
#define PARSE_TAG_MAX   128 /* bytes of a tag */
#define PARSE_FLAGS_MAX 128 /* flags of one list */
#define PARSE_ATOM_MAX  998 /* bytes of an atom */

struct parse {
	struct slice in; /* without the CRLF at its end */
	size_t at;
	struct buf text;   /* quoted strings that held a '\' */
	const char *error; /* what is wrong; NULL while all is well */
};

/* Begin with a command. parse_free() releases what strings needed. */
void parse_init(struct parse *p, struct slice in);
void parse_free(struct parse *p);

/* Say what is wrong, if nothing was yet. Returns false. */
bool parse_fail(struct parse *p, const char *error);

/* The next byte, or -1. Not an error at the end. */
static inline int
parse_peek(const struct parse *p)
{
	return p->at < p->in.len ? (unsigned char)p->in.p[p->at] : -1;
}

/* Step over c if it is next: a question, no error. */
bool parse_skip(struct parse *p, char c);

/* Exactly this byte; one space; the end of the command. */
bool parse_byte(struct parse *p, char c);
bool parse_space(struct parse *p);
bool parse_end(struct parse *p);

/* The word at the start of a command (§2.2.1). */
bool parse_tag(struct parse *p, struct slice *tag);

/* Strings; slices are borrowed from the input or from p. */
bool parse_atom(struct parse *p, struct slice *s);
bool parse_string(struct parse *p, struct slice *s);
bool parse_astring(struct parse *p, struct slice *s);
bool parse_nstring(struct parse *p, struct slice *s); /* NIL: s->p NULL */
bool parse_list_mailbox(struct parse *p, struct slice *s);

/* Numbers of 32 bits; nz: not 0. */
bool parse_number(struct parse *p, uint32_t *n);
bool parse_nz_number(struct parse *p, uint32_t *n);

/*
 * A set of numbers as it was written: '*' is 0, ranges in either order.
 * The caller frees with parse_set_free().
 */
struct parse_range {
	uint32_t first;
	uint32_t last;
};

struct parse_set {
	struct parse_range *ranges; /* owned */
	size_t count;
	size_t cap;
};

bool parse_set(struct parse *p, struct parse_set *set);
void parse_set_free(struct parse_set *set);

/* Sort the ranges by their lower end, '*' standing for star. */
void parse_set_sort(struct parse_set *set, uint32_t star);

/* System flags, as bits of enum message_flags of the store. */
struct parse_flags {
	unsigned system;
	struct slice keywords[PARSE_FLAGS_MAX];
	size_t keyword_count;
};

/*
 * "(\Seen keyword)"; bare: without the brackets too, as STORE allows it.
 * \Recent is an error; other flags with '\' are not known and so an error.
 */
bool parse_flag_list(struct parse *p, bool bare, struct parse_flags *flags);

/* date: day number since 1970 of "1-Feb-1994", quoted or not. */
bool parse_date(struct parse *p, int64_t *day);

/* date-time: "17-Jul-1996 02:44:25 -0700". */
bool parse_date_time(struct parse *p, int64_t *unix_s, int16_t *zone_min);

#endif
