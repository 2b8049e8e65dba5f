#include "store/box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "store/cache.h"
#include "store/dir.h"
#include "store/errors.h"
#include "store/files.h"

/* -- lists of indexes ---------------------------------------------- */

void
indexes_push(struct indexes *x, uint32_t index)
{
	if (x->count == x->cap) {
		x->cap = x->cap == 0 ? 16 : x->cap * 2;
		x->at = xreallocarray(x->at, x->cap, sizeof(*x->at));
	}
	x->at[x->count++] = index;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void
indexes_sort(struct indexes *x)
{
	size_t n = 0;

	if (x->count < 2)
		return;
	qsort(x->at, x->count, sizeof(*x->at), compare);
	for (size_t i = 1; i < x->count; i++)
		if (x->at[i] != x->at[n])
			x->at[++n] = x->at[i];
	x->count = n + 1;
}

void
indexes_merge(struct indexes *x, struct indexes *from)
{
	bool sorted = x->count == 0 || from->count == 0 ||
		      x->at[x->count - 1] < from->at[0];

	for (size_t i = 0; i < from->count; i++)
		indexes_push(x, from->at[i]);
	from->count = 0;
	if (!sorted)
		indexes_sort(x);
}

/* -- finding ------------------------------------------------------- */

/* UID of an index; a damaged page sorts as 0 and is noticed on use. */
static uint32_t
uid_at(struct mailbox *mb, uint32_t index)
{
	const struct entry *e = box_entry(mb, index);

	if (e == NULL) {
		mb->damaged = true;
		return 0;
	}
	return e->uid;
}

uint32_t
box_find(struct mailbox *mb, uint32_t uid)
{
	uint32_t low = 0;
	uint32_t high = box_total(mb);
	uint32_t first;
	uint32_t mid;

	if (high == 0 || uid_at(mb, high - 1) < uid)
		return high;
	first = uid_at(mb, 0);
	if (uid <= first)
		return 0;
	/* UIDs ascend, so no index is farther than the UIDs are apart. */
	high = MIN(high - 1, uid - first);
	while (low < high) {
		mid = low + (high - low) / 2;
		if (uid_at(mb, mid) < uid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

uint32_t
box_find_exact(struct mailbox *mb, uint32_t uid)
{
	uint32_t index = box_find(mb, uid);

	if (uid == 0 || index == box_total(mb) || uid_at(mb, index) != uid)
		return UINT32_MAX;
	return index;
}

uint32_t
box_view_count(const struct mailbox *mb)
{
	return mb->view_end - (uint32_t)mb->removed.count;
}

uint32_t
box_removed_below(const struct mailbox *mb, uint32_t index)
{
	const struct indexes *x = &mb->removed;
	size_t low = 0;
	size_t high = x->count;
	size_t mid;

	if (high == 0 || x->at[high - 1] < index)
		return (uint32_t)high;
	while (low < high) {
		mid = low + (high - low) / 2;
		if (x->at[mid] < index)
			low = mid + 1;
		else
			high = mid;
	}
	return (uint32_t)low;
}

uint32_t
box_index(const struct mailbox *mb, uint32_t seq)
{
	const struct indexes *x = &mb->removed;
	size_t low = 0;
	size_t high = x->count;
	size_t mid;

	/* removed[k] - k messages of the view stand before removed[k]. */
	while (low < high) {
		mid = low + (high - low) / 2;
		if (x->at[mid] - mid <= seq - 1)
			low = mid + 1;
		else
			high = mid;
	}
	return seq - 1 + (uint32_t)low;
}

uint32_t
box_seq(const struct mailbox *mb, uint32_t index)
{
	uint32_t below;

	if (index >= mb->view_end)
		return 0;
	below = box_removed_below(mb, index);
	if (below < mb->removed.count && mb->removed.at[below] == index)
		return 0;
	return index - below + 1;
}

/* -- files --------------------------------------------------------- */

int
box_cur(struct mailbox *mb)
{
	if (mb->cur == -1)
		mb->cur = dir_fd(mb->dir, "cur");
	return mb->cur;
}

void
box_file_name(
    const struct mailbox *mb, const struct entry *e, char name[FNAME_MAX + 1])
{
	struct fname f = {
		.date_s = e->date_s,
		.zone_min = e->zone_min,
		.id = e->id,
		.size = e->size,
		.uid = e->uid,
		.uidvalidity = mb->f->uidvalidity,
		.flags = e->name_flags,
	};

	fname_format(&f, name);
}

void
counts_add(struct counts *n, unsigned flags, uint64_t size)
{
	n->exists++;
	n->bytes += size;
	n->unseen += (flags & MESSAGE_SEEN) == 0;
	n->deleted += (flags & MESSAGE_DELETED) != 0;
}

void
counts_remove(struct counts *n, const struct entry *e)
{
	n->exists--;
	n->bytes -= e->size;
	n->unseen -= (e->flags & MESSAGE_SEEN) == 0;
	n->deleted -= (e->flags & MESSAGE_DELETED) != 0;
	n->recent -= e->uid > n->recent_uid && n->recent > 0;
}

void
box_touch(struct account *a, struct folder *f)
{
	char path[FOLDER_PATH_MAX];
	int fd;

	/* The first watcher makes it; without one nobody wants to know. */
	folder_path(f, "changed", path);
	fd = openat(
	    a->mail, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1)
		return;
	if (pwrite(fd, "\n", 1, 0) == -1)
		log_debug("event=store-touch error=%s", strerror(errno));
	fd_close(fd);
}

/* -- loading ------------------------------------------------------- */

struct chain {
	uint64_t *at; /* newest first; owned */
	size_t count;
	size_t cap;
	uint64_t before; /* the record in front of them */
};

/*
 * Positions of the folder's records behind `from`, by their links. 1 when
 * the chain is whole, 0 when some of it is lost; -1.
 */
static int
chain_collect(struct mailbox *mb, uint64_t from, struct chain *c)
{
	uint64_t pos = mb->f->last;
	struct record r;
	struct block b;

	while (pos != 0 && pos >= from) {
		if (journal_at(&mb->a->j, pos, &r) == -1)
			return error_is_ours(errno) ? -1 : 0;
		if (!record_find(&r, mb->f->id, &b) || b.prev >= pos)
			return 0;
		if (c->count == c->cap) {
			c->cap = c->cap == 0 ? 64 : c->cap * 2;
			c->at = xreallocarray(c->at, c->cap, sizeof(*c->at));
		}
		c->at[c->count++] = pos;
		pos = b.prev;
	}
	c->before = pos;
	return 1;
}

/* Apply, and take from the chain, the records before `end`. */
static int
chain_apply(struct mailbox *mb, struct chain *c, uint64_t end, bool news)
{
	const struct mailbox *author = mb->a->author;
	struct record r;
	struct block b;
	int rc = 0;

	mb->a->author = news ? NULL : mb;
	while (rc == 0 && c->count > 0 && c->at[c->count - 1] < end) {
		rc = journal_at(&mb->a->j, c->at[--c->count], &r);
		if (rc == 0 && record_find(&r, mb->f->id, &b))
			rc = box_apply(mb, &r, &b);
	}
	mb->a->author = author;
	return rc;
}

static void
unload(struct mailbox *mb)
{
	records_close(&mb->records);
	free(mb->added);
	mb->added = NULL;
	mb->added_count = 0;
	mb->added_cap = 0;
	mb->removed.count = 0;
	mb->dying.count = 0;
	mb->changed.count = 0;
	mb->damaged = false; /* what was is no more */
	mb->ahead = false;
}

/* Everybody dead by now is out of the view at once. */
static void
settle(struct mailbox *mb)
{
	indexes_sort(&mb->dying);
	indexes_merge(&mb->removed, &mb->dying);
	mb->changed.count = 0;
	mb->view_end = box_total(mb);
	mb->keywords_told = mb->f->keyword_count;
}

static int
load_file(struct mailbox *mb, const char *file)
{
	unload(mb);
	if (records_open(&mb->records, mb->dir, file, mb->f->id) == -1)
		return -1;
	/* Folded after we read the journal: nothing may come twice. */
	if (mb->records.head.pos > mb->a->j.pos && account_replay(mb->a) == -1)
		return -1;
	/* Else it would miss what is to come, up to there. */
	if (mb->records.head.pos >> JOURNAL_SHIFT > mb->a->j.now.base) {
		errno = EUCLEAN;
		return -1;
	}
	mb->pos = mb->records.head.pos;
	mb->unseen_hint = mb->records.head.first_unseen;
	mb->given = MAX(mb->given, mb->records.head.n.uidnext);
	return 0;
}

/* As of `since`, or (UINT64_MAX) of now. */
static int
load_from(struct mailbox *mb, const char *file, uint64_t since)
{
	struct chain c = { .at = NULL };
	int rc = -1;

	if (load_file(mb, file) == -1)
		return -1;
	/* Folded since then, and not without a change to these messages? */
	if (mb->pos > since && mb->records.head.last >= since) {
		errno = ESTALE;
		return -1;
	}
	rc = chain_collect(mb, mb->pos, &c);
	if (rc == 1)
		rc = chain_apply(mb, &c, since, false);
	else if (rc == 0) {
		errno = EUCLEAN;
		rc = -1;
	}
	if (rc == 0) {
		settle(mb);
		rc = chain_apply(mb, &c, UINT64_MAX, true);
		mb->pos = mb->a->j.pos;
	}
	/* The journal lacks what was told, or the snapshot what that says. */
	mb->ahead = rc == 0 && (mb->records.head.pos > mb->a->j.pos ||
				   c.before < mb->records.head.last ||
				   mb->given > mb->f->n.uidnext);
	free(c.at);
	return rc;
}

/* Under the lock: neither `records` nor what it was before can be used. */
static int
rebuild(struct mailbox *mb)
{
	struct chain c = { .at = NULL };
	int rc;

	log_warn("event=mailbox-rebuild mailbox=%s", mb->f->name);
	unload(mb);
	mb->pos = 0;
	mb->unseen_hint = 0;
	rc = box_rebuild(mb);
	if (rc == 0 && chain_collect(mb, 0, &c) == -1)
		rc = -1;
	if (rc == 0) {
		mb->rebuilding = true;
		rc = chain_apply(mb, &c, UINT64_MAX, false);
		mb->rebuilding = false;
	}
	free(c.at);
	if (rc == -1)
		return -1;
	settle(mb);
	mb->pos = mb->a->j.pos;
	mb->f->checked = 0;
	return 0;
}

/* From now on records are applied to it as they come. */
static void
enlist(struct mailbox *mb)
{
	mb->next = mb->a->boxes;
	mb->a->boxes = mb;
}

/* 0, 1 when neither what it is nor what it was can be used, or -1. */
static int
load_either(struct mailbox *mb)
{
	if (load_from(mb, RECORDS_FILE, UINT64_MAX) == 0)
		return 0;
	if (error_is_ours(errno))
		return -1;
	if (load_from(mb, RECORDS_BEFORE, UINT64_MAX) == 0)
		return 0;
	return error_is_ours(errno) ? -1 : 1;
}

/* Under the lock. */
static int
leave_behind(struct mailbox *mb)
{
	log_error("event=store-journal-lost mailbox=%s", mb->f->name);
	mb->f->checked = 0;
	return account_cut_short(mb->a, mb->records.head.pos);
}

static int
prepare(struct mailbox *mb)
{
	int rc = load_either(mb);

	if (rc == -1)
		return -1;
	mb->rebuilt = rc == 1 || mb->ahead;
	if (rc == 1 && rebuild(mb) == -1)
		return -1;
	if (mb->ahead && leave_behind(mb) == -1)
		return -1;
	enlist(mb);
	if (mb->rebuilt && box_rebuilt(mb) == -1)
		return -1;
	if (mb->f->checked < mb->a->epoch)
		return box_check(mb);
	return 0;
}

static int
open_dir(struct mailbox *mb)
{
	char path[FOLDER_PATH_MAX];

	fd_close(mb->dir);
	folder_path(mb->f, "", path);
	mb->dir = dir_fd(mb->a->mail, path);
	return mb->dir == -1 ? -1 : 0;
}

/*
 * Under the lock. A mailbox of a new home has no directory before it is
 * wanted; where one with mail has lost it, the check finds what is missing.
 */
static int
open_or_make_dir(struct mailbox *mb)
{
	if (open_dir(mb) == 0 && faccessat(mb->dir, "cur", F_OK, 0) == 0)
		return 0;
	if (errno != ENOENT || files_make_folder(mb->a, mb->f) == -1)
		return -1;
	if (mb->f->n.exists > 0)
		mb->f->checked = 0;
	return open_dir(mb);
}

static int
load(struct mailbox *mb, bool locked)
{
	int rc = -1;

	if (mb->f->checked >= mb->a->epoch && open_dir(mb) == 0 &&
	    load_from(mb, RECORDS_FILE, UINT64_MAX) == 0 && !mb->ahead) {
		enlist(mb);
		return 0;
	}
	/*
	 * What has to be repaired is repaired by one at a time; and taking
	 * the lock finishes what a killed session began, such as renaming
	 * this directory.
	 */
	if (!locked && account_lock(mb->a) == -1)
		return -1;
	if (mb->f->gone)
		errno = ENOENT;
	else if (open_or_make_dir(mb) == 0)
		rc = prepare(mb);
	if (locked)
		return rc;
	account_unlock(mb->a);
	/* Nobody else should have to do it again. */
	if (rc == 0 && mb->rebuilt && box_fold(mb) != 0)
		account_want_work(mb->a);
	return rc;
}

static struct mailbox *
box_new(struct account *a, struct folder *f)
{
	struct mailbox *mb = xcalloc(1, sizeof(*mb));

	mb->a = a;
	mb->f = f;
	mb->dir = -1;
	mb->cur = -1;
	return mb;
}

struct mailbox *
box_open(struct account *a, struct folder *f, bool locked)
{
	struct mailbox *mb = box_new(a, f);

	if (load(mb, locked) == -1) {
		box_close(mb);
		return NULL;
	}
	return mb;
}

struct mailbox *
box_open_since(struct account *a, struct folder *f, uint64_t since)
{
	struct mailbox *mb = box_new(a, f);

	if (f->checked < a->epoch)
		errno = ESTALE;
	else if (open_dir(mb) == 0 &&
		 (load_from(mb, RECORDS_FILE, since) == 0 ||
		     load_from(mb, RECORDS_BEFORE, since) == 0)) {
		if (!mb->ahead) {
			enlist(mb);
			return mb;
		}
		errno = ESTALE;
	}
	box_close(mb);
	return NULL;
}

void
box_close(struct mailbox *mb)
{
	int saved = errno;

	for (struct mailbox **p = &mb->a->boxes; *p != NULL; p = &(*p)->next) {
		if (*p == mb) {
			*p = mb->next;
			break;
		}
	}
	if (mb->damaged && mb->dir != -1)
		records_condemn(&mb->records, mb->dir);
	cache_close(mb);
	unload(mb);
	free(mb->removed.at);
	free(mb->dying.at);
	free(mb->changed.at);
	free(mb->told_expunged);
	free(mb->told_changed);
	uidset_free(&mb->recent);
	fd_close(mb->dir);
	fd_close(mb->cur);
	free(mb);
	errno = saved;
}
