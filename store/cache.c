#include "store/cache.h"

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
#include "common/base/wire.h"
#include "store/box.h"
#include "store/lock.h"

/*
 * The file `cache`: a head, a table of slots, and a heap.
 *
 *	head   magic, slots, mailbox id, UIDVALIDITY
 *	slot   u64: UID << 32 | (offset of its newest entry / 16)
 *	entry  u32 crc, u32 length, u32 UID, u16 kind, u16 version,
 *	       u32 offset / 16 of the UID's entry before, then the bytes
 *
 * A slot is found by the UID itself and linear probing, so that UIDs in
 * order are slots in order. The heap is appended under a lock on the file;
 * slots are written last, each in one piece, through a shared mapping, so
 * readers need no lock: what they find is checked. What cannot be read is
 * not there. A full or wasteful cache is replaced by a new file, and so is
 * one without a slot to find; who has the old one mapped goes on with it.
 */
#define FILE_NOW   "cache"
#define FILE_NEW   "cache.new"
#define MAGIC      0x31434d57 /* "WMC1" */
#define HEAD       64
#define ENTRY_HEAD 24
#define SLOTS_MIN  ((uint32_t)1024)
#define SLOTS_MAX  ((uint32_t)1 << 24)
#define HEAP_MAX   ((uint64_t)16 << 31) /* offsets are 32 bits of 16 */
#define PENDING    ((size_t)256 << 10)
#define PROBES     64
#define CHAIN_MAX  64
#define CHUNK      ((size_t)65536) /* is read in at a time */
#define LOCK_MS    100 /* then the entries are lost, and made again */

struct cache {
	int fd;
	char *map; /* whole file as of map_len, shared */
	size_t map_len;
	uint8_t *seen;          /* a bit a chunk: it has been read in; owned */
	uint32_t slots;         /* a power of two */
	struct buf pending;     /* entries put and not written yet */
	uint32_t pending_first; /* range of their UIDs */
	uint32_t pending_last;
};

static size_t
heap_start(uint32_t slots)
{
	return HEAD + (size_t)slots * 8;
}

static size_t
padded(size_t n)
{
	return (n + 15) & ~(size_t)15;
}

static uint64_t *
slot_at(const struct cache *c, uint32_t i)
{
	return (uint64_t *)(void *)(c->map + HEAD) + (i & (c->slots - 1));
}

/* -- the file ------------------------------------------------------ */

static void
unmap(struct cache *c)
{
	if (c->map != NULL)
		munmap(c->map, c->map_len);
	c->map = NULL;
	free(c->seen);
	c->seen = NULL;
}

static int
remap(struct cache *c)
{
	struct stat st;
	char *map;

	if (fstat(c->fd, &st) == -1)
		return -1;
	if ((uint64_t)st.st_size < heap_start(SLOTS_MIN)) {
		errno = EUCLEAN;
		return -1;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
	    c->fd, 0);
	if (map == MAP_FAILED)
		return -1;
	unmap(c);
	c->map = map;
	c->map_len = (size_t)st.st_size;
	c->seen = xcalloc(c->map_len / CHUNK / 8 + 1, 1);
	return 0;
}

/* The i-th chunk, or of one with a bad block the n bytes at `at` in it. */
static bool
read_chunk(struct cache *c, size_t i, size_t at, size_t n)
{
	size_t start = i * CHUNK;
	size_t end = MIN(start + CHUNK, c->map_len);

	if (mapped_read_in(c->map + start, end - start) == 0) {
		c->seen[i / 8] |= (uint8_t)(1U << i % 8);
		return true;
	}
	start = MAX(start, at & ~(size_t)4095);
	end = MIN(end, at + n);
	return mapped_read_in(c->map + start, end - start) == 0;
}

/* Before n bytes at offset at are looked at. False: they cannot be read. */
static bool
read_in(struct cache *c, size_t at, size_t n)
{
	for (size_t i = at / CHUNK; i <= (at + n - 1) / CHUNK; i++)
		if ((c->seen[i / 8] & 1U << i % 8) == 0 &&
		    !read_chunk(c, i, at, n))
			return false;
	return true;
}

static int
attach(struct cache *c, const struct mailbox *mb)
{
	if (remap(c) == -1)
		return -1;
	if (!read_in(c, 0, HEAD)) {
		errno = EUCLEAN;
		return -1;
	}
	c->slots = wire_get_u32(c->map + 4);
	if (wire_get_u32(c->map) != MAGIC || c->slots < SLOTS_MIN ||
	    c->slots > SLOTS_MAX || (c->slots & (c->slots - 1)) != 0 ||
	    wire_get_u32(c->map + 8) != mb->f->id ||
	    wire_get_u32(c->map + 12) != mb->f->uidvalidity ||
	    c->map_len < heap_start(c->slots)) {
		errno = EUCLEAN;
		return -1;
	}
	return 0;
}

static void
detach(struct cache *c)
{
	unmap(c);
	fd_close(c->fd);
	c->fd = -1;
}

/*
 * An empty file with room for the mailbox, in the place of the old one. The
 * table has its blocks from the start: a store into the mapping must not
 * find the disk full.
 */
static int
create(struct cache *c, const struct mailbox *mb)
{
	uint32_t slots = SLOTS_MIN;
	char head[HEAD] = { 0 };
	int fd;

	while (slots < SLOTS_MAX && slots / 2 < mb->f->n.exists)
		slots *= 2;
	wire_set_u32(head, MAGIC);
	wire_set_u32(head + 4, slots);
	wire_set_u32(head + 8, mb->f->id);
	wire_set_u32(head + 12, mb->f->uidvalidity);
	(void)unlinkat(mb->dir, FILE_NEW, 0);
	fd = openat(mb->dir, FILE_NEW,
	    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd == -1)
		return -1;
	if (write_all(fd, head, sizeof(head)) == -1 ||
	    fallocate(fd, 0, 0, (off_t)heap_start(slots)) == -1 ||
	    renameat(mb->dir, FILE_NEW, mb->dir, FILE_NOW) == -1) {
		fd_close(fd);
		return -1;
	}
	detach(c);
	c->fd = fd;
	return attach(c, mb);
}

static struct cache *
cache_open(struct mailbox *mb, bool make)
{
	struct cache *c = mb->cache;

	if (c == NULL) {
		c = xcalloc(1, sizeof(*c));
		c->fd = -1;
		buf_init(&c->pending, PENDING + 2 * CACHE_ENTRY_MAX);
		mb->cache = c;
	}
	if (c->fd != -1)
		return c;
	c->fd = openat(mb->dir, FILE_NOW, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (c->fd != -1 && attach(c, mb) == 0)
		return c;
	detach(c);
	return make && create(c, mb) == 0 ? c : NULL;
}

void
cache_close(struct mailbox *mb)
{
	struct cache *c = mb->cache;

	if (c == NULL)
		return;
	cache_flush(mb);
	detach(c);
	buf_free(&c->pending);
	free(c);
	mb->cache = NULL;
}

/* -- entries ------------------------------------------------------- */

static uint32_t
entry_crc(const char *p, uint32_t len)
{
	return crc32c(0, p + 4, ENTRY_HEAD - 4 + len);
}

/* The slot of a UID, or a free one, or NULL. */
static uint64_t *
find_slot(struct cache *c, uint32_t uid)
{
	uint64_t *slot;
	uint64_t v;

	for (uint32_t i = 0; i < PROBES; i++) {
		slot = slot_at(c, uid + i);
		if (!read_in(c, (size_t)((char *)slot - c->map), 8))
			return NULL;
		v = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
		if (v == 0 || v >> 32 == uid)
			return slot;
	}
	return NULL;
}

/* The entry at offset at if it is whole and of uid; its length in *len. */
static const char *
entry_at(struct cache *c, uint64_t at, uint32_t uid, uint32_t *len)
{
	const char *p;

	if (at < heap_start(c->slots))
		return NULL;
	if (at + ENTRY_HEAD > c->map_len && remap(c) == -1)
		return NULL;
	if (at + ENTRY_HEAD > c->map_len)
		return NULL;
	if (!read_in(c, at, ENTRY_HEAD))
		return NULL;
	p = c->map + at;
	*len = wire_get_u32(p + 4);
	if (*len > CACHE_ENTRY_MAX || wire_get_u32(p + 8) != uid)
		return NULL;
	if (at + ENTRY_HEAD + *len > c->map_len) {
		if (remap(c) == -1 || at + ENTRY_HEAD + *len > c->map_len)
			return NULL;
		p = c->map + at;
	}
	return read_in(c, at, ENTRY_HEAD + *len) ? p : NULL;
}

int
cache_get(struct mailbox *mb, uint32_t uid, uint16_t kind, uint16_t version,
    struct slice *entry)
{
	struct cache *c = cache_open(mb, false);
	const uint64_t *slot;
	const char *p;
	uint64_t at;
	uint32_t len;

	if (c == NULL || uid == 0)
		return -1;
	if (c->pending.len > 0 && uid >= c->pending_first &&
	    uid <= c->pending_last)
		cache_flush(mb);
	if (c->fd == -1)
		return -1;
	slot = find_slot(c, uid);
	if (slot == NULL)
		return -1;
	at = (__atomic_load_n(slot, __ATOMIC_ACQUIRE) & UINT32_MAX) << 4;
	for (int i = 0; at != 0 && i < CHAIN_MAX; i++) {
		p = entry_at(c, at, uid, &len);
		if (p == NULL)
			return -1;
		if (wire_get_u16(p + 12) == kind) {
			if (wire_get_u16(p + 14) != version ||
			    wire_get_u32(p) != entry_crc(p, len))
				return -1;
			*entry = slice_of(p + ENTRY_HEAD, len);
			return 0;
		}
		at = (uint64_t)wire_get_u32(p + 16) << 4;
	}
	return -1;
}

void
cache_put(struct mailbox *mb, uint32_t uid, uint16_t kind, uint16_t version,
    struct slice entry)
{
	struct cache *c = cache_open(mb, true);
	size_t total = padded(ENTRY_HEAD + entry.len);
	char *p;

	if (c == NULL || uid == 0 || entry.len > CACHE_ENTRY_MAX)
		return;
	p = buf_reserve(&c->pending, total);
	if (p == NULL)
		return;
	memset(p, 0, ENTRY_HEAD);
	wire_set_u32(p + 4, (uint32_t)entry.len);
	wire_set_u32(p + 8, uid);
	wire_set_u16(p + 12, kind);
	wire_set_u16(p + 14, version);
	if (entry.len > 0)
		memcpy(p + ENTRY_HEAD, entry.p, entry.len);
	memset(p + ENTRY_HEAD + entry.len, 0, total - ENTRY_HEAD - entry.len);
	if (c->pending.len == 0) {
		c->pending_first = uid;
		c->pending_last = uid;
	}
	buf_commit(&c->pending, total);
	c->pending_first = MIN(c->pending_first, uid);
	c->pending_last = MAX(c->pending_last, uid);
	if (c->pending.len >= PENDING)
		cache_flush(mb);
}

/* -- writing ------------------------------------------------------- */

/*
 * Link the pending entries into the chains of their UIDs and give them
 * their checksums, for a heap that ends at `end`. A false answer: no slot.
 */
static bool
link_entries(struct cache *c, uint64_t end)
{
	struct map newest = MAP_INIT; /* UID → offset, in this batch */
	uint64_t before;
	const uint64_t *slot;
	uint32_t uid;
	uint32_t len;
	bool fits = true;
	char *p;

	for (size_t at = 0; at < c->pending.len;
	     at += padded(ENTRY_HEAD + len)) {
		p = c->pending.data + at;
		len = wire_get_u32(p + 4);
		uid = wire_get_u32(p + 8);
		slot = find_slot(c, uid);
		if (slot == NULL) {
			fits = false;
			break;
		}
		before = (uint64_t)(uintptr_t)map_get_u64(&newest, uid);
		if (before == 0)
			before = *slot & UINT32_MAX;
		wire_set_u32(p + 16, (uint32_t)before);
		wire_set_u32(p, entry_crc(p, len));
		map_put_u64(&newest, uid, (void *)(uintptr_t)((end + at) >> 4));
	}
	map_free(&newest);
	return fits;
}

static void
set_slots(struct cache *c, uint64_t end)
{
	uint64_t *slot;
	uint32_t uid;
	uint32_t len;
	const char *p;

	for (size_t at = 0; at < c->pending.len;
	     at += padded(ENTRY_HEAD + len)) {
		p = c->pending.data + at;
		len = wire_get_u32(p + 4);
		uid = wire_get_u32(p + 8);
		slot = find_slot(c, uid);
		if (slot != NULL)
			__atomic_store_n(slot,
			    (uint64_t)uid << 32 | (end + at) >> 4,
			    __ATOMIC_RELEASE);
	}
}

/* 1: this file is used up. */
static int
write_pending(struct cache *c)
{
	struct stat st;
	uint64_t end;

	if (fstat(c->fd, &st) == -1)
		return -1;
	end = padded((size_t)st.st_size);
	if (end + c->pending.len > HEAP_MAX || !link_entries(c, end))
		return 1;
	if (pwrite_all(c->fd, c->pending.data, c->pending.len, (off_t)end) ==
	    -1)
		return -1;
	set_slots(c, end);
	return 0;
}

/* Another session may have put a new file in its place. */
static bool
is_current(const struct cache *c, const struct mailbox *mb)
{
	struct stat mine;
	struct stat now;

	return fstat(c->fd, &mine) == 0 &&
	       fstatat(mb->dir, FILE_NOW, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       mine.st_ino == now.st_ino && mine.st_dev == now.st_dev;
}

void
cache_flush(struct mailbox *mb)
{
	struct cache *c = mb->cache;
	int rc = 0;

	if (c == NULL || c->pending.len == 0)
		return;
	if (c->fd != -1 && !is_current(c, mb))
		detach(c);
	/* What is asked for most is put again: a full cache starts empty. */
	for (int tries = 0; tries < 2; tries++) {
		if (cache_open(mb, true) == NULL ||
		    lock_wait(c->fd, 0, LOCK_MS, NULL) == -1)
			break;
		rc = write_pending(c);
		lock_release(c->fd, 0);
		if (rc != 1 || create(c, mb) == -1)
			break;
	}
	if (rc == -1)
		log_debug("event=cache-write error=%s", strerror(errno));
	buf_truncate(&c->pending, 0);
}
