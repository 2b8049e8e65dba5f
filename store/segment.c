#include "store/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "store/dir.h"
#include "store/errors.h"

#define MAGIC     0x314a4d57 /* "WMJ1" */
#define NAME_SIZE 20
#define PAGE      4096 /* a write can end early at its multiples only */
#define ZEROS_MAX 64   /* that a record may have in a row */
#define SEARCH    ((uint64_t)256 << 20) /* bytes to checksum, at most */
#define LIST_MAX  4096 /* segments; the names beyond are the user's */
#define FUTURE_S  31536000

static void
segment_name(uint64_t base, char name[NAME_SIZE])
{
	snprintf(name, NAME_SIZE, "%08" PRIx64, base);
}

uint32_t
segment_crc(
    const struct journal_segment *s, uint64_t pos, const char *p, uint32_t len)
{
	char seed[20];
	uint32_t crc;

	wire_set_u64(seed, s->nonce);
	wire_set_u64(seed + 8, pos);
	wire_set_u32(seed + 16, len);
	crc = crc32c(0, seed, sizeof(seed));
	return crc32c(crc, p + 8, len - 8);
}

uint32_t
segment_whole(
    const struct journal_segment *s, uint64_t pos, const char *p, size_t n)
{
	uint32_t len;

	if (n < RECORD_HEADER)
		return 0;
	len = wire_get_u32(p);
	if (len < RECORD_HEADER || len > n ||
	    wire_get_u32(p + 4) != segment_crc(s, pos, p, len))
		return 0;
	return len;
}

static int
unclean(void)
{
	errno = EUCLEAN;
	return -1;
}

/* The header of the segment with this base. EUCLEAN when it is not one. */
static int
read_head(int fd, uint64_t base, char head[JOURNAL_START])
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISREG(st.st_mode))
		return unclean();
	if (pread_all(fd, head, JOURNAL_START, 0) == -1)
		return errno == ENODATA ? unclean() : -1;
	if (wire_get_u32(head) != MAGIC ||
	    wire_get_u32(head + 60) != crc32c(0, head, 60) ||
	    wire_get_u64(head + 8) != base)
		return unclean();
	return 0;
}

int
segment_open(struct journal_segment *s, int dir, uint64_t base)
{
	char head[JOURNAL_START];
	char name[NAME_SIZE];
	int saved;
	int fd;

	segment_name(base, name);
	fd = openat(
	    dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd == -1) {
		if (errno == ELOOP || errno == EISDIR || errno == ENXIO)
			errno = EUCLEAN; /* what may the user have put there? */
		return -1;
	}
	if (read_head(fd, base, head) == -1) {
		saved = errno;
		fd_close(fd);
		errno = saved;
		return -1;
	}
	*s = (struct journal_segment){
		.fd = fd,
		.base = base,
		.unseen = UINT64_MAX,
	};
	s->nonce = wire_get_u64(head + 16);
	s->prev = wire_get_u64(head + 24);
	s->epoch = wire_get_u64(head + 32);
	memcpy(s->boot_id, head + 44, sizeof(s->boot_id));
	return 0;
}

int
segment_create(struct journal_segment *s, int dir)
{
	char head[JOURNAL_START] = { 0 };
	char name[NAME_SIZE];
	int saved;

	if (s->base > UINT32_MAX) {
		errno = EOVERFLOW; /* year 2106 */
		return -1;
	}
	s->nonce = rand_u64();
	wire_set_u32(head, MAGIC);
	wire_set_u32(head + 4, 1);
	wire_set_u64(head + 8, s->base);
	wire_set_u64(head + 16, s->nonce);
	wire_set_u64(head + 24, s->prev);
	wire_set_u64(head + 32, s->epoch);
	wire_set_u32(head + 40, (uint32_t)clock_wall_s());
	memcpy(head + 44, s->boot_id, sizeof(s->boot_id));
	wire_set_u32(head + 60, crc32c(0, head, 60));
	/* Written under the lock only, so one name aside is enough. */
	(void)unlinkat(dir, "new", 0);
	s->fd = openat(dir, "new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->fd == -1)
		return -1;
	segment_name(s->base, name);
	if (write_all(s->fd, head, sizeof(head)) == 0 &&
	    renameat(dir, "new", dir, name) == 0)
		return 0;
	saved = errno;
	(void)unlinkat(dir, "new", 0);
	fd_close(s->fd);
	s->fd = -1;
	errno = saved;
	return -1;
}

/* Bytes of p up to the last one that is not zero. */
static size_t
trimmed(const char *p, size_t n)
{
	while (n > 0 && p[n - 1] == '\0')
		n--;
	return n;
}

/* Where the last byte that is not zero ends; offset when there is none. */
static int
find_last(int fd, uint64_t offset, uint64_t size, uint64_t *last)
{
	char chunk[16384];
	size_t n;

	*last = offset;
	for (uint64_t at = offset; at < size; at += n) {
		size_t used;

		n = (size_t)MIN(size - at, (uint64_t)sizeof(chunk));
		if (pread_all(fd, chunk, n, (off_t)at) == -1)
			return -1;
		used = trimmed(chunk, n);
		if (used > 0)
			*last = at + used;
	}
	return 0;
}

/*
 * Is there a whole record in n bytes from pos on, wherever it begins? Where
 * that takes too long to say, it is.
 */
static bool
holds_record(
    const struct journal_segment *s, uint64_t pos, const char *p, size_t n)
{
	uint64_t room = SEARCH;
	struct record r;
	uint32_t len;

	for (size_t at = 0; n - at >= RECORD_HEADER; at++) {
		len = wire_get_u32(p + at);
		if (len > n - at ||
		    record_parse(&r, pos + at, p + at, len) != 0)
			continue;
		if (len > room || segment_whole(s, pos + at, p + at, len) != 0)
			return true;
		room -= len;
	}
	return false;
}

/*
 * One whose length is damaged may seem to reach beyond those that follow it:
 * 1 when there are any in n bytes from offset on, 0, or -1.
 */
static int
record_behind(const struct journal_segment *s, uint64_t offset, uint64_t n)
{
	uint64_t pos = s->base << JOURNAL_SHIFT | offset;
	char *p = malloc((size_t)n);
	int rc = -1;

	if (p == NULL)
		return -1;
	if (pread_all(s->fd, p, (size_t)n, (off_t)offset) == 0)
		rc = holds_record(s, pos, p, (size_t)n);
	free(p);
	return rc;
}

/*
 * A killed writer leaves whole pages and no more: a record that comes to an
 * end within what is there, or that zeros follow where it should go on, is
 * not torn but damaged, and may have been told to clients.
 */
static bool
may_be_torn(uint32_t len, uint64_t offset, uint64_t last, uint64_t size)
{
	uint64_t end = MIN((last + PAGE - 1) / PAGE * PAGE, size);

	return len >= RECORD_HEADER && len <= RECORD_MAX &&
	       offset + len > end && end - last < ZEROS_MAX;
}

int
segment_tail(
    const struct journal_segment *s, uint64_t offset, struct segment_tail *t)
{
	char head[RECORD_HEADER];
	struct stat st;
	uint64_t size;
	uint64_t last;
	int rc;

	*t = (struct segment_tail){ .bytes = 0 };
	if (fstat(s->fd, &st) == -1)
		return -1;
	size = MIN((uint64_t)st.st_size, JOURNAL_OFFSET);
	if (find_last(s->fd, offset, size, &last) == -1)
		return -1;
	if (last == offset)
		return 0;
	t->bytes = last - offset;
	t->torn = size - offset < sizeof(head);
	if (t->torn)
		return 0;
	if (pread_all(s->fd, head, sizeof(head), (off_t)offset) == -1)
		return -1;
	if (!may_be_torn(wire_get_u32(head), offset, last, size))
		return 0;
	last = MIN(last + ZEROS_MAX, size);
	rc = record_behind(s, offset + 1, last - offset - 1);
	t->torn = rc == 0;
	return rc == -1 ? -1 : 0;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a;
	const uint64_t *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The base a name stands for, or 0. */
static uint64_t
name_base(const char *name)
{
	uint64_t base = 0;

	if (strlen(name) != 8)
		return 0;
	for (; *name != '\0'; name++) {
		if (ascii_hex(*name) == -1)
			return 0;
		base = base << 4 | (uint64_t)ascii_hex(*name);
	}
	return base;
}

/* The newest ones, ascending. */
static size_t
keep_newest(uint64_t *bases, size_t n)
{
	size_t more = n > LIST_MAX ? n - LIST_MAX : 0;

	if (n > 1)
		qsort(bases, n, sizeof(*bases), compare);
	memmove(bases, bases + more, (n - more) * sizeof(*bases));
	return n - more;
}

/*
 * A name of the far future that is no segment would make it impossible to
 * begin one behind it. 1, 0, or -1 where want keeps that from being told.
 */
static int
believable(int dir, uint64_t base)
{
	struct journal_segment s;

	if (base <= (uint64_t)clock_wall_s() + FUTURE_S)
		return 1;
	if (segment_open(&s, dir, base) == -1)
		return error_is_ours(errno) ? -1 : 0;
	fd_close(s.fd);
	return 1;
}

int
journal_list(const struct journal *j, uint64_t **bases, size_t *count)
{
	const size_t cap = (size_t)2 * LIST_MAX;
	uint64_t base;
	const char *name;
	size_t n = 0;
	int found = 0;
	int rc;
	DIR *d;

	*bases = NULL;
	*count = 0;
	d = dir_open(j->dir, ".");
	if (d == NULL)
		return -1;
	*bases = xcalloc(cap, sizeof(**bases));
	while (found != -1 && (name = dir_next(d)) != NULL) {
		base = name_base(name);
		found = base == 0 ? 0 : believable(j->dir, base);
		if (found != 1)
			continue;
		if (n == cap)
			n = keep_newest(*bases, n);
		(*bases)[n++] = base;
	}
	rc = found != -1 && errno == 0 ? 0 : -1;
	dir_close(d);
	*count = keep_newest(*bases, n);
	return rc;
}

int
journal_remove(struct journal *j, uint64_t base)
{
	char name[NAME_SIZE];

	segment_name(base, name);
	return unlinkat(j->dir, name, 0);
}
