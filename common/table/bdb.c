#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <db.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/wire.h"
#include "common/table/kind.h"

/*
 * A database file without an environment: no shared memory, no lock files,
 * no temporary files, so it works in a chroot under a system call filter.
 * Not mapped: a file cut short by somebody else must be an error of this
 * lookup, not a signal.
 */
struct bdb {
	DB *db;
};

#define CACHE_BYTES (1024 * 1024)

static void
note_message(const DB_ENV *env, const char *prefix, const char *message)
{
	(void)env;
	(void)prefix;
	(void)message; /* the error number says enough */
}

static void
explain(char err[TABLE_ERR_MAX], const char *what, const char *path, int rc)
{
	/* DB_* codes are negative, errno values positive. */
	(void)snprintf(err, TABLE_ERR_MAX, "%s%s%s: %s", what,
	    path == NULL ? "" : " ", path == NULL ? "" : path, db_strerror(rc));
}

/*
 * The library takes a page behind the end of the file for an empty one, so
 * keys of a file cut short would be "not there". The first page tells how
 * many there should be (offsets of the file format, the same for hash and
 * btree since 3.1); it may be in either byte order.
 */
#define META_BYTES     36
#define META_PAGE_SIZE 20
#define META_LAST_PAGE 32
#define PAGE_SIZE_MAX  65536U

static bool
is_whole(int fd)
{
	unsigned char meta[META_BYTES];
	struct stat st;
	uint32_t size, last;

	if (fstat(fd, &st) == -1 || pread_all(fd, meta, sizeof(meta), 0) == -1)
		return false;
	size = wire_get_u32(meta + META_PAGE_SIZE);
	last = wire_get_u32(meta + META_LAST_PAGE);
	if (size > PAGE_SIZE_MAX) {
		size = __builtin_bswap32(size);
		last = __builtin_bswap32(last);
	}
	return size <= PAGE_SIZE_MAX &&
	       (uint64_t)st.st_size >= ((uint64_t)last + 1) * size;
}

/* Postfix's postmap writes in place, under an exclusive lock of the file. */
static int
check_file(struct bdb *b, const char *path, char err[TABLE_ERR_MAX])
{
	int fd = -1;

	if (b->db->fd(b->db, &fd) == 0 && flock(fd, LOCK_SH | LOCK_NB) == 0 &&
	    is_whole(fd)) {
		(void)flock(fd, LOCK_UN);
		return 0;
	}
	(void)snprintf(
	    err, TABLE_ERR_MAX, "%s is being written, or was cut short", path);
	return -1;
}

void *
bdb_load(const char *path, char err[TABLE_ERR_MAX])
{
	struct bdb *b = xcalloc(1, sizeof(*b));
	int rc = db_create(&b->db, NULL, 0);

	if (rc != 0) {
		explain(err, "Berkeley DB", NULL, rc);
		free(b);
		return NULL;
	}
	b->db->set_errcall(b->db, note_message);
	rc = b->db->set_cachesize(b->db, 0, CACHE_BYTES, 1);
	if (rc == 0)
		rc = b->db->open(b->db, NULL, path, NULL, DB_UNKNOWN,
		    DB_RDONLY | DB_NOMMAP, 0);
	if (rc == 0 && check_file(b, path, err) == 0)
		return b;
	if (rc != 0)
		explain(err, "cannot open", path, rc);
	bdb_unload(b);
	return NULL;
}

void
bdb_unload(void *state)
{
	struct bdb *b = state;

	if (b == NULL)
		return;
	(void)b->db->close(b->db, DB_NOSYNC);
	free(b);
}

/* Values of Postfix end in a NUL that is not theirs. */
static struct slice
without_nul(const DBT *d)
{
	struct slice s = slice_of(d->data, d->size);

	if (s.len > 0 && s.p[s.len - 1] == '\0')
		s.len--;
	return s;
}

static int
get_once(struct bdb *b, struct slice key, size_t nul, DBT *data)
{
	char copy[TABLE_KEY_MAX + 1];
	DBT k;

	memcpy(copy, key.p, key.len);
	copy[key.len] = '\0';
	memset(&k, 0, sizeof(k));
	memset(data, 0, sizeof(*data));
	k.data = copy;
	k.size = (u_int32_t)(key.len + nul);
	return b->db->get(b->db, NULL, &k, data, 0);
}

enum table_result
bdb_get(
    void *state, struct slice key, struct buf *value, char err[TABLE_ERR_MAX])
{
	struct bdb *b = state;
	DBT data;
	int rc;

	rc = get_once(b, key, 1, &data);
	if (rc == DB_NOTFOUND)
		rc = get_once(b, key, 0, &data);
	if (rc == DB_NOTFOUND)
		return TABLE_NOT_FOUND;
	if (rc != 0) {
		explain(err, "lookup failed", NULL, rc);
		return TABLE_ERROR;
	}
	if (buf_append_slice(value, without_nul(&data)) == -1) {
		(void)snprintf(err, TABLE_ERR_MAX,
		    "the value has %u bytes, more than %zu", data.size,
		    value->max);
		return TABLE_ERROR;
	}
	return TABLE_FOUND;
}
