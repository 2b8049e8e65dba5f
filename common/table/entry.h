#ifndef COMMON_TABLE_ENTRY_H
#define COMMON_TABLE_ENTRY_H

#include "common/base/buf.h"

/*
 * entry - the text tables are written in, as Postfix has it (postmap(1),
 * aliases(5)): lines `key value`; a line that begins with white space goes
 * on the one before; empty lines and lines with '#' as first byte that is
 * no white space are nothing. `key: value` and `"quoted key": value` are
 * the same as in alias files. Pure: text in, entries out.
 */
#define ENTRY_MAX (1024 * 1024) /* bytes of one entry with continuations */

enum entry_result { ENTRY_OK = 0, ENTRY_END, ENTRY_BAD };

struct entry_reader {
	struct slice rest;   /* text not read yet; borrowed */
	unsigned line;       /* lines read */
	unsigned first_line; /* of the entry last returned */
	struct buf logical;  /* the entry, continuations joined */
	struct buf key;      /* the key, quotes undone, lower case */
	const char *problem; /* why ENTRY_BAD */
};

void entry_reader_init(struct entry_reader *r, struct slice text);
void entry_reader_free(struct entry_reader *r);

/*
 * The next entry: key in lower case, both borrowed from r until the next
 * call. BAD: r->problem says why, first_line where; reading can go on.
 */
enum entry_result entry_next(
    struct entry_reader *r, struct slice *key, struct slice *value) MUST_USE;

/*
 * The next pair of an inline table's inside, `key = value, { key = value
 * with, commas }`. Cuts it off *rest. Borrowed from *rest.
 */
enum entry_result entry_inline_next(
    struct slice *rest, struct slice *key, struct slice *value) MUST_USE;

/* May this stand in a table: no NUL, line end, or control byte but tab? */
bool entry_text_fine(struct slice s);

#endif
