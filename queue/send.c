#include "queue/send.h"

#include <errno.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/ipc/chan.h"
#include "queue/note.h"
#include "queue/queue.h"

#define FRAME_RCPTS 59000U /* of the 60000 bytes a frame may have */
#define RCPT_ROOM   5200U  /* one recipient with all fields full */

static uint8_t
action_of(const struct task *t)
{
	switch ((enum ipc_work_kind)t->kind) {
	case WORK_BOUNCE_FAILURE:
		return STATUS_FAILED;
	case WORK_BOUNCE_DELAY:
		return STATUS_DEFERRED;
	case WORK_LOCAL:
	case WORK_RELAY:
	case WORK_BOUNCE_SUCCESS:
		break;
	}
	return STATUS_DONE;
}

static int
put_rcpt(const struct task *t, uint32_t number, struct buf *b)
{
	const struct rcpt *r = &t->mail->hot->rcpts[number];
	struct ipc_work_rcpt m = { .number = number,
		.address = r->address,
		.orcpt = r->orcpt,
		.notify = r->notify };
	struct rcpt_why why;

	if (t->kind == WORK_LOCAL || t->kind == WORK_RELAY) {
		m.address = r->route->address;
		m.home = r->route->home;
		m.uid = r->route->uid;
		m.tag = r->route->tag;
	} else {
		why = rcpt_get_why(r);
		m.action = action_of(t);
		m.enhanced = why.enhanced;
		m.text = why.text;
		m.remote = why.remote;
		m.tried = (uint64_t)r->tried_s;
	}
	return ipc_work_rcpt_put(&m, b);
}

/* As many recipients as a frame takes; moves *number on. */
static int
put_rcpts(const struct task *t, uint32_t *number, struct buf *b)
{
	const struct mail_hot *h = t->mail->hot;

	buf_truncate(b, 0);
	while (*number != RCPT_NONE && b->len + RCPT_ROOM < FRAME_RCPTS) {
		if (put_rcpt(t, *number, b) == -1)
			return -1;
		*number = h->rcpts[*number].next;
	}
	return 0;
}

static bool
is_unsure(const struct task *t)
{
	const struct mail_hot *h = t->mail->hot;

	for (uint32_t n = t->first; n != RCPT_NONE; n = h->rcpts[n].next)
		if ((h->rcpts[n].flags & RCPT_UNSURE) != 0)
			return true;
	return false;
}

struct sending {
	struct ipc_chan *chan;
	const struct task *t;
	struct buf rcpts;
	uint32_t next;        /* recipient */
	struct slice content; /* not sent yet */
	uint32_t request;
};

static uint16_t
flags_of(const struct sending *s)
{
	return s->next != RCPT_NONE || s->content.len > 0 ? IPC_MORE : 0;
}

/* No mail that is here, or will be, has a smaller id and is not over. */
static struct qid
low_water(const struct queue *q)
{
	struct qid low = mails_first(&q->mails)->id;
	struct qid coming;

	if (large_oldest(q, &coming) && qid_compare(coming, low) < 0)
		return coming;
	return low;
}

static int
send_first(struct queue *q, struct sending *s, int fd)
{
	const struct mail_hot *h = s->t->mail->hot;
	const struct rcpt *r = &h->rcpts[s->t->first];
	struct ipc_work m = { .job = s->t->job,
		.kind = s->t->kind,
		.flags = h->env.flags,
		.sender = rcpt_sender(h, r),
		.envid = h->env.envid,
		.ret = h->env.ret,
		.arrived = (uint64_t)h->env.arrived,
		.length = h->env.length };
	char low[QID_TEXT];
	char id[QID_TEXT];

	qid_text(s->t->mail->id, id);
	qid_text(low_water(q), low);
	m.id = slice_str(id);
	m.low_water = slice_str(low);
	if (is_unsure(s->t))
		m.flags |= IPC_WORK_RETRY;
	m.expires = (uint64_t)(h->env.arrived +
			       sched_lifetime_s(&q->sched, s->t->dest));
	if (s->t->kind == WORK_RELAY)
		m.next_hop = r->route->next_hop;
	if (h->env.large)
		m.sha256 = slice_of(h->env.sha256, sizeof(h->env.sha256));
	m.recipients = buf_slice(&s->rcpts);
	m.content = slice_sub(s->content, 0, IPC_CHUNK);
	s->content = slice_sub(s->content, IPC_CHUNK, s->content.len);
	return ipc_send_msg_fd(s->chan, work, flags_of(s), s->request, &m, fd);
}

static int
send_rest(struct sending *s)
{
	while (flags_of(s) != 0) {
		struct ipc_work_more m;

		if (put_rcpts(s->t, &s->next, &s->rcpts) == -1)
			return -1;
		m.recipients = buf_slice(&s->rcpts);
		m.content = slice_sub(s->content, 0, IPC_CHUNK);
		s->content = slice_sub(s->content, IPC_CHUNK, s->content.len);
		if (ipc_send_msg(
			s->chan, work_more, flags_of(s), s->request, &m) == -1)
			return -1;
	}
	return 0;
}

int
send_work(struct queue *q, struct agent *a, struct task *t)
{
	const struct mail_hot *h = t->mail->hot;
	struct sending s = { .chan = a->chan,
		.t = t,
		.rcpts = BUF_INIT(IPC_MAX_PAYLOAD),
		.next = t->first,
		.content = h->env.content };
	int fd = -1;
	int rc;

	if (h->env.large) {
		fd = large_open(q, t->mail->id);
		if (fd == -1 && errno == ENOENT)
			send_damaged(q, t);
		if (fd == -1)
			return -1;
	}
	s.request = ++a->request;
	rc = put_rcpts(t, &s.next, &s.rcpts);
	if (rc == -1) {
		fd_close(fd);
	} else {
		rc = send_first(q, &s, fd);
		/* Room was seen to before: only a channel that has ended
		 * refuses the rest, and we are about to be told. */
		if (rc == 0 && send_rest(&s) == -1)
			log_warn("event=work-cut-off job=%llu",
			    (unsigned long long)t->job);
	}
	buf_free(&s.rcpts);
	return rc;
}

void
send_damaged(struct queue *q, struct task *t)
{
	struct mail *m = t->mail;
	char id[QID_TEXT];

	if ((m->flags & MAIL_HELD) != 0)
		return;
	qid_text(m->id, id);
	log_error("event=mail-corrupt id=%s what=content action=held", id);
	q->counts.corrupt++;
	note_state(q, m, STATE_HOLD);
	mail_flag(&q->mails, m, MAIL_HELD, 0);
	m->hot->held = true;
	m->hot->stated = true;
	m->hot->changed = true;
}
