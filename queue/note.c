#include "queue/note.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "queue/queue.h"
#include "queue/remove.h"
#include "queue/segments.h"

void
note_tied(struct queue *q, struct mail *m)
{
	if ((m->flags & MAIL_FOLDING) != 0)
		m->flags |= MAIL_LATER;
	if (m->seg == NULL)
		mail_tie(m, segments_current(&q->log));
}

/*
 * Results are never refused by the log but for memory, without which
 * nothing can go on: after a restart they are made again.
 */
static void
append(struct queue *q, struct mail *m, enum record_kind kind, struct buf *b)
{
	if (log_append(&q->log, kind, buf_slice(b), SLICE_EMPTY, NULL) == NULL)
		log_die("event=no-memory what=results");
	buf_truncate(b, 0);
	note_tied(q, m);
}

void
note_results(struct queue *q, struct mail *m)
{
	struct buf b = BUF_INIT(RECORD_MAX);
	struct mail_hot *h = m->hot;
	uint32_t rows = 0;

	for (uint32_t i = 0; i < h->count; i++) {
		struct outcome o;

		if ((h->rcpts[i].flags & RCPT_DIRTY) == 0)
			continue;
		/* Whom no record has made yet no record may speak of. */
		if (h->unwritten && i >= h->env.count)
			break;
		h->rcpts[i].flags &= (uint8_t)~RCPT_DIRTY;
		o = rcpt_outcome(h, i);
		if ((b.len == 0 && result_begin(m->id, 0, &b) == -1) ||
		    outcome_put(&o, &b) == -1)
			log_die("event=no-memory what=results");
		rows++;
		if (b.len > RECORD_ROWS_MAX)
			append(q, m, RECORD_RESULT, &b);
	}
	if (b.len > 0)
		append(q, m, RECORD_RESULT, &b);
	buf_free(&b);
	if (rows > 0)
		h->changed = true;
}

void
note_state(struct queue *q, struct mail *m, enum state_op op)
{
	struct buf b = BUF_INIT(RECORD_MAX);

	if (state_put(m->id, op, SLICE_EMPTY, &b) == -1)
		log_die("event=no-memory what=state");
	append(q, m, RECORD_STATE, &b);
	buf_free(&b);
}

struct ending {
	struct log_waiter w; /* first member */
	struct queue *q;
	struct mail *m;
	const char *reason;
};

static void
ended(struct log_waiter *w, int error)
{
	struct ending *e = (struct ending *)w;
	struct queue *q = e->q;
	struct mail *m = e->m;
	struct seg *s = m->seg;
	char id[QID_TEXT];

	if (error == 0) {
		qid_text(m->id, id);
		log_info("event=removed id=%s reason=%s", id, e->reason);
		q->counts.finished++;
		remove_files(q, m);
		mail_remove(&q->mails, m);
		if (s != NULL)
			segments_untied(&q->log, s);
		queue_check_stop(q);
	}
	free(e);
}

void
note_end(struct queue *q, struct mail *m, const char *reason)
{
	struct ending *e = xcalloc(1, sizeof(*e));
	char body[RECORD_ID + 1];

	e->w.done = ended;
	e->q = q;
	e->m = m;
	e->reason = reason;
	wire_set_u64(body, m->id.time_us);
	wire_set_u64(body + 8, m->id.nonce);
	body[RECORD_ID] = RESULT_FINISHED;
	m->state = MAIL_ENDING;
	heap_remove(&q->mails.due, &m->due);
	if (log_append(&q->log, RECORD_RESULT, slice_of(body, sizeof(body)),
		SLICE_EMPTY, &e->w) == NULL)
		log_die("event=no-memory what=results");
	note_tied(q, m);
}
