#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "store/lock.h"
#include "store/segment.h"

/*
 * The file journal/lock: locks on its bytes, which also need not be there,
 * and in its page what whoever holds them must know.
 */
#define MAGIC     0x31504a57 /* "WJP1" */
#define PAGE_SIZE 48
#define SYNCED_AT 64 /* journal durable up to here, and a CRC of that */
#define SYNCED    12

#define LOCK_BYTE 0
#define SYNC_BYTE 4095
#define CHORES    4096

/* What a lock is worth, where nobody asked for what it is for. */
#define COURTESY_MS   1000
#define BACKGROUND_MS 100
/* Who has waited in vain already need not do so with each command. */
#define AGAIN_MS 200
/* Then whoever syncs may be stopped: one syncs for oneself. */
#define SYNC_WAIT_MS 2000

/* -- locks --------------------------------------------------------- */

int
journal_try(struct journal *j, uint32_t chore)
{
	return lock_try(j->lock_fd, CHORES + (off_t)chore);
}

void
journal_release(struct journal *j, uint32_t chore)
{
	lock_release(j->lock_fd, CHORES + (off_t)chore);
}

static int64_t
most_ms(const struct journal *j)
{
	int64_t ms = j->wait.most_ms > 0 ? j->wait.most_ms : ACCOUNT_WAIT_MS;

	switch (j->patience) {
	case PATIENCE_FULL:
		break;
	case PATIENCE_COURTESY:
		ms = MIN(ms, (int64_t)COURTESY_MS);
		break;
	case PATIENCE_BACKGROUND:
		ms = BACKGROUND_MS;
		break;
	}
	return j->vain ? MIN(ms, (int64_t)AGAIN_MS) : ms;
}

static void
in_vain(struct journal *j, int64_t ms)
{
	if (j->patience == PATIENCE_BACKGROUND)
		return;
	if (!j->busy_told)
		log_warn("event=store-lock-busy waited-ms=%lld", (long long)ms);
	j->busy_told = true;
	j->vain = j->vain || j->patience == PATIENCE_FULL;
	errno = EBUSY;
}

int
journal_lock(struct journal *j)
{
	int64_t ms = most_ms(j);
	struct stat st;

	if (lock_wait(j->lock_fd, LOCK_BYTE, ms, &j->wait) == -1) {
		if (errno == EBUSY)
			in_vain(j, ms);
		return -1;
	}
	j->busy_told = false;
	j->vain = false;
	j->locked = true;
	if (fstat(j->lock_fd, &st) == -1) {
		journal_unlock(j);
		return -1;
	}
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
	lock_release(j->lock_fd, LOCK_BYTE);
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
	char raw[SYNCED];

	if (pread_all(j->lock_fd, raw, sizeof(raw), SYNCED_AT) == -1 ||
	    wire_get_u32(raw + 8) != crc32c(0, raw, 8))
		return 0;
	return wire_get_u64(raw);
}

static int
put_synced(struct journal *j, uint64_t pos)
{
	char raw[SYNCED];

	wire_set_u64(raw, pos);
	wire_set_u32(raw + 8, crc32c(0, raw, 8));
	return pwrite_all(j->lock_fd, raw, sizeof(raw), SYNCED_AT);
}

static void
set_synced(struct journal *j, uint64_t pos)
{
	if (put_synced(j, pos) == -1)
		log_debug("event=journal-page error=%s", strerror(errno));
}

int
journal_forget_synced(struct journal *j)
{
	return put_synced(j, 0);
}

/* The segment before, where what is told rests on its sync, too. */
static int
open_before(struct journal *j, struct journal_segment *before, uint64_t done)
{
	*before = (struct journal_segment){ .fd = -1 };
	/* Somebody's sync has included this segment's name, too. */
	if (done >> JOURNAL_SHIFT == j->now.base)
		j->now.durable = true;
	if (j->now.durable || segment_open(before, j->dir, j->now.prev) == 0 ||
	    errno == ENOENT)
		return 0;
	return errno == EUCLEAN ? 0 : -1;
}

static int
sync_files(struct journal *j, const struct journal_segment *before)
{
	if ((before->fd != -1 && fdatasync(before->fd) == -1) ||
	    (!j->now.durable && fsync(j->dir) == -1) ||
	    fdatasync(j->now.fd) == -1)
		return -1;
	j->now.durable = true;
	j->now.unseen = 0;
	return 0;
}

/*
 * One syncs at a time, all that is written by then, whoever wrote it: most
 * of those who waited for it find that theirs was included.
 */
static int
sync_once(struct journal *j, const struct journal_segment *before, uint64_t pos)
{
	uint64_t done;
	uint64_t end;
	bool alone;
	int rc = 0;

	alone = lock_wait(j->lock_fd, SYNC_BYTE, SYNC_WAIT_MS, &j->wait) == 0;
	done = alone ? synced(j) : 0;
	if (done < pos) {
		end = journal_end(j);
		rc = sync_files(j, before);
		if (rc == 0 && alone && end > done)
			set_synced(j, end);
	}
	if (alone)
		lock_release(j->lock_fd, SYNC_BYTE);
	return rc;
}

static int
sync_to(struct journal *j, uint64_t pos)
{
	uint64_t done = synced(j);
	struct journal_segment before;
	int rc;

	if (done >= pos)
		return 0;
	rc = open_before(j, &before, done);
	if (rc == 0)
		rc = journal_again(j, &before, done);
	if (rc == 0)
		rc = sync_once(j, &before, pos);
	fd_close(before.fd);
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
	if (!j->failed && (errno == EBUSY || errno == ECANCELED))
		return -1;
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
