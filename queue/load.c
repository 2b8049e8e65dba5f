#include "queue/load.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "queue/old.h"
#include "queue/queue.h"

#define AGAIN_MS  30000
#define PIECE     ((size_t)512)
#define DELTA_MAX ((size_t)2 * RECORD_MAX)

static struct mail_hot *
from_log(const struct mail *m)
{
	size_t size = record_size(m->base_len);
	char *store;

	if (m->seg == NULL) {
		errno = EBADMSG;
		return NULL;
	}
	store = malloc(size);
	if (store == NULL)
		return NULL;
	if (seg_read(m->seg, m->base_at, m->base_len, store) == -1) {
		free(store);
		return NULL;
	}
	return hot_new(slice_of(store + RECORD_HEAD, m->base_len), NULL, store);
}

static struct mail_hot *
from_file(const struct queue *q, const struct mail *m)
{
	struct mail_hot *h;
	struct record r;
	struct old o;

	if (old_read(q->deferred_dir, m->id, &o) == -1)
		return NULL;
	h = hot_new(o.mail, NULL, o.store);
	while (h != NULL && old_next(&o, &r) == 1) {
		if (hot_apply(h, &r) == -1) {
			hot_free(h);
			return NULL;
		}
	}
	if (h != NULL)
		h->changed = false; /* as the file says */
	return h;
}

static int
try_later(struct queue *q, struct mail *m)
{
	int saved = errno;
	char id[QID_TEXT];

	qid_text(m->id, id);
	log_error("event=mail-unreadable id=%s error=%s", id, strerror(errno));
	heap_set(&q->mails.due, &m->due, clock_boot_ms() + AGAIN_MS);
	errno = saved;
	return -1;
}

/*
 * What stands in the log where the mail should: for a person to look at.
 * Pieces the disk does not give are zeros.
 */
static int
copy_raw(const struct queue *q, const struct mail *m, const char *id)
{
	size_t size = record_size(m->base_len);
	char *raw = m->seg == NULL ? NULL : calloc(1, size);
	char tmp[QID_TEXT + 4];
	int rc;

	if (raw == NULL)
		return -1;
	for (size_t at = 0; at < size; at += PIECE)
		if (pread_all(m->seg->read_fd, raw + at, MIN(PIECE, size - at),
			(off_t)(m->base_at + at)) == -1)
			memset(raw + at, 0, MIN(PIECE, size - at));
	(void)snprintf(tmp, sizeof(tmp), "%s.new", id);
	rc = file_publish(q->corrupt_dir, tmp, id, slice_of(raw, size), 0600);
	free(raw);
	return rc;
}

void
load_set_aside(struct queue *q, struct mail *m)
{
	char from[OLD_NAME];
	char id[QID_TEXT];
	int rc;

	qid_text(m->id, id);
	old_name(m->id, "", from);
	if ((m->flags & MAIL_IN_FILE) != 0)
		rc = renameat(q->deferred_dir, from, q->corrupt_dir, id);
	else
		rc = copy_raw(q, m, id);
	if (rc == -1)
		log_error("event=set-aside-failed id=%s error=%s", id,
		    strerror(errno));
	log_error("event=mail-corrupt id=%s action=held", id);
	q->counts.corrupt++;
	mail_flag(&q->mails, m, MAIL_CORRUPT | MAIL_HELD | MAIL_SEEN, 0);
	heap_remove(&q->mails.due, &m->due);
	queue_set_timer(q);
}

static void
loaded(struct queue *q, struct mail *m, struct mail_hot *h)
{
	int64_t latest = queue_wall_s(q) + queue_longest_s(q);
	unsigned set = MAIL_SEEN;

	if (h->env.large)
		set |= MAIL_LARGE;
	if (h->held)
		set |= MAIL_HELD;
	for (uint32_t i = 0; i < h->count; i++) {
		/* Nothing waits so long: the clock was set back. */
		if (h->rcpts[i].next_s > latest)
			h->rcpts[i].next_s = 0;
		if ((m->flags & MAIL_UNSURE) != 0 &&
		    h->rcpts[i].status == RCPT_WAITING)
			h->rcpts[i].flags |= RCPT_UNSURE;
		if ((m->flags & MAIL_FLUSH) != 0)
			h->rcpts[i].next_s = 0;
	}
	mail_flag(&q->mails, m, set, MAIL_PARKED | MAIL_FLUSH);
	mail_heated(&q->mails, m, h);
	m->state = MAIL_HOT;
	heap_remove(&q->mails.due, &m->due);
}

int
load_mail(struct queue *q, struct mail *m)
{
	struct mail_hot *h;

	assert(m->state == MAIL_COLD && m->hot == NULL);
	if ((m->flags & MAIL_CORRUPT) != 0) {
		errno = EBADMSG;
		return -1;
	}
	if ((m->flags & MAIL_IN_FILE) != 0)
		h = from_file(q, m);
	else
		h = from_log(m);
	if (h != NULL &&
	    (qid_compare(h->env.id, m->id) != 0 ||
		hot_apply_all(h, slice_of(m->delta, m->delta_len)) == -1)) {
		hot_free(h);
		h = NULL;
		errno = EBADMSG;
	}
	if (h == NULL && errno != EBADMSG && errno != ENOENT)
		return try_later(q, m);
	if (h == NULL) {
		load_set_aside(q, m);
		errno = EBADMSG;
		return -1;
	}
	loaded(q, m, h);
	return 0;
}

void
load_cool(struct queue *q, struct mail *m)
{
	struct buf b = BUF_INIT(DELTA_MAX);
	struct mail_hot *h = m->hot;
	size_t len = 0;

	assert(h->busy == 0 && h->asking == 0 && TAILQ_EMPTY(&h->tasks));
	for (uint32_t i = 0; i < h->count; i++)
		if ((h->rcpts[i].flags & RCPT_UNSURE) != 0)
			mail_flag(&q->mails, m, MAIL_UNSURE, 0);
	if (!h->changed) {
		mail_delta_set(m, NULL, 0);
	} else if (hot_snapshot(h, m->id, &b) == -1) {
		log_die("event=no-memory what=delta");
	} else {
		char *all = buf_take(&b, &len);
		char *fit = all == NULL ? NULL : realloc(all, len + 1);

		mail_delta_set(m, fit == NULL ? all : fit, len);
	}
	mail_cooled(&q->mails, m);
	m->state = MAIL_COLD;
}

int
load_peek(struct queue *q, struct mail *m, struct load_peek *p)
{
	*p = (struct load_peek){ .due_ms = m->due.due,
		.flags = m->flags & (MAIL_PARKED | MAIL_FLUSH),
		.was_due = m->due.place != 0 };
	if (m->state != MAIL_COLD)
		return 0;
	if (load_mail(q, m) == -1)
		return -1;
	p->cold = true;
	return 0;
}

void
load_peek_end(struct queue *q, struct mail *m, const struct load_peek *p)
{
	if (!p->cold)
		return;
	load_cool(q, m);
	mail_flag(&q->mails, m, p->flags, 0);
	if (p->was_due && (m->flags & MAIL_HELD) == 0)
		heap_set(&q->mails.due, &m->due, p->due_ms);
}
