#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "store/segment.h"

/*
 * When the kernel fails to write a page it tells it once to each who has the
 * file open, and then holds the page for written. So a sync vouches only for
 * what was written while its descriptor was open: of what was there before,
 * somebody else may have been told, and have ended. Such bytes are written
 * once more before the first sync of a descriptor, unless somebody's sync
 * had them already; as long as the page is in memory that makes good what
 * the disk has missed. Where it is not, what comes from the disk is no
 * record, and nobody vouches for it.
 */

/* Whole records from offset on, n bytes at p; where they end. */
static size_t
whole_records(
    const struct journal_segment *s, uint64_t offset, const char *p, size_t n)
{
	uint64_t pos = s->base << JOURNAL_SHIFT | offset;
	size_t at = 0;
	uint32_t len;

	while ((len = segment_whole(s, pos + at, p + at, n - at)) != 0)
		at += len;
	return at;
}

/*
 * What stands from offset on, where a record or the segment begins. exact:
 * whole records up to end; else as many as there are.
 */
static int
write_again(
    const struct journal_segment *s, uint64_t offset, uint64_t end, bool exact)
{
	size_t head = offset < JOURNAL_START ? JOURNAL_START : 0;
	size_t n = (size_t)(end - offset);
	size_t whole;
	int rc = -1;
	char *p;

	p = malloc(n);
	if (p == NULL)
		return -1;
	if (n < head || pread_all(s->fd, p, n, (off_t)offset) == -1)
		goto out;
	whole = head + whole_records(s, offset + head, p + head, n - head);
	if (exact && whole != n) {
		log_error("event=journal-lost base=%lx bytes=%zu",
		    (unsigned long)s->base, n - whole);
		errno = EUCLEAN;
		goto out;
	}
	rc = pwrite_all(s->fd, p, whole, (off_t)offset);
out:
	free(p);
	return rc;
}

static int
again_before(const struct journal *j, const struct journal_segment *before,
    uint64_t from)
{
	uint64_t start = before->base << JOURNAL_SHIFT;
	uint64_t end = j->sealed;
	struct stat st;

	/* What another boot has written, the disk itself has told us. */
	if (before->fd == -1 ||
	    memcmp(before->boot_id, j->boot_id, sizeof(j->boot_id)) != 0)
		return 0;
	if (end == 0) {
		if (fstat(before->fd, &st) == -1)
			return -1;
		end = start + (uint64_t)st.st_size;
	}
	from = MAX(from, start);
	return from >= end ? 0
			   : write_again(before, from - start, end - start,
				 j->sealed != 0);
}

static int
again_now(struct journal *j, uint64_t from)
{
	uint64_t start = j->now.base << JOURNAL_SHIFT;
	uint64_t end;

	if (j->now.unseen == UINT64_MAX)
		j->now.unseen = journal_end(j);
	end = j->now.unseen;
	from = MAX(from, start);
	if (from >= end) {
		j->now.unseen = 0;
		return 0;
	}
	return write_again(&j->now, from - start, end - start, true);
}

int
journal_again(
    struct journal *j, const struct journal_segment *before, uint64_t from)
{
	bool locked = j->locked;
	int rc;

	if (before->fd == -1 && (j->now.unseen == 0 || from >= j->now.unseen)) {
		j->now.unseen = 0;
		return 0;
	}
	/* Nobody cuts off or appends meanwhile. */
	if (!locked && journal_lock(j) == -1)
		return -1;
	rc = again_before(j, before, from);
	if (rc == 0)
		rc = again_now(j, from);
	if (!locked)
		journal_unlock(j);
	return rc;
}
