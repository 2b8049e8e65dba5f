#ifndef IMAPD_FETCH_H
#define IMAPD_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/mime/tree.h"
#include "imapd/parse.h"

/*
 * fetch - what a FETCH asks for (RFC 3501 §6.4.5), parsed, and the answer
 * to one section.
 */
#define FETCH_SECTIONS_MAX 32  /* BODY[...] items of one FETCH */
#define FETCH_NAMES_MAX    256 /* header field names of all of them */

enum fetch_item {
	FETCH_UID = 1 << 0,
	FETCH_FLAGS = 1 << 1,
	FETCH_INTERNALDATE = 1 << 2,
	FETCH_SIZE = 1 << 3,
	FETCH_ENVELOPE = 1 << 4,
	FETCH_BODY = 1 << 5,
	FETCH_BODYSTRUCTURE = 1 << 6,
};

enum section_text {
	SECTION_ALL,
	SECTION_HEADER,
	SECTION_FIELDS,
	SECTION_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

struct fetch_section {
	enum section_text text;
	bool peek;
	uint32_t path[MIME_DEPTH_MAX];
	size_t depth; /* numbers in path */
	size_t name;  /* first of its field names */
	size_t name_count;
	bool partial;
	uint32_t from; /* <from.length> */
	uint32_t length;
	size_t label; /* what the answer calls it, in labels */
	size_t label_len;
};

struct fetch_request {
	unsigned items;
	bool sees; /* some section sets \Seen */
	struct fetch_section sections[FETCH_SECTIONS_MAX];
	size_t section_count;
	struct slice names[FETCH_NAMES_MAX]; /* borrowed from the command */
	size_t name_count;
	struct buf labels;
};

/*
 * Read all that stands behind "FETCH set ". False when p has an error. The
 * caller calls fetch_request_free() in any case.
 */
bool fetch_parse(struct parse *p, struct fetch_request *r);
void fetch_request_free(struct fetch_request *r);

/*
 * The bytes a section names, of a message that was taken apart; partial not
 * applied. Borrowed from the message, or from scratch, which is emptied
 * first. p == NULL: there is no such part (NIL).
 */
struct slice fetch_section_bytes(const struct fetch_request *r,
    const struct fetch_section *sec, const struct mime_tree *t,
    struct buf *scratch);

/* The fields of a header that FIELDS or FIELDS_NOT wants, and its end. */
int fetch_pick_fields(const struct fetch_request *r,
    const struct fetch_section *sec, struct slice header,
    struct buf *out) MUST_USE;

/* Apply <from.length>. */
static inline struct slice
fetch_partial(const struct fetch_section *sec, struct slice s)
{
	return sec->partial ? slice_sub(s, sec->from, sec->length) : s;
}

#endif
