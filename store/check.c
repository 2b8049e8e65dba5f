#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "store/box.h"
#include "store/dir.h"
#include "store/errors.h"
#include "store/files.h"

/*
 * Comparing cur/ with what is known, once an epoch: after an unclean stop a
 * file may be there without its record, or a record without its file. No
 * UID is given in a folder before this is done, so a name with a UID below
 * UIDNEXT that is not known was expunged, and one above was on its way in.
 */
#define UID_JUMP 1000000 /* a name with a UID so far off is not believed */
#define BATCH    1024    /* adopted by one record */

/* A file that is to be looked at after the others. */
struct stray {
	char *name; /* owned */
	struct fname f;
	bool ours; /* f is set, with this mailbox's UIDVALIDITY */
	bool keep; /* is adopted; with f.uid 0 it gets a new UID */
};

struct scan {
	struct mailbox *mb;
	uint8_t *seen;        /* a bit an index; owned */
	struct stray *strays; /* owned */
	size_t count;
	size_t cap;
	uint32_t next; /* least UID for the next one adopted */
};

/* Every UID below was given, and what became of it is known. */
static uint32_t
sure_uidnext(const struct mailbox *mb)
{
	uint32_t sure = mb->f->sure != 0 ? mb->f->sure : mb->f->n.uidnext;

	return MAX(sure, mb->records.head.n.uidnext);
}

typedef int name_fn(void *ctx, const char *name);

/* Every one, or -1: what was not read must not pass for lost. */
static int
each_name(struct mailbox *mb, name_fn *each, void *ctx)
{
	const char *name;
	int rc = 0;
	DIR *d;

	d = dir_open(mb->dir, "cur");
	if (d == NULL)
		return -1;
	while (rc == 0 && (name = dir_next(d)) != NULL)
		if (*name != '.')
			rc = each(ctx, name);
	if (rc == 0 && errno != 0)
		rc = -1;
	dir_close(d);
	return rc;
}

static bool
parse_ours(const struct mailbox *mb, const char *name, struct fname *f)
{
	return fname_parse(slice_str(name), f) == 0 &&
	       f->uidvalidity == mb->f->uidvalidity;
}

/* Index of the living message whose file has this name, or UINT32_MAX. */
static uint32_t
find_named(struct mailbox *mb, const struct fname *f, const char *name)
{
	uint32_t i = box_find_exact(mb, f->uid);
	char expected[FNAME_MAX + 1];
	const struct entry *e;

	if (i == UINT32_MAX)
		return i;
	e = box_entry(mb, i);
	if (e == NULL || (e->state & ENTRY_DEAD) != 0)
		return UINT32_MAX;
	box_file_name(mb, e, expected);
	return strcmp(expected, name) == 0 ? i : UINT32_MAX;
}

static int
look(void *ctx, const char *name)
{
	struct scan *s = ctx;
	struct stray stray = { .name = NULL };
	uint32_t i = UINT32_MAX;

	stray.ours = parse_ours(s->mb, name, &stray.f);
	if (stray.ours)
		i = find_named(s->mb, &stray.f, name);
	if (i != UINT32_MAX) {
		s->seen[i / 8] |= (uint8_t)(1U << (i % 8));
		return 0;
	}
	stray.name = xstrdup(name);
	if (s->count == s->cap) {
		s->cap = s->cap == 0 ? 16 : s->cap * 2;
		s->strays =
		    xreallocarray(s->strays, s->cap, sizeof(*s->strays));
	}
	s->strays[s->count++] = stray;
	return s->mb->damaged ? -1 : 0;
}

static bool
is_seen(const struct scan *s, uint32_t i)
{
	return (s->seen[i / 8] & (1U << (i % 8))) != 0;
}

/* A message of ours under a name that is not: another program's flags. */
static int
settle_known(struct scan *s, struct stray *x, uint32_t i, struct entry *e)
{
	char expected[FNAME_MAX + 1];

	if (is_seen(s, i))
		return files_set_aside(s->mb->a, s->mb->cur, x->name);
	box_file_name(s->mb, e, expected);
	if (renameat(s->mb->cur, x->name, s->mb->cur, expected) == -1)
		return -1;
	s->seen[i / 8] |= (uint8_t)(1U << (i % 8));
	return 0;
}

/* Is the UID of a name one that this mailbox may have given? */
static bool
believable(const struct mailbox *mb, uint32_t uid)
{
	if (mb->f->n.exists == 0 && uid <= INT32_MAX)
		return true; /* all is read from names */
	return uid <= (uint64_t)mb->f->n.uidnext + UID_JUMP;
}

static int
settle_stray(struct scan *s, struct stray *x)
{
	struct mailbox *mb = s->mb;
	uint32_t i = x->ours ? box_find_exact(mb, x->f.uid) : UINT32_MAX;
	struct entry *e = i == UINT32_MAX ? NULL : box_entry(mb, i);

	if (e != NULL && e->id == x->f.id && e->size == x->f.size) {
		if ((e->state & ENTRY_DEAD) == 0)
			return settle_known(s, x, i, e);
		return files_remove(mb->a, mb->cur, x->name);
	}
	if (e == NULL && x->ours && x->f.uid < sure_uidnext(mb))
		return files_set_aside(mb->a, mb->cur, x->name);
	x->keep = true;
	if (e != NULL || !x->ours || !believable(mb, x->f.uid))
		x->f.uid = 0;
	return 0;
}

/* With UIDs first, ascending; the others as their names sort. */
static int
compare(const void *a, const void *b)
{
	const struct stray *x = a;
	const struct stray *y = b;
	uint32_t u = x->f.uid - 1; /* 0 sorts last */
	uint32_t v = y->f.uid - 1;

	if (u != v)
		return u < v ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int
adopt_item(struct scan *s, struct stray *x, struct counts *n,
    struct items *head, struct buf *out)
{
	struct item item = { .uid = x->f.uid, .id = x->f.id };
	struct stat st;

	if (fstatat(s->mb->cur, x->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISREG(st.st_mode) || strlen(x->name) > 255)
		return 0;
	if (item.uid < s->next)
		item.uid = MAX(s->next, n->uidnext);
	if (item.uid == UINT32_MAX) {
		log_warn("event=store-uids-used-up file=%s", x->name);
		return 0;
	}
	item.date_s = x->f.date_s;
	item.zone_min = x->f.zone_min;
	if (item.id == 0) {
		item.id = rand_u64();
		item.date_s = st.st_mtime;
	}
	item.flags = (uint16_t)fname_flags(slice_str(x->name));
	item.size = (uint64_t)st.st_size;
	item.source = slice_str(x->name);
	s->next = item.uid + 1;
	n->uidnext = MAX(n->uidnext, s->next);
	n->recent++;
	counts_add(n, item.flags, item.size);
	head->count++;
	return record_put_item(out, &item);
}

static int
adopt_batch(struct scan *s, size_t first, size_t count)
{
	struct account *a = s->mb->a;
	struct account_change c = {
		.type = RECORD_ADOPT,
		.visible = true,
		.blocks = 1,
		.folders = { s->mb->f },
		.n = { s->mb->f->n },
	};
	struct buf items = BUF_INIT(RECORD_MAX);
	struct items head = { .count = 0 };
	int rc = 0;

	for (size_t i = first; rc == 0 && i < first + count; i++)
		if (s->strays[i].keep)
			rc = adopt_item(
			    s, &s->strays[i], &c.n[0], &head, &items);
	if (rc == 0 && head.count > 0) {
		log_info("event=store-adopt mailbox=%s count=%u",
		    s->mb->f->name, head.count);
		rc = record_start(&a->out, 1);
		if (rc == 0)
			rc = record_put_items(&a->out, &head);
		if (rc == 0)
			rc = buf_append_slice(&a->out, buf_slice(&items));
		if (rc == 0)
			rc = account_append(a, &c);
	}
	buf_free(&items);
	return rc;
}

/* Messages whose files are not there any more. */
static int
drop_lost(struct scan *s, uint32_t total)
{
	struct account *a = s->mb->a;
	struct account_change c = {
		.type = RECORD_LOST,
		.visible = true,
		.blocks = 1,
		.folders = { s->mb->f },
		.n = { s->mb->f->n },
	};
	struct uidset lost = UIDSET_INIT;
	struct entry *e;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < total; i++) {
		e = box_entry(s->mb, i);
		if (e == NULL) {
			errno = EUCLEAN;
			rc = -1;
		} else if (!is_seen(s, i) && (e->state & ENTRY_DEAD) == 0) {
			counts_remove(&c.n[0], e);
			rc = uidset_add(&lost, e->uid, e->uid);
		}
	}
	if (rc == 0 && lost.count > 0) {
		log_error("event=store-lost mailbox=%s count=%lu",
		    s->mb->f->name, (unsigned long)uidset_size(&lost));
		rc = record_start(&a->out, 1);
		if (rc == 0)
			rc = record_put_ranges(&a->out, &lost);
		if (rc == 0)
			rc = account_append(a, &c);
	}
	uidset_free(&lost);
	return rc;
}

static int
tell_checked(struct mailbox *mb)
{
	struct account_change c = {
		.type = RECORD_CHECK,
		.blocks = 1,
		.folders = { mb->f },
		.n = { mb->f->n },
	};

	if (record_start(&mb->a->out, 1) == -1 ||
	    wire_put_u64(&mb->a->out, mb->a->epoch) == -1)
		return -1;
	return account_append(mb->a, &c);
}

static int
settle(struct scan *s, uint32_t total)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->count; i++)
		rc = settle_stray(s, &s->strays[i]);
	if (rc == 0)
		rc = drop_lost(s, total);
	s->next = sure_uidnext(s->mb);
	if (s->count > 1)
		qsort(s->strays, s->count, sizeof(*s->strays), compare);
	for (size_t i = 0; rc == 0 && i < s->count; i += BATCH)
		rc = adopt_batch(s, i, MIN((size_t)BATCH, s->count - i));
	return rc == 0 ? tell_checked(s->mb) : -1;
}

int
box_check(struct mailbox *mb)
{
	uint32_t total = box_total(mb);
	struct scan s = { .mb = mb };
	int saved;
	int rc;

	if (box_cur(mb) == -1)
		return -1;
	s.seen = xcalloc(total / 8 + 1, 1);
	rc = each_name(mb, look, &s);
	if (rc == 0)
		rc = settle(&s, total);
	saved = errno;
	for (size_t i = 0; i < s.count; i++)
		free(s.strays[i].name);
	free(s.strays);
	free(s.seen);
	errno = saved;
	return rc;
}

/* -- rebuilding from names ----------------------------------------- */

static int
note_name(void *ctx, const char *name)
{
	struct mailbox *mb = ctx;
	struct fname f;

	/* What is above UIDNEXT is for the check to adopt. */
	if (!parse_ours(mb, name, &f) || f.uid >= sure_uidnext(mb))
		return 0;
	if (mb->added_count == mb->added_cap) {
		mb->added_cap = mb->added_cap == 0 ? 64 : mb->added_cap * 2;
		mb->added =
		    xreallocarray(mb->added, mb->added_cap, sizeof(*mb->added));
	}
	mb->added[mb->added_count++] = (struct entry){
		.uid = f.uid,
		.flags = (uint16_t)f.flags,
		.zone_min = f.zone_min,
		.size = f.size,
		.date_s = f.date_s,
		.id = f.id,
		.saved_s = (uint32_t)f.date_s,
		.name_flags = (uint8_t)f.flags,
	};
	return 0;
}

static int
compare_entries(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->id < y->id ? -1 : x->id > y->id;
}

/*
 * An old `records` knows flags that names do not, and what was expunged
 * before it was written: such a file is left to the check. Where a page of
 * it is damaged nothing can be concluded, and the file is believed.
 */
struct memory {
	struct records rs;
	uint32_t at; /* entries below have smaller UIDs */
	bool holes;
};

static bool
confirm(struct memory *m, struct entry *e)
{
	const struct entry *known = NULL;

	for (; m->at < m->rs.head.count; m->at++) {
		known = records_entry(&m->rs, m->at);
		if (known == NULL)
			m->holes = true;
		else if (known->uid >= e->uid)
			break;
	}
	if (m->at == m->rs.head.count)
		known = NULL;
	if (known != NULL && known->uid == e->uid && known->id == e->id) {
		*e = *known;
		e->state = 0;
		return true;
	}
	return m->holes || e->uid >= m->rs.head.n.uidnext;
}

/* What the journal does not know would be given to other keywords. */
static int
keep_keywords(struct mailbox *mb, const struct records_head *h)
{
	struct account_change c = {
		.type = RECORD_FLAGS,
		.blocks = 1,
		.folders = { mb->f },
		.n = { mb->f->n },
	};
	struct flag_change none = { .defs.first = mb->f->keyword_count };
	const struct uidset nobody = UIDSET_INIT;

	for (unsigned i = none.defs.first; i < h->keyword_count; i++)
		none.defs.names[none.defs.count++] = slice_str(h->keywords[i]);
	if (none.defs.count == 0)
		return 0;
	if (record_start(&mb->a->out, 1) == -1 ||
	    record_put_flags(&mb->a->out, &none) == -1 ||
	    record_put_ranges(&mb->a->out, &nobody) == -1)
		return -1;
	return account_append(mb->a, &c);
}

static int
merge_records(struct mailbox *mb)
{
	static const char *const files[] = { RECORDS_FILE, RECORDS_DAMAGED,
		RECORDS_BEFORE };
	struct memory m = { .at = 0 };
	uint32_t kept = 0;
	size_t i = 0;
	int rc;

	while (i < ARRAY_LEN(files) &&
	       records_open(&m.rs, mb->dir, files[i], mb->f->id) == -1) {
		if (error_is_ours(errno))
			return -1;
		i++;
	}
	if (i == ARRAY_LEN(files))
		return 0;
	for (uint32_t k = 0; k < mb->added_count; k++)
		if (confirm(&m, &mb->added[k]))
			mb->added[kept++] = mb->added[k];
	mb->added_count = kept;
	mb->given = MAX(mb->given, m.rs.head.n.uidnext);
	rc = keep_keywords(mb, &m.rs.head);
	records_close(&m.rs);
	return rc;
}

int
box_rebuild(struct mailbox *mb)
{
	uint32_t n = 0;

	if (each_name(mb, note_name, mb) == -1)
		return -1;
	if (mb->added_count == 0)
		return 0;
	qsort(mb->added, mb->added_count, sizeof(*mb->added), compare_entries);
	for (uint32_t i = 1; i < mb->added_count; i++)
		if (mb->added[i].uid != mb->added[n].uid)
			mb->added[++n] = mb->added[i];
	mb->added_count = n + 1;
	return merge_records(mb);
}

/* All counts anew. */
static int
count_all(struct mailbox *mb, struct counts *n)
{
	struct entry *e;

	for (uint32_t i = 0; i < box_total(mb); i++) {
		e = box_entry(mb, i);
		if (e == NULL) {
			mb->damaged = true;
			errno = EUCLEAN;
			return -1;
		}
		if ((e->state & ENTRY_DEAD) != 0)
			continue;
		counts_add(n, e->flags, e->size);
		n->recent += e->uid > n->recent_uid;
		/* Clients must look at these again. */
		if (e->modseq == 0)
			e->modseq = mb->a->j.pos;
	}
	return 0;
}

int
box_rebuilt(struct mailbox *mb)
{
	struct account_change c = {
		.type = RECORD_STATE,
		.visible = true,
		.blocks = 1,
		.folders = { mb->f },
	};
	struct counts *n = &c.n[0];
	uint32_t sure = mb->f->n.uidnext;

	if (keep_keywords(mb, &mb->records.head) == -1)
		return -1;
	n->uidnext = MAX(sure, mb->given);
	n->recent_uid = mb->f->n.recent_uid;
	n->unmoved = mb->removed.count > 0;
	if (count_all(mb, n) == -1)
		return -1;
	mb->f->touched = UINT32_MAX; /* fold soon */
	account_want_work(mb->a);
	if (record_start(&mb->a->out, 1) == -1 ||
	    (n->uidnext > sure && wire_put_u32(&mb->a->out, sure) == -1))
		return -1;
	return account_append(mb->a, &c);
}
