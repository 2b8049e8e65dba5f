#include "queue/seg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/base/wire.h"
#include "queue/chunk.h"

#define SEG_MAGIC   0x4b434d5751303130ULL
#define SEG_VERSION 1U
#define SLOTS       10000U /* names of four digits */
#define HEAD_BYTES  80U    /* in one sector, so that it is never torn */
#define STEP        (1024U * 1024)

void
seg_name(uint32_t slot, char name[SEG_NAME])
{
	(void)snprintf(name, SEG_NAME, "%04u.seg", slot % SLOTS);
}

uint32_t
seg_free_slot(int dir, uint32_t slot)
{
	char name[SEG_NAME];

	for (uint32_t i = 0; i < SLOTS; i++, slot++) {
		seg_name(slot, name);
		if (faccessat(dir, name, F_OK, 0) == -1)
			break;
	}
	return slot;
}

/* Really written: overwriting it later changes no metadata of the file. */
static int
write_through(int fd, uint64_t size)
{
	char *zeros = calloc(1, STEP);
	int rc = 0;

	if (zeros == NULL)
		return -1;
	(void)posix_fallocate(fd, 0, (off_t)size); /* in one piece if it can */
	for (uint64_t at = 0; rc == 0 && at < size; at += STEP)
		rc = pwrite_all(
		    fd, zeros, (size_t)MIN(STEP, size - at), (off_t)at);
	free(zeros);
	return rc == -1 ? -1 : fsync(fd);
}

int
seg_create(int dir, uint32_t slot, uint64_t size)
{
	char name[SEG_NAME];
	char tmp[SEG_NAME + 4];
	int saved;
	int fd;

	seg_name(slot, name);
	(void)snprintf(tmp, sizeof(tmp), "%s.new", name);
	(void)unlinkat(dir, tmp, 0);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	if (write_through(fd, size) == 0 &&
	    renameat(dir, tmp, dir, name) == 0 && fsync(dir) == 0) {
		(void)close(fd);
		return 0;
	}
	saved = errno;
	(void)close(fd);
	(void)unlinkat(dir, tmp, 0);
	(void)unlinkat(dir, name, 0);
	errno = saved;
	return -1;
}

/* Empty: what seg_create() made. Else errno says what is wrong with it. */
static int
head_read(struct seg *s, bool *fresh)
{
	static const char none[HEAD_BYTES];
	char h[HEAD_BYTES];

	if (pread_all(s->read_fd, h, sizeof(h), 0) == -1)
		return -1;
	*fresh = memcmp(h, none, sizeof(h)) == 0;
	if (wire_get_u64(h) != SEG_MAGIC ||
	    wire_get_u32(h + 12) != crc32c(0, h + 16, HEAD_BYTES - 16) ||
	    wire_get_u32(h + 8) != SEG_VERSION) {
		errno = EBADMSG;
		return -1;
	}
	memcpy(s->nonce, h + 16, sizeof(s->nonce));
	s->number = wire_get_u64(h + 32);
	s->first = wire_get_u64(h + 40);
	s->durable = wire_get_u64(h + 48);
	s->tail = wire_get_u64(h + 56);
	s->seed = record_seed(s->nonce, sizeof(s->nonce));
	return 0;
}

/* Not through a link, and nothing but a file may stand there. */
static int
open_regular(int dir, const char *name, int flags, struct stat *st)
{
	int fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd == -1)
		return -1;
	if (fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	fd_close(fd);
	errno = EINVAL;
	return -1;
}

static int
seg_open_files(struct seg *s, int dir)
{
	char name[SEG_NAME];
	struct stat st;

	seg_name(s->slot, name);
	s->read_fd = open_regular(dir, name, O_RDONLY, &st);
	if (s->read_fd == -1)
		return -1;
	s->size = (uint64_t)st.st_size & ~(uint64_t)(CHUNK_PAGE - 1);
	s->fd = open_regular(dir, name, O_WRONLY | O_DIRECT, &st);
	s->direct = s->fd != -1;
	if (s->fd == -1) /* tmpfs and others know no O_DIRECT */
		s->fd = open_regular(dir, name, O_WRONLY, &st);
	return s->fd == -1 ? -1 : 0;
}

struct seg *
seg_open(int dir, uint32_t slot, bool *fresh)
{
	struct seg *s = xcalloc(1, sizeof(*s));
	int saved;

	*fresh = false;
	TAILQ_INIT(&s->mails);
	s->slot = slot;
	s->fd = -1;
	s->read_fd = -1;
	if (seg_open_files(s, dir) == 0 && s->size >= 2 * SEG_HEAD) {
		if (head_read(s, fresh) == 0) {
			s->state = SEG_SEALED;
			s->used = s->size;
			return s;
		}
		if (*fresh) {
			s->state = SEG_FREE;
			return s;
		}
	} else if (s->fd != -1) {
		errno = EBADMSG; /* too small */
	}
	saved = errno;
	seg_close(s);
	errno = saved;
	return NULL;
}

void
seg_close(struct seg *s)
{
	if (s == NULL)
		return;
	fd_close(s->fd);
	fd_close(s->read_fd);
	free(s);
}

void
seg_begin(struct seg *s, const struct seg_start *start)
{
	rand_bytes(s->nonce, sizeof(s->nonce));
	s->seed = record_seed(s->nonce, sizeof(s->nonce));
	s->state = SEG_ACTIVE;
	s->used = SEG_HEAD;
	s->is_new = true;
	s->unlinks = 0;
	s->was = s->number;
	s->number = start->number;
	s->first = start->first;
	s->durable = start->durable;
	s->tail = start->tail;
}

static void
head_write(const struct seg *s, char *page)
{
	memset(page, 0, SEG_HEAD);
	wire_set_u64(page, SEG_MAGIC);
	wire_set_u32(page + 8, SEG_VERSION);
	memcpy(page + 16, s->nonce, sizeof(s->nonce));
	wire_set_u64(page + 32, s->number);
	wire_set_u64(page + 40, s->first);
	wire_set_u64(page + 48, s->durable);
	wire_set_u64(page + 56, s->tail);
	wire_set_u64(page + 64, s->size);
	wire_set_u32(page + 12, crc32c(0, page + 16, HEAD_BYTES - 16));
}

static void
stamp_all(const struct seg_batch *b)
{
	for (unsigned i = 0; i < b->count; i++) {
		struct chunk_head h = {
			.sequence = b->sequence + i,
			.durable = b->durable,
			.segment = b->seg->number,
			.tail = b->tail,
		};

		chunk_stamp(b->chunks[i], &h, b->seg->seed);
	}
}

/*
 * Everything in one call as long as the kernel takes it so. head is empty
 * when the segment has one.
 */
static int
write_pieces(const struct seg_batch *b, struct iovec head)
{
	struct iovec iov[64];
	off_t at = head.iov_len == 0 ? (off_t)b->at : 0;
	unsigned next = 0;

	while (head.iov_len > 0 || next < b->count) {
		size_t sum = 0;
		int n = 0;
		ssize_t k;

		if (head.iov_len > 0)
			iov[n++] = head;
		head.iov_len = 0;
		for (; n < (int)ARRAY_LEN(iov) && next < b->count; next++)
			iov[n++] = (struct iovec){ b->chunks[next]->data,
				chunk_padded(b->chunks[next]) };
		for (int i = 0; i < n; i++)
			sum += iov[i].iov_len;
		do
			k = pwritev(b->seg->fd, iov, n, at);
		while (k == -1 && errno == EINTR);
		if (k == -1)
			return -1;
		if ((size_t)k < sum) {
			errno = ENOSPC; /* overwriting is all or nothing */
			return -1;
		}
		at += k;
	}
	return 0;
}

static int
write_pieces_io(const struct seg_batch *b, const char *head)
{
	uint64_t at = b->at;

	if (head != NULL && b->io->write(b->seg->fd, head, SEG_HEAD, 0) == -1)
		return -1;
	for (unsigned i = 0; i < b->count; i++) {
		size_t n = chunk_padded(b->chunks[i]);

		if (b->io->write(
			b->seg->fd, b->chunks[i]->data, n, (off_t)at) == -1)
			return -1;
		at += n;
	}
	return b->io->sync(b->seg->fd);
}

static int
write_head_alone(const struct seg_batch *b, const char *head)
{
	int fd = b->seg->fd;

	if (b->io != NULL)
		return b->io->write(fd, head, SEG_HEAD, 0) == -1
			   ? -1
			   : b->io->sync(fd);
	return pwrite_all(fd, head, SEG_HEAD, 0) == -1 ? -1 : fdatasync(fd);
}

static int
write_batch(const struct seg_batch *b, char *head)
{
	size_t n = head == NULL ? 0 : SEG_HEAD;

	if (b->head_first && write_head_alone(b, head) == -1)
		return -1;
	if (b->io != NULL)
		return write_pieces_io(b, head);
	if (write_pieces(b, (struct iovec){ head, n }) == -1)
		return -1;
	return fdatasync(b->seg->fd);
}

int
seg_write(struct seg_batch *b)
{
	char *head = NULL;
	int rc;

	stamp_all(b);
	if (b->seg->is_new) {
		head = aligned_alloc(CHUNK_PAGE, SEG_HEAD);
		if (head == NULL)
			return -1;
		head_write(b->seg, head);
	}
	rc = write_batch(b, head);
	free(head);
	return rc;
}
