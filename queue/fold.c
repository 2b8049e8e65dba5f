#include "queue/fold.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "queue/load.h"
#include "queue/old.h"
#include "queue/queue.h"
#include "queue/remove.h"
#include "queue/segments.h"

#define MAILS_A_PASS 32U
#define AGAIN_S      1
#define MOVES_MAX    256U /* on their way to the log's tail at a time */
#define PATIENCE     60U  /* rounds, a second apart */

static void fold_step(struct queue *q);

static void
step_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fold_step(arg);
}

/* In the next pass of the loop: whoever else has come goes first. */
static void
step_soon(struct queue *q)
{
	(void)event_add(q->fold.on_step, &(struct timeval){ 0, 0 });
}

int
fold_init(struct queue *q)
{
	q->fold = (struct fold){ .phase = FOLD_IDLE, .patience = PATIENCE };
	q->fold.on_step = event_new(q->base, -1, 0, step_event, q);
	return q->fold.on_step == NULL ? -1 : 0;
}

void
fold_free(struct queue *q)
{
	if (q->fold.on_step != NULL)
		event_free(q->fold.on_step);
	free(q->fold.ids);
	q->fold.on_step = NULL;
	q->fold.ids = NULL;
}

/* -- to the tail of the log ---------------------------------------------- */

struct moving {
	struct log_waiter w; /* first member */
	struct queue *q;
	struct qid id;
	struct log_waiter base; /* of the mail's own record */
	bool base_done;
	uint64_t at;
	uint32_t len;
	struct seg *seg;
};

static void
base_moved(struct log_waiter *w, int error)
{
	struct moving *v =
	    (struct moving *)((char *)w - offsetof(struct moving, base));

	if (error != 0)
		return;
	v->at = w->chunk->at + w->at;
	v->seg = w->chunk->seg;
	v->base_done = true;
	v->seg->pins++; /* until all of it is there and the mail is tied */
}

static void
all_moved(struct log_waiter *w, int error)
{
	struct moving *v = (struct moving *)w;
	struct queue *q = v->q;
	struct mail *m = mail_find(&q->mails, v->id);
	struct seg *old = m == NULL ? NULL : m->seg;

	q->fold.moving--;
	if (v->base_done)
		v->seg->pins--;
	if (error == 0 && m != NULL && v->base_done) {
		m->base_at = (uint32_t)v->at;
		m->base_len = v->len;
		mail_flag(&q->mails, m, 0, MAIL_FOLDING | MAIL_LATER);
		mail_tie(m, v->seg);
		if (old != NULL)
			segments_untied(&q->log, old);
	}
	if (q->fold.phase == FOLD_WRITE)
		step_soon(q);
	free(v);
}

/* Records of a delta, the last of which tells v. */
static int
append_delta(struct queue *q, struct slice delta, struct log_waiter *last)
{
	struct wire_in w = wire_in(delta);

	while (w.rest.len > 0) {
		uint32_t len = wire_u32(&w);
		uint8_t kind = wire_u8(&w);
		struct slice body = wire_raw(&w, len);

		if (w.failed ||
		    log_append(&q->log, (enum record_kind)kind, body,
			SLICE_EMPTY, w.rest.len == 0 ? last : NULL) == NULL)
			return -1;
	}
	return 0;
}

/*
 * Mail and delta once more at the tail. delta is never empty here: a
 * snapshot has one result record at least.
 */
static int
move(struct queue *q, struct mail *m, struct slice mail, struct slice delta)
{
	struct moving *v = xcalloc(1, sizeof(*v));

	v->w.done = all_moved;
	v->base.done = base_moved;
	v->q = q;
	v->id = m->id;
	v->len = (uint32_t)mail.len;
	if (log_append(&q->log, RECORD_MAIL, mail, SLICE_EMPTY, &v->base) ==
	    NULL) {
		free(v);
		return -1;
	}
	if (append_delta(q, delta, &v->w) == -1)
		log_die("event=no-memory what=moving");
	q->fold.moving++;
	m->flags |= MAIL_FOLDING; /* not taken a second time */
	return 0;
}

/* -- writing ------------------------------------------------------------- */

static void
remember(struct fold *f, struct qid id)
{
	if (f->count == f->cap) {
		f->cap = f->cap == 0 ? 256 : f->cap * 2;
		f->ids = xreallocarray(f->ids, f->cap, sizeof(*f->ids));
	}
	f->ids[f->count++] = id;
}

/* A mail in memory, as records. */
static int
write_hot(struct queue *q, struct mail *m, struct slice base)
{
	struct buf delta = BUF_INIT((size_t)2 * RECORD_MAX);
	struct fold *f = &q->fold;
	int rc;

	rc = hot_snapshot(m->hot, m->id, &delta);
	if (rc == 0 && f->to_log) {
		rc = move(q, m, base, buf_slice(&delta));
	} else if (rc == 0) {
		rc = old_write(q->deferred_dir, m->id, base, buf_slice(&delta));
		if (rc == 0) {
			remember(f, m->id);
			mail_flag(&q->mails, m, MAIL_FOLDING, MAIL_LATER);
		}
	}
	buf_free(&delta);
	return rc;
}

/* The body of the mail's record, which begins with the id. */
static int
base_of(const struct mail_hot *h, struct qid id, struct buf *b)
{
	struct envelope e = h->env;

	e.id = id;
	if (envelope_put(&e, b) == -1)
		return -1;
	return buf_append_slice(b, e.content);
}

/*
 * Damaged: it is untied by the caller. Where the disk does not give it, that
 * may change; but it shall not keep its segment, and with it the log, for
 * ever.
 */
static void
not_readable(struct queue *q, struct mail *m)
{
	if ((m->flags & MAIL_CORRUPT) == 0 && errno == EIO &&
	    q->fold.rounds > q->fold.patience)
		load_set_aside(q, m);
}

static int
write_mail(struct queue *q, struct mail *m)
{
	struct buf base = BUF_INIT(RECORD_MAX);
	struct load_peek peek;
	int saved;
	int rc;

	if (load_peek(q, m, &peek) == -1) {
		not_readable(q, m);
		return 0;
	}
	rc = base_of(m->hot, m->id, &base);
	if (rc == 0)
		rc = write_hot(q, m, buf_slice(&base));
	saved = errno;
	buf_free(&base);
	load_peek_end(q, m, &peek);
	errno = saved;
	return rc;
}

/*
 * Not yet written, and not about to go by itself: once more in the log, a
 * deleted one would stand behind the record that says so. What was looked
 * at stands at the end of the list.
 */
static struct mail *
next_mail(const struct fold *f)
{
	struct mail *m;

	TAILQ_FOREACH(m, &f->seg->mails, tied)
	{
		if ((m->flags & MAIL_FOLDING) != 0)
			return NULL;
		if ((m->state == MAIL_COLD || m->state == MAIL_HOT) &&
		    (m->flags & MAIL_DOOMED) == 0)
			return m;
	}
	return NULL;
}

static void
fold_over(struct queue *q)
{
	struct seg *s = q->fold.seg;
	struct mail *m;

	s->pins--;
	q->fold.phase = FOLD_IDLE;
	q->fold.seg = NULL;
	q->fold.count = 0;
	q->fold.to_log = false;
	/* Who is left is just ending, or could not be read: once more soon. */
	TAILQ_FOREACH(m, &s->mails, tied)
	mail_flag(&q->mails, m, 0, MAIL_FOLDING | MAIL_LATER);
	if (!TAILQ_EMPTY(&s->mails))
		event_add(q->fold.on_step, &(struct timeval){ AGAIN_S, 0 });
	segments_maintain(&q->log);
}

static void
fold_again(struct queue *q)
{
	struct seg *s;

	TAILQ_FOREACH(s, &q->log.segs, link)
	s->folding = false;
	segments_maintain(&q->log);
}

/* -- syncs and renames --------------------------------------------------- */

struct fold_sync {
	struct worker_sync sync; /* first member */
	struct queue *q;
};

/* Does it gain room to move what lives here, and leave some for results? */
static bool
worth_moving(const struct log *l, const struct seg *s)
{
	const struct mail *m;
	uint64_t room = l->free_count * l->seg_size;
	uint64_t live = 0;

	if (l->active != NULL)
		room += l->active->size - l->active->used;
	TAILQ_FOREACH(m, &s->mails, tied)
	live += m->base_len;
	return live <= s->size / 2 && live + s->size / 4 <= room;
}

/*
 * Nothing of this round counts: what it wrote goes. Mails go to the tail, or
 * stay until files can be made.
 */
static void
give_up_files(struct queue *q, int error)
{
	struct fold *f = &q->fold;

	f->to_log = worth_moving(&q->log, f->seg);
	log_error("event=fold-failed segment=%llu error=%s action=%s",
	    (unsigned long long)f->seg->number, strerror(error),
	    f->to_log ? "move" : "wait");
	for (size_t i = 0; i < f->count; i++) {
		struct mail *m = mail_find(&q->mails, f->ids[i]);

		remove_file(q, f->ids[i], ".new");
		if (m == NULL)
			continue;
		/* A file that is not its base would rise again one day. */
		if ((m->flags & MAIL_IN_FILE) == 0)
			remove_file(q, f->ids[i], "");
		mail_flag(&q->mails, m, 0, MAIL_FOLDING | MAIL_LATER);
	}
	f->count = 0;
	f->phase = FOLD_WRITE;
	if (f->to_log)
		step_soon(q);
	else
		fold_over(q);
}

static void
untie_all(struct queue *q)
{
	struct fold *f = &q->fold;

	for (size_t i = 0; i < f->count; i++) {
		struct mail *m = mail_find(&q->mails, f->ids[i]);
		bool later;

		if (m == NULL || (m->flags & MAIL_FOLDING) == 0)
			continue;
		later = (m->flags & MAIL_LATER) != 0;
		mail_flag(
		    &q->mails, m, MAIL_IN_FILE, MAIL_FOLDING | MAIL_LATER);
		mail_tie(m, later ? f->since : NULL);
		if (later)
			continue;
		if (m->hot != NULL)
			m->hot->changed = false;
		else
			mail_delta_set(m, NULL, 0);
	}
	log_info("event=folded segment=%llu mails=%zu",
	    (unsigned long long)f->seg->number, f->count);
}

static void
sync_done(struct worker_job *j)
{
	struct fold_sync *s = (struct fold_sync *)j;
	struct queue *q = s->q;
	int error = j->error;

	free(s);
	if (error != 0) {
		give_up_files(q, error);
	} else if (q->fold.phase == FOLD_SYNC) {
		q->fold.phase = FOLD_RENAME;
		q->fold.at = 0;
		step_soon(q);
	} else {
		untie_all(q);
		fold_over(q);
	}
}

static void
start_sync(struct queue *q, enum fold_phase phase)
{
	struct fold_sync *s = xcalloc(1, sizeof(*s));

	s->sync.job.done = sync_done;
	s->sync.fds[0] = q->root;
	s->sync.count = 1;
	s->q = q;
	q->fold.phase = phase;
	worker_add_sync(q->slow, &s->sync);
}

/*
 * Write one mail to where it goes. false: files cannot be made, and the
 * fold begins again with the log.
 */
static bool
write_one(struct queue *q, struct mail *m)
{
	struct fold *f = &q->fold;

	if (write_mail(q, m) == -1) {
		if (!f->to_log) {
			give_up_files(q, errno);
			return false;
		}
		/* Nor there: once more soon, with all who are left. */
		log_error("event=fold-failed segment=%llu error=%s "
			  "action=wait",
		    (unsigned long long)f->seg->number, strerror(errno));
	}
	mail_tie(m, (m->flags & MAIL_CORRUPT) != 0 ? NULL : f->seg);
	m->flags |= MAIL_FOLDING; /* or unreadable just now */
	return true;
}

static void
step_write(struct queue *q)
{
	struct fold *f = &q->fold;
	struct mail *m = NULL;

	for (unsigned i = 0; i < MAILS_A_PASS; i++) {
		if (f->moving >= MOVES_MAX)
			return; /* all_moved() goes on */
		m = next_mail(f);
		if (m == NULL)
			break;
		if (!write_one(q, m))
			return;
	}
	if (m != NULL)
		step_soon(q);
	else if (f->count > 0)
		start_sync(q, FOLD_SYNC);
	else if (f->moving == 0)
		fold_over(q);
}

static void
step_rename(struct queue *q)
{
	struct fold *f = &q->fold;

	for (unsigned i = 0; i < MAILS_A_PASS && f->at < f->count; i++) {
		struct qid id = f->ids[f->at++];

		/* Ended meanwhile: its file was removed with it. */
		if (mail_find(&q->mails, id) == NULL)
			continue;
		if (old_rename(q->deferred_dir, id) == -1) {
			give_up_files(q, errno);
			return;
		}
	}
	if (f->at < f->count)
		step_soon(q);
	else
		start_sync(q, FOLD_SYNC_NAMES);
}

static void
fold_step(struct queue *q)
{
	switch (q->fold.phase) {
	case FOLD_WRITE:
		step_write(q);
		break;
	case FOLD_RENAME:
		step_rename(q);
		break;
	case FOLD_IDLE:
		fold_again(q);
		break;
	case FOLD_SYNC:
	case FOLD_SYNC_NAMES:
		break;
	}
}

void
fold_segment(void *arg, struct seg *s)
{
	struct queue *q = arg;
	struct fold *f = &q->fold;

	if (f->phase != FOLD_IDLE) {
		s->folding = false;
		return;
	}
	f->phase = FOLD_WRITE;
	f->rounds = f->number == s->number ? f->rounds + 1 : 1;
	f->number = s->number;
	f->seg = s;
	s->pins++; /* its mails may end before the fold does */
	f->since = segments_current(&q->log);
	f->count = 0;
	f->to_log = false;
	step_soon(q);
}
