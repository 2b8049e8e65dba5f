#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "store/box.h"

/* Looking at the messages of the view. */

static int
damaged(struct mailbox *mb)
{
	mb->damaged = true;
	errno = EUCLEAN;
	return -1;
}

int
mailbox_message(struct mailbox *mb, uint32_t seq, struct message *m)
{
	const struct entry *e;

	if (seq == 0 || seq > box_view_count(mb)) {
		errno = ERANGE;
		return -1;
	}
	e = box_entry(mb, box_index(mb, seq));
	if (e == NULL)
		return damaged(mb);
	m->seq = seq;
	m->uid = e->uid;
	m->flags = e->flags;
	if ((e->state & ENTRY_DEAD) != 0)
		m->flags |= MESSAGE_GONE;
	if (mb->recent.count > 0 && uidset_has(&mb->recent, e->uid))
		m->flags |= MESSAGE_RECENT;
	m->keywords = e->keywords;
	m->modseq = e->modseq;
	m->size = e->size;
	m->date_s = e->date_s;
	m->zone_min = e->zone_min;
	m->saved_s = e->saved_s;
	m->id = e->id;
	return 0;
}

uint32_t
mailbox_seq(struct mailbox *mb, uint32_t uid)
{
	uint32_t index = box_find(mb, uid);

	if (index >= mb->view_end)
		return box_view_count(mb) + 1;
	return index - box_removed_below(mb, index) + 1;
}

uint32_t
mailbox_seq_exact(struct mailbox *mb, uint32_t uid)
{
	uint32_t index = box_find_exact(mb, uid);

	return index == UINT32_MAX ? 0 : box_seq(mb, index);
}

uint32_t
mailbox_first_unseen(struct mailbox *mb)
{
	const struct entry *e;
	uint32_t seq;

	if (mb->f->n.unseen == 0)
		return 0;
	for (; mb->unseen_hint < mb->view_end; mb->unseen_hint++) {
		e = box_entry(mb, mb->unseen_hint);
		if (e == NULL) {
			(void)damaged(mb);
			return 0;
		}
		if ((e->flags & MESSAGE_SEEN) != 0)
			continue;
		seq = box_seq(mb, mb->unseen_hint);
		if (seq != 0)
			return seq;
	}
	return 0;
}

/* -- sets ---------------------------------------------------------- */

int
mailbox_uids(struct mailbox *mb, const struct uidset *seqs, struct uidset *out)
{
	uint32_t count = box_view_count(mb);
	const struct entry *first;
	const struct entry *last;
	uint32_t from;
	uint32_t to;

	uidset_clear(out);
	for (size_t i = 0; i < seqs->count; i++) {
		from = seqs->ranges[i].first;
		to = MIN(seqs->ranges[i].last, count);
		if (from > to)
			break;
		first = box_entry(mb, box_index(mb, from));
		last = box_entry(mb, box_index(mb, to));
		if (first == NULL || last == NULL)
			return damaged(mb);
		if (uidset_add(out, first->uid, last->uid) == -1)
			return -1;
	}
	return 0;
}

int
mailbox_seqs(struct mailbox *mb, const struct uidset *uids, struct uidset *out)
{
	uint32_t from;
	uint32_t to;

	uidset_clear(out);
	for (size_t i = 0; i < uids->count; i++) {
		from = mailbox_seq(mb, uids->ranges[i].first);
		to = uids->ranges[i].last == UINT32_MAX
			 ? box_view_count(mb)
			 : mailbox_seq(mb, uids->ranges[i].last + 1) - 1;
		if (from <= to && uidset_add(out, from, to) == -1)
			return -1;
	}
	return mb->damaged ? damaged(mb) : 0;
}

/* -- content ------------------------------------------------------- */

static int
open_file(struct mailbox *mb, const struct entry *e)
{
	char name[FNAME_MAX + 1];
	int cur = box_cur(mb);

	if (cur == -1)
		return -1;
	box_file_name(mb, e, name);
	return openat(cur, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
}

/* The file of a message that was found, or was not (UINT32_MAX). */
static int
open_found(struct mailbox *mb, uint32_t index)
{
	const struct entry *e =
	    index == UINT32_MAX ? NULL : box_entry(mb, index);

	if (e != NULL)
		return open_file(mb, e);
	if (index != UINT32_MAX || mb->damaged)
		return damaged(mb);
	errno = ENOENT;
	return -1;
}

int
mailbox_content(struct mailbox *mb, uint32_t uid, uint64_t *size)
{
	uint32_t index = box_find_exact(mb, uid);
	struct stat st;
	int fd;

	fd = open_found(mb, index);
	if (fd == -1 && errno == ENOENT && index != UINT32_MAX) {
		/* Its record may be there and its file still on the way. */
		if (account_lock(mb->a) == -1)
			return -1;
		account_unlock(mb->a);
		fd = open_found(mb, box_find_exact(mb, uid));
	}
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		*size = (uint64_t)st.st_size;
		return fd;
	}
	fd_close(fd);
	errno = ENOENT;
	return -1;
}
