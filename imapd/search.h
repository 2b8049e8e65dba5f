#ifndef IMAPD_SEARCH_H
#define IMAPD_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "imapd/parse.h"
#include "store/mailbox.h"

/*
 * search - the keys of SEARCH (RFC 3501 §6.4.4) as a program in postfix
 * form: tests, and NOT, AND, OR over what stands before them. Nothing
 * recurses, and a program can be run with only part of what it asks for
 * known: first with the index, then the header, then the whole message.
 */
#define SEARCH_STEPS_MAX 16384   /* tests and operators */
#define SEARCH_DEPTH_MAX 1000    /* NOT, OR and brackets within each other */
#define SEARCH_TEXT_MAX  1048576 /* bytes of all strings, folded */

enum search_op {
	OP_ALL,
	OP_FLAG,     /* one of `flags` is set */
	OP_NOT_FLAG, /* none is */
	OP_NEW,      /* recent, not seen */
	OP_KEYWORD,
	OP_SEQ, /* in the set; numbers, later resolved */
	OP_UID,
	OP_BEFORE,
	OP_ON,
	OP_SINCE,
	OP_LARGER,
	OP_SMALLER,
	/* from here on what is kept of the header must be known */
	OP_SENTBEFORE,
	OP_SENTON,
	OP_SENTSINCE,
	OP_FIELD,
	/* here all of it */
	OP_HEADER,
	/* and here the whole message */
	OP_BODY,
	OP_TEXT,
	/* not tests: they combine what stands before them */
	OP_NOT,
	OP_AND,
	OP_OR,
};

enum truth { UNKNOWN, FALSE, TRUE };

struct search_step {
	enum search_op op;
	enum truth truth;  /* of the test, for the message looked at */
	bool negate;       /* UNKEYWORD */
	unsigned flags;    /* OP_FLAG */
	unsigned field;    /* OP_FIELD: enum search_field */
	struct slice name; /* of a keyword or field, borrowed */
	int64_t number;    /* a day, or a size */
	size_t text;       /* what is searched for, in `texts`, folded */
	size_t text_len;
	struct parse_set set; /* as it was written; owned */
	struct uidset seqs;   /* what it stands for */
};

struct search {
	struct search_step *steps; /* owned */
	size_t count;
	size_t cap;
	struct buf texts;
	bool bad_charset;
};

/*
 * Read all that stands behind "SEARCH ". False when p has an error, or with
 * bad_charset set. The caller calls search_free() in any case.
 */
bool search_parse(struct parse *p, struct search *prog);
void search_free(struct search *prog);

/* What is known to the tests. Later ones include the earlier. */
enum search_level { KNOW_INDEX, KNOW_FIELDS, KNOW_HEADER, KNOW_BODY };

/*
 * Answers one test; only called with a level that is enough for it. UNKNOWN:
 * it is not to be had yet.
 */
typedef enum truth search_test(
    void *arg, const struct search *prog, const struct search_step *step);

/* The next message: nothing is known about it. */
void search_begin(struct search *prog);

/*
 * Run the program; UNKNOWN when more must be known. A test that was
 * answered is not asked again for the same message.
 */
enum truth search_run(
    struct search *prog, enum search_level level, search_test *test, void *arg);

/* Is there a test that asks for exactly this level? */
bool search_needs(const struct search *prog, enum search_level level);

/* What a test searches for. */
struct slice search_needle(
    const struct search *prog, const struct search_step *step);

/* -- search_fields.c: what is kept of a header --------------------------- */

enum search_field {
	FIELD_SUBJECT,
	FIELD_FROM,
	FIELD_TO,
	FIELD_CC,
	FIELD_BCC,
	FIELDS
};

#define SEARCH_NO_DAY INT64_MIN

/* The field of this name, or -1. */
int search_field_of(struct slice name);

/*
 * Append an entry for the store's cache: the day of the Date field and the
 * texts of the fields above, decoded and folded. Errors as buf_append().
 */
int search_fields_make(struct slice header, struct buf *out) MUST_USE;

/* The day, or SEARCH_NO_DAY; is needle in a field that is there? */
int64_t search_fields_day(struct slice entry);
bool search_fields_has(struct slice entry, unsigned field, struct slice needle);

/* -- search_text.c --------------------------------------------------------- */

/*
 * Is needle (folded, see charset_fold()) in hay, which is raw: ASCII
 * letters are compared without case, other bytes as they are.
 */
bool search_find(struct slice hay, struct slice needle);

/* Is it in a header field's value, decoded? work is room to work in. */
bool search_find_field(
    struct slice value, struct slice needle, struct buf *work);

struct mime_tree;
struct mime_part;

/* One part of a message; its text is decoded once, when first needed. */
struct search_part {
	const struct mime_tree *tree; /* lent */
	const struct mime_part *part;
	bool decoded; /* or that was tried */
	bool folded;
	struct buf text; /* UTF-8 */
	struct buf fold; /* the same, folded */
};

/* max: bytes of decoded text; longer text is not found. */
void search_part_begin(struct search_part *p, const struct mime_tree *t,
    const struct mime_part *part, size_t max);
void search_part_end(struct search_part *p);

/*
 * Is it in the part: in its header, if with_header, or in its body, if that
 * is text?
 */
bool search_part_has(struct search_part *p, bool with_header,
    struct slice needle, struct buf *work);

#endif
