#include "queue/outcome.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/ipc/message_list.h"
#include "queue/queue.h"

static void
set_reason(struct rcpt *r, const struct reason *why)
{
	r->code = why->code;
	rcpt_set_why(r, why->enhanced, why->text, why->remote);
}

void
outcome_set(struct mail *m, uint32_t number, uint8_t status)
{
	struct rcpt *r = &m->hot->rcpts[number];

	r->flags |= RCPT_DIRTY;
	r->flags &= (uint8_t)~RCPT_UNSURE;
	rcpt_set_status(m->hot, number, status);
}

void
outcome_done(struct queue *q, struct mail *m, uint32_t number,
    const struct reason *how, bool reported)
{
	struct mail_hot *h = m->hot;
	struct rcpt *r = &h->rcpts[number];

	/* RFC 3461 §4.1: only who asked for it hears of success. */
	if (!reported && (r->notify & IPC_NOTIFY_SUCCESS) != 0 &&
	    rcpt_sender(h, r).len > 0) {
		r->flags |= OUTCOME_NOTICE;
		r->tried_s = queue_wall_s(q);
		r->next_s = 0;
		set_reason(r, how);
	}
	outcome_set(m, number, RCPT_DONE);
}

static bool
wants_bounce(const struct mail_hot *h, const struct rcpt *r, const char *id)
{
	if (rcpt_sender(h, r).len == 0) {
		/* RFC 5321 §4.5.5: nothing is sent back to nobody. */
		log_warn("event=double-bounce id=%s to=%.*s", id,
		    SLICE_FMT(r->address));
		return false;
	}
	if ((r->notify & IPC_NOTIFY_NEVER) != 0)
		return false;
	return r->notify == 0 || (r->notify & IPC_NOTIFY_FAILURE) != 0;
}

void
outcome_failed(
    struct queue *q, struct mail *m, uint32_t number, const struct reason *why)
{
	struct rcpt *r = &m->hot->rcpts[number];
	char id[QID_TEXT];

	qid_text(m->id, id);
	log_info("event=failed id=%s to=%.*s code=%u status=%.*s remote=%.*s "
		 "reason=%.*s",
	    id, SLICE_FMT(r->address), why->code, SLICE_FMT(why->enhanced),
	    SLICE_FMT(why->remote), SLICE_FMT(why->text));
	q->counts.failures++;
	r->attempts++;
	r->tried_s = queue_wall_s(q);
	r->next_s = 0;
	set_reason(r, why);
	outcome_set(m, number,
	    wants_bounce(m->hot, r, id) ? RCPT_FAILED : RCPT_BOUNCED);
}

/* RFC 3463 §3.5: the code of the last trouble says more than X.4.7. */
static void
expire(
    struct queue *q, struct mail *m, uint32_t number, const struct reason *why)
{
	struct buf b = BUF_INIT(2048);
	struct reason expired = *why;
	char id[QID_TEXT];

	qid_text(m->id, id);
	log_info("event=expired id=%s to=%.*s", id,
	    SLICE_FMT(m->hot->rcpts[number].address));
	q->counts.expired++;
	if (buf_printf(&b, "not delivered in time; the last attempt: %.*s",
		(int)MIN(why->text.len, (size_t)900), why->text.p) == 0)
		expired.text = buf_slice(&b);
	if (expired.enhanced.len == 0)
		expired.enhanced = SLICE("4.4.7");
	outcome_failed(q, m, number, &expired);
	buf_free(&b);
}

/*
 * The clock may have been wrong when the mail came, or when we started: the
 * queue must have run long enough, too, for another try of every mail.
 */
bool
outcome_waited(const struct queue *q, const struct mail_hot *h, int64_t for_s)
{
	int64_t ran_s = (clock_boot_ms() - q->start_boot_ms) / 1000;

	return queue_wall_s(q) - h->env.arrived >= for_s &&
	       ran_s >= MIN(for_s, q->config->queue_retry_max);
}

void
outcome_deferred(struct queue *q, struct mail *m, uint32_t number,
    const struct reason *why, const struct dest *d)
{
	struct rcpt *r = &m->hot->rcpts[number];
	int64_t now = queue_wall_s(q);
	char id[QID_TEXT];

	if (outcome_waited(q, m->hot, sched_lifetime_s(&q->sched, d))) {
		expire(q, m, number, why);
		return;
	}
	r->attempts++;
	r->tried_s = now;
	r->next_s = now + sched_backoff_s(&q->sched, d, r->attempts);
	set_reason(r, why);
	outcome_set(m, number, RCPT_WAITING);
	q->counts.deferrals++;
	qid_text(m->id, id);
	log_info("event=deferred id=%s to=%.*s attempts=%u next_s=%lld "
		 "code=%u status=%.*s remote=%.*s reason=%.*s",
	    id, SLICE_FMT(r->address), r->attempts,
	    (long long)(r->next_s - now), why->code, SLICE_FMT(why->enhanced),
	    SLICE_FMT(why->remote), SLICE_FMT(why->text));
}

void
outcome_put_off(struct mail *m, uint32_t number, int64_t next_s)
{
	m->hot->rcpts[number].next_s = next_s;
}
