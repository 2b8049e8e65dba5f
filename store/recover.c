#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "store/box.h"
#include "store/create.h"
#include "store/dir.h"
#include "store/errors.h"
#include "store/files.h"
#include "store/name.h"
#include "store/segment.h"
#include "store/settle.h"
#include "store/tidy.h"

/*
 * The first open after a boot, or after the lock page, the snapshot or the
 * journal was lost. What there is is put together; then a new epoch begins
 * in a segment of its own, so no position comes back, and UIDs that may
 * have been told out of what is lost are passed over.
 */
#define UID_GAP       1000000 /* when nobody knows how much was lost */
#define BYTES_PER_UID 50      /* no record gives a UID in less */

/* Bases are times in seconds: this one is in 2097. */
#define POSITION_MAX (UINT64_C(0xf0000000) << JOURNAL_SHIFT)

struct recovery {
	struct account *a;
	uint64_t *bases; /* of all segments; owned */
	size_t count;
	uint64_t gap; /* UIDs that may have been told */
	bool begun;   /* somebody has been here, as far as is known */
};

/* -- folders by their directories ---------------------------------- */

static int
from_head(struct account *a, struct slice name, const struct records_head *h)
{
	struct keyword_defs d = { .count = h->keyword_count };
	struct folder *f;

	f = folder_add(a, h->id, name);
	if (f == NULL)
		return -1;
	f->uidvalidity = h->uidvalidity;
	f->uses = h->uses & FOLDER_USES;
	f->n = h->n;
	f->last = h->last;
	f->created = h->created;
	f->folded = h->pos;
	f->folded_before = h->before;
	a->last_uidvalidity = MAX(a->last_uidvalidity, h->uidvalidity);
	for (unsigned i = 0; i < d.count; i++)
		d.names[i] = slice_str(h->keywords[i]);
	return folder_define_keywords(f, &d);
}

/* What the names in a cur/ tell. */
struct names {
	bool any;
	uint32_t uidvalidity; /* the newest of our own names; 0: none */
};

static int
read_names(int dir, struct names *n)
{
	struct fname f;
	const char *name;
	int rc;
	DIR *d;

	*n = (struct names){ .any = false };
	d = dir_open(dir, "cur");
	if (d == NULL)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
			   ? 0
			   : -1;
	while ((name = dir_next(d)) != NULL) {
		if (*name == '.')
			continue;
		n->any = true;
		if (fname_parse(slice_str(name), &f) == 0)
			n->uidvalidity = MAX(n->uidvalidity, f.uidvalidity);
	}
	rc = errno == 0 ? 0 : -1;
	dir_close(d);
	return rc;
}

/* The check adopts what lies in its cur/. */
static int
adopt_all(struct account *a, struct slice name)
{
	struct folder *f = folder_by_name(a, name);
	struct mailbox *mb;

	assert(f != NULL);
	f->checked = 0;
	mb = box_open(a, f, true);
	if (mb == NULL)
		return -1;
	box_close(mb);
	return 0;
}

/*
 * A directory of which nothing is known but the names in it: a mailbox is
 * made of it, with the UIDs that names tell.
 */
static int
from_names(struct recovery *v, struct slice name, int dir)
{
	struct names n;

	if (read_names(dir, &n) == -1)
		return -1;
	if (n.uidvalidity != 0) {
		log_warn(
		    "event=store-folder-found mailbox=%.*s", SLICE_FMT(name));
		v->gap = MAX(v->gap, UID_GAP);
	}
	if (create_folder(v->a, name, create_use(v->a, name), n.uidvalidity) ==
	    -1)
		return -1;
	return n.any ? adopt_all(v->a, name) : 0;
}

/*
 * Nobody has been here, and no mail of ours is. The first record ever makes
 * the first mailboxes: so where there was one, what is not there is what the
 * user does not want.
 */
static int
begin_home(struct recovery *v)
{
	struct account *a = v->a;
	struct names n;

	if (v->begun || a->next_id != 1)
		return 0;
	if (read_names(a->mail, &n) == -1)
		return -1;
	if (n.uidvalidity != 0)
		return 0;
	if (create_first(a) == -1)
		return -1;
	return n.any ? adopt_all(a, SLICE("INBOX")) : 0;
}

static uint64_t
latest(const struct records_head *h)
{
	return MAX(MAX(h->pos, h->last), MAX(h->created, h->n.modseq));
}

/*
 * What `records`, or else `records.1`, says. One with positions beyond end is
 * not believed: none of the records to come would count for it.
 */
static int
open_head(struct records *rs, int dir, uint64_t end)
{
	static const char *const files[] = { RECORDS_FILE, RECORDS_BEFORE };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (records_open(rs, dir, files[i], 0) == -1) {
			if (error_is_ours(errno))
				return -1;
			continue;
		}
		if (latest(&rs->head) <= end)
			return 0;
		records_close(rs);
		errno = EUCLEAN;
	}
	return -1;
}

/* names: also where `records` does not say whose the directory is. */
static int
find_folder(struct recovery *v, const char *disk, bool names)
{
	struct buf name = BUF_INIT(NAME_MAX_BYTES);
	struct records rs;
	int dir = -1;
	int rc = strcmp(disk, ".") == 0
		     ? buf_append_str(&name, "INBOX")
		     : name_from_disk(slice_str(disk), &name);

	if (rc == -1) {
		rc = error_is_ours(errno) ? -1 : 0;
		goto out;
	}
	if (folder_by_name(v->a, buf_slice(&name)) != NULL)
		goto out;
	dir = dir_fd(v->a->mail, disk);
	if (dir == -1 || faccessat(dir, "cur", F_OK, 0) == -1) {
		rc = error_is_ours(errno) ? -1 : 0;
		goto out;
	}
	if (open_head(&rs, dir, names ? v->a->j.pos : POSITION_MAX) == 0) {
		if (folder_by_id(v->a, rs.head.id) == NULL)
			rc = from_head(v->a, buf_slice(&name), &rs.head);
		else if (names)
			rc = from_names(v, buf_slice(&name), dir);
		records_close(&rs);
	} else if (error_is_ours(errno))
		rc = -1;
	else if (names)
		rc = from_names(v, buf_slice(&name), dir);
out:
	fd_close(dir);
	buf_free(&name);
	return rc;
}

static int
find_folders(struct recovery *v, bool names)
{
	const char *name;
	int rc;
	DIR *d;

	rc = find_folder(v, ".", names);
	d = dir_open(v->a->mail, ".");
	if (d == NULL)
		return -1;
	while (rc == 0 && v->a->folder_count < FOLDERS_MAX &&
	       (name = dir_next(d)) != NULL) {
		if (*name == '.')
			rc = find_folder(v, name, names);
		if (rc == 0)
			errno = 0;
	}
	if (rc == 0 && errno != 0)
		rc = -1;
	dir_close(d);
	return rc;
}

/* -- the journal --------------------------------------------------- */

/* Bytes behind the last whole record that are more than a torn end. */
static int
damage(const struct account *a, uint64_t *bytes)
{
	struct segment_tail tail;

	if (segment_tail(&a->j.now, a->j.pos & JOURNAL_OFFSET, &tail) == 0)
		*bytes = tail.torn ? 0 : tail.bytes;
	else if (error_is_ours(errno))
		return -1;
	else
		*bytes = (uint64_t)UID_GAP * BYTES_PER_UID;
	return 0;
}

static int
replay_from(struct recovery *v, uint64_t pos)
{
	struct account *a = v->a;
	uint64_t lost;

	if (journal_seek(&a->j, pos) == -1) {
		if (errno != EUCLEAN && errno != ENOENT)
			return -1;
		log_error("event=store-segment base=%lx error=%s",
		    (unsigned long)(pos >> JOURNAL_SHIFT), strerror(errno));
		v->gap = MAX(v->gap, UID_GAP);
		return 0;
	}
	if (account_replay(a) == -1) {
		if (errno != EUCLEAN && errno != ESTALE)
			return -1;
		log_error("event=store-replay base=%lx",
		    (unsigned long)a->j.now.base);
		v->gap = MAX(v->gap, UID_GAP);
	}
	/*
	 * In a segment of an earlier boot, the end may be any mixture of
	 * written and unwritten; only what was synced was told.
	 */
	if (damage(a, &lost) == -1)
		return -1;
	if (lost > 0) {
		log_warn("event=store-damage base=%lx bytes=%lu",
		    (unsigned long)a->j.now.base, (unsigned long)lost);
		v->gap = MAX(v->gap, lost / BYTES_PER_UID + 1);
	}
	return 0;
}

static int
replay_all(struct recovery *v, bool loaded)
{
	struct account *a = v->a;
	uint64_t from = loaded ? a->snapshot >> JOURNAL_SHIFT : 0;
	bool found = !loaded;
	uint64_t base;

	for (size_t i = 0; i < v->count; i++) {
		base = v->bases[i];
		if (base < from || (a->j.now.fd != -1 && base <= a->j.now.base))
			continue;
		if (replay_from(v, base == from ? a->snapshot
						: base << JOURNAL_SHIFT |
						      JOURNAL_START) == -1)
			return -1;
		found = found || base == from;
	}
	if (!found)
		v->gap = MAX(v->gap, UID_GAP);
	return 0;
}

/*
 * Is a part of the history missing that the snapshot would have held? A
 * first open that was killed leaves segments without a record: nothing was
 * told out of those. 1, 0, or -1 where want keeps that from being told.
 */
static int
beginning_lost(const struct recovery *v)
{
	struct journal_segment s;
	struct record r;
	struct stat st;
	int rc;

	for (size_t i = 0; i < v->count; i++) {
		if (segment_open(&s, v->a->j.dir, v->bases[i]) == -1)
			return error_is_ours(errno) ? -1 : 1;
		rc = fstat(s.fd, &st);
		fd_close(s.fd);
		if (rc == -1 || (i == 0 && s.prev != 0))
			return 1;
		if (st.st_size <= JOURNAL_START)
			continue;
		rc = journal_at(
		    &v->a->j, v->bases[i] << JOURNAL_SHIFT | JOURNAL_START, &r);
		if (rc == -1 && error_is_ours(errno))
			return -1;
		return rc == -1 ? 1 : 0;
	}
	return v->a->folder_count > 0 ? 1 : 0;
}

/* -- the new epoch ------------------------------------------------- */

static uint64_t
known_to(const struct folder *f)
{
	return MAX(f->last, MAX(f->created, f->n.modseq));
}

static int
begin_epoch(struct recovery *v)
{
	struct account *a = v->a;
	uint64_t last = v->count > 0 ? v->bases[v->count - 1] : 0;
	struct segment_tail tail;
	uint64_t base;

	/* Sessions of this boot may still be there: they follow the seal. */
	if (a->j.now.fd != -1 && a->j.now.base == last &&
	    memcmp(a->j.now.boot_id, a->config.boot_id, 16) == 0 &&
	    journal_tail(&a->j, &tail) == 0 && journal_cut(&a->j, &tail) == 0 &&
	    journal_roll(&a->j, 0, true) == 0) {
		a->epoch = a->j.now.epoch;
		return 0;
	}
	base = MAX(last, a->snapshot >> JOURNAL_SHIFT) + 1;
	for (size_t i = 0; i < a->folder_count; i++)
		base =
		    MAX(base, (known_to(a->folders[i]) >> JOURNAL_SHIFT) + 1);
	base = MAX(base, (uint64_t)clock_wall_s());
	if (journal_create(&a->j, base, last, 0) == -1 ||
	    journal_seek(&a->j, base << JOURNAL_SHIFT | JOURNAL_START) == -1)
		return -1;
	a->epoch = base;
	return 0;
}

static int
skip_uids(struct account *a, uint64_t gap)
{
	struct account_change c = { .type = RECORD_STATE, .blocks = 1 };

	if (gap == 0)
		return 0;
	for (size_t i = 0; i < a->folder_count; i++) {
		c.folders[0] = a->folders[i];
		c.n[0] = a->folders[i]->n;
		c.n[0].uidnext += (uint32_t)MIN(
		    gap, (uint64_t)(UINT32_MAX - c.n[0].uidnext) / 2);
		if (record_start(&a->out, 1) == -1 ||
		    wire_put_u32(&a->out, a->folders[i]->n.uidnext) == -1 ||
		    account_append(a, &c) == -1)
			return -1;
	}
	return 0;
}

/* -- files --------------------------------------------------------- */

static int
redo_record(struct account *a, const struct record *r, bool dirs)
{
	if (settle_redoes(r->type) != dirs)
		return 0;
	if (dirs)
		return settle_record(a, r);
	return files_needed(r->type) ? files_apply(a, r) : 0;
}

/* What is not done for want of something may be done the next time. */
static int
redo_segment(struct account *a, uint64_t pos, bool dirs)
{
	struct record r;

	for (; journal_at(&a->j, pos, &r) == 0; pos += r.len) {
		if (redo_record(a, &r, dirs) == 0)
			continue;
		log_warn("event=store-redo error=%s", strerror(errno));
		if (error_is_room(errno) || error_is_ours(errno))
			return -1;
	}
	return error_is_ours(errno) ? -1 : 0;
}

/*
 * Everything since the checkpoint once more: first the directories get
 * their names, as the table has them now, then the files move.
 */
static int
redo_files(struct recovery *v)
{
	uint64_t from = v->a->checkpoint >> JOURNAL_SHIFT;
	uint64_t pos;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < v->count; i++) {
			if (v->bases[i] < from)
				continue;
			pos =
			    v->bases[i] == from
				? v->a->checkpoint
				: v->bases[i] << JOURNAL_SHIFT | JOURNAL_START;
			if (redo_segment(v->a, pos, pass == 0) == -1)
				return -1;
		}
	}
	return 0;
}

static int
make_folders(struct account *a)
{
	char path[FOLDER_PATH_MAX];

	for (size_t i = 0; i < a->folder_count; i++) {
		if (a->folders[i]->n.uidnext == 1 &&
		    *a->folders[i]->disk != '\0')
			continue; /* when it is wanted */
		folder_path(a->folders[i], "cur", path);
		if (faccessat(a->mail, path, F_OK, 0) == -1 &&
		    files_make_folder(a, a->folders[i]) == -1)
			return -1;
	}
	if (folder_by_name(a, SLICE("INBOX")) != NULL)
		return 0;
	return create_folder(a, SLICE("INBOX"), 0, 0);
}

static int
finish(struct account *a)
{
	struct journal_page page = { .epoch = a->epoch };

	if (snapshot_write(a) == -1)
		return -1;
	memcpy(page.boot_id, a->config.boot_id, sizeof(page.boot_id));
	a->stuck = 0;
	return journal_page_write(&a->j, &page);
}

static int
recover(struct recovery *v)
{
	struct account *a = v->a;
	bool loaded = snapshot_read(a) == 0;
	int lost;

	if (!loaded && errno != ENOENT && errno != EUCLEAN)
		return -1;
	if (journal_list(&a->j, &v->bases, &v->count) == -1)
		return -1;
	if (!loaded && find_folders(v, false) == -1)
		return -1;
	lost = loaded ? 0 : beginning_lost(v);
	if (lost == -1)
		return -1;
	v->begun = loaded || lost == 1;
	if (lost == 1)
		v->gap = UID_GAP;
	if (replay_all(v, loaded) == -1)
		return -1;
	a->epoch = 0;
	if (begin_epoch(v) == -1 || redo_files(v) == -1 ||
	    begin_home(v) == -1 || find_folders(v, true) == -1 ||
	    skip_uids(a, v->gap) == -1 || make_folders(a) == -1)
		return -1;
	return finish(a);
}

int
account_recover(struct account *a)
{
	struct recovery v = { .a = a };
	int rc;

	fd_close(a->j.now.fd);
	a->j.now.fd = -1;
	a->snapshot = 0;
	a->checkpoint = 0;
	a->next_id = 1;
	a->recovering = true;
	rc = journal_forget_synced(&a->j);
	if (rc == 0)
		rc = recover(&v);
	if (rc == 0)
		tidy_litter(a);
	a->recovering = false;
	free(v.bases);
	return rc;
}

int
account_repair(struct account *a, struct journal_page *page)
{
	log_error("event=store-damage bytes=%lu", (unsigned long)page->lost);
	if (journal_roll(&a->j, 0, true) == -1)
		return -1;
	a->epoch = a->j.now.epoch;
	if (skip_uids(a, page->lost / BYTES_PER_UID + 1) == -1)
		return -1;
	page->epoch = a->epoch;
	page->lost = 0;
	return journal_page_write(&a->j, page);
}

int
account_cut_short(struct account *a, uint64_t pos)
{
	struct journal_page page;

	if (a->recovering || pos <= a->j.pos)
		return 0;
	if (journal_page_read(&a->j, &page) == -1)
		return -1;
	page.lost = MIN(pos - a->j.pos, (uint64_t)UID_GAP * BYTES_PER_UID);
	/* Who is killed now leaves it to the next one. */
	if (journal_page_write(&a->j, &page) == -1)
		return -1;
	return account_repair(a, &page);
}
