#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "store/segment.h"

/*
 * The file journal/lock: locks on its bytes, which also need not be there,
 * and in its page what whoever holds them must know.
 */
#define MAGIC     0x31504a57 /* "WJP1" */
#define PAGE_SIZE 48
#define SYNCED_AT 64 /* journal durable up to here */

#define LOCK_BYTE 0
#define SYNC_BYTE 4095
#define CHORES    4096

/* -- locks --------------------------------------------------------- */

static int
set_byte(struct journal *j, off_t at, short type, int cmd)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1,
	};
	int rc;

	do
		rc = fcntl(j->lock_fd, cmd, &l);
	while (rc == -1 && errno == EINTR);
	return rc;
}

static void
release(struct journal *j, off_t at)
{
	int saved = errno;

	/*
	 * To let go of one byte may take memory, where its neighbours are
	 * locked, too. A lock that stays would keep everybody out.
	 */
	if (set_byte(j, at, F_UNLCK, F_OFD_SETLK) == -1)
		log_die("event=journal-unlock error=%s", strerror(errno));
	errno = saved;
}

int
journal_try(struct journal *j, uint32_t chore)
{
	return set_byte(j, CHORES + (off_t)chore, F_WRLCK, F_OFD_SETLK);
}

void
journal_release(struct journal *j, uint32_t chore)
{
	release(j, CHORES + (off_t)chore);
}

int
journal_lock(struct journal *j)
{
	struct stat st;

	if (set_byte(j, LOCK_BYTE, F_WRLCK, F_OFD_SETLKW) == -1 ||
	    fstat(j->lock_fd, &st) == -1)
		return -1;
	j->locked = true;
	if (st.st_nlink == 0) {
		journal_unlock(j);
		errno = ESTALE;
		return -1;
	}
	return 0;
}

void
journal_unlock(struct journal *j)
{
	release(j, LOCK_BYTE);
	j->locked = false;
}

/* -- the page ------------------------------------------------------ */

int
journal_page_read(const struct journal *j, struct journal_page *p)
{
	char raw[PAGE_SIZE];

	if (pread_all(j->lock_fd, raw, sizeof(raw), 0) == -1 ||
	    wire_get_u32(raw + 44) != MAGIC ||
	    wire_get_u32(raw + 40) != crc32c(0, raw, 40)) {
		errno = EUCLEAN;
		return -1;
	}
	memcpy(p->boot_id, raw, 16);
	p->epoch = wire_get_u64(raw + 16);
	p->pending = wire_get_u64(raw + 24);
	p->lost = wire_get_u64(raw + 32);
	return 0;
}

int
journal_page_write(struct journal *j, const struct journal_page *p)
{
	char raw[PAGE_SIZE];

	memcpy(raw, p->boot_id, 16);
	wire_set_u64(raw + 16, p->epoch);
	wire_set_u64(raw + 24, p->pending);
	wire_set_u64(raw + 32, p->lost);
	wire_set_u32(raw + 40, crc32c(0, raw, 40));
	wire_set_u32(raw + 44, MAGIC);
	return pwrite_all(j->lock_fd, raw, sizeof(raw), 0);
}

/* -- syncing ------------------------------------------------------- */

static uint64_t
synced(const struct journal *j)
{
	char raw[8];

	return pread_all(j->lock_fd, raw, sizeof(raw), SYNCED_AT) == 0
		   ? wire_get_u64(raw)
		   : 0;
}

static void
set_synced(struct journal *j, uint64_t pos)
{
	char raw[8];

	wire_set_u64(raw, pos);
	if (pwrite_all(j->lock_fd, raw, sizeof(raw), SYNCED_AT) == -1)
		log_debug("event=journal-page error=%s", strerror(errno));
}

int
journal_forget_synced(struct journal *j)
{
	char raw[8] = { 0 };

	return pwrite_all(j->lock_fd, raw, sizeof(raw), SYNCED_AT);
}

static int
sync_files(struct journal *j)
{
	struct journal_segment before;
	int rc = 0;

	/* Somebody's sync has included the segment's name, too. */
	if (synced(j) >> JOURNAL_SHIFT == j->now.base)
		j->now.durable = true;
	if (j->now.durable)
		return fdatasync(j->now.fd);
	/*
	 * What is told from this segment on rests on all before it, and on
	 * its name.
	 */
	if (segment_open(&before, j->dir, j->now.prev) == 0) {
		rc = fdatasync(before.fd);
		fd_close(before.fd);
	}
	if (rc == -1 || fsync(j->dir) == -1 || fdatasync(j->now.fd) == -1)
		return -1;
	j->now.durable = true;
	return 0;
}

/*
 * One syncs at a time, all that is written by then, whoever wrote it: most
 * of those who waited for it find that theirs was included.
 */
static int
sync_to(struct journal *j, uint64_t pos)
{
	bool alone;
	uint64_t end;
	int rc = 0;

	if (synced(j) >= pos)
		return 0;
	alone = set_byte(j, SYNC_BYTE, F_WRLCK, F_OFD_SETLKW) == 0;
	if (!alone || synced(j) < pos) {
		end = journal_end(j);
		rc = sync_files(j);
		if (rc == 0 && alone && end > synced(j))
			set_synced(j, end);
	}
	if (alone)
		release(j, SYNC_BYTE);
	return rc;
}

/*
 * A sync that failed may have dropped what it was to write, and the next one
 * would not say so: then this handle is at its end.
 */
static int
sync_or_fail(struct journal *j, uint64_t pos)
{
	if (!j->failed && sync_to(j, pos) == 0)
		return 0;
	log_error("event=journal-sync error=%s", strerror(errno));
	j->failed = true;
	errno = EIO;
	return -1;
}

int
journal_sync(struct journal *j)
{
	if (!j->dirty)
		return 0;
	if (sync_or_fail(j, j->written) == -1)
		return -1;
	j->dirty = false;
	return 0;
}

int
journal_sync_to(struct journal *j, uint64_t pos)
{
	return sync_or_fail(j, pos);
}
