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

/* 1 or 0; -1 as records_owner(). */
static int
is_whose(const struct account *a, const char *path, uint32_t id)
{
	uint32_t there;
	int rc = records_owner(a->mail, path, &there);

	return rc == 1 ? there == id : rc;
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
	int rc;

	for (size_t i = 0; i < a->folder_count; i++) {
		rc = records_owner(a->mail, path, &id);
		if (rc != 1)
			return rc;
		f = folder_by_id(a, id);
		if (f == NULL || *f->disk == '\0' || strcmp(f->disk, path) == 0)
			return 0; /* right */
		rc = is_whose(a, f->disk, id);
		if (rc != 0)
			return rc == 1 ? 0 : -1; /* a copy */
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
	int rc = records_owner(a->mail, path, &there);

	if (rc != 1)
		return rc;
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

/* Tries both; 0 or the first errno. */
static int
settle_pair(struct account *a, const struct record *r, uint32_t id,
    struct slice from, struct slice to)
{
	struct buf old = BUF_INIT(4 * NAME_MAX_BYTES);
	struct buf new = BUF_INIT(4 * NAME_MAX_BYTES);
	int error = 0;

	if (disk_path(from, &old) == -1 || disk_path(to, &new) == -1) {
		error = errno;
	} else {
		if (settle_from(a, r, id, from, buf_str(&old)) == -1)
			error = errno;
		/* An exchange that was cut short may have left one there. */
		if (place(a, buf_str(&new)) == -1 && error == 0)
			error = errno;
	}
	buf_free(&old);
	buf_free(&new);
	return error;
}

static int
settle_rename(struct account *a, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	uint32_t count = wire_u32(&in);
	struct slice from;
	struct slice to;
	uint32_t id;
	int first = 0;
	int error;

	for (uint32_t i = 0; i < count && !in.failed; i++) {
		id = wire_u32(&in);
		from = wire_bytes(&in, NAME_MAX_BYTES);
		to = wire_bytes(&in, NAME_MAX_BYTES);
		error = in.failed ? EUCLEAN : settle_pair(a, r, id, from, to);
		if (first == 0)
			first = error;
	}
	errno = first;
	return first == 0 ? 0 : -1;
}

static int
settle_delete(struct account *a, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	struct slice name = wire_bytes(&in, NAME_MAX_BYTES);
	struct buf path = BUF_INIT(4 * NAME_MAX_BYTES);
	struct block b;
	int rc = -1;

	if (wire_done(&in) == 0 && r->blocks > 0 &&
	    disk_path(name, &path) == 0) {
		record_block(r, 0, &b);
		rc = files_belong(a, buf_str(&path), name, b.id);
		if (rc == 1)
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
