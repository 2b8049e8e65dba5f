#include "store/settle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "store/dir.h"
#include "store/files.h"
#include "store/name.h"
#include "store/records.h"
#include "store/state.h"

/* Whose a directory says it is; 0 where it does not. -1: it is not there. */
static int
whose(const struct account *a, const char *path, uint32_t *id)
{
	struct records rs;
	int dir = dir_fd(a->mail, path);

	*id = 0;
	if (dir == -1)
		return -1;
	if (records_open(&rs, dir, RECORDS_FILE, 0) == 0 ||
	    records_open(&rs, dir, RECORDS_BEFORE, 0) == 0) {
		*id = rs.head.id;
		records_close(&rs);
	}
	fd_close(dir);
	return 0;
}

static bool
is_whose(const struct account *a, const char *path, uint32_t id)
{
	uint32_t there;

	return whose(a, path, &there) == 0 && there == id;
}

/*
 * To its name in the table. What is there instead comes here, and goes on
 * to its own: so there is no moment at which one has no name to be found by.
 */
static int
place(struct account *a, const char *path)
{
	const struct folder *f;
	uint32_t id;

	for (size_t i = 0; i < a->folder_count; i++) {
		if (whose(a, path, &id) == -1)
			return 0;
		f = folder_by_id(a, id);
		if (f == NULL || *f->disk == '\0' ||
		    strcmp(f->disk, path) == 0 || is_whose(a, f->disk, id))
			return 0; /* right, or a copy */
		if (renameat2(
			a->mail, path, a->mail, f->disk, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST || renameat2(a->mail, path, a->mail,
					   f->disk, RENAME_EXCHANGE) == -1)
			return -1;
	}
	return 0;
}

/*
 * One that is deleted. What was changed after the record is not what that
 * meant: somebody has put it there again.
 */
static int
bury(struct account *a, const struct record *r, const char *path, uint32_t id)
{
	char grave[48];
	struct stat st;

	if (folder_by_id(a, id) != NULL)
		return 0;
	if (fstatat(a->mail, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (st.st_ctime > (time_t)r->time_s)
		return 0;
	snprintf(grave, sizeof(grave), "expunged/folder.%u", id);
	if (fstatat(a->home, grave, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return files_bury(a, path, id);
}

/* It does not say whose it is: its name has to do, while nobody has that. */
static int
place_unnamed(struct account *a, const char *path, uint32_t id)
{
	const struct folder *f = folder_by_id(a, id);

	if (f == NULL || *f->disk == '\0' ||
	    renameat2(a->mail, path, a->mail, f->disk, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EEXIST || errno == ENOENT ? 0 : -1;
}

static int
settle_from(struct account *a, const struct record *r, uint32_t id,
    struct slice name, const char *path)
{
	uint32_t there;

	if (whose(a, path, &there) == -1)
		return 0;
	if (there == 0)
		return folder_by_name(a, name) == NULL
			   ? place_unnamed(a, path, id)
			   : 0;
	if (there == id && bury(a, r, path, id) == -1)
		return -1;
	return place(a, path);
}

static int
disk_path(struct slice name, struct buf *b)
{
	if (name_to_disk(name, b) == 0 && b->len > 1)
		return 0;
	errno = EUCLEAN;
	return -1;
}

static int
settle_pair(struct account *a, const struct record *r, uint32_t id,
    struct slice from, struct slice to)
{
	struct buf old = BUF_INIT(4 * NAME_MAX_BYTES);
	struct buf new = BUF_INIT(4 * NAME_MAX_BYTES);
	int rc = -1;

	if (disk_path(from, &old) == 0 && disk_path(to, &new) == 0) {
		rc = settle_from(a, r, id, from, buf_str(&old));
		/* An exchange that was cut short may have left one there. */
		if (place(a, buf_str(&new)) == -1)
			rc = -1;
	}
	buf_free(&old);
	buf_free(&new);
	return rc;
}

static int
settle_rename(struct account *a, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	uint32_t count = wire_u32(&in);
	struct slice from;
	struct slice to;
	uint32_t id;
	int rc = 0;

	for (uint32_t i = 0; i < count && !in.failed; i++) {
		id = wire_u32(&in);
		from = wire_bytes(&in, NAME_MAX_BYTES);
		to = wire_bytes(&in, NAME_MAX_BYTES);
		if (!in.failed && settle_pair(a, r, id, from, to) == -1)
			rc = -1;
	}
	return in.failed ? -1 : rc;
}

static int
settle_delete(struct account *a, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	struct slice name = wire_bytes(&in, NAME_MAX_BYTES);
	struct buf path = BUF_INIT(4 * NAME_MAX_BYTES);
	struct block b;
	uint32_t there;
	int rc = -1;

	if (wire_done(&in) == 0 && r->blocks > 0 &&
	    disk_path(name, &path) == 0) {
		rc = 0;
		record_block(r, 0, &b);
		if (whose(a, buf_str(&path), &there) == 0 &&
		    (there == b.id ||
			(there == 0 && folder_by_name(a, name) == NULL)))
			rc = bury(a, r, buf_str(&path), b.id);
	}
	buf_free(&path);
	return rc;
}

bool
settle_redoes(unsigned type)
{
	return type == RECORD_RENAME || type == RECORD_DELETE;
}

int
settle_record(struct account *a, const struct record *r)
{
	return r->type == RECORD_RENAME ? settle_rename(a, r)
					: settle_delete(a, r);
}
