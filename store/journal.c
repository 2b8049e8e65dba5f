#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "store/errors.h"
#include "store/segment.h"

#define WINDOW    ((size_t)65536)
#define GLANCE    ((size_t)4096) /* the first reading: mostly there is less */
#define SEAL_ROOM 64             /* a seal always fits behind JOURNAL_ROLL */

/*
 * A segment is filled with zeros up to the next such step, so that syncing a
 * record seldom costs the file system a commit, and at first no block more.
 */
#define STEP_SMALL 4096
#define STEP_LARGE 16384
#define STEP_FROM  65536 /* bytes, from which on it is the large one */

int
journal_open(struct journal *j, int dir)
{
	static const struct journal_segment none = { .fd = -1 };

	j->dir = dir;
	j->now = none;
	j->past[0] = none;
	j->past[1] = none;
	j->lock_fd = openat(dir, "lock",
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	return j->lock_fd == -1 ? -1 : 0;
}

static void
window_free(struct journal_window *w)
{
	free(w->data);
	*w = (struct journal_window){ .data = NULL };
}

void
journal_rest(struct journal *j)
{
	window_free(&j->ahead);
	window_free(&j->back);
}

void
journal_close(struct journal *j)
{
	fd_close(j->now.fd);
	fd_close(j->past[0].fd);
	fd_close(j->past[1].fd);
	fd_close(j->lock_fd);
	fd_close(j->dir);
	journal_rest(j);
}

/* -- reading ------------------------------------------------------- */

static size_t
window_has(const struct journal_window *w, uint64_t pos)
{
	if (w->len == 0 || pos < w->pos || pos >= w->pos + w->len)
		return 0;
	return (size_t)(w->pos + w->len - pos);
}

/* Room for want bytes, as far as the file may have them behind offset. */
static int
window_grow(struct journal_window *w, int fd, uint64_t offset, size_t want)
{
	uint64_t most = MAX(w->cap, WINDOW);
	struct stat st;

	if (want > most) {
		/* Never believe a length the file cannot hold. */
		if (fstat(fd, &st) == -1)
			return -1;
		if ((uint64_t)st.st_size > offset)
			most = MAX(most, (uint64_t)st.st_size - offset);
		want = (size_t)MIN((uint64_t)want, most);
	}
	if (want > w->cap) {
		w->data = xreallocarray(w->data, want, 1);
		w->cap = want;
	}
	return 0;
}

/*
 * Read anew from pos, at least want bytes if the file has them. Who reads on
 * where the window ended wants more than a glance.
 */
static int
window_fill(struct journal_window *w, int fd, uint64_t pos, size_t want)
{
	uint64_t offset = pos & JOURNAL_OFFSET;
	bool full = w->cap > 0 && w->len == w->cap;
	ssize_t n;

	want = MAX(want, full ? WINDOW : GLANCE);
	if (window_grow(w, fd, offset, want) == -1)
		return -1;
	do
		n = pread(fd, w->data, w->cap, (off_t)offset);
	while (n == -1 && errno == EINTR);
	w->pos = pos;
	w->len = n > 0 ? (size_t)n : 0;
	return n == -1 ? -1 : 0;
}

/*
 * Does the window hold a whole record at pos? *len is its length where
 * enough of it is there to tell, else 0.
 */
static bool
window_whole(const struct journal_window *w, const struct journal_segment *s,
    uint64_t pos, uint32_t *len)
{
	size_t have = window_has(w, pos);
	const char *p;

	*len = 0;
	if (have < RECORD_HEADER)
		return false;
	p = w->data + (pos - w->pos);
	*len = wire_get_u32(p);
	return segment_whole(s, pos, p, have) != 0;
}

/*
 * Is there a whole record at pos? 1 and *len, 0, or -1. What the window has
 * may be from before its writer was done, so a failure counts only when
 * fresh, and with as much read as the record says it is long.
 */
static int
window_record(struct journal_window *w, const struct journal_segment *s,
    uint64_t pos, uint32_t *len)
{
	if (window_whole(w, s, pos, len))
		return 1;
	if (window_fill(w, s->fd, pos, 0) == -1)
		return -1;
	if (window_whole(w, s, pos, len))
		return 1;
	if (*len <= w->len || *len > RECORD_MAX)
		return 0;
	if (window_fill(w, s->fd, pos, *len) == -1)
		return -1;
	return window_whole(w, s, pos, len) ? 1 : 0;
}

int
journal_seek(struct journal *j, uint64_t pos)
{
	struct journal_segment next;
	uint64_t base = pos >> JOURNAL_SHIFT;

	if (j->now.fd == -1 || j->now.base != base) {
		if (segment_open(&next, j->dir, base) == -1)
			return -1;
		/*
		 * What is not synced must not be forgotten; the first sync
		 * in the new segment includes the one before it.
		 */
		if ((!j->now.durable || next.prev != j->now.base) &&
		    journal_sync(j) == -1) {
			fd_close(next.fd);
			return -1;
		}
		fd_close(j->now.fd);
		j->now = next;
		j->size = 0;
		j->sealed = 0;
	}
	j->pos = pos;
	return 0;
}

static int
follow_seal(struct journal *j, const struct record *r)
{
	struct wire_in in = wire_in(r->payload);
	uint64_t base = wire_u64(&in);

	if (wire_done(&in) == -1 || base <= j->now.base) {
		errno = EUCLEAN;
		return -1;
	}
	if (journal_seek(j, base << JOURNAL_SHIFT | JOURNAL_START) == 0) {
		j->sealed = r->pos + r->len;
		return 0;
	}
	if (errno == ENOENT)
		errno = ESTALE; /* removed: we slept too long */
	return -1;
}

int
journal_next(struct journal *j, struct record *r)
{
	uint32_t len;
	int rc;

	for (;;) {
		rc = window_record(&j->ahead, &j->now, j->pos, &len);
		/* All that was there when it was opened has been read now. */
		if (rc == 0 && j->now.unseen == UINT64_MAX)
			j->now.unseen = j->pos;
		if (rc != 1)
			return rc;
		if (record_parse(r, j->pos,
			j->ahead.data + (j->pos - j->ahead.pos), len) == -1)
			return -1;
		if (r->type != RECORD_SEAL) {
			j->pos += len;
			return 1;
		}
		if (follow_seal(j, r) == -1)
			return -1;
	}
}

uint64_t
journal_end(struct journal *j)
{
	uint64_t pos = j->pos;
	uint32_t len;

	while (window_record(&j->ahead, &j->now, pos, &len) == 1)
		pos += len;
	return pos;
}

/* The segment of a position, from the few that are kept open. */
static const struct journal_segment *
segment_at(struct journal *j, uint64_t pos)
{
	uint64_t base = pos >> JOURNAL_SHIFT;
	struct journal_segment s;

	if (j->now.fd != -1 && j->now.base == base)
		return &j->now;
	for (size_t i = 0; i < ARRAY_LEN(j->past); i++)
		if (j->past[i].fd != -1 && j->past[i].base == base)
			return &j->past[i];
	if (segment_open(&s, j->dir, base) == -1)
		return NULL;
	j->past_next = (j->past_next + 1) % ARRAY_LEN(j->past);
	fd_close(j->past[j->past_next].fd);
	j->past[j->past_next] = s;
	return &j->past[j->past_next];
}

int
journal_at(struct journal *j, uint64_t pos, struct record *r)
{
	const struct journal_segment *s;
	uint64_t offset = pos & JOURNAL_OFFSET;
	uint64_t before;
	uint32_t len;
	int rc;

	if (offset < JOURNAL_START) {
		errno = EUCLEAN;
		return -1;
	}
	s = segment_at(j, pos);
	if (s == NULL)
		return -1;
	/* Chains are walked backwards: read what stands before, too. */
	if (window_has(&j->back, pos) < RECORD_HEADER) {
		before = MIN(offset, WINDOW * 3 / 4);
		if (window_fill(&j->back, s->fd, pos - before, WINDOW) == -1)
			return -1;
	}
	rc = window_record(&j->back, s, pos, &len);
	if (rc == 1)
		return record_parse(
		    r, pos, j->back.data + (pos - j->back.pos), len);
	if (rc == 0)
		errno = EUCLEAN;
	return -1;
}

/* -- writing ------------------------------------------------------- */

/* Keep what could not be read, for people to look at. */
static void
set_aside(struct journal *j, uint64_t offset, uint64_t end)
{
	char name[32];
	char *data;
	size_t n = (size_t)MIN(end - offset, (uint64_t)RECORD_MAX);
	int fd;

	snprintf(name, sizeof(name), "%08" PRIx64 ".damaged", j->now.base);
	data = malloc(n);
	(void)unlinkat(j->dir, name, 0);
	fd =
	    openat(j->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd != -1 && data != NULL &&
	    pread_all(j->now.fd, data, n, (off_t)offset) == 0 &&
	    write_all(fd, data, n) == -1)
		log_warn("event=journal-aside error=%s", strerror(errno));
	fd_close(fd);
	free(data);
}

/* What journal_next() found no record in, it has read just now. */
static bool
only_zeros(const struct journal_window *w, uint64_t pos, uint64_t n)
{
	const char *p = w->data + (pos - w->pos);

	return window_has(w, pos) >= n && *p == '\0' &&
	       memcmp(p, p + 1, n - 1) == 0;
}

int
journal_tail(struct journal *j, struct segment_tail *t)
{
	uint64_t offset = j->pos & JOURNAL_OFFSET;
	struct stat st;

	*t = (struct segment_tail){ .bytes = 0 };
	if (fstat(j->now.fd, &st) == -1)
		return -1;
	j->size = (uint64_t)st.st_size;
	if (j->size <= offset ||
	    only_zeros(&j->ahead, j->pos, j->size - offset))
		return 0;
	return segment_tail(&j->now, offset, t);
}

int
journal_cut(struct journal *j, const struct segment_tail *t)
{
	uint64_t offset = j->pos & JOURNAL_OFFSET;

	if (t->bytes == 0)
		return 0;
	if (!t->torn)
		set_aside(j, offset, offset + t->bytes);
	if (ftruncate(j->now.fd, (off_t)offset) == -1)
		return -1;
	j->size = offset;
	j->ahead.len = 0;
	j->back.len = 0;
	return 0;
}

/*
 * A little room ahead, so that a full disk can still be emptied: as much as
 * there is already, but some of it from the first record on.
 */
static void
reserve(const struct journal *j, uint64_t offset, size_t len)
{
	uint64_t step = offset + len < STEP_FROM ? STEP_SMALL : WINDOW;

	if (offset == JOURNAL_START || offset / step != (offset + len) / step)
		(void)fallocate(j->now.fd, FALLOC_FL_KEEP_SIZE,
		    (off_t)(offset + len), (off_t)(2 * step));
}

/* Zeros behind a record that made the segment longer; else for nothing. */
static void
fill_step(struct journal *j, uint64_t end)
{
	static const char zeros[STEP_LARGE];
	uint64_t step = end < STEP_FROM ? STEP_SMALL : STEP_LARGE;
	uint64_t n = (step - end % step) % step;

	if (end <= j->size)
		return;
	j->size = end;
	if (pwrite_all(j->now.fd, zeros, n, (off_t)end) == 0)
		j->size += n;
}

int
journal_append(struct journal *j, struct buf *b, unsigned type)
{
	uint64_t offset = j->pos & JOURNAL_OFFSET;
	int saved;

	if (j->failed) {
		errno = EIO;
		return -1;
	}
	if (b->len > RECORD_MAX ||
	    offset + b->len + SEAL_ROOM > JOURNAL_OFFSET) {
		errno = EOVERFLOW;
		return -1;
	}
	wire_set_u32(b->data, (uint32_t)b->len);
	wire_set_u16(b->data + 8, (uint16_t)type);
	wire_set_u32(b->data + 12, (uint32_t)clock_wall_s());
	wire_set_u32(b->data + 4,
	    segment_crc(&j->now, j->pos, b->data, (uint32_t)b->len));
	reserve(j, offset, b->len);
	if (pwrite_all(j->now.fd, b->data, b->len, (off_t)offset) == -1) {
		saved = errno;
		if (ftruncate(j->now.fd, (off_t)offset) == -1)
			log_warn("event=journal-cut error=%s", strerror(errno));
		j->size = offset;
		errno = saved;
		return -1;
	}
	fill_step(j, offset + b->len);
	j->dirty = true;
	j->written = j->pos + b->len;
	return 0;
}

void
journal_pass(struct journal *j, size_t len)
{
	j->pos += len;
}

int
journal_create(struct journal *j, uint64_t base, uint64_t prev, uint64_t epoch)
{
	struct journal_segment s = { .fd = -1, .base = base, .prev = prev };
	int rc;

	s.epoch = epoch == 0 ? base : epoch;
	memcpy(s.boot_id, j->boot_id, sizeof(s.boot_id));
	rc = segment_create(&s, j->dir);
	fd_close(s.fd);
	return rc;
}

/* Begin another segment, and say so at the end of this one. */
static int
seal(struct journal *j, struct buf *record, uint64_t base, uint64_t epoch)
{
	int saved;

	if (journal_create(j, base, j->now.base, epoch) == -1)
		return -1;
	if (journal_append(j, record, RECORD_SEAL) == 0)
		return 0;
	saved = errno;
	if (journal_remove(j, base) == -1)
		log_warn("event=journal-cut error=%s", strerror(errno));
	errno = saved;
	return -1;
}

int
journal_roll(struct journal *j, uint64_t epoch, bool force)
{
	struct buf b = BUF_INIT(SEAL_ROOM);
	uint64_t base;
	int rc = -1;

	if (!force && (j->pos & JOURNAL_OFFSET) < JOURNAL_ROLL)
		return 0;
	base = MAX(j->now.base + 1, (uint64_t)clock_wall_s());
	if (record_start(&b, 0) == 0 && wire_put_u64(&b, base) == 0)
		rc = seal(j, &b, base, epoch);
	if (rc == 0) {
		rc = journal_seek(j, base << JOURNAL_SHIFT | JOURNAL_START);
		if (rc == 0)
			j->sealed = j->written;
	} else if (!force && error_is_room(errno)) {
		rc = 0; /* this one has some left */
	}
	buf_free(&b);
	return rc;
}
