#include "queue/row.h"

#include <time.h>

#include "common/base/utf8.h"
#include "queue/queue.h"

#define RCPTS_SHOWN 20U

static int
put_char(struct buf *b, char c)
{
	unsigned char u = (unsigned char)c;

	if (u == '"' || u == '\\')
		return buf_printf(b, "\\%c", u);
	if (u < 0x20 || u == 0x7f)
		return buf_printf(b, "\\u%04x", u);
	return buf_append_byte(b, c);
}

/* RFC 8259 §7; bytes that are no UTF-8 are taken as Latin-1. */
static int
put_string(struct buf *b, struct slice s)
{
	bool utf8 = utf8_valid(s);

	if (buf_append_byte(b, '"') == -1)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char u = (unsigned char)s.p[i];
		int rc;

		if (u >= 0x80 && !utf8)
			rc = buf_printf(b, "\\u%04x", u);
		else
			rc = put_char(b, s.p[i]);
		if (rc == -1)
			return -1;
	}
	return buf_append_byte(b, '"');
}

static int
put_pair(struct buf *b, const char *name, struct slice value)
{
	if (buf_printf(b, "%s\"%s\": ", b->data[b->len - 1] == '{' ? "" : ", ",
		name) == -1)
		return -1;
	return put_string(b, value);
}

static int
put_number(struct buf *b, const char *name, uint64_t value)
{
	return buf_printf(b, ", \"%s\": %llu", name, (unsigned long long)value);
}

static const char *
time_text(int64_t s, char text[32])
{
	time_t t = (time_t)s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		text[0] = '\0';
	return text;
}

static const char *
state_of(const struct mail *m)
{
	const struct task *t;

	if ((m->flags & MAIL_CORRUPT) != 0)
		return "corrupt";
	if ((m->flags & MAIL_HELD) != 0)
		return "held";
	if (m->hot == NULL)
		return "deferred";
	TAILQ_FOREACH(t, &m->hot->tasks, bound)
	if (t->agent != NULL)
		return "active";
	if (m->hot->asking > 0 || !TAILQ_EMPTY(&m->hot->tasks))
		return "ready";
	return "deferred";
}

static const char *
status_of(const struct rcpt *r)
{
	static const char *const names[RCPT_COUNT] = {
		[RCPT_WAITING] = "waiting",
		[RCPT_DONE] = "done",
		[RCPT_FAILED] = "failed",
		[RCPT_BOUNCED] = "bounced",
		[RCPT_EXPANDED] = "expanded",
		[RCPT_DUPLICATE] = "duplicate",
		[RCPT_DELETED] = "deleted",
	};

	return names[r->status];
}

/* Those that are not over, the first few by name. */
static int
put_recipients(struct buf *b, const struct mail_hot *h)
{
	struct buf list = BUF_INIT(65536);
	uint32_t open = 0;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < h->count; i++) {
		const struct rcpt *r = &h->rcpts[i];

		if (rcpt_over(r) || open++ >= RCPTS_SHOWN)
			continue;
		if (list.len > 0)
			rc = buf_append_byte(&list, ' ');
		if (rc == 0)
			rc = buf_append_slice(&list, r->address);
	}
	if (rc == 0 && open > RCPTS_SHOWN)
		rc = buf_printf(&list, " (%u more)", open - RCPTS_SHOWN);
	if (rc == 0)
		rc = put_pair(b, "recipients", buf_slice(&list));
	buf_free(&list);
	return rc;
}

/* The recipient whose story says most: tried last. */
static const struct rcpt *
telling(const struct mail_hot *h)
{
	const struct rcpt *best = &h->rcpts[0];

	for (uint32_t i = 0; i < h->count; i++)
		if (!rcpt_over(&h->rcpts[i]) &&
		    (rcpt_over(best) || h->rcpts[i].tried_s > best->tried_s))
			best = &h->rcpts[i];
	return best;
}

static int
put_story(struct buf *b, const struct queue *q, const struct mail_hot *h)
{
	const struct rcpt *r = telling(h);
	struct rcpt_why w = rcpt_get_why(r);
	char when[32] = "";

	if (r->next_s > queue_wall_s(q))
		(void)time_text(r->next_s, when);
	if (put_pair(b, "next", slice_str(when)) == -1 ||
	    put_number(b, "attempts", r->attempts) == -1 ||
	    put_pair(b, "status", w.enhanced) == -1 ||
	    put_pair(b, "remote", w.remote) == -1)
		return -1;
	return put_pair(b, "reason", slice_sub(w.text, 0, 512));
}

int
row_json(const struct queue *q, const struct mail *m, struct buf *b)
{
	const struct mail_hot *h = m->hot;
	char id[QID_TEXT];
	char when[32];

	qid_text(m->id, id);
	if (buf_append_byte(b, '{') == -1 ||
	    put_pair(b, "id", slice_str(id)) == -1 ||
	    put_pair(b, "state", slice_str(state_of(m))) == -1)
		return -1;
	if (h == NULL)
		return buf_append_byte(b, '}');
	if (put_number(b, "size", h->env.length) == -1 ||
	    put_pair(b, "arrived",
		slice_str(time_text(h->env.arrived, when))) == -1 ||
	    put_pair(b, "from", h->env.sender) == -1 ||
	    put_recipients(b, h) == -1 || put_story(b, q, h) == -1)
		return -1;
	return buf_append_byte(b, '}');
}

static int
line(struct buf *b, const char *name, struct slice value)
{
	if (buf_printf(b, "%s: ", name) == -1)
		return -1;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char u = (unsigned char)value.p[i];
		int rc = u < 0x20 || u == 0x7f ? buf_printf(b, "\\x%02x", u)
					       : buf_append_byte(b, (char)u);

		if (rc == -1)
			return -1;
	}
	return buf_append_byte(b, '\n');
}

static int
rcpt_lines(const struct queue *q, const struct rcpt *r, struct buf *b)
{
	struct rcpt_why w = rcpt_get_why(r);
	char when[32];

	if (line(b, "Recipient", r->address) == -1 ||
	    line(b, "  Status", slice_str(status_of(r))) == -1)
		return -1;
	if (r->attempts > 0 &&
	    buf_printf(b, "  Attempts: %u\n", r->attempts) == -1)
		return -1;
	if (w.text.len > 0 && (line(b, "  Reason", w.text) == -1 ||
				  line(b, "  Remote", w.remote) == -1))
		return -1;
	if (r->status == RCPT_WAITING && r->next_s > queue_wall_s(q))
		return line(b, "  Next", slice_str(time_text(r->next_s, when)));
	return 0;
}

int
row_text(const struct queue *q, const struct mail *m, struct buf *b)
{
	const struct envelope *e = &m->hot->env;
	char id[QID_TEXT];
	char when[32];

	qid_text(m->id, id);
	if (line(b, "Id", slice_str(id)) == -1 ||
	    line(b, "State", slice_str(state_of(m))) == -1 ||
	    line(b, "From", e->sender) == -1 ||
	    line(b, "Client", e->client) == -1 ||
	    line(b, "User", e->user) == -1 ||
	    line(b, "Arrived", slice_str(time_text(e->arrived, when))) == -1 ||
	    buf_printf(b, "Size: %llu\n", (unsigned long long)e->length) == -1)
		return -1;
	for (uint32_t i = 0; i < m->hot->count; i++)
		if (rcpt_lines(q, &m->hot->rcpts[i], b) == -1)
			return -1;
	return buf_append_byte(b, '\n');
}
