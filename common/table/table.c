#include "common/table/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/ascii.h"
#include "common/base/mem.h"
#include "common/table/entry.h"
#include "common/table/kind.h"

#define REOPEN_TRIES 3

/* Which file was opened: another one, or a changed one, differs. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

struct table {
	const struct table_kind *kind;
	char *spec;        /* owned */
	char *where;       /* owned: path, or the inline text */
	void *state;       /* of kind, or NULL when not open */
	struct stamp seen; /* of the file when it was opened */
	unsigned generation;
	char problem[TABLE_ERR_MAX];
};

/* clang-format off */
static const struct table_kind kinds[] = {
	{ "hash",   ".db", bdb_load,    bdb_get,  bdb_unload },
	{ "btree",  ".db", bdb_load,    bdb_get,  bdb_unload },
	{ "text",   "",    text_load,   text_get, text_unload },
	{ "inline", NULL,  inline_load, text_get, text_unload },
};
/* clang-format on */

bool
table_split(const char *spec, struct slice *type, struct slice *name)
{
	*name = slice_trim(slice_cut(slice_str(spec), ':', type));
	*type = slice_trim(*type);
	return type->len > 0 && name->len > 0;
}

static bool
has_dotdot(struct slice name)
{
	struct slice part;

	while (name.len > 0) {
		name = slice_cut(name, '/', &part);
		if (slice_eq(part, SLICE("..")))
			return true;
	}
	return false;
}

/* name without the directory in front; false when it is not beneath it. */
static bool
strip_directory(struct slice *name, const char *directory)
{
	struct slice d = slice_str(directory);

	while (d.len > 1 && d.p[d.len - 1] == '/')
		d.len--;
	if (name->len <= d.len + 1 || memcmp(name->p, d.p, d.len) != 0)
		return false;
	if (name->p[d.len] != '/' && d.p[d.len - 1] != '/')
		return false;
	*name = slice_sub(*name, d.len, name->len);
	while (name->len > 0 && name->p[0] == '/')
		*name = slice_sub(*name, 1, name->len);
	return name->len > 0;
}

int
table_path(struct slice name, const struct table_place *place,
    const char *suffix, struct buf *path, char err[512])
{
	if (name.len == 0 || name.len > TABLE_NAME_MAX ||
	    !entry_text_fine(name) || has_dotdot(name)) {
		(void)snprintf(err, 512, "not a name of a table file");
		return -1;
	}
	if (name.p[0] == '/' && !strip_directory(&name, place->configured)) {
		(void)snprintf(err, 512,
		    "tables must lie beneath table-directory %s",
		    place->configured);
		return -1;
	}
	buf_truncate(path, 0);
	if (buf_printf(path, "%s/%.*s%s",
		strcmp(place->seen, "/") == 0 ? "" : place->seen,
		SLICE_FMT(name), suffix) == 0)
		return 0;
	(void)snprintf(err, 512, "the path is too long");
	return -1;
}

static const struct table_kind *
kind_of(struct slice type)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (slice_eq(type, slice_str(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

struct table *
table_open(
    const char *spec, const struct table_place *place, char *err, size_t cap)
{
	const struct table_kind *kind;
	struct slice type, name;
	struct buf path = BUF_INIT(4096);
	char why[TABLE_ERR_MAX] = "";
	struct table *t;

	if (!table_split(spec, &type, &name)) {
		(void)snprintf(err, cap, "a table is written type:name");
		return NULL;
	}
	kind = kind_of(type);
	if (kind == NULL) {
		(void)snprintf(err, cap,
		    "unknown table type %.*s (hash, btree, text, inline)",
		    SLICE_FMT(type));
		return NULL;
	}
	if (kind->suffix != NULL &&
	    table_path(name, place, kind->suffix, &path, why) == -1) {
		(void)snprintf(err, cap, "%s", why);
		buf_free(&path);
		return NULL;
	}
	t = xcalloc(1, sizeof(*t));
	t->kind = kind;
	t->spec = xstrdup(spec);
	t->where =
	    kind->suffix != NULL ? buf_take(&path, NULL) : slice_dup(name);
	/* What is written in place must be right from the start. */
	if (kind->suffix == NULL && table_check(t) == -1) {
		(void)snprintf(err, cap, "%s", t->problem);
		table_close(t);
		return NULL;
	}
	return t;
}

static void
unload(struct table *t)
{
	if (t->state != NULL)
		t->kind->unload(t->state);
	t->state = NULL;
}

void
table_close(struct table *t)
{
	if (t == NULL)
		return;
	unload(t);
	free(t->spec);
	free(t->where);
	free(t);
}

static int
read_stamp(struct table *t, struct stamp *s)
{
	struct stat st;

	memset(s, 0, sizeof(*s));
	if (t->kind->suffix == NULL)
		return 0;
	if (stat(t->where, &st) == -1) {
		(void)snprintf(t->problem, sizeof(t->problem), "%s: %s",
		    t->where, strerror(errno));
		return -1;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	s->size = st.st_size;
	s->changed = st.st_mtim;
	return 0;
}

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec &&
	       a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Have the state of the file that is there now. */
static int
refresh(struct table *t)
{
	struct stamp now;

	if (read_stamp(t, &now) == -1) {
		unload(t);
		return -1;
	}
	if (t->state != NULL && same_stamp(&now, &t->seen))
		return 0;
	unload(t);
	/* Stamped before it is opened: a later change is always noticed. */
	t->seen = now;
	t->state = t->kind->load(t->where, t->problem);
	if (t->state == NULL)
		return -1;
	t->generation++;
	return 0;
}

int
table_check(struct table *t)
{
	t->problem[0] = '\0';
	return refresh(t);
}

static enum table_result
check_value(struct table *t, const struct buf *value)
{
	if (entry_text_fine(buf_slice(value)))
		return TABLE_FOUND;
	(void)snprintf(t->problem, sizeof(t->problem),
	    "the value holds a NUL or control byte");
	return TABLE_ERROR;
}

/*
 * Ask; when the file changed meanwhile (Postfix's postmap writes in place)
 * the answer is worth nothing and is asked for again.
 */
static enum table_result
lookup_stable(struct table *t, struct slice key, struct buf *value)
{
	struct stamp after;
	enum table_result rc;

	for (int i = 0; i < REOPEN_TRIES; i++) {
		buf_truncate(value, 0);
		if (refresh(t) == -1)
			return TABLE_ERROR;
		rc = t->kind->get(t->state, key, value, t->problem);
		if (read_stamp(t, &after) == -1)
			return TABLE_ERROR;
		if (!same_stamp(&after, &t->seen))
			continue;
		if (rc == TABLE_ERROR)
			unload(t); /* a database may be unusable now */
		return rc;
	}
	(void)snprintf(
	    t->problem, sizeof(t->problem), "%s keeps changing", t->where);
	return TABLE_ERROR;
}

enum table_result
table_lookup(struct table *t, struct slice key, struct buf *value)
{
	char folded[TABLE_KEY_MAX];
	enum table_result rc;

	t->problem[0] = '\0';
	buf_truncate(value, 0);
	if (key.len == 0)
		return TABLE_NOT_FOUND;
	if (key.len > sizeof(folded)) {
		(void)snprintf(t->problem, sizeof(t->problem),
		    "a key of %zu bytes", key.len);
		return TABLE_ERROR;
	}
	for (size_t i = 0; i < key.len; i++)
		folded[i] = ascii_lower(key.p[i]);
	rc = lookup_stable(t, slice_of(folded, key.len), value);
	if (rc == TABLE_FOUND)
		rc = check_value(t, value);
	if (rc != TABLE_FOUND)
		buf_truncate(value, 0);
	return rc;
}

unsigned
table_generation(const struct table *t)
{
	return t->generation;
}

const char *
table_problem(const struct table *t)
{
	return t->problem;
}

const char *
table_spec(const struct table *t)
{
	return t->spec;
}
