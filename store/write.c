#include "store/write.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/file.h"

int
write_lock(struct mailbox *mb)
{
	if (account_lock(mb->a) == -1)
		return -1;
	if (!mb->damaged && !mb->f->gone)
		return 0;
	errno = mb->damaged ? EUCLEAN : ENOENT;
	account_unlock(mb->a);
	return -1;
}

int
write_begin(struct mailbox *mb)
{
	if (!mb->readonly)
		return write_lock(mb);
	errno = EPERM;
	return -1;
}

int
write_ready(struct account *a, struct folder *f, uint64_t n)
{
	struct mailbox *mb;

	if (f->checked < a->epoch) {
		mb = box_open(a, f, true);
		if (mb == NULL)
			return -1;
		box_close(mb);
	}
	if (n > UINT32_MAX - f->n.uidnext) {
		errno = EOVERFLOW;
		return -1;
	}
	return 0;
}

/* RFC 3501 §9 flag-keyword: an atom. */
static bool
keyword_valid(struct slice s)
{
	if (s.len == 0 || s.len > KEYWORD_MAX_SIZE)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_print(s.p[i]) ||
		    memchr("(){ %*\"\\]", s.p[i], 9) != NULL)
			return false;
	return true;
}

int
write_keyword(
    const struct folder *f, struct slice name, struct keyword_defs *defs)
{
	int bit = folder_keyword(f, name);

	if (bit != -1)
		return bit;
	if (!keyword_valid(name)) {
		errno = EINVAL;
		return -1;
	}
	if (defs->count == 0)
		defs->first = f->keyword_count;
	for (unsigned i = 0; i < defs->count; i++)
		if (slice_ieq(defs->names[i], name))
			return (int)(defs->first + i);
	if (defs->first + defs->count >= KEYWORDS_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	defs->names[defs->count++] = name;
	return (int)(defs->first + defs->count - 1);
}

int
write_keywords(const struct folder *f, const struct slice *names, size_t n,
    uint64_t *bits, struct keyword_defs *defs)
{
	int bit;

	*bits = 0;
	for (size_t i = 0; i < n; i++) {
		bit = write_keyword(f, names[i], defs);
		if (bit == -1)
			return -1;
		*bits |= UINT64_C(1) << bit;
	}
	return 0;
}

/* -- visiting ------------------------------------------------------ */

static struct uid_range all_ranges[1] = { { 1, UINT32_MAX } };

const struct uidset write_all_uids = { .ranges = all_ranges, .count = 1 };

struct run {
	uint32_t first; /* 0: none is open */
	uint32_t last;
};

static int
run_close(struct run *run, struct uidset *set)
{
	struct run r = *run;

	run->first = 0;
	return r.first == 0 ? 0 : uidset_add(set, r.first, r.last);
}

static int
visit_range(struct visit *v, struct uid_range range, struct run *run)
{
	struct mailbox *mb = v->mb;
	struct entry *e;

	for (uint32_t i = box_find(mb, range.first); i < mb->view_end; i++) {
		e = box_entry(mb, i);
		if (e == NULL) {
			mb->damaged = true;
			errno = EUCLEAN;
			return -1;
		}
		if (e->uid > range.last)
			break;
		if ((e->state & ENTRY_DEAD) != 0)
			continue;
		if (!v->pick(v, i, e)) {
			if (v->failed || run_close(run, v->picked) == -1)
				return -1;
			continue;
		}
		if (run->first == 0)
			run->first = e->uid;
		run->last = e->uid;
	}
	return 0;
}

int
write_visit(struct visit *v, const struct uidset *uids)
{
	struct run run = { 0, 0 };

	for (size_t i = 0; i < uids->count; i++) {
		if (visit_range(v, uids->ranges[i], &run) == -1)
			return -1;
		/* What lies between two ranges was not visited. */
		if (run_close(&run, v->picked) == -1)
			return -1;
	}
	return 0;
}
