#include "store/tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/num.h"
#include "store/box.h"
#include "store/cache.h"
#include "store/dir.h"
#include "store/purge.h"
#include "store/token.h"

/* Background work, in steps of some milliseconds. */

#define SYNC_AFTER_MS    1000
#define WORK_AFTER_MS    100
#define REST_MS          60000
#define SNAPSHOT_BYTES   ((uint64_t)65536)
#define CHECKPOINT_BYTES ((uint64_t)1 << 20)
#define SEGMENTS_KEPT    2
#define LITTER_S         (36 * 3600) /* as Maildir has it */

/* How much journal lies between two positions; across segments, a lot. */
static uint64_t
distance(uint64_t from, uint64_t to)
{
	return to > from ? to - from : 0;
}

static bool
snapshot_due(const struct account *a)
{
	return distance(MAX(a->snapshot, a->snapshot_now), a->j.pos) >
	       SNAPSHOT_BYTES;
}

void
account_want_work(struct account *a)
{
	if (a->work_ms == 0)
		a->work_ms = clock_boot_ms() + WORK_AFTER_MS;
}

int
account_due_ms(const struct account *a)
{
	int64_t now = clock_boot_ms();
	int64_t due = INT64_MAX;

	if (a->dirty_ms != 0)
		due = a->dirty_ms + SYNC_AFTER_MS;
	if (a->work_ms != 0)
		due = MIN(due, a->work_ms);
	if (snapshot_due(a))
		due = MIN(due, a->rest_ms);
	if (due == INT64_MAX)
		return -1;
	return due <= now ? 0 : (int)MIN(due - now, (int64_t)INT32_MAX);
}

/* -- mailboxes ----------------------------------------------------- */

typedef int box_fn(struct mailbox *mb);

static void
close_tidied(struct account *a)
{
	if (a->tidying != NULL)
		box_close(a->tidying);
	a->tidying = NULL;
}

static struct mailbox *
find_box(const struct account *a, const struct folder *f)
{
	if (a->tidying != NULL && a->tidying->f == f && !a->tidying->damaged)
		return a->tidying;
	for (struct mailbox *mb = a->boxes; mb != NULL; mb = mb->next)
		if (mb->f == f && !mb->damaged)
			return mb;
	return NULL;
}

/*
 * On the one that is open, or on one opened for this, which stays open
 * while there is more to do.
 */
static int
with_box(struct account *a, struct folder *f, box_fn *work)
{
	struct mailbox *mb = find_box(a, f);
	int rc;

	if (mb == NULL) {
		close_tidied(a);
		mb = box_open(a, f, false);
		if (mb == NULL)
			return -1;
		a->tidying = mb;
	}
	rc = work(mb);
	if (mb == a->tidying && rc != 1)
		close_tidied(a);
	return rc;
}

static int
tidy_folder(struct account *a, struct folder *f)
{
	if (folder_fold_due(f))
		return with_box(a, f, box_fold);
	return f->n.unmoved ? with_box(a, f, box_move_expunged) : 0;
}

void
tidy_first(struct account *a)
{
	for (size_t i = 0; i < a->folder_count; i++)
		if (a->folders[i]->n.unmoved || folder_fold_due(a->folders[i]))
			account_want_work(a);
	if (purge_due(a))
		account_want_work(a);
}

/* 1: there is more to do; -1: something could not be done. */
static int
tidy_folders(struct account *a)
{
	int result = 0;
	int rc;

	for (size_t i = 0; i < a->folder_count; i++) {
		const struct folder *f = a->folders[i];

		rc = tidy_folder(a, a->folders[i]);
		if (rc == 1)
			return 1;
		if (rc == 0)
			continue;
		log_warn("event=store-tidy mailbox=%s error=%s", f->name,
		    strerror(errno));
		result = -1;
	}
	return result;
}

/* -- litter and snapshots ------------------------------------------ */

/* What died half written: appends, deliveries. */
static void
remove_litter(const struct account *a, const char *path)
{
	const char *name;
	struct stat st;
	DIR *d;

	d = dir_open(a->home, path);
	if (d == NULL)
		return;
	while ((name = dir_next(d)) != NULL)
		if (fstatat(dirfd(d), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) &&
		    st.st_mtime + LITTER_S < clock_wall_s())
			(void)unlinkat(dirfd(d), name, 0);
	dir_close(d);
}

void
tidy_litter(struct account *a)
{
	remove_litter(a, "mail/tmp");
	remove_litter(a, "drop/tmp");
}

/* What is no directory was made by the user, and holds nothing of ours. */
static int
sync_dir(int at, const char *path)
{
	int rc;
	int fd;

	fd = dir_fd(at, path);
	if (fd == -1)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			   ? 0
			   : -1;
	rc = fsync(fd);
	fd_close(fd);
	return rc;
}

int
tidy_checkpoint(struct account *a)
{
	char path[FOLDER_PATH_MAX];
	uint64_t pos;

	/* Whoever holds the lock may be moving files. */
	if (account_lock(a) == -1)
		return -1;
	pos = a->j.pos;
	if (a->stuck != 0)
		pos = 0;
	account_unlock(a);
	for (size_t i = 0; i < a->folder_count; i++) {
		if (a->folders[i]->last < a->checkpoint)
			continue; /* nothing has moved since */
		folder_path(a->folders[i], "cur", path);
		if (sync_dir(a->mail, path) == -1)
			return -1;
	}
	if (sync_dir(a->home, "drop/new") == -1 ||
	    sync_dir(a->home, "mail/tmp") == -1 ||
	    sync_dir(a->home, "mail") == -1 ||
	    sync_dir(a->home, "expunged") == -1)
		return -1;
	a->checkpoint = MAX(a->checkpoint, pos);
	return 0;
}

static int
checkpoint(struct account *a)
{
	if (distance(a->checkpoint, a->j.pos) < CHECKPOINT_BYTES)
		return 0;
	return tidy_checkpoint(a);
}

/* The oldest position anybody needs to read the journal from. */
static uint64_t
oldest_needed(const struct account *a)
{
	uint64_t pos = MIN(a->snapshot, a->checkpoint);
	const struct folder *f;

	for (size_t i = 0; i < a->folder_count; i++) {
		f = a->folders[i];
		if (f->last >= f->folded)
			pos = MIN(pos, f->folded);
	}
	return pos;
}

/* Folders that nobody uses would keep old segments for ever. */
static void
fold_laggards(struct account *a, uint64_t base)
{
	struct folder *f;

	for (size_t i = 0; i < a->folder_count; i++) {
		f = a->folders[i];
		if (f->last >= f->folded && f->folded >> JOURNAL_SHIFT < base &&
		    with_box(a, f, box_fold) == -1)
			log_warn("event=store-fold mailbox=%s error=%s",
			    f->name, strerror(errno));
	}
}

static int
remove_segments(struct account *a)
{
	uint64_t *bases = NULL;
	uint64_t needed;
	size_t n = 0;
	int rc;

	rc = journal_list(&a->j, &bases, &n);
	if (rc == -1 || n <= SEGMENTS_KEPT) {
		free(bases);
		return rc;
	}
	fold_laggards(a, bases[n - SEGMENTS_KEPT]);
	needed = oldest_needed(a) >> JOURNAL_SHIFT;
	for (size_t i = 0; rc == 0 && i < n - SEGMENTS_KEPT; i++) {
		if (bases[i] >= needed)
			break;
		rc = tokens_keep(a, bases[i]);
		if (rc == 0)
			rc = journal_remove(&a->j, bases[i]);
	}
	free(bases);
	return rc;
}

static int
write_snapshot(struct account *a)
{
	int rc;

	if (journal_try(&a->j, 0) == -1)
		return errno == EAGAIN || errno == EACCES ? 0 : -1;
	/* Never an older one over a newer: read to the end first. */
	rc = account_replay(a);
	a->snapshot_now = snapshot_peek(a);
	if (rc == 0 && snapshot_due(a)) {
		rc = checkpoint(a);
		if (rc == 0)
			rc = snapshot_write(a);
		if (rc == 0)
			rc = remove_segments(a);
	}
	journal_release(&a->j, 0);
	return rc;
}

/* -- all of it ----------------------------------------------------- */

static void
snapshot_step(struct account *a)
{
	int rc = write_snapshot(a);

	if (rc == -1)
		log_warn("event=store-snapshot error=%s", strerror(errno));
	/* Failed, or somebody else is at it: not again at once. */
	if (snapshot_due(a))
		a->rest_ms = clock_boot_ms() + (rc == -1 ? REST_MS : 1000);
}

/* What could not be done waits, ever longer. */
static void
rest_from_work(struct account *a)
{
	int64_t wait = (int64_t)WORK_AFTER_MS << MIN(a->work_failed, 10U);

	a->work_failed++;
	a->work_ms = clock_boot_ms() + MIN(2 * wait, (int64_t)REST_MS);
}

static void
work_step(struct account *a)
{
	int rc;

	a->work_ms = 0;
	rc = tidy_folders(a);
	if (purge_step(a) == 1 && rc == 0)
		rc = 1;
	if (rc == -1) {
		rest_from_work(a);
		return;
	}
	a->work_failed = 0;
	if (rc == 1)
		account_want_work(a);
}

static bool
resting(const struct account *a)
{
	return a->work_failed > 0 && a->work_ms > clock_boot_ms();
}

static void
work(struct account *a)
{
	if (a->dirty_ms != 0 && account_sync(a) == -1) {
		log_warn("event=store-sync error=%s", strerror(errno));
		a->dirty_ms = clock_boot_ms() + REST_MS;
	}
	for (struct mailbox *mb = a->boxes; mb != NULL; mb = mb->next)
		cache_flush(mb);
	if (account_replay(a) == -1) {
		a->work_ms = 0;
		a->rest_ms = clock_boot_ms() + REST_MS;
		return;
	}
	if (a->work_ms != 0 && !resting(a))
		work_step(a);
	if (snapshot_due(a) && a->rest_ms <= clock_boot_ms())
		snapshot_step(a);
}

void
account_work(struct account *a)
{
	a->j.patience = PATIENCE_BACKGROUND;
	work(a);
	a->j.patience = PATIENCE_FULL;
}

/*
 * A step that found more to do asks for another one; what takes too long, or
 * cannot be done now, is left to the next session.
 */
#define LAST_MS 2000

void
tidy_last(struct account *a)
{
	int64_t end = clock_boot_ms() + LAST_MS;

	do
		account_work(a);
	while (a->work_ms != 0 && a->work_failed == 0 && clock_boot_ms() < end);
	close_tidied(a);
	purge_stop(a);
}
