#include "common/table/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <db.h>

#include "common/base/ascii.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/table/entry.h"

#define CACHE_BYTES (16 * 1024 * 1024)

struct table_writer {
	DB *db;     /* NULL after it was closed */
	char *path; /* owned */
	char *tmp;  /* owned */
	int dir;    /* owned, locked */
};

static int
fail(char err[512], const char *what, const char *path)
{
	(void)snprintf(err, 512, "%s %s: %s", what, path, strerror(errno));
	return -1;
}

static int
fail_db(char err[512], const char *what, const char *path, int rc)
{
	(void)snprintf(err, 512, "%s %s: %s", what, path, db_strerror(rc));
	errno = rc > 0 ? rc : EIO;
	return -1;
}

static void
note_message(const DB_ENV *env, const char *prefix, const char *message)
{
	(void)env;
	(void)prefix;
	(void)message; /* the error number says enough */
}

/*
 * Root that writes where another user can put links would be led to write
 * anywhere.
 */
static int
check_directory(int dir, const char *path, char err[512])
{
	struct stat st;

	if (fstat(dir, &st) == -1)
		return fail(err, "cannot look at the directory of", path);
	if (geteuid() != 0)
		return 0;
	if (st.st_uid == 0 && (st.st_mode & S_IWOTH) == 0)
		return 0;
	(void)snprintf(err, 512,
	    "the directory of %s must belong to root and be closed to others",
	    path);
	return -1;
}

static int
open_directory(struct table_writer *w, char err[512])
{
	const char *slash = strrchr(w->path, '/');
	char *name = slash == NULL ? xstrdup(".")
				   : slice_dup(slice_of(w->path,
					 MAX(1, (size_t)(slash - w->path))));

	w->dir = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(name);
	if (w->dir == -1)
		return fail(err, "cannot open the directory of", w->path);
	if (check_directory(w->dir, w->path, err) == -1)
		return -1;
	if (flock(w->dir, LOCK_EX) == -1)
		return fail(err, "cannot lock the directory of", w->path);
	return 0;
}

/*
 * What an attempt left that was killed, or ended by a power cut. Berkeley DB
 * makes a file under a name of its own first; where that one is, it waits for
 * ever for another process to be done with it.
 */
static int
remove_remains(const struct table_writer *w, char err[512])
{
	const char *slash = strrchr(w->tmp, '/');
	const char *name = slash == NULL ? w->tmp : slash + 1;
	char *first = xasprintf("__db.%s", name);
	int rc = 0;

	if (unlink(w->tmp) == -1 && errno != ENOENT)
		rc = fail(err, "cannot remove", w->tmp);
	else if (unlinkat(w->dir, first, 0) == -1 && errno != ENOENT)
		rc = fail(err, "cannot remove what is left of", w->tmp);
	free(first);
	return rc;
}

static int
open_database(struct table_writer *w, bool btree, char err[512])
{
	int rc;

	if (remove_remains(w, err) == -1)
		return -1;
	rc = db_create(&w->db, NULL, 0);
	if (rc != 0) {
		w->db = NULL;
		return fail_db(err, "Berkeley DB for", w->path, rc);
	}
	w->db->set_errcall(w->db, note_message);
	rc = w->db->set_cachesize(w->db, 0, CACHE_BYTES, 1);
	if (rc == 0)
		rc = w->db->open(w->db, NULL, w->tmp, NULL,
		    btree ? DB_BTREE : DB_HASH, DB_CREATE | DB_EXCL, 0600);
	return rc == 0 ? 0 : fail_db(err, "cannot create", w->tmp, rc);
}

struct table_writer *
table_writer_open(const char *path, bool btree, char err[512])
{
	struct table_writer *w = xcalloc(1, sizeof(*w));

	w->dir = -1;
	w->path = xstrdup(path);
	w->tmp = xasprintf("%s.new", path);
	if (open_directory(w, err) == 0 && open_database(w, btree, err) == 0)
		return w;
	table_writer_abort(w);
	return NULL;
}

static void
set_dbt(DBT *d, struct slice with_nul)
{
	memset(d, 0, sizeof(*d));
	d->data = (void *)(uintptr_t)with_nul.p; /* not written through */
	d->size = (u_int32_t)with_nul.len;
}

int
table_writer_put(
    struct table_writer *w, struct slice key, struct slice value, char err[512])
{
	char folded[TABLE_KEY_MAX + 1];
	char *copy;
	DBT k, v;
	int rc;

	if (key.len == 0 || key.len > TABLE_KEY_MAX || value.len > ENTRY_MAX ||
	    !entry_text_fine(key) || !entry_text_fine(value)) {
		(void)snprintf(err, 512,
		    "an entry for %s is too long or holds control bytes",
		    w->path);
		return -1;
	}
	for (size_t i = 0; i < key.len; i++)
		folded[i] = ascii_lower(key.p[i]);
	folded[key.len] = '\0';
	copy = slice_dup(value);
	set_dbt(&k, slice_of(folded, key.len + 1));
	set_dbt(&v, slice_of(copy, value.len + 1));
	rc = w->db->put(w->db, NULL, &k, &v, DB_NOOVERWRITE);
	free(copy);
	if (rc == DB_KEYEXIST)
		return 1;
	return rc == 0 ? 0 : fail_db(err, "cannot write", w->tmp, rc);
}

static int
close_database(struct table_writer *w, char err[512])
{
	int rc = w->db->close(w->db, 0);

	w->db = NULL;
	return rc == 0 ? 0 : fail_db(err, "cannot write", w->tmp, rc);
}

static int
sync_aside(struct table_writer *w, mode_t mode, gid_t gid, char err[512])
{
	int fd = open(w->tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc = 0;

	if (fd == -1)
		return fail(err, "cannot open", w->tmp);
	if (gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) == -1)
		rc = fail(err, "cannot give a group to", w->tmp);
	if (rc == 0 && (fchmod(fd, mode) == -1 || fsync(fd) == -1))
		rc = fail(err, "cannot sync", w->tmp);
	fd_close(fd);
	return rc;
}

int
table_writer_commit(
    struct table_writer *w, mode_t mode, gid_t gid, char err[512])
{
	int rc = -1;
	int saved;

	if (close_database(w, err) == 0 && sync_aside(w, mode, gid, err) == 0)
		rc = 0;
	if (rc == 0 && (rename(w->tmp, w->path) == -1 || fsync(w->dir) == -1))
		rc = fail(err, "cannot put in place", w->path);
	saved = errno;
	table_writer_abort(w);
	errno = saved;
	return rc;
}

void
table_writer_abort(struct table_writer *w)
{
	if (w == NULL)
		return;
	if (w->db != NULL)
		(void)w->db->close(w->db, DB_NOSYNC);
	if (w->dir != -1)
		(void)unlink(w->tmp); /* gone already after a rename */
	fd_close(w->dir);
	free(w->path);
	free(w->tmp);
	free(w);
}

static struct slice
without_nul(const DBT *d)
{
	struct slice s = slice_of(d->data, d->size);

	if (s.len > 0 && s.p[s.len - 1] == '\0')
		s.len--;
	return s;
}

static int
walk(DB *db, table_each_fn *each, void *arg, char err[512])
{
	DBC *cursor;
	DBT k, v;
	int rc = db->cursor(db, NULL, &cursor, 0);
	int stop = 0;

	if (rc != 0)
		return fail_db(err, "cannot read", "the table", rc);
	memset(&k, 0, sizeof(k));
	memset(&v, 0, sizeof(v));
	while (stop == 0 && (rc = cursor->get(cursor, &k, &v, DB_NEXT)) == 0)
		stop = each(arg, without_nul(&k), without_nul(&v));
	(void)cursor->close(cursor);
	if (rc != 0 && rc != DB_NOTFOUND)
		return fail_db(err, "cannot read", "the table", rc);
	return stop;
}

int
table_each(const char *path, table_each_fn *each, void *arg, char err[512])
{
	DB *db;
	int rc = db_create(&db, NULL, 0);

	if (rc != 0)
		return fail_db(err, "Berkeley DB for", path, rc);
	db->set_errcall(db, note_message);
	rc = db->open(
	    db, NULL, path, NULL, DB_UNKNOWN, DB_RDONLY | DB_NOMMAP, 0);
	if (rc != 0)
		rc = fail_db(err, "cannot open", path, rc);
	else
		rc = walk(db, each, arg, err);
	(void)db->close(db, DB_NOSYNC);
	return rc;
}
