#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "store/box.h"
#include "store/create.h"
#include "store/name.h"
#include "store/tidy.h"
#include "store/write.h"

/* Each is in vain only when another session moves messages meanwhile. */
#define DELETE_TRIES 10

/* Making, removing, renaming and subscribing mailboxes. */

uint32_t
create_uidvalidity(const struct account *a)
{
	uint32_t now = (uint32_t)clock_wall_s();

	return MAX(a->last_uidvalidity + 1, now);
}

static int
put_created(
    struct account *a, struct slice name, unsigned uses, uint32_t uidvalidity)
{
	if (wire_put_u32(&a->out, uidvalidity) == -1 ||
	    wire_put_u32(&a->out, uses) == -1)
		return -1;
	return wire_put_bytes(&a->out, name);
}

int
create_folder(
    struct account *a, struct slice name, unsigned uses, uint32_t uidvalidity)
{
	struct account_change c = { .type = RECORD_CREATE, .visible = true };
	struct folder new = { .id = a->next_id, .n.uidnext = 1 };

	if (uidvalidity == 0)
		uidvalidity = create_uidvalidity(a);
	/* The block is filled from a folder that is not in the table yet. */
	c.blocks = 1;
	c.folders[0] = &new;
	c.n[0] = new.n;
	if (record_start(&a->out, 1) == -1 ||
	    put_created(a, name, uses, uidvalidity) == -1)
		return -1;
	return account_append(a, &c);
}

struct known_folder {
	const char *name;
	unsigned use;
	bool first; /* every new home has it */
};

static const struct known_folder known_folders[] = {
	{ "INBOX", 0, true },
	{ "Drafts", FOLDER_DRAFTS, true },
	{ "Sent", FOLDER_SENT, true },
	{ "Junk", FOLDER_JUNK, true },
	{ "Trash", FOLDER_TRASH, true },
	{ "Archive", FOLDER_ARCHIVE, false },
};

/* The directory of a known name is "." and the name. */
static bool
wants_first(const struct account *a, const struct known_folder *k)
{
	char disk[32];

	if (!k->first || k->use == 0)
		return k->first;
	snprintf(disk, sizeof(disk), ".%s", k->name);
	return faccessat(a->mail, disk, F_OK, AT_SYMLINK_NOFOLLOW) == -1;
}

int
create_first(struct account *a)
{
	const struct known_folder *wanted[ARRAY_LEN(known_folders)];
	struct account_change c = { .type = RECORD_CREATE, .visible = true };
	struct folder new[CHANGE_FOLDERS];
	uint32_t uidvalidity = create_uidvalidity(a);

	for (size_t i = 0; i < ARRAY_LEN(known_folders); i++)
		if (c.blocks < CHANGE_FOLDERS &&
		    wants_first(a, &known_folders[i]))
			wanted[c.blocks++] = &known_folders[i];
	if (record_start(&a->out, c.blocks) == -1)
		return -1;
	for (unsigned i = 0; i < c.blocks; i++) {
		new[i] = (struct folder){ .id = a->next_id + i };
		c.folders[i] = &new[i];
		c.n[i].uidnext = 1;
		if (put_created(a, slice_str(wanted[i]->name),
			wanted[i]->use | FOLDER_SUBSCRIBED,
			uidvalidity + i) == -1)
			return -1;
	}
	return account_append(a, &c);
}

static unsigned
uses_taken(const struct account *a)
{
	unsigned uses = 0;

	for (size_t i = 0; i < a->folder_count; i++)
		uses |= a->folders[i]->uses;
	return uses;
}

unsigned
create_use(const struct account *a, struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(known_folders); i++)
		if (slice_ieq(name, slice_str(known_folders[i].name)))
			return known_folders[i].use & ~uses_taken(a);
	return 0;
}

static int
create_locked(struct account *a, struct slice name, unsigned uses)
{
	if ((uses & ~(unsigned)FOLDER_USES) != 0) {
		errno = EINVAL;
		return -1;
	}
	if (folder_by_name(a, name) != NULL || (uses & uses_taken(a)) != 0) {
		errno = EEXIST;
		return -1;
	}
	if (a->folder_count >= FOLDERS_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	if (uses == 0)
		uses = create_use(a, name);
	return create_folder(a, name, uses, 0);
}

/* A verb on one or two canonical names, under the lock, then a sync. */
typedef int locked_fn(
    struct account *a, const struct slice *names, unsigned arg);

static int
run_locked(struct account *a, struct slice name, struct slice other,
    locked_fn *verb, unsigned arg)
{
	struct buf first = BUF_INIT(NAME_MAX_BYTES);
	struct buf second = BUF_INIT(NAME_MAX_BYTES);
	struct slice names[2];
	int saved;
	int rc = -1;

	if (name_canonical(name, &first) == -1 ||
	    (other.len > 0 && name_canonical(other, &second) == -1) ||
	    account_lock(a) == -1)
		goto out;
	names[0] = buf_slice(&first);
	names[1] = buf_slice(&second);
	rc = verb(a, names, arg);
	account_unlock(a);
	if (rc == 0)
		rc = account_sync(a);
out:
	saved = errno;
	buf_free(&first);
	buf_free(&second);
	errno = saved;
	return rc;
}

static int
do_create(struct account *a, const struct slice *names, unsigned uses)
{
	return create_locked(a, names[0], uses);
}

int
account_create(struct account *a, struct slice name, unsigned uses)
{
	return run_locked(a, name, SLICE_EMPTY, do_create, uses);
}

static int
do_delete(struct account *a, const struct slice *names, unsigned arg)
{
	struct account_change c = { .type = RECORD_DELETE, .visible = true };
	struct folder *f = folder_by_name(a, names[0]);

	(void)arg;
	if (f == NULL) {
		errno = ENOENT;
		return -1;
	}
	if (*f->disk == '\0') {
		errno = EPERM;
		return -1;
	}
	if (a->moved > a->checkpoint && a->stuck == 0) {
		errno = EAGAIN;
		return -1;
	}
	c.blocks = 1;
	c.folders[0] = f;
	c.n[0] = f->n;
	if (record_start(&a->out, 1) == -1 ||
	    wire_put_bytes(&a->out, names[0]) == -1)
		return -1;
	box_touch(a, f);
	a->purge_now = true;
	account_want_work(a);
	return account_append(a, &c);
}

/*
 * What came from or through this mailbox could not be moved once more when
 * that is gone, so it must be where it belongs before the record is.
 */
int
account_delete(struct account *a, struct slice name)
{
	int rc;

	for (int tries = 0; tries < DELETE_TRIES; tries++) {
		rc = run_locked(a, name, SLICE_EMPTY, do_delete, 0);
		if (rc == 0 || errno != EAGAIN)
			return rc;
		if (tidy_checkpoint(a) == -1)
			return -1;
	}
	errno = EBUSY;
	return -1;
}

static int
do_subscribe(struct account *a, const struct slice *names, unsigned on)
{
	struct account_change c = { .type = RECORD_SUBSCRIBE };

	if ((map_get(&a->subscribed, names[0]) != NULL) == (on != 0))
		return 0;
	if (on != 0 && a->subscribed.count >= SUBSCRIPTIONS_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	if (record_start(&a->out, 0) == -1 ||
	    wire_put_u8(&a->out, on != 0) == -1 ||
	    wire_put_bytes(&a->out, names[0]) == -1)
		return -1;
	return account_append(a, &c);
}

int
account_subscribe(struct account *a, struct slice name, bool on)
{
	return run_locked(a, name, SLICE_EMPTY, do_subscribe, on);
}

/* -- rename -------------------------------------------------------- */

/* Is name below parent in the hierarchy? */
static bool
is_below(struct slice name, struct slice parent)
{
	return name.len > parent.len && name.p[parent.len] == '/' &&
	       memcmp(name.p, parent.p, parent.len) == 0;
}

/* The new name of one of those that are renamed; checked to be free. */
static int
new_name(struct account *a, const struct folder *f, const struct slice *names,
    struct buf *to)
{
	struct buf whole = BUF_INIT((size_t)2 * NAME_MAX_BYTES);
	struct slice rest =
	    slice_sub(slice_str(f->name), names[0].len, NAME_MAX_BYTES);
	int rc = -1;

	if (buf_append_slice(&whole, names[1]) == 0 &&
	    buf_append_slice(&whole, rest) == 0)
		rc = name_canonical(buf_slice(&whole), to);
	buf_free(&whole);
	if (rc == 0 && folder_by_name(a, buf_slice(to)) != NULL) {
		errno = EEXIST;
		rc = -1;
	}
	return rc;
}

static int
put_rename(struct account *a, const struct folder *f, const struct slice *names,
    struct buf *pairs)
{
	struct buf to = BUF_INIT(NAME_MAX_BYTES);
	int rc = -1;

	if (new_name(a, f, names, &to) == 0 &&
	    wire_put_u32(pairs, f->id) == 0 &&
	    wire_put_bytes(pairs, slice_str(f->name)) == 0 &&
	    wire_put_bytes(pairs, buf_slice(&to)) == 0)
		rc = 0;
	buf_free(&to);
	return rc;
}

static int
rename_tree(struct account *a, const struct slice *names)
{
	struct account_change c = { .type = RECORD_RENAME };
	struct buf pairs = BUF_INIT(RECORD_MAX / 2);
	uint32_t count = 0;
	struct slice name;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < a->folder_count; i++) {
		name = slice_str(a->folders[i]->name);
		if (!slice_eq(name, names[0]) && !is_below(name, names[0]))
			continue;
		count++;
		rc = put_rename(a, a->folders[i], names, &pairs);
	}
	if (rc == 0 && count == 0) {
		errno = ENOENT;
		rc = -1;
	}
	if (rc == 0 && (record_start(&a->out, 0) == -1 ||
			   wire_put_u32(&a->out, count) == -1 ||
			   buf_append_slice(&a->out, buf_slice(&pairs)) == -1 ||
			   account_append(a, &c) == -1))
		rc = -1;
	buf_free(&pairs);
	return rc;
}

static int
do_rename(struct account *a, const struct slice *names, unsigned arg)
{
	(void)arg;
	if (slice_eq(names[1], SLICE("INBOX")) ||
	    folder_by_name(a, names[1]) != NULL) {
		errno = EEXIST;
		return -1;
	}
	if (is_below(names[1], names[0])) {
		errno = EINVAL;
		return -1;
	}
	return rename_tree(a, names);
}

/* RFC 3501 §6.3.5: INBOX stays, its messages go. */
static int
rename_inbox(struct account *a, struct slice to)
{
	struct copy_result moved = COPY_RESULT_INIT;
	struct mailbox *mb;
	int rc = -1;

	if (account_create(a, to, 0) == -1)
		return -1;
	mb = mailbox_open(a, SLICE("INBOX"), false);
	if (mb != NULL)
		rc = mailbox_move(mb, &write_all_uids, to, &moved);
	mailbox_close(mb);
	copy_result_free(&moved);
	return rc;
}

int
account_rename(struct account *a, struct slice from, struct slice to)
{
	if (slice_ieq(from, SLICE("INBOX")))
		return rename_inbox(a, to);
	if (to.len == 0) {
		errno = EINVAL;
		return -1;
	}
	return run_locked(a, from, to, do_rename, 0);
}

/* -- listing ------------------------------------------------------- */

struct listing {
	struct map index; /* name → entry number + 1 */
	struct folder_list *list;
	size_t cap;
};

static struct folder_entry *
list_add(struct listing *l, struct slice name)
{
	struct folder_list *list = l->list;
	uintptr_t at = (uintptr_t)map_get(&l->index, name);
	struct folder_entry *e;

	if (at != 0)
		return &list->entries[at - 1];
	if (list->count == l->cap) {
		l->cap = l->cap == 0 ? 16 : l->cap * 2;
		list->entries = xreallocarray(
		    list->entries, l->cap, sizeof(*list->entries));
	}
	e = &list->entries[list->count++];
	*e = (struct folder_entry){ .name = slice_dup(name) };
	e->attributes = FOLDER_NOSELECT;
	map_put(&l->index, name, (void *)(uintptr_t)list->count);
	return e;
}

/* Every name above this one is there, and has children. */
static void
list_parents(struct listing *l, struct slice name)
{
	for (size_t i = name.len; i-- > 1;)
		if (name.p[i] == '/')
			list_add(l, slice_sub(name, 0, i))->attributes |=
			    FOLDER_CHILDREN;
}

/* "/" sorts before all else, so that children follow their parent. */
static int
compare(const void *a, const void *b)
{
	const unsigned char *x =
	    (const unsigned char *)((const struct folder_entry *)a)->name;
	const unsigned char *y =
	    (const unsigned char *)((const struct folder_entry *)b)->name;
	bool x_inbox = strncmp((const char *)x, "INBOX", 5) == 0 &&
		       (x[5] == '\0' || x[5] == '/');
	bool y_inbox = strncmp((const char *)y, "INBOX", 5) == 0 &&
		       (y[5] == '\0' || y[5] == '/');
	unsigned u;
	unsigned v;

	if (x_inbox != y_inbox)
		return x_inbox ? -1 : 1;
	while (*x != '\0' && *x == *y) {
		x++;
		y++;
	}
	u = *x == '/' ? 1 : *x;
	v = *y == '/' ? 1 : *y;
	return u < v ? -1 : u > v;
}

int
account_folders(struct account *a, struct folder_list *list)
{
	struct listing l = { .list = list };
	struct folder_entry *e;
	struct slice name;
	void *value;
	size_t at = 0;

	*list = (struct folder_list){ .entries = NULL };
	if (account_replay(a) == -1)
		return -1;
	for (size_t i = 0; i < a->folder_count; i++) {
		name = slice_str(a->folders[i]->name);
		e = list_add(&l, name);
		e->id = a->folders[i]->id;
		e->attributes &= ~(unsigned)FOLDER_NOSELECT;
		e->attributes |= a->folders[i]->uses;
		list_parents(&l, name);
	}
	while (map_next(&a->subscribed, &at, &name, &value)) {
		e = list_add(&l, name);
		e->attributes |= FOLDER_SUBSCRIBED;
		if (e->id == 0 && (e->attributes & FOLDER_CHILDREN) == 0)
			e->attributes |= FOLDER_NONEXISTENT;
	}
	map_free(&l.index);
	if (list->count > 1)
		qsort(list->entries, list->count, sizeof(*list->entries),
		    compare);
	return 0;
}

void
folder_list_free(struct folder_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->entries[i].name);
	free(list->entries);
	*list = (struct folder_list){ .entries = NULL };
}

int
account_status(
    struct account *a, struct slice name, struct mailbox_status *status)
{
	const struct folder *f;

	if (account_takein(a) == -1 || account_replay(a) == -1)
		return -1;
	f = folder_find(a, name);
	if (f == NULL)
		return -1;
	*status = (struct mailbox_status){
		.id = f->id,
		.uidvalidity = f->uidvalidity,
		.uidnext = f->n.uidnext,
		.exists = f->n.exists,
		.recent = f->n.recent,
		.unseen = f->n.unseen,
		.deleted = f->n.deleted,
		.highestmodseq = f->n.modseq,
		.bytes = f->n.bytes,
	};
	/* UIDNEXT says what UIDs were given. */
	return journal_sync_to(&a->j, f->given);
}
