#include "queue/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "queue/names.h"
#include "queue/old.h"
#include "queue/queue.h"
#include "queue/remove.h"
#include "queue/segments.h"

/*
 * Names are moved between these directories, and one sync is to reach all of
 * them: so what is mounted below the spool is refused.
 */
static bool
same_device(int at, int fd, const char *name)
{
	struct stat outer;
	struct stat inner;

	if (fstat(at, &outer) == 0 && fstat(fd, &inner) == 0 &&
	    outer.st_dev == inner.st_dev)
		return true;
	log_error("event=spool-unusable dir=%s error=\"is on another file "
		  "system than the spool\"",
	    name);
	return false;
}

/* A directory of ours, made when it is missing. */
static int
open_dir(int at, const char *name)
{
	int fd;

	if (mkdirat(at, name, 0700) == -1 && errno != EEXIST) {
		log_error("event=spool-unusable dir=%s error=%s", name,
		    strerror(errno));
		return -1;
	}
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		log_error("event=spool-unusable dir=%s error=%s", name,
		    strerror(errno));
	if (fd == -1 || same_device(at, fd, name))
		return fd;
	fd_close(fd);
	errno = EXDEV;
	return -1;
}

static int
make_buckets(int deferred)
{
	char name[4];

	if (faccessat(deferred, "ff", F_OK, 0) == 0)
		return 0;
	for (unsigned i = 0; i < 256; i++) {
		(void)snprintf(name, sizeof(name), "%02x", i);
		if (mkdirat(deferred, name, 0700) == -1 && errno != EEXIST) {
			log_error("event=spool-unusable dir=deferred/%s "
				  "error=%s",
			    name, strerror(errno));
			return -1;
		}
	}
	return fsync(deferred);
}

int
recover_open(struct queue *q)
{
	q->log_dir = open_dir(q->root, "log");
	q->deferred_dir = open_dir(q->root, "deferred");
	q->large_dir = open_dir(q->root, "large");
	q->corrupt_dir = open_dir(q->root, "corrupt");
	if (q->log_dir == -1 || q->deferred_dir == -1 || q->large_dir == -1 ||
	    q->corrupt_dir == -1 || make_buckets(q->deferred_dir) == -1)
		return -1;
	return fsync(q->root);
}

/* -- files --------------------------------------------------------------- */

static void
set_aside(struct queue *q, int dir, const char *name)
{
	char to[300];

	(void)snprintf(
	    to, sizeof(to), "%s.%lld", name, (long long)clock_wall_s());
	log_error("event=spool-corrupt file=%s action=set_aside", name);
	q->counts.corrupt++;
	if (renameat(dir, name, q->corrupt_dir, to) == -1)
		log_error("event=set-aside-failed file=%s error=%s", name,
		    strerror(errno));
}

static void
add_files(struct queue *q, struct names *n)
{
	names_sort(n);
	for (size_t i = 0; i < n->count; i++) {
		struct mail *m;

		if (i > 0 && qid_compare(n->ids[i], n->ids[i - 1]) == 0)
			continue;
		m = mail_add(&q->mails, n->ids[i]);
		mail_flag(&q->mails, m, MAIL_IN_FILE | MAIL_UNSURE, 0);
	}
}

/* Files that are named right become mails; ID.new never was anything. */
static int
scan_deferred(struct queue *q)
{
	struct names n = NAMES_INIT;
	char bucket[4];
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < 256; i++) {
		struct names_bad bad = { .q = q, .odd = set_aside };
		int dir;

		(void)snprintf(bucket, sizeof(bucket), "%02x", i);
		dir = open_dir(q->deferred_dir, bucket);
		rc = dir == -1 ? -1 : names_read(&n, dir, &bad);
	}
	if (rc == 0)
		add_files(q, &n);
	else
		log_error("event=spool-unusable dir=deferred/%s error=%s",
		    bucket, strerror(errno));
	names_free(&n);
	return rc;
}

/*
 * Contents whose mail's record was never durable, or is over. Where records
 * were lost, a content may be all there is of a mail: it is kept then.
 */
static int
sweep_large(struct queue *q, bool lost)
{
	struct names n = NAMES_INIT;
	struct names_bad bad = { .q = q, .odd = set_aside };
	int dir = fcntl(q->large_dir, F_DUPFD_CLOEXEC, 0);
	size_t removed = 0;

	if (dir == -1 || names_read(&n, dir, &bad) == -1) {
		log_error(
		    "event=spool-unusable dir=large error=%s", strerror(errno));
		names_free(&n);
		return -1;
	}
	for (size_t i = 0; i < n.count; i++) {
		char name[QID_TEXT];

		if (mail_find(&q->mails, n.ids[i]) != NULL)
			continue;
		qid_text(n.ids[i], name);
		if (lost)
			set_aside(q, q->large_dir, name);
		else
			large_remove(q, n.ids[i]);
		removed++;
	}
	if (removed > 0)
		log_info("event=large-swept files=%zu", removed);
	names_free(&n);
	return 0;
}

/* -- log ----------------------------------------------------------------- */

struct replaying {
	struct queue *q;
	uint64_t last_us; /* the latest id seen */
};

static void
replay_mail(
    struct replaying *rp, struct seg *s, const struct record *r, uint64_t at)
{
	struct queue *q = rp->q;
	struct envelope e;
	struct mail *m;

	if (envelope_get(&e, r->body) == -1)
		return;
	token_add(&q->tokens, e.token, e.source, e.id);
	m = mail_find(&q->mails, e.id);
	if (m == NULL) {
		m = mail_add(&q->mails, e.id);
		mail_flag(&q->mails, m, MAIL_UNSURE, 0);
		m->base_at = (uint32_t)at;
		m->base_len = (uint32_t)r->body.len;
	}
	if (e.large)
		mail_flag(&q->mails, m, MAIL_LARGE, 0);
	if (m->seg == NULL)
		mail_tie(m, s);
}

/* Is this the record that ends a mail? */
static bool
is_end(const struct record *r)
{
	struct slice text;
	struct wire_in w;
	uint8_t flags;
	uint8_t op;

	if (r->kind == RECORD_RESULT)
		return result_open(r->body, &flags, &w) == 0 &&
		       (flags & RESULT_FINISHED) != 0;
	return r->kind == RECORD_STATE && state_get(r->body, &op, &text) == 0 &&
	       op == STATE_DELETE;
}

static void
replay_record(void *arg, struct seg *s, const struct record *r, uint64_t at)
{
	struct replaying *rp = arg;
	struct queue *q = rp->q;
	struct qid id;
	struct mail *m;

	if (!record_valid(r) || record_id(r->body, &id) == -1) {
		log_error("event=spool-corrupt segment=%llu offset=%llu "
			  "what=record",
		    (unsigned long long)s->number, (unsigned long long)at);
		q->counts.corrupt++;
		return;
	}
	rp->last_us = MAX(rp->last_us, id.time_us);
	if (r->kind == RECORD_MAIL) {
		replay_mail(rp, s, r, at);
		return;
	}
	m = mail_find(&q->mails, id);
	if (m == NULL)
		return; /* over, and this is what is left */
	if (is_end(r)) {
		remove_files(q, m);
		mail_remove(&q->mails, m);
		return;
	}
	mail_delta_add(m, r);
	if (m->seg == NULL)
		mail_tie(m, s);
}

static void
replay_damage(void *arg, struct seg *s, struct slice bytes, uint64_t at)
{
	const struct replaying *rp = arg;
	struct queue *q = rp->q;
	char tmp[64];
	char name[64];

	(void)snprintf(name, sizeof(name), "segment-%llu-%llu",
	    (unsigned long long)s->number, (unsigned long long)at);
	(void)snprintf(tmp, sizeof(tmp), "%.50s.new", name);
	log_error("event=spool-corrupt segment=%llu offset=%llu bytes=%zu "
		  "file=%s",
	    (unsigned long long)s->number, (unsigned long long)at, bytes.len,
	    name);
	q->counts.corrupt++;
	if (file_publish(q->corrupt_dir, tmp, name, bytes, 0600) == -1)
		log_error("event=set-aside-failed file=%s error=%s", name,
		    strerror(errno));
}

/* Segments found, by number; those never used come first. */
struct found {
	struct seg **segs;
	size_t count;
};

/* Is it this moment that does not allow it, and not what stands there? */
static bool
is_passing(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	       error == EACCES || error == EPERM || error == EINTR;
}

static int
by_number(const void *a, const void *b)
{
	const struct seg *const *x = a;
	const struct seg *const *y = b;
	uint64_t nx = (*x)->state == SEG_FREE ? 0 : (*x)->number;
	uint64_t ny = (*y)->state == SEG_FREE ? 0 : (*y)->number;

	return nx < ny ? -1 : nx > ny;
}

/*
 * Starting without one of the segments would be to forget its mails: better
 * to try once more.
 */
static int
found_add(struct queue *q, struct found *f, const char *name)
{
	uint64_t slot;
	struct seg *s;
	bool fresh;

	if (strlen(name) != 8 || strcmp(name + 4, ".seg") != 0 ||
	    num_parse(slice_of(name, 4), 9999, &slot) == -1) {
		if (strstr(name, ".new") != NULL)
			(void)unlinkat(q->log_dir, name, 0);
		else
			set_aside(q, q->log_dir, name);
		return 0;
	}
	s = seg_open(q->log_dir, (uint32_t)slot, &fresh);
	if (s == NULL) {
		log_error("event=segment-not-opened file=%s error=%s", name,
		    strerror(errno));
		if (is_passing(errno))
			return -1;
		set_aside(q, q->log_dir, name);
		return 0;
	}
	f->segs = xreallocarray(f->segs, f->count + 1, sizeof(struct seg *));
	f->segs[f->count++] = s;
	return 0;
}

static int
find_segs(struct queue *q, struct found *f)
{
	int fd = fcntl(q->log_dir, F_DUPFD_CLOEXEC, 0);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *e;
	int rc = 0;

	if (d == NULL) {
		fd_close(fd);
		return -1;
	}
	rewinddir(d);
	for (errno = 0; rc == 0 && (e = readdir(d)) != NULL; errno = 0)
		if (e->d_name[0] != '.')
			rc = found_add(q, f, e->d_name);
	if (rc == 0 && errno != 0)
		rc = -1;
	(void)closedir(d);
	if (f->count > 0)
		qsort(f->segs, f->count, sizeof(struct seg *), by_number);
	return rc;
}

/* Older than what the youngest one says counts: free. */
static uint64_t
oldest_counting(const struct found *f)
{
	return f->count == 0 ? 0 : f->segs[f->count - 1]->tail;
}

/* Nothing of it can be read: for a person to look at. */
static void
give_up_segment(struct queue *q, struct seg *s)
{
	char name[SEG_NAME];

	seg_name(s->slot, name);
	set_aside(q, q->log_dir, name);
	q->log.next_slot = MAX(q->log.next_slot, s->slot + 1);
	q->log.next_number = MAX(q->log.next_number, s->number + 1);
	seg_close(s);
}

/* s is the log's afterwards, or gone. */
static int
replay_one(struct queue *q, struct seg *s, const struct seg *next,
    struct seg_replay *r)
{
	/*
	 * What is read here will be told to have been taken in, so it must
	 * not be only in the page cache or in the disk's.
	 */
	if (next == NULL && fdatasync(s->fd) == -1)
		log_error("event=sync-failed segment=%llu error=%s",
		    (unsigned long long)s->number, strerror(errno));
	r->is_last = next == NULL;
	r->end = next == NULL ? UINT64_MAX : next->first;
	r->next = s->first;
	r->records = 0;
	r->damaged = 0;
	if (seg_replay(s, r) == -1) {
		log_error("event=segment-unreadable segment=%llu error=%s",
		    (unsigned long long)s->number, strerror(errno));
		if (is_passing(errno)) {
			seg_close(s);
			return -1;
		}
		give_up_segment(q, s);
		return 0;
	}
	log_info("event=replayed segment=%llu records=%llu damaged=%llu",
	    (unsigned long long)s->number, (unsigned long long)r->records,
	    (unsigned long long)r->damaged);
	segments_add_sealed(&q->log, s);
	return 0;
}

/* Segments in order of their numbers; those from i on are taken or closed. */
static int
replay_found(struct queue *q, struct found *f, struct seg_replay *r)
{
	uint64_t from = oldest_counting(f);
	int rc = 0;

	q->log.tail = from;
	for (size_t i = 0; i < f->count; i++) {
		struct seg *s = f->segs[i];

		if (rc == -1) {
			seg_close(s);
		} else if (s->state == SEG_FREE || s->number < from) {
			segments_add_free(&q->log, s);
		} else {
			rc = replay_one(
			    q, s, i + 1 < f->count ? f->segs[i + 1] : NULL, r);
			q->log.next_seq = MAX(q->log.next_seq, r->next);
		}
	}
	return rc;
}

static int
replay_log(struct queue *q, struct replaying *rp)
{
	struct found f = { NULL, 0 };
	struct seg_replay r = {
		.arg = rp, .record = replay_record, .damage = replay_damage
	};
	int rc = find_segs(q, &f);

	if (rc == 0) {
		rc = replay_found(q, &f, &r);
	} else {
		for (size_t i = 0; i < f.count; i++)
			seg_close(f.segs[i]);
	}
	free(f.segs);
	if (rc == -1)
		log_error("event=spool-unusable dir=log");
	q->log.durable = q->log.next_seq - 1;
	return rc;
}

/* -- all ----------------------------------------------------------------- */

/* What the log tells of is likely to be due; files follow. */
static void
all_due(struct queue *q)
{
	int64_t now = clock_boot_ms();
	struct mail *m;

	TAILQ_FOREACH(m, &q->mails.order, order)
	heap_set(&q->mails.due, &m->due,
	    (m->flags & MAIL_IN_FILE) != 0 ? now : now - 1);
}

/* Set aside at earlier starts: nobody shall forget them. */
static void
count_corrupt(struct queue *q)
{
	struct names n = NAMES_INIT;
	struct names_bad bad = { .q = q, .odd = NULL };
	int dir = dup(q->corrupt_dir);

	if (dir != -1 && names_read(&n, dir, &bad) == 0 &&
	    n.count + bad.odd_count > 0) {
		log_warn("event=corrupt-kept files=%zu dir=corrupt",
		    n.count + bad.odd_count);
		q->counts.corrupt += n.count + bad.odd_count;
	}
	names_free(&n);
}

int
recover_all(struct queue *q)
{
	struct replaying rp = { .q = q };
	const struct mail *last;
	int64_t began = clock_boot_ms();
	uint64_t corrupt;

	count_corrupt(q);
	corrupt = q->counts.corrupt;
	if (scan_deferred(q) == -1 || replay_log(q, &rp) == -1 ||
	    sweep_large(q, q->counts.corrupt > corrupt) == -1)
		return -1;
	last = TAILQ_LAST(&q->mails.order, mail_order);
	if (last != NULL)
		rp.last_us = MAX(rp.last_us, last->id.time_us);
	qid_source_init(&q->ids, rp.last_us);
	all_due(q);
	log_info("event=recovered mails=%zu segments=%u ms=%lld",
	    q->mails.count, q->log.seg_count,
	    (long long)(clock_boot_ms() - began));
	if (q->log.free_count == 0 && segments_make_first(&q->log) == -1)
		log_error("event=segment-not-made error=%s", strerror(errno));
	segments_maintain(&q->log);
	return 0;
}
