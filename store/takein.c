#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/crc32c.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "store/dir.h"
#include "store/files.h"
#include "store/token.h"
#include "store/write.h"

/*
 * Taking in: from the drop box into cur/, in the order of arrival, at most
 * BATCH under one hold of the lock. The record names the drop, so a killed
 * session's moves are finished by the next one.
 */
#define BATCH     256
#define NAMES_MAX ((size_t)1 << 20) /* of one reading; the rest comes next */

struct drops {
	char **names; /* owned */
	size_t count;
	size_t cap;
	size_t strange;        /* those that are no files */
	struct tokens *tokens; /* NULL until a retry is met */
};

/* A drop that is to come in with this batch. */
struct arrival {
	const char *name;
	struct folder *f; /* NULL: nothing to take in */
	uint64_t id;
	uint64_t size;
	int64_t date_s;
	bool retry;
};

/* The token in front of a drop's name: queue id and recipient. */
static size_t
token_length(const char *name)
{
	size_t n = strcspn(name, ".");

	return name[n] == '\0' ? n : n + 1 + strcspn(name + n + 1, ".");
}

static bool
is_retry(const char *name)
{
	size_t n = strlen(name);

	return n > 2 && strcmp(name + n - 2, ".R") == 0;
}

/*
 * In order of arrival, and of several attempts the retries last: should we
 * be killed between two batches, only a retry is left, which is looked up.
 */
static int
compare(const void *a, const void *b)
{
	const char *x = *(char *const *)a;
	const char *y = *(char *const *)b;
	size_t n = token_length(x);
	size_t m = token_length(y);
	int rc = memcmp(x, y, MIN(n, m));

	if (rc == 0 && n != m)
		rc = n < m ? -1 : 1;
	if (rc == 0)
		rc = (int)is_retry(x) - (int)is_retry(y);
	return rc != 0 ? rc : strcmp(x, y);
}

static int
list_drops(const struct account *a, struct drops *d)
{
	const char *name;
	int rc = 0;
	DIR *dir;

	dir = dir_open(a->drop, ".");
	if (dir == NULL)
		return -1;
	while (d->count < NAMES_MAX && (name = dir_next(dir)) != NULL) {
		if (*name == '.')
			continue;
		if (d->count == d->cap) {
			d->cap = d->cap == 0 ? 16 : d->cap * 2;
			d->names =
			    xreallocarray(d->names, d->cap, sizeof(*d->names));
		}
		d->names[d->count++] = xstrdup(name);
	}
	if (d->count < NAMES_MAX && errno != 0)
		rc = -1;
	dir_close(dir);
	if (d->count > 1)
		qsort(d->names, d->count, sizeof(*d->names), compare);
	return rc;
}

/*
 * What is in drop/new under another name than deliver gives is mail all the
 * same; it goes to INBOX.
 */
static void
identify(const struct account *a, struct arrival *m, const struct stat *st)
{
	struct drop_name d;

	m->size = (uint64_t)st->st_size;
	if (drop_name_parse(slice_str(m->name), &d) == 0) {
		m->id = drop_token(&d);
		m->date_s = d.date_s;
		m->retry = d.retry;
		m->f = d.folder == 0 ? NULL : folder_by_id(a, d.folder);
	} else {
		m->id = rand_u64();
		m->date_s = st->st_mtime;
	}
	if (m->f == NULL)
		m->f = folder_by_name(a, SLICE("INBOX"));
}

/* Is the same mail before m in its batch? */
static bool
in_batch(const struct arrival *batch, const struct arrival *m)
{
	for (; batch < m; batch++)
		if (batch->f != NULL && batch->id == m->id)
			return true;
	return false;
}

/* A drop whose other attempt came in already: it is not needed. */
static int
drop_known(struct account *a, struct drops *d, const struct arrival *batch,
    struct arrival *m)
{
	if (m->f != NULL && m->f->checked < a->epoch &&
	    write_ready(a, m->f, 1) == -1)
		return -1; /* a power cut may have left it in cur/ alone */
	if (d->tokens == NULL)
		d->tokens = tokens_read(a);
	if (d->tokens == NULL)
		return -1;
	if (!tokens_has(d->tokens, m->id) && !in_batch(batch, m))
		return 0;
	log_info("event=takein-known drop=%s", m->name);
	m->f = NULL;
	return unlinkat(a->drop, m->name, 0) == -1 && errno != ENOENT ? -1 : 0;
}

static int
examine(struct account *a, struct drops *d, const struct arrival *batch,
    struct arrival *m)
{
	struct stat st;

	if (fstatat(a->drop, m->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0
				       : -1; /* another session was faster */
	if (!S_ISREG(st.st_mode)) {
		/* Or every command would find it here again. */
		d->strange++;
		if (files_set_aside(a, a->drop, m->name) == -1)
			log_debug("event=takein-strange drop=%s error=%s",
			    m->name, strerror(errno));
		return 0;
	}
	identify(a, m, &st);
	/*
	 * The names of both attempts differ behind the token, so the retry
	 * may stand before the first one; then tokens are there already.
	 */
	if ((m->retry || d->tokens != NULL) && drop_known(a, d, batch, m) == -1)
		return -1;
	if (m->f != NULL && d->tokens != NULL)
		tokens_add(d->tokens, m->id);
	return 0;
}

/* One record for all of the batch that go to folder f. */
static int
take_folder(
    struct account *a, struct arrival *batch, size_t n, struct folder *f)
{
	struct account_change c = {
		.type = RECORD_TAKEIN,
		.visible = true,
		.blocks = 1,
	};
	struct items head = { .count = 0 };
	struct item item;

	if (write_ready(a, f, n) == -1)
		return -1;
	c.folders[0] = f;
	c.n[0] = f->n;
	for (size_t i = 0; i < n; i++)
		head.count += batch[i].f == f;
	if (record_start(&a->out, 1) == -1 ||
	    record_put_items(&a->out, &head) == -1)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (batch[i].f != f)
			continue;
		batch[i].f = NULL;
		item = (struct item){
			.uid = c.n[0].uidnext++,
			.id = batch[i].id,
			.size = batch[i].size,
			.date_s = batch[i].date_s,
			.source = slice_str(batch[i].name),
		};
		c.n[0].recent++;
		counts_add(&c.n[0], 0, item.size);
		if (record_put_item(&a->out, &item) == -1)
			return -1;
	}
	if (account_append(a, &c) == -1)
		return -1;
	box_touch(a, f);
	return 0;
}

static int
take_batch(struct account *a, struct drops *d, size_t first, size_t n)
{
	struct arrival batch[BATCH];
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		batch[i] = (struct arrival){ .name = d->names[first + i] };
		if (examine(a, d, batch, &batch[i]) == -1)
			return -1;
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		if (batch[i].f != NULL)
			rc = take_folder(a, batch, n, batch[i].f);
	return rc;
}

static int
take_all(struct account *a, struct drops *d)
{
	size_t n;
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < d->count; at += n) {
		n = MIN(d->count - at, (size_t)BATCH);
		if (account_lock(a) == -1)
			return -1;
		rc = take_batch(a, d, at, n);
		account_unlock(a);
	}
	if (d->strange > 0)
		log_warn("event=takein-strange count=%zu", d->strange);
	/* The record is what a UID rests on; the moves can be redone. */
	return rc == -1 ? -1 : account_sync(a);
}

/* -- is there anything? -------------------------------------------- */

/*
 * A directory that once held many names is slow to read even when empty, and
 * every command looks. So the time of its last change is remembered (for all
 * sessions) when it was found empty; as long as it is the same, nothing has
 * come. A time is remembered only when the kernel's clock was past it before
 * the directory was read: then every later change shows.
 */
#define MARK_SIZE 20

static void
mark_encode(const struct timespec *t, char raw[MARK_SIZE])
{
	wire_set_u64(raw, (uint64_t)t->tv_sec);
	wire_set_u64(raw + 8, (uint64_t)t->tv_nsec);
	wire_set_u32(raw + 16, crc32c(1, raw, 16));
}

static bool
mark_is(const struct account *a, const struct timespec *t)
{
	char now[MARK_SIZE];
	char raw[MARK_SIZE];

	mark_encode(t, now);
	return pread(a->j.lock_fd, raw, MARK_SIZE, JOURNAL_DROP_AT) ==
		   MARK_SIZE &&
	       memcmp(now, raw, MARK_SIZE) == 0;
}

/* What was true once is so while the time is the same: read it once. */
static bool
is_empty(struct account *a, const struct timespec *t)
{
	if (a->empty.tv_sec == t->tv_sec && a->empty.tv_nsec == t->tv_nsec)
		return true;
	if (!mark_is(a, t))
		return false;
	a->empty = *t;
	return true;
}

static void
mark_set(const struct account *a, const struct timespec *t)
{
	char raw[MARK_SIZE];

	mark_encode(t, raw);
	if (pwrite_all(a->j.lock_fd, raw, MARK_SIZE, JOURNAL_DROP_AT) == -1)
		log_debug("event=takein-mark error=%s", strerror(errno));
}

static bool
is_before(const struct timespec *x, const struct timespec *y)
{
	return x->tv_sec < y->tv_sec ||
	       (x->tv_sec == y->tv_sec && x->tv_nsec < y->tv_nsec);
}

int
account_takein(struct account *a)
{
	struct drops d = { .names = NULL };
	struct timespec now;
	struct stat st;
	int saved;
	int rc;

	if (a->drop == -1)
		return 0;
	if (fstat(a->drop, &st) == -1)
		return -1;
	if (is_empty(a, &st.st_mtim))
		return 0;
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	rc = list_drops(a, &d);
	if (rc == 0 && d.count > 0)
		rc = take_all(a, &d);
	else if (rc == 0 && is_before(&st.st_mtim, &now))
		mark_set(a, &st.st_mtim);
	saved = errno;
	for (size_t i = 0; i < d.count; i++)
		free(d.names[i]);
	free(d.names);
	tokens_free(d.tokens);
	errno = saved;
	return rc;
}
