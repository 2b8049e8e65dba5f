#include "store/records.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mapped.h"
#include "common/base/mem.h"
#include "store/dir.h"
#include "store/errors.h"
#include "store/mailbox.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "entries are mapped as they lie on disk, which is little-endian"
#endif
_Static_assert(sizeof(struct entry) == 64, "entries are 64 bytes on disk");

#define MAGIC     0x31524d57 /* "WMR1" */
#define PAGE      ((size_t)4096)
#define PER_PAGE  (PAGE / sizeof(struct entry))
#define KEYWORDS  192 /* offset of the keywords in the head */
#define HEAD_ROOM (PAGE * 2)
#define NEW_FILE  "records.new"

_Static_assert(KEYWORDS + KEYWORDS_MAX * (KEYWORD_MAX_SIZE + 2) <= HEAD_ROOM,
    "all keywords fit into the head");

static int
unclean(void)
{
	errno = EUCLEAN;
	return -1;
}

static size_t
pages_for(uint32_t count)
{
	return (count + PER_PAGE - 1) / PER_PAGE;
}

static size_t
file_size(uint32_t count)
{
	return HEAD_ROOM + pages_for(count) * (PAGE + 4);
}

/* -- the head ------------------------------------------------------ */

static void
head_encode(const struct records_head *h, char *p)
{
	size_t at = KEYWORDS;
	size_t len;

	wire_set_u32(p + 4, MAGIC);
	wire_set_u32(p + 8, h->id);
	wire_set_u32(p + 12, h->uidvalidity);
	wire_set_u64(p + 16, h->pos);
	wire_set_u64(p + 24, h->before);
	wire_set_u64(p + 32, h->last);
	wire_set_u64(p + 40, h->created);
	wire_set_u32(p + 48, h->count);
	wire_set_u32(p + 52, h->first_unseen);
	wire_set_u32(p + 56, h->n.exists);
	wire_set_u32(p + 60, h->n.unseen);
	wire_set_u32(p + 64, h->n.deleted);
	wire_set_u32(p + 68, h->n.recent);
	wire_set_u32(p + 72, h->n.recent_uid);
	wire_set_u32(p + 76, h->n.uidnext);
	wire_set_u64(p + 80, h->n.bytes);
	wire_set_u64(p + 88, h->n.modseq);
	wire_set_u32(p + 96, h->n.unmoved ? 1 : 0);
	wire_set_u32(p + 100, h->uses);
	wire_set_u32(p + 104, h->keyword_count);
	for (unsigned i = 0; i < h->keyword_count; i++) {
		len = strlen(h->keywords[i]);
		p[at] = (char)len;
		memcpy(p + at + 1, h->keywords[i], len + 1);
		at += len + 2;
	}
	wire_set_u32(p, crc32c(0, p + 4, HEAD_ROOM - 4));
}

static int
head_keywords(struct records_head *h, const char *p)
{
	size_t at = KEYWORDS;
	size_t len;

	if (h->keyword_count > KEYWORDS_MAX)
		return unclean();
	for (unsigned i = 0; i < h->keyword_count; i++) {
		len = (unsigned char)p[at];
		if (len == 0 || len > KEYWORD_MAX_SIZE ||
		    p[at + 1 + len] != '\0')
			return unclean();
		h->keywords[i] = p + at + 1;
		at += len + 2;
	}
	return 0;
}

static int
head_decode(struct records_head *h, const char *p)
{
	if (wire_get_u32(p + 4) != MAGIC ||
	    wire_get_u32(p) != crc32c(0, p + 4, HEAD_ROOM - 4))
		return unclean();
	h->id = wire_get_u32(p + 8);
	h->uidvalidity = wire_get_u32(p + 12);
	h->pos = wire_get_u64(p + 16);
	h->before = wire_get_u64(p + 24);
	h->last = wire_get_u64(p + 32);
	h->created = wire_get_u64(p + 40);
	h->count = wire_get_u32(p + 48);
	h->first_unseen = wire_get_u32(p + 52);
	h->n.exists = wire_get_u32(p + 56);
	h->n.unseen = wire_get_u32(p + 60);
	h->n.deleted = wire_get_u32(p + 64);
	h->n.recent = wire_get_u32(p + 68);
	h->n.recent_uid = wire_get_u32(p + 72);
	h->n.uidnext = wire_get_u32(p + 76);
	h->n.bytes = wire_get_u64(p + 80);
	h->n.modseq = wire_get_u64(p + 88);
	h->n.unmoved = wire_get_u32(p + 96) != 0;
	h->uses = wire_get_u32(p + 100);
	h->keyword_count = wire_get_u32(p + 104);
	return head_keywords(h, p);
}

/* -- reading ------------------------------------------------------- */

static int
map_file(struct records *rs, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < HEAD_ROOM)
		return unclean();
	rs->inode = st.st_ino;
	rs->map_len = (size_t)st.st_size;
	rs->map =
	    mmap(NULL, rs->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (rs->map == MAP_FAILED) {
		rs->map = NULL;
		return -1;
	}
	return 0;
}

int
records_open(struct records *rs, int dir, const char *file, uint32_t id)
{
	int rc;
	int fd;

	*rs = (struct records){ .map = NULL };
	fd = openat(dir, file,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd == -1)
		return -1;
	rc = map_file(rs, fd);
	fd_close(fd);
	if (rc == 0)
		rc = mapped_read_in(rs->map, HEAD_ROOM);
	if (rc == 0)
		rc = head_decode(&rs->head, rs->map);
	if (rc == 0 && ((id != 0 && rs->head.id != id) ||
			   rs->map_len != file_size(rs->head.count)))
		rc = unclean();
	if (rc == -1) {
		rc = errno;
		records_close(rs);
		errno = rc;
		return -1;
	}
	rs->entries = (struct entry *)(void *)(rs->map + HEAD_ROOM);
	rs->crcs = rs->map + HEAD_ROOM + pages_for(rs->head.count) * PAGE;
	rs->verified = xcalloc(pages_for(rs->head.count) / 8 + 1, 1);
	return 0;
}

void
records_close(struct records *rs)
{
	if (rs->map != NULL)
		munmap(rs->map, rs->map_len);
	free(rs->verified);
	*rs = (struct records){ .map = NULL };
}

int
records_owner(int at, const char *path, uint32_t *id)
{
	struct records rs;
	int dir = dir_fd(at, path);
	int rc = 1;

	*id = 0;
	if (dir == -1)
		return error_is_ours(errno) ? -1 : 0;
	if (records_open(&rs, dir, RECORDS_FILE, 0) == 0 ||
	    (!error_is_ours(errno) &&
		records_open(&rs, dir, RECORDS_BEFORE, 0) == 0)) {
		*id = rs.head.id;
		records_close(&rs);
	} else if (error_is_ours(errno))
		rc = -1;
	fd_close(dir);
	return rc;
}

void
records_condemn(const struct records *rs, int dir)
{
	struct stat st;

	if (rs->map != NULL &&
	    fstatat(dir, RECORDS_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == rs->inode &&
	    renameat(dir, RECORDS_FILE, dir, RECORDS_DAMAGED) == 0)
		log_error(
		    "event=store-records-damaged mailbox=%u", rs->head.id);
}

static int
read_in_crcs(struct records *rs)
{
	if (!rs->crcs_there &&
	    mapped_read_in(rs->crcs, pages_for(rs->head.count) * 4) == -1)
		return -1;
	rs->crcs_there = true;
	return 0;
}

/* From the last one of the page before to the first behind, if known. */
static bool
uids_ascend(const struct records *rs, uint32_t page)
{
	const struct records_head *h = &rs->head;
	size_t i = page * PER_PAGE;
	size_t end = MIN(h->count, i + PER_PAGE);
	uint32_t last = 0;

	if (i > 0 && records_verified(rs, page - 1))
		last = rs->entries[i - 1].uid;
	if (end < h->count && records_verified(rs, page + 1))
		end++;
	for (; i < end; i++) {
		if (rs->entries[i].uid <= last)
			return false;
		last = rs->entries[i].uid;
	}
	return last < h->n.uidnext;
}

struct entry *
records_check(struct records *rs, uint32_t i)
{
	uint32_t page = i / PER_PAGE;
	const char *p = rs->map + HEAD_ROOM + page * PAGE;

	if (mapped_read_in(p, PAGE) == -1 || read_in_crcs(rs) == -1)
		return NULL;
	if (crc32c(0, p, PAGE) != wire_get_u32(rs->crcs + (size_t)page * 4) ||
	    !uids_ascend(rs, page)) {
		errno = EUCLEAN;
		return NULL;
	}
	rs->verified[page / 8] |= (uint8_t)(1U << (page % 8));
	return &rs->entries[i];
}

/* -- writing ------------------------------------------------------- */

#define CHUNK_PAGES 16

struct writer {
	int fd;
	struct buf crcs;
	size_t filled; /* entries in the chunk */
	struct entry chunk[CHUNK_PAGES * PER_PAGE];
};

static int
write_chunk(struct writer *w)
{
	size_t pages = pages_for((uint32_t)w->filled);

	/* Up to a whole page with zeros. */
	memset(&w->chunk[w->filled], 0,
	    (pages * PER_PAGE - w->filled) * sizeof(struct entry));
	for (size_t i = 0; i < pages; i++)
		if (wire_put_u32(&w->crcs,
			crc32c(0, &w->chunk[i * PER_PAGE], PAGE)) == -1)
			return -1;
	w->filled = 0;
	return write_all(w->fd, w->chunk, pages * PAGE);
}

static int
write_entries(struct writer *w, struct records_head *h,
    const struct records_source *source)
{
	const struct entry *e;

	h->count = 0;
	h->first_unseen = UINT32_MAX;
	errno = 0;
	while ((e = source->next(source->ctx)) != NULL) {
		w->chunk[w->filled] = *e;
		w->chunk[w->filled].state = 0;
		if (h->first_unseen == UINT32_MAX &&
		    (e->flags & MESSAGE_SEEN) == 0)
			h->first_unseen = h->count;
		h->count++;
		if (++w->filled == ARRAY_LEN(w->chunk) && write_chunk(w) == -1)
			return -1;
	}
	if (errno == EUCLEAN)
		return -1;
	if (h->first_unseen == UINT32_MAX)
		h->first_unseen = h->count;
	return write_chunk(w);
}

static int
write_file(struct writer *w, struct records_head *h,
    const struct records_source *source)
{
	char head[HEAD_ROOM] = { 0 };

	if (write_all(w->fd, head, sizeof(head)) == -1 ||
	    write_entries(w, h, source) == -1 ||
	    write_all(w->fd, w->crcs.data, w->crcs.len) == -1)
		return -1;
	head_encode(h, head);
	if (pwrite_all(w->fd, head, sizeof(head), 0) == -1)
		return -1;
	return source->sync ? fdatasync(w->fd) : 0;
}

/* The file of before stays as records.1. */
static int
put_in_place(int dir, bool sync)
{
	if (unlinkat(dir, RECORDS_BEFORE, 0) == -1 && errno != ENOENT)
		return -1;
	if (linkat(dir, RECORDS_FILE, dir, RECORDS_BEFORE, 0) == -1 &&
	    errno != ENOENT)
		return -1;
	if (renameat(dir, NEW_FILE, dir, RECORDS_FILE) == -1)
		return -1;
	return sync ? fsync(dir) : 0;
}

int
records_write(
    int dir, struct records_head *head, const struct records_source *source)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	int saved;
	int rc = -1;

	buf_init(&w->crcs, SIZE_MAX);
	(void)unlinkat(dir, NEW_FILE, 0);
	w->fd =
	    openat(dir, NEW_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (w->fd != -1)
		rc = write_file(w, head, source);
	if (rc == 0)
		rc = put_in_place(dir, source->sync);
	saved = errno;
	fd_close(w->fd);
	if (rc == -1)
		(void)unlinkat(dir, NEW_FILE, 0);
	buf_free(&w->crcs);
	free(w);
	errno = saved;
	return rc;
}
