#include "store/purge.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "store/dir.h"
#include "store/files.h"
#include "store/state.h"

#define EVERY_S    3600
#define STEP_FILES 256   /* removed in a step */
#define STEP_NAMES 20000 /* looked at */

struct purge {
	DIR *dir;                 /* owned */
	char going[NAME_MAX + 1]; /* a mailbox that is removed in part */
	unsigned failed;
	int error; /* of the first that failed */
};

/* In the lock file: when expunged/ was gone through to its end. */
static int64_t
last_done(const struct account *a)
{
	char raw[8];

	if (pread(a->j.lock_fd, raw, sizeof(raw), JOURNAL_PURGED_AT) !=
	    sizeof(raw))
		return 0;
	return (int64_t)wire_get_u64(raw);
}

static void
set_done(const struct account *a)
{
	char raw[8];

	wire_set_u64(raw, (uint64_t)clock_wall_s());
	if (pwrite_all(a->j.lock_fd, raw, sizeof(raw), JOURNAL_PURGED_AT) == -1)
		log_debug("event=store-purge error=%s", strerror(errno));
}

bool
purge_due(const struct account *a)
{
	int64_t now = clock_wall_s();
	int64_t done;

	if (a->purge_now || a->purge != NULL)
		return true;
	done = last_done(a);
	return now < done || now - done >= EVERY_S;
}

void
purge_stop(struct account *a)
{
	if (a->purge == NULL)
		return;
	dir_close(a->purge->dir);
	free(a->purge);
	a->purge = NULL;
}

/* "TIME.name" of a message, or "folder.ID": is it old enough? */
static bool
retention_over(const struct account *a, int dir, const char *name)
{
	struct slice head;
	struct stat st;
	uint64_t since;

	(void)slice_cut(slice_str(name), '.', &head);
	if (num_parse(head, INT64_MAX / 2, &since) == -1) {
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			return false;
		since = (uint64_t)st.st_ctime;
	}
	return (int64_t)since + a->config.retention_s <= clock_wall_s();
}

static int
begin(struct account *a)
{
	DIR *d = dir_open(a->home, "expunged");

	a->purge_now = false;
	if (d == NULL) {
		set_done(a);
		return -1;
	}
	a->purge = xcalloc(1, sizeof(*a->purge));
	a->purge->dir = d;
	return 0;
}

static int
end(struct account *a)
{
	if (a->purge->failed > 0)
		log_warn("event=store-purge failed=%u error=%s",
		    a->purge->failed, strerror(a->purge->error));
	purge_stop(a);
	set_done(a);
	return 0;
}

static void
remove_one(struct purge *p, const char *name, size_t *room)
{
	int rc = files_remove_tree(dirfd(p->dir), name, room);

	if (rc == 1) {
		if (name != p->going)
			snprintf(p->going, sizeof(p->going), "%s", name);
		return;
	}
	p->going[0] = '\0';
	if (rc == -1 && p->failed++ == 0)
		p->error = errno;
}

int
purge_step(struct account *a)
{
	size_t room = STEP_FILES;
	const char *name;
	struct purge *p;

	if (!purge_due(a) || (a->purge == NULL && begin(a) == -1))
		return 0;
	p = a->purge;
	if (p->going[0] != '\0')
		remove_one(p, p->going, &room);
	for (unsigned i = 0; i < STEP_NAMES && room > 0; i++) {
		name = dir_next(p->dir);
		if (name == NULL)
			return end(a);
		if (retention_over(a, dirfd(p->dir), name))
			remove_one(p, name, &room);
	}
	return 1;
}
