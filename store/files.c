#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/rand.h"
#include "store/dir.h"
#include "store/name.h"
#include "store/records.h"
#include "store/state.h"

#define ASIDE_S (14 * 86400)

static int
open_expunged(const struct account *a)
{
	if (mkdirat(a->home, "expunged", 0700) == -1 && errno != EEXIST)
		return -1;
	return dir_fd(a->home, "expunged");
}

void
files_item_name(
    const struct item *item, uint32_t uidvalidity, char name[FNAME_MAX + 1])
{
	struct fname f = {
		.date_s = item->date_s,
		.zone_min = item->zone_min,
		.id = item->id,
		.size = item->size,
		.uid = item->uid,
		.uidvalidity = uidvalidity,
		.flags = item->flags,
	};

	fname_format(&f, name);
}

/* -- items --------------------------------------------------------- */

/* Where the files of a record's items come from and go to. */
struct way {
	const struct record *r;
	struct items items;
	int from; /* -1: the source mailbox is gone */
	int to;
	int mail;
	uint32_t uidvalidity; /* of the target */
};

static bool
is_there(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Both names are there: a crash came between, and the target is what the
 * journal knows. The source goes only where it is certainly a second name
 * or a copy of as many bytes.
 */
static int
remove_source(const struct way *w, const char *from, const char *to)
{
	struct stat source;
	struct stat target;

	if (fstatat(w->from, from, &source, AT_SYMLINK_NOFOLLOW) == -1 ||
	    fstatat(w->to, to, &target, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (source.st_dev == target.st_dev && source.st_ino == target.st_ino &&
	    source.st_nlink == 1)
		return 0; /* one name, seen twice */
	if (source.st_size != target.st_size) {
		log_warn("event=store-conflict file=%s", from);
		return 0;
	}
	return unlinkat(w->from, from, 0) == -1 && errno != ENOENT ? -1 : 0;
}

/* A rename that was done before finds no source. */
static int
move_file(const struct way *w, const char *from, const char *to)
{
	if (w->r->type == RECORD_ADOPT && strcmp(from, to) == 0)
		return 0;
	if (renameat2(w->from, from, w->to, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return remove_source(w, from, to);
	if (errno != ENOENT)
		return -1;
	if (!is_there(w->to, to))
		log_debug("event=store-missing file=%s", to);
	return 0;
}

/* Where a file can have no more links, its content is copied. */
static int
copy_file(const struct way *w, const char *from, const char *to)
{
	char tmp[64];
	ssize_t n = 1;
	int in;
	int out = -1;
	int rc = -1;

	snprintf(tmp, sizeof(tmp), "tmp/copy.%d", (int)getpid());
	in = openat(
	    w->from, from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (in == -1)
		goto out;
	(void)unlinkat(w->mail, tmp, 0);
	out =
	    openat(w->mail, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out == -1)
		goto out;
	while (n > 0)
		n = copy_file_range(in, NULL, out, NULL, (size_t)1 << 30, 0);
	if (n == 0 && fdatasync(out) == 0 &&
	    renameat(w->mail, tmp, w->to, to) == 0)
		rc = 0;
out:
	fd_close(in);
	fd_close(out);
	return rc;
}

static int
link_file(const struct way *w, const char *from, const char *to)
{
	if (linkat(w->from, from, w->to, to, 0) == 0 || errno == EEXIST)
		return 0;
	if (errno == EMLINK || errno == EPERM)
		return copy_file(w, from, to);
	if (errno != ENOENT)
		return -1;
	if (!is_there(w->to, to))
		log_debug("event=store-missing file=%s", to);
	return 0;
}

static int
apply_item(const struct way *w, const struct item *item)
{
	struct item source = *item;
	char from[FNAME_MAX + 1];
	char to[FNAME_MAX + 1];
	char name[NAME_MAX + 1];

	files_item_name(item, w->uidvalidity, to);
	if (w->r->type == RECORD_COPY || w->r->type == RECORD_MOVE) {
		source.uid = item->from_uid;
		source.flags = item->from_flags;
		files_item_name(&source, w->items.from_uidvalidity, from);
		return w->r->type == RECORD_COPY ? link_file(w, from, to)
						 : move_file(w, from, to);
	}
	if (slice_copy(name, sizeof(name), item->source) == -1 ||
	    *name == '\0') {
		errno = EUCLEAN;
		return -1;
	}
	return move_file(w, name, to);
}

/* Ours already, or to be closed. */
static int
open_from(const struct account *a, const struct way *w)
{
	char path[FOLDER_PATH_MAX];
	const struct folder *f;

	errno = EBADF; /* where there is no drop box */
	if (w->r->type == RECORD_TAKEIN)
		return a->drop;
	if (w->r->type == RECORD_APPEND)
		return a->tmp != -1 ? a->tmp : dir_fd(a->mail, "tmp");
	if (w->r->type == RECORD_ADOPT)
		return w->to;
	f = folder_by_id(a, w->items.from_id);
	if (f == NULL) {
		errno = ENOENT;
		return -1;
	}
	folder_path(f, "cur", path);
	return dir_fd(a->mail, path);
}

static int
apply_items(struct account *a, const struct record *r, const struct block *b)
{
	const struct folder *f = folder_by_id(a, b->id);
	struct way w = { .r = r, .from = -1, .mail = a->mail };
	char path[FOLDER_PATH_MAX];
	struct item item;
	int first = 0;

	if (f == NULL)
		return 0; /* deleted since */
	if (record_items(r, &w.items) == -1)
		return -1;
	w.uidvalidity = f->uidvalidity;
	folder_path(f, "cur", path);
	w.to = dir_fd(a->mail, path);
	if (w.to == -1 && errno == ENOENT && files_make_folder(a, f) == 0)
		w.to = dir_fd(a->mail, path);
	if (w.to == -1)
		return -1;
	w.from = open_from(a, &w);
	if (w.from == -1 && errno != ENOENT)
		first = errno;
	/* A file that resists must not keep the others back. */
	while (w.from != -1 && record_item(&w.items, &item))
		if (apply_item(&w, &item) == -1 && first == 0)
			first = errno;
	if (w.from != a->drop && w.from != a->tmp && w.from != w.to)
		fd_close(w.from);
	fd_close(w.to);
	errno = first;
	return first == 0 ? 0 : -1;
}

/* -- folders ------------------------------------------------------- */

static const struct entry *
no_entry(void *ctx)
{
	(void)ctx;
	errno = 0;
	return NULL;
}

/* An empty `records`, so that the directory says whose it is. */
static int
write_first_records(int dir, const struct folder *f)
{
	struct records_source none = { no_entry, NULL, false };
	struct records_head head = {
		.id = f->id,
		.uidvalidity = f->uidvalidity,
		.pos = f->created + 1,
		.last = f->created,
		.created = f->created,
		.n.uidnext = 1,
		.uses = f->uses,
	};

	return records_write(dir, &head, &none);
}

int
files_make_folder(struct account *a, const struct folder *f)
{
	static const char *const parts[] = { "cur", "new", "tmp" };
	char path[FOLDER_PATH_MAX];
	int rc = 0;
	int fd;
	int dir;

	folder_path(f, "", path);
	if (mkdirat(a->mail, path, 0700) == -1 && errno != EEXIST)
		return -1;
	dir = dir_fd(a->mail, path);
	if (dir == -1)
		return -1;
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(parts); i++) {
		if (mkdirat(dir, parts[i], 0700) == -1 && errno != EEXIST)
			rc = -1;
	}
	if (rc == 0 && *f->disk != '\0') {
		/* By this other programs know a Maildir++ subfolder. */
		fd = openat(dir, "maildirfolder",
		    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		    0600);
		rc = fd == -1 ? -1 : 0;
		fd_close(fd);
	}
	if (rc == 0 && !is_there(dir, RECORDS_FILE) &&
	    !is_there(dir, RECORDS_BEFORE))
		rc = write_first_records(dir, f);
	fd_close(dir);
	return rc;
}

/*
 * Of the mailboxes of a new home, which are in one record, only INBOX gets
 * its directories at once: the others when they are opened or written to,
 * which for many a user is never.
 */
static int
apply_create(struct account *a, const struct record *r, const struct block *b)
{
	const struct folder *f = folder_by_id(a, b->id);

	(void)r;
	return f == NULL ? 0 : files_make_folder(a, f);
}

int
files_belong(
    const struct account *a, const char *path, struct slice name, uint32_t id)
{
	uint32_t owner;
	int rc = records_owner(a->mail, path, &owner);

	if (rc != 1)
		return rc;
	return owner == id || (owner == 0 && folder_by_name(a, name) == NULL);
}

static int
disk_path(struct slice name, struct buf *b)
{
	return name_to_disk(name, b) == 0 && b->len > 1 ? 0 : -1;
}

int
files_bury(struct account *a, const char *path, uint32_t id)
{
	char to[32];
	int rc = -1;
	int dir;

	dir = open_expunged(a);
	if (dir == -1)
		return -1;
	snprintf(to, sizeof(to), "folder.%u", id);
	if (renameat(a->mail, path, dir, to) == 0 || errno == ENOENT)
		rc = 0;
	fd_close(dir);
	return rc;
}

static int
apply_delete(struct account *a, const struct record *r, const struct block *b)
{
	struct wire_in in = wire_in(r->payload);
	struct slice name = wire_bytes(&in, NAME_MAX_BYTES);
	struct buf path = BUF_INIT(4 * NAME_MAX_BYTES);
	int rc = 0;

	if (wire_done(&in) == -1 || disk_path(name, &path) == -1) {
		errno = EUCLEAN;
		rc = -1;
	} else {
		rc = files_belong(a, buf_str(&path), name, b->id);
		if (rc == 1)
			rc = files_bury(a, buf_str(&path), b->id);
	}
	buf_free(&path);
	return rc;
}

static int
rename_dir(struct account *a, struct slice from, struct slice to)
{
	struct buf old = BUF_INIT(4 * NAME_MAX_BYTES);
	struct buf new = BUF_INIT(4 * NAME_MAX_BYTES);
	int rc = -1;

	if (disk_path(from, &old) == -1 || disk_path(to, &new) == -1)
		errno = EUCLEAN;
	else if (renameat2(a->mail, buf_str(&old), a->mail, buf_str(&new),
		     RENAME_NOREPLACE) == 0 ||
		 errno == ENOENT || errno == EEXIST)
		rc = 0;
	buf_free(&old);
	buf_free(&new);
	return rc;
}

static int
apply_rename(struct account *a, const struct record *r, const struct block *b)
{
	struct wire_in in = wire_in(r->payload);
	uint32_t count = wire_u32(&in);
	struct slice from;
	struct slice to;
	int rc = 0;

	(void)b;
	for (uint32_t i = 0; i < count && !in.failed; i++) {
		(void)wire_u32(&in);
		from = wire_bytes(&in, NAME_MAX_BYTES);
		to = wire_bytes(&in, NAME_MAX_BYTES);
		if (!in.failed && rename_dir(a, from, to) == -1)
			rc = -1;
	}
	return in.failed ? -1 : rc;
}

/* -- by type ------------------------------------------------------- */

typedef int apply_fn(
    struct account *a, const struct record *r, const struct block *b);

static apply_fn *const by_type[RECORD_TYPES] = {
	[RECORD_CREATE] = apply_create,
	[RECORD_DELETE] = apply_delete,
	[RECORD_RENAME] = apply_rename,
	[RECORD_TAKEIN] = apply_items,
	[RECORD_APPEND] = apply_items,
	[RECORD_COPY] = apply_items,
	[RECORD_MOVE] = apply_items,
	[RECORD_ADOPT] = apply_items,
};

bool
files_needed(unsigned type)
{
	return type < RECORD_TYPES && by_type[type] != NULL;
}

int
files_apply(struct account *a, const struct record *r)
{
	struct block b = { .id = 0 };

	if (!files_needed(r->type))
		return 0;
	if (r->blocks > 0)
		record_block(r, 0, &b);
	return by_type[r->type](a, r, &b);
}

/* -- removal ------------------------------------------------------- */

int
files_remove(struct account *a, int cur, const char *name)
{
	char kept[FNAME_MAX + 32];
	int dir;
	int rc;

	if (a->config.retention_s == 0)
		return unlinkat(cur, name, 0) == -1 && errno != ENOENT ? -1 : 0;
	dir = open_expunged(a);
	if (dir == -1)
		return -1;
	snprintf(kept, sizeof(kept), "%" PRId64 ".%s", clock_wall_s(), name);
	rc = renameat(cur, name, dir, kept) == -1 && errno != ENOENT ? -1 : 0;
	fd_close(dir);
	return rc;
}

int
files_set_aside(struct account *a, int cur, const char *name)
{
	char kept[NAME_MAX + 1];
	int dir;
	int rc;

	dir = open_expunged(a);
	if (dir == -1)
		return -1;
	/* A long name is cut, so a number makes it one of its own. */
	snprintf(kept, sizeof(kept), "%" PRId64 ".%08x.%s",
	    clock_wall_s() + ASIDE_S, (unsigned)rand_u64(), name);
	rc = renameat(cur, name, dir, kept) == -1 && errno != ENOENT ? -1 : 0;
	fd_close(dir);
	return rc;
}

/* How a directory that was met is removed: by level, so none is too deep. */
typedef int remove_fn(int dir, const char *name, size_t *room);

static int
remove_entry(int dir, const char *name, size_t *room, remove_fn *as_dir)
{
	if (*room == 0)
		return 1;
	--*room;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	if (as_dir != NULL)
		return as_dir(dir, name, room);
	return unlinkat(dir, name, AT_REMOVEDIR);
}

static int
remove_dir(int dir, const char *name, size_t *room, remove_fn *as_dir)
{
	const char *entry;
	int result = 0;
	int rc = 0;
	DIR *d;

	d = dir_open(dir, name);
	if (d == NULL)
		return -1;
	while (rc != 1 && (entry = dir_next(d)) != NULL) {
		rc = remove_entry(dirfd(d), entry, room, as_dir);
		if (rc == -1)
			result = -1;
	}
	dir_close(d);
	if (rc == 1)
		return 1;
	return result == -1 ? -1 : unlinkat(dir, name, AT_REMOVEDIR);
}

/* cur/, new/ and tmp/ hold files; a directory there must be empty. */
static int
remove_files(int dir, const char *name, size_t *room)
{
	return remove_dir(dir, name, room, NULL);
}

static int
remove_mailbox(int dir, const char *name, size_t *room)
{
	return remove_dir(dir, name, room, remove_files);
}

int
files_remove_tree(int dir, const char *name, size_t *room)
{
	return remove_entry(dir, name, room, remove_mailbox);
}
