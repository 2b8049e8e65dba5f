#ifndef COMMON_TABLE_TABLE_H
#define COMMON_TABLE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/*
 * table - lookup tables named as in Postfix, `type:name`.
 *
 *	hash:aliases    Berkeley DB in aliases.db, made by `wemmick map build`
 *	btree:aliases   or by Postfix's postmap (keys and values with a NUL)
 *	text:aliases    the plain file, read whole
 *	inline:{ key = value, { key = value with, commas } }
 *
 * Keys are compared with ASCII letters in lower case. A lookup has three
 * answers, which must never be confused: what is there, nothing, or "I
 * cannot tell" - then whoever asks must put the decision off.
 *
 * A file that was replaced or changed is noticed at the next lookup and
 * read anew. A file that is missing is an error, not an empty table.
 */
struct table;

enum table_result { TABLE_FOUND = 0, TABLE_NOT_FOUND, TABLE_ERROR };

#define TABLE_KEY_MAX  1024 /* longer keys are errors */
#define TABLE_NAME_MAX 255  /* bytes of a name in a specification */
#define TABLE_LIST_MAX 16   /* tables of one setting */

/*
 * Where tables are. Names are relative to the directory; an absolute name
 * is fine when it lies beneath `configured`. A process that has made the
 * directory its root says "/" in `seen`.
 */
struct table_place {
	const char *configured; /* as the configuration names it */
	const char *seen;       /* as this process reaches it */
};

/*
 * Understand a specification. Files are opened at the first lookup. NULL
 * with a message in err (cap bytes) when spec is not understood or its name
 * leaves the place. The caller owns the table.
 */
struct table *table_open(const char *spec, const struct table_place *place,
    char *err, size_t cap) MUST_USE;
void table_close(struct table *t);

/*
 * Look key up. FOUND: the value is in *value, which was emptied first; its
 * max bounds it, and text with a NUL, a line end or another control byte
 * is an ERROR. After ERROR table_problem() says why.
 */
enum table_result table_lookup(
    struct table *t, struct slice key, struct buf *value) MUST_USE;

/* Open or read the file now. 0, or -1 and table_problem() says why. */
int table_check(struct table *t) MUST_USE;

/* Number of times the file was opened; another number: other content. */
unsigned table_generation(const struct table *t);

/* What went wrong last, in words; "" when nothing did. */
const char *table_problem(const struct table *t);

/* The specification it was opened with. */
const char *table_spec(const struct table *t);

/*
 * Several tables asked in order: the first that has the key answers, and
 * an error of one that was asked before it is the answer of all.
 */
struct table_list {
	struct table *tables[TABLE_LIST_MAX]; /* owned */
	size_t count;
	const struct table *failed; /* whose problem the last ERROR was */
};

/* Open count specifications. 0, or -1 with a message; l is then empty. */
int table_list_open(struct table_list *l, char *const *specs, size_t count,
    const struct table_place *place, char err[512]) MUST_USE;
void table_list_close(struct table_list *l);
enum table_result table_list_lookup(
    struct table_list *l, struct slice key, struct buf *value) MUST_USE;

/*
 * Split a specification: type and name are borrowed from spec. False when
 * there is no colon or either side is empty.
 */
bool table_split(
    const char *spec, struct slice *type, struct slice *name) MUST_USE;

/*
 * The path of a file of that name (such as "aliases" or an absolute one
 * beneath place->configured) with suffix behind it. 0, or -1 with a
 * message in err: empty, too long, "..", or outside of the place.
 */
int table_path(struct slice name, const struct table_place *place,
    const char *suffix, struct buf *path, char err[512]) MUST_USE;

#endif
