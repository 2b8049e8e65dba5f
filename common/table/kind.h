#ifndef COMMON_TABLE_KIND_H
#define COMMON_TABLE_KIND_H

#include <stddef.h>

#include "common/base/buf.h"
#include "common/table/table.h"

/*
 * kind - what every kind of table offers to table.c. A state is one opened
 * content; table.c decides when it is opened anew.
 */
#define TABLE_ERR_MAX 512

struct table_kind {
	const char *name;
	const char *suffix; /* of the file; NULL: there is no file */
	/* Open path (or read the inline text): a state, or NULL and err. */
	void *(*load)(const char *path, char err[TABLE_ERR_MAX]);
	/* key is folded already; value is empty. */
	enum table_result (*get)(void *state, struct slice key,
	    struct buf *value, char err[TABLE_ERR_MAX]);
	void (*unload)(void *state);
};

void *bdb_load(const char *path, char err[TABLE_ERR_MAX]) MUST_USE;
enum table_result bdb_get(void *state, struct slice key, struct buf *value,
    char err[TABLE_ERR_MAX]) MUST_USE;
void bdb_unload(void *state);

/* The state of a text table with this content; path is for messages. */
void *text_parse(
    struct slice content, const char *path, char err[TABLE_ERR_MAX]) MUST_USE;
void *text_load(const char *path, char err[TABLE_ERR_MAX]) MUST_USE;
void *inline_load(const char *text, char err[TABLE_ERR_MAX]) MUST_USE;
enum table_result text_get(void *state, struct slice key, struct buf *value,
    char err[TABLE_ERR_MAX]) MUST_USE;
void text_unload(void *state);

#endif
