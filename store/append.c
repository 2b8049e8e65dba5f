#include "store/append.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "store/dir.h"
#include "store/write.h"

#define NAME_SIZE 48
#define BUFFER    ((size_t)65536)
#define OPEN_MAX  32 /* messages written and not synced yet */

struct incoming {
	char name[NAME_SIZE]; /* in mail/tmp */
	uint64_t id;
	uint64_t size;
	int64_t date_s;
	int16_t zone_min;
	uint16_t flags;
	char **keywords; /* owned */
	size_t keyword_count;
};

struct append {
	struct account *a;
	uint32_t folder; /* id: it may be renamed meanwhile */
	int tmp;
	int fd;                 /* of the message being written; or -1 */
	int unsynced[OPEN_MAX]; /* of those before; owned */
	size_t unsynced_count;
	struct incoming *messages; /* owned */
	size_t count;
	size_t cap;
	char *buffer; /* owned; what is not written to fd yet */
	size_t filled;
	int error; /* errno of a write that failed: no commit */
	bool committed;
};

/* mail/tmp, which every home should have. */
static int
open_tmp(const struct account *a)
{
	int fd = dir_fd(a->mail, "tmp");

	if (fd != -1 || errno != ENOENT)
		return fd;
	if (mkdirat(a->mail, "tmp", 0700) == -1 && errno != EEXIST)
		return -1;
	return dir_fd(a->mail, "tmp");
}

struct append *
append_begin(struct account *a, struct slice name)
{
	struct append *ap;
	struct folder *f;

	if (account_replay(a) == -1)
		return NULL;
	f = folder_find(a, name);
	if (f == NULL)
		return NULL;
	ap = xcalloc(1, sizeof(*ap));
	ap->a = a;
	ap->folder = f->id;
	ap->fd = -1;
	ap->tmp = open_tmp(a);
	if (ap->tmp == -1) {
		free(ap);
		return NULL;
	}
	ap->buffer = xreallocarray(NULL, BUFFER, 1);
	return ap;
}

static int
flush(struct append *ap)
{
	size_t n = ap->filled;

	ap->filled = 0;
	return n == 0 ? 0 : write_all(ap->fd, ap->buffer, n);
}

/*
 * The content is durable before any name but the one in tmp has it. The sync
 * of a new file makes its name durable as well, on all file systems we know
 * of: from there recovery repeats the rename, which nobody syncs.
 */
static int
sync_messages(struct append *ap)
{
	int rc = 0;

	/* The first sync's commit is for all, if their data is on its way. */
	for (size_t i = 1; i < ap->unsynced_count; i++)
		(void)sync_file_range(
		    ap->unsynced[i], 0, 0, SYNC_FILE_RANGE_WRITE);
	for (size_t i = 0; i < ap->unsynced_count; i++) {
		if (rc == 0)
			rc = fdatasync(ap->unsynced[i]);
		fd_close(ap->unsynced[i]);
	}
	ap->unsynced_count = 0;
	return rc;
}

static int
finish_message(struct append *ap)
{
	int rc;

	if (ap->fd == -1)
		return 0;
	rc = flush(ap);
	ap->unsynced[ap->unsynced_count++] = ap->fd;
	ap->fd = -1;
	if (rc == 0 && ap->unsynced_count == OPEN_MAX)
		rc = sync_messages(ap);
	return rc;
}

static void
keep_keywords(struct incoming *m, const struct append_about *about)
{
	m->keywords = xcalloc(about->keyword_count + 1, sizeof(*m->keywords));
	for (size_t i = 0; i < about->keyword_count; i++)
		m->keywords[i] = slice_dup(about->keywords[i]);
	m->keyword_count = about->keyword_count;
}

int
append_message(struct append *ap, const struct append_about *about)
{
	struct incoming *m;

	if ((about->flags & ~(unsigned)MESSAGE_FLAGS) != 0 ||
	    about->keyword_count > KEYWORDS_MAX) {
		errno =
		    about->keyword_count > KEYWORDS_MAX ? EOVERFLOW : EINVAL;
		return -1;
	}
	if (finish_message(ap) == -1) {
		ap->error = errno;
		return -1;
	}
	if (ap->count == ap->cap) {
		ap->cap = ap->cap == 0 ? 1 : ap->cap * 2;
		ap->messages =
		    xreallocarray(ap->messages, ap->cap, sizeof(*ap->messages));
	}
	m = &ap->messages[ap->count];
	*m = (struct incoming){ .id = rand_u64(), .date_s = clock_wall_s() };
	if (about->has_date) {
		m->date_s = about->date_s;
		m->zone_min = about->zone_min;
	}
	m->flags = (uint16_t)about->flags;
	snprintf(m->name, sizeof(m->name), "append.%016" PRIx64, m->id);
	ap->fd = openat(ap->tmp, m->name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ap->fd == -1)
		return -1;
	keep_keywords(m, about);
	ap->count++;
	return 0;
}

static int
write_some(struct append *ap, const void *p, size_t n)
{
	if (n > BUFFER - ap->filled && flush(ap) == -1)
		return -1;
	if (n >= BUFFER)
		return write_all(ap->fd, p, n);
	memcpy(ap->buffer + ap->filled, p, n);
	ap->filled += n;
	return 0;
}

int
append_write(struct append *ap, const void *p, size_t n)
{
	if (ap->fd == -1) {
		errno = EINVAL;
		return -1;
	}
	ap->messages[ap->count - 1].size += n;
	if (write_some(ap, p, n) == 0)
		return 0;
	ap->error = errno;
	return -1;
}

/* -- commit -------------------------------------------------------- */

struct commit {
	struct folder *f;
	struct items head;
	struct buf items;
	struct counts before;
	struct counts n;
};

static int
commit_message(struct commit *c, const struct incoming *m)
{
	struct item item = {
		.uid = c->n.uidnext,
		.flags = m->flags,
		.zone_min = m->zone_min,
		.id = m->id,
		.size = m->size,
		.date_s = m->date_s,
		.source = slice_str(m->name),
	};
	int bit;

	for (size_t i = 0; i < m->keyword_count; i++) {
		bit = write_keyword(
		    c->f, slice_str(m->keywords[i]), &c->head.defs);
		if (bit == -1)
			return -1;
		item.keywords |= UINT64_C(1) << bit;
	}
	c->head.count++;
	c->n.uidnext++;
	c->n.recent++;
	counts_add(&c->n, m->flags, m->size);
	return record_put_item(&c->items, &item);
}

static int
commit_locked(struct append *ap, struct commit *c)
{
	struct account *a = ap->a;
	struct account_change change = {
		.type = RECORD_APPEND,
		.visible = true,
		.blocks = 1,
	};

	c->f = folder_by_id(a, ap->folder);
	if (c->f == NULL) {
		errno = ENOENT;
		return -1;
	}
	if (write_ready(a, c->f, ap->count) == -1)
		return -1;
	c->before = c->f->n;
	c->n = c->before;
	for (size_t i = 0; i < ap->count; i++)
		if (commit_message(c, &ap->messages[i]) == -1)
			return -1;
	change.folders[0] = c->f;
	change.n[0] = c->n;
	if (record_start(&a->out, 1) == -1 ||
	    record_put_items(&a->out, &c->head) == -1 ||
	    buf_append_slice(&a->out, buf_slice(&c->items)) == -1)
		return -1;
	if (account_append(a, &change) == 0)
		return 0;
	if (c->f->n.uidnext != c->before.uidnext)
		account_undo(a, c->f, &c->before);
	return -1;
}

int
append_commit(struct append *ap, uint32_t *uidvalidity, struct uidset *uids)
{
	struct commit c = { .f = NULL };
	int rc;

	if (uids != NULL)
		uidset_clear(uids);
	if (ap->count == 0 || ap->error != 0) {
		errno = ap->count == 0 ? EINVAL : ap->error;
		return -1;
	}
	if (finish_message(ap) == -1 || sync_messages(ap) == -1 ||
	    account_lock(ap->a) == -1)
		return -1;
	buf_init(&c.items, RECORD_MAX);
	ap->a->tmp = ap->tmp;
	rc = commit_locked(ap, &c);
	ap->a->tmp = -1;
	account_unlock(ap->a);
	buf_free(&c.items);
	if (rc == -1)
		return -1;
	ap->committed = true;
	if (uidvalidity != NULL)
		*uidvalidity = c.f->uidvalidity;
	if (account_sync(ap->a) == -1)
		return -1;
	box_touch(ap->a, c.f);
	return uids == NULL
		   ? 0
		   : uidset_add(uids, c.before.uidnext, c.n.uidnext - 1);
}

void
append_free(struct append *ap)
{
	struct incoming *m;

	if (ap == NULL)
		return;
	fd_close(ap->fd);
	for (size_t i = 0; i < ap->unsynced_count; i++)
		fd_close(ap->unsynced[i]);
	for (size_t i = 0; i < ap->count; i++) {
		m = &ap->messages[i];
		if (!ap->committed)
			(void)unlinkat(ap->tmp, m->name, 0);
		for (size_t k = 0; k < m->keyword_count; k++)
			free(m->keywords[k]);
		free(m->keywords);
	}
	fd_close(ap->tmp);
	free(ap->messages);
	free(ap->buffer);
	free(ap);
}
