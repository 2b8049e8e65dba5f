#include "store/account.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "store/dir.h"
#include "store/files.h"
#include "store/state.h"
#include "store/tidy.h"

#define BOOT_ID_SIZE 37 /* hexadecimal, with dashes or without */

/* What a unit with a /proc of processes only tells its daemons instead. */
static int
boot_id_told(char text[BOOT_ID_SIZE])
{
	const char *told = getenv("WEMMICK_BOOT_ID");
	size_t n = told == NULL ? 0 : strlen(told);

	if (n == 0 || n >= BOOT_ID_SIZE) {
		errno = ENOENT;
		return -1;
	}
	memcpy(text, told, n + 1);
	return 0;
}

static int
boot_id_text(char text[BOOT_ID_SIZE])
{
	int rc;
	int fd;

	fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return boot_id_told(text);
	rc = pread_all(fd, text, BOOT_ID_SIZE - 1, 0);
	fd_close(fd);
	return rc;
}

int
store_boot_id(uint8_t id[16])
{
	char text[BOOT_ID_SIZE] = { 0 };
	size_t n = 0;

	if (boot_id_text(text) == -1)
		return -1;
	for (const char *p = text; p[0] != '\0' && n < 16; p++) {
		if (ascii_hex(p[0]) == -1)
			continue;
		if (ascii_hex(p[1]) == -1)
			break;
		id[n++] = (uint8_t)(ascii_hex(p[0]) << 4 | ascii_hex(p[1]));
		p++;
	}
	if (n == 16)
		return 0;
	errno = EINVAL;
	return -1;
}

/* -- the lock ------------------------------------------------------ */

/*
 * The record whose files a killed holder may not have moved. Where that
 * fails, it stays pending, and nobody moves other files before.
 */
static void
finish_pending(struct account *a, struct journal_page *page)
{
	struct record r;
	int rc;

	a->stuck = 0;
	if (page->pending == 0)
		return;
	rc = journal_at(&a->j, page->pending, &r);
	if (rc == 0)
		rc = files_apply(a, &r);
	else if (errno == EUCLEAN || errno == ENOENT)
		rc = 0; /* killed before the record was there */
	if (rc == -1) {
		a->stuck = errno;
		log_warn("event=store-redo error=%s", strerror(a->stuck));
		return;
	}
	page->pending = 0;
	if (journal_page_write(&a->j, page) == -1)
		a->stuck = errno;
}

/* What a killed writer left. Damage is in the page until it is made good. */
static int
cut_tail(struct account *a, struct journal_page *page)
{
	struct segment_tail tail;

	if (journal_tail(&a->j, &tail) == -1)
		return -1;
	if (tail.bytes > 0 && !tail.torn) {
		page->lost += tail.bytes;
		if (journal_page_write(&a->j, page) == -1)
			return -1;
	}
	return journal_cut(&a->j, &tail);
}

/*
 * Others have gone on in an epoch that what this handle has read does not
 * lead to: they have cut off some of it, as damaged.
 */
static int
check_epoch(const struct account *a, const struct journal_page *page)
{
	if (a->epoch >= page->epoch)
		return 0;
	errno = ESTALE;
	return -1;
}

static int
catch_up(struct account *a)
{
	struct journal_page page;

	if (journal_page_read(&a->j, &page) == -1 ||
	    memcmp(page.boot_id, a->config.boot_id, 16) != 0) {
		errno = ESTALE;
		return -1;
	}
	if (account_replay(a) == -1 || check_epoch(a, &page) == -1 ||
	    cut_tail(a, &page) == -1)
		return -1;
	finish_pending(a, &page);
	if (page.lost > 0 && account_repair(a, &page) == -1)
		return -1;
	return journal_roll(&a->j, a->epoch, false);
}

int
account_lock(struct account *a)
{
	if (journal_lock(&a->j) == -1)
		return -1;
	if (catch_up(a) == 0)
		return 0;
	account_unlock(a);
	return -1;
}

void
account_unlock(struct account *a)
{
	journal_unlock(&a->j);
}

/* -- records ------------------------------------------------------- */

int
account_replay(struct account *a)
{
	struct record r;
	int rc;

	while ((rc = journal_next(&a->j, &r)) == 1)
		if (account_apply(a, &r) == -1)
			return -1;
	a->epoch = a->j.now.epoch;
	return rc;
}

static void
fill_blocks(struct account *a, const struct account_change *c)
{
	struct block b;

	for (unsigned i = 0; i < c->blocks; i++) {
		b.id = c->folders[i]->id;
		b.prev = c->folders[i]->last;
		b.n = c->n[i];
		if (c->visible)
			b.n.modseq = a->j.pos;
		record_set_block(&a->out, i, &b);
	}
}

/*
 * Say in the page which record's files are being moved; 0: none. Not while
 * recovering: a page of this boot says that all is recovered, and who finds
 * none begins again.
 */
static int
set_pending(struct account *a, uint64_t pos)
{
	struct journal_page page = { .epoch = a->epoch, .pending = pos };

	if (a->recovering)
		return 0;
	memcpy(page.boot_id, a->config.boot_id, 16);
	return journal_page_write(&a->j, &page);
}

int
account_append(struct account *a, struct account_change *c)
{
	bool files = files_needed(c->type);
	struct record r;

	if (files && a->stuck != 0) {
		errno = a->stuck;
		return -1;
	}
	fill_blocks(a, c);
	if (files && set_pending(a, a->j.pos) == -1)
		return -1;
	if (journal_append(&a->j, &a->out, c->type) == -1)
		return -1;
	if (a->dirty_ms == 0)
		a->dirty_ms = clock_boot_ms();
	if (record_parse(&r, a->j.pos, a->out.data, (uint32_t)a->out.len) ==
		-1 ||
	    account_apply(a, &r) == -1)
		return -1;
	journal_pass(&a->j, a->out.len);
	if (!files)
		return 0;
	if (files_apply(a, &r) == -1)
		return -1;
	/* It is done: to do it once more because of the page is harmless. */
	if (set_pending(a, 0) == -1)
		log_warn("event=journal-page error=%s", strerror(errno));
	return 0;
}

void
account_undo(struct account *a, struct folder *f, const struct counts *before)
{
	struct account_change c = { .type = RECORD_EXPUNGE, .visible = true };
	struct uidset set = UIDSET_INIT;
	int saved = errno;

	c.blocks = 1;
	c.folders[0] = f;
	c.n[0] = *before;
	c.n[0].uidnext = f->n.uidnext;
	c.n[0].unmoved = true;
	if (f->n.uidnext > before->uidnext &&
	    uidset_add(&set, before->uidnext, f->n.uidnext - 1) == 0 &&
	    record_start(&a->out, 1) == 0 &&
	    record_put_ranges(&a->out, &set) == 0 &&
	    account_append(a, &c) == 0 && set_pending(a, 0) == 0)
		account_want_work(a);
	else
		log_warn("event=store-undo mailbox=%s", f->name);
	uidset_free(&set);
	errno = saved;
}

/* -- open and close ------------------------------------------------ */

static int
open_dir(int at, const char *name, bool make)
{
	int fd = dir_fd(at, name);

	if (fd != -1 || !make || errno != ENOENT)
		return fd;
	if (mkdirat(at, name, 0700) == -1 && errno != EEXIST)
		return -1;
	return dir_fd(at, name);
}

static int
open_dirs(struct account *a, int home)
{
	int dir;

	a->home = open_dir(home, ".", false);
	if (a->home == -1)
		return -1;
	a->mail = open_dir(a->home, "mail", false);
	if (a->mail == -1)
		return -1;
	a->drop = open_dir(a->home, "drop/new", false);
	if (a->drop == -1 && errno != ENOENT)
		return -1;
	dir = open_dir(a->home, "journal", true);
	if (dir == -1)
		return -1;
	return journal_open(&a->j, dir);
}

/* The usual way in: another open of this boot has been here before. */
static int
enter(struct account *a)
{
	struct journal_page page;

	if (journal_page_read(&a->j, &page) == -1)
		return -1;
	if (memcmp(page.boot_id, a->config.boot_id, 16) != 0) {
		errno = ESTALE;
		return -1;
	}
	if (snapshot_read(a) == -1 || journal_seek(&a->j, a->snapshot) == -1 ||
	    account_replay(a) == -1 || check_epoch(a, &page) == -1)
		return -1;
	/* An older snapshot may lead to the end of what an older boot wrote. */
	if (memcmp(a->j.now.boot_id, a->config.boot_id, 16) != 0) {
		errno = ESTALE;
		return -1;
	}
	return 0;
}

static int
enter_or_recover(struct account *a)
{
	int rc;

	if (enter(a) == 0 && folder_by_name(a, SLICE("INBOX")) != NULL)
		return 0;
	if (journal_lock(&a->j) == -1)
		return -1;
	/* Somebody else may have done it while we waited. */
	folder_table_free(a);
	rc = enter(a);
	if (rc == -1 || folder_by_name(a, SLICE("INBOX")) == NULL) {
		folder_table_free(a);
		rc = account_recover(a);
	}
	account_unlock(a);
	return rc;
}

struct account *
account_open(int home, const struct account_config *config)
{
	struct account *a = xcalloc(1, sizeof(*a));

	a->config = *config;
	a->home = -1;
	a->mail = -1;
	a->drop = -1;
	a->tmp = -1;
	a->empty.tv_nsec = -1; /* no time */
	a->j.dir = -1;
	a->j.lock_fd = -1;
	a->j.now.fd = -1;
	a->j.past[0].fd = -1;
	a->j.past[1].fd = -1;
	memcpy(a->j.boot_id, config->boot_id, sizeof(a->j.boot_id));
	a->j.wait = config->wait;
	a->next_id = 1;
	buf_init(&a->out, RECORD_MAX);
	if (open_dirs(a, home) == 0 && enter_or_recover(a) == 0) {
		tidy_first(a);
		return a;
	}
	account_free(a);
	return NULL;
}

void
account_set_wait(struct account *a, const struct account_wait *how)
{
	a->j.wait = *how;
}

void
account_free(struct account *a)
{
	int saved = errno;

	folder_table_free(a);
	journal_close(&a->j);
	fd_close(a->drop);
	fd_close(a->mail);
	fd_close(a->home);
	buf_free(&a->out);
	free(a);
	errno = saved;
}

int
account_leave(struct account *a)
{
	tidy_last(a);
	return a->j.failed || a->boxes != NULL ? -1 : 0;
}

void
account_close(struct account *a)
{
	if (a == NULL)
		return;
	tidy_last(a);
	account_free(a);
}

int
account_refresh(struct account *a)
{
	return account_replay(a);
}

void
account_rest(struct account *a)
{
	journal_rest(&a->j);
	buf_free(&a->out);
}

int
account_sync(struct account *a)
{
	if (journal_sync(&a->j) == -1)
		return -1;
	a->dirty_ms = 0;
	return 0;
}

void
account_usage(const struct account *a, uint64_t *messages, uint64_t *bytes)
{
	*messages = 0;
	*bytes = 0;
	for (size_t i = 0; i < a->folder_count; i++) {
		*messages += a->folders[i]->n.exists;
		*bytes += a->folders[i]->n.bytes;
	}
}
