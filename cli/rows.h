#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include <stdbool.h>
#include <stdio.h>

#include "common/base/buf.h"

/*
 * rows - data for people (columns under headings, as wide as needed) or for
 * programs (a JSON object a line). Columns are named by the first row; a
 * later row's further keys become columns of their own.
 */
struct rows;

struct rows *rows_new(FILE *to, bool json) MUST_USE;

/* One row: pairs of names and texts, ending with a NULL name. */
void rows_add(struct rows *r, ...) __attribute__((sentinel));

/*
 * One row that is a flat JSON object already. What is not such an object
 * is printed as it is (escaped).
 */
void rows_add_json(struct rows *r, struct slice object);

/* Print what is left and free. Returns the number of rows. */
size_t rows_end(struct rows *r);

#endif
