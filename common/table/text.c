#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/file.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/table/entry.h"
#include "common/table/kind.h"

#define FILE_MAX_BYTES (64 * 1024 * 1024)

/* A plain file or an inline table, all of it in memory. */
struct text {
	struct map map; /* key to char *, owned */
};

void
text_unload(void *state)
{
	struct text *t = state;
	struct slice key;
	void *value;
	size_t at = 0;

	if (t == NULL)
		return;
	while (map_next(&t->map, &at, &key, &value))
		free(value);
	map_free(&t->map);
	free(t);
}

/* The first entry of a key counts, as with postmap. */
static void
add(struct text *t, struct slice key, struct slice value)
{
	if (map_get(&t->map, key) == NULL)
		(void)map_put(&t->map, key, slice_dup(value));
}

static int
add_all(struct text *t, struct slice content, const char *path,
    char err[TABLE_ERR_MAX])
{
	struct entry_reader r;
	struct slice key, value;
	enum entry_result got;

	entry_reader_init(&r, content);
	while ((got = entry_next(&r, &key, &value)) == ENTRY_OK)
		add(t, key, value);
	if (got == ENTRY_BAD)
		(void)snprintf(err, TABLE_ERR_MAX, "%s:%u: %s", path,
		    r.first_line, r.problem);
	entry_reader_free(&r);
	return got == ENTRY_END ? 0 : -1;
}

void *
text_parse(struct slice content, const char *path, char err[TABLE_ERR_MAX])
{
	struct text *t = xcalloc(1, sizeof(*t));

	if (add_all(t, content, path, err) == 0)
		return t;
	text_unload(t);
	return NULL;
}

void *
text_load(const char *path, char err[TABLE_ERR_MAX])
{
	struct buf content = BUF_INIT(FILE_MAX_BYTES);
	void *t = NULL;

	if (file_read_at(AT_FDCWD, path, &content) == -1)
		(void)snprintf(err, TABLE_ERR_MAX, "cannot read %s: %s", path,
		    strerror(errno));
	else
		t = text_parse(buf_slice(&content), path, err);
	buf_free(&content);
	return t;
}

static void
add_folded(struct text *t, struct slice key, struct slice value)
{
	char *lower = slice_dup(key);

	for (size_t i = 0; i < key.len; i++)
		lower[i] = ascii_lower(lower[i]);
	add(t, slice_of(lower, key.len), value);
	free(lower);
}

void *
inline_load(const char *text, char err[TABLE_ERR_MAX])
{
	struct text *t = xcalloc(1, sizeof(*t));
	struct slice rest = slice_trim(slice_str(text));
	struct slice key, value;
	enum entry_result got = ENTRY_BAD;

	if (rest.len >= 2 && rest.p[0] == '{' && rest.p[rest.len - 1] == '}') {
		rest = slice_sub(rest, 1, rest.len - 2);
		while (
		    (got = entry_inline_next(&rest, &key, &value)) == ENTRY_OK)
			add_folded(t, key, value);
	}
	if (got == ENTRY_END)
		return t;
	(void)snprintf(err, TABLE_ERR_MAX,
	    "an inline table is written {key=value, {key=value, value}}");
	text_unload(t);
	return NULL;
}

enum table_result
text_get(
    void *state, struct slice key, struct buf *value, char err[TABLE_ERR_MAX])
{
	const struct text *t = state;
	const char *found = map_get(&t->map, key);

	if (found == NULL)
		return TABLE_NOT_FOUND;
	if (buf_append_str(value, found) == 0)
		return TABLE_FOUND;
	(void)snprintf(err, TABLE_ERR_MAX, "the value has more than %zu bytes",
	    value->max);
	return TABLE_ERROR;
}
