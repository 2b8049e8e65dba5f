/* SEARCH */
#include <errno.h>

#include "common/mime/date.h"
#include "common/mime/header.h"
#include "imapd/fetch_content.h"
#include "imapd/search.h"
#include "imapd/session_state.h"

/* Text of one part, decoded, that can be searched. */
#define WORK_MAX (64U << 20)

struct finder {
	struct session *s;
	struct message m;
	struct content c;
	struct slice header;
	struct buf work;
};

/* Sets name messages of the view, which stays as it is meanwhile. */
static bool
bind_sets(struct session *s, struct search *prog)
{
	for (size_t i = 0; i < prog->count; i++) {
		struct search_step *step = &prog->steps[i];

		if ((step->op == OP_SEQ || step->op == OP_UID) &&
		    !session_resolve(
			s, &step->set, step->op == OP_UID, &step->seqs))
			return false;
	}
	return true;
}

static bool
has_keyword(const struct finder *f, struct slice name)
{
	int bit = mailbox_keyword_find(f->s->mailbox, name);

	return bit >= 0 && (f->m.keywords >> (unsigned)bit & 1) != 0;
}

/* The day of the internal date, in its own zone (§6.4.4). */
static int64_t
internal_day(const struct message *m)
{
	int64_t t = m->date_s + (int64_t)m->zone_min * 60;

	return (t >= 0 ? t : t - 86399) / 86400;
}

static bool
sent_day(const struct finder *f, int64_t *day)
{
	struct slice value = mime_field_find(f->header, SLICE("Date"));
	struct mime_date d;

	if (value.p == NULL || !mime_date_parse(&d, value))
		return false;
	*day = mime_date_days(d.year, d.month, d.day);
	return true;
}

static bool
header_has(struct finder *f, struct slice name, struct slice needle)
{
	struct mime_fields it = mime_fields(f->header);
	struct mime_field field;

	while (mime_fields_next(&it, &field))
		if (slice_ieq(field.name, name) &&
		    search_find_field(field.value, needle, &f->work))
			return true;
	return false;
}

/* Tests of the index. */
static bool
test_index(const struct finder *f, const struct search_step *step)
{
	const struct message *m = &f->m;

	if (step->op == OP_FLAG)
		return (m->flags & step->flags) != 0;
	if (step->op == OP_NOT_FLAG)
		return (m->flags & step->flags) == 0;
	if (step->op == OP_NEW)
		return (m->flags & (MESSAGE_RECENT | MESSAGE_SEEN)) ==
		       MESSAGE_RECENT;
	if (step->op == OP_KEYWORD)
		return has_keyword(f, step->name) != step->negate;
	if (step->op == OP_SEQ || step->op == OP_UID)
		return uidset_has(&step->seqs, m->seq);
	if (step->op == OP_BEFORE)
		return internal_day(m) < step->number;
	if (step->op == OP_ON)
		return internal_day(m) == step->number;
	if (step->op == OP_SINCE)
		return internal_day(m) >= step->number;
	if (step->op == OP_LARGER)
		return m->size > (uint64_t)step->number;
	if (step->op == OP_SMALLER)
		return m->size < (uint64_t)step->number;
	return true; /* OP_ALL */
}

static bool
test(void *arg, const struct search *prog, const struct search_step *step)
{
	struct finder *f = arg;
	int64_t day;

	if (step->op < OP_SENTBEFORE)
		return test_index(f, step);
	if (step->op == OP_HEADER)
		return header_has(f, step->name, search_needle(prog, step));
	if (step->op == OP_BODY || step->op == OP_TEXT)
		return search_find_text(&f->s->tree, step->op == OP_TEXT,
		    search_needle(prog, step), &f->work);
	if (!sent_day(f, &day))
		return false;
	if (step->op == OP_SENTBEFORE)
		return day < step->number;
	if (step->op == OP_SENTON)
		return day == step->number;
	return day >= step->number;
}

/* A message whose content is gone is not found. */
static bool
is_found(struct finder *f, const struct search *prog)
{
	enum truth t = search_run(prog, KNOW_INDEX, test, f);

	if (t == UNKNOWN) {
		if (content_open(&f->c, f->s, f->m.uid) == -1 ||
		    content_header(&f->c, &f->header) == -1)
			t = FALSE;
		else
			t = search_run(prog, KNOW_HEADER, test, f);
		if (t == UNKNOWN && content_tree(&f->c) == 0) {
			f->header =
			    mime_part_header(&f->s->tree, &f->s->tree.parts[0]);
			t = search_run(prog, KNOW_BODY, test, f);
		}
		content_close(&f->c);
	}
	return t == TRUE;
}

static void
search_all(struct session *s, const struct search *prog, bool uid)
{
	struct finder f = {
		.s = s, .c = { .fd = -1 }, .work = BUF_INIT(WORK_MAX)
	};
	struct mailbox_status status;

	mailbox_status(s->mailbox, &status);
	out_str(s, "* SEARCH");
	for (uint32_t seq = 1; seq <= status.exists && !s->gone; seq++) {
		if (mailbox_message(s->mailbox, seq, &f.m) == -1 ||
		    !is_found(&f, prog))
			continue;
		out_bytes(s, " ", 1);
		out_number(s, uid ? f.m.uid : seq);
	}
	out_bytes(s, "\r\n", 2);
	answer_ok(s, NULL, "Search completed");
	buf_free(&f.work);
}

void
cmd_search(struct session *s, struct command_in *in)
{
	struct search prog;

	if (!parse_space(&in->p))
		return;
	if (search_parse(&in->p, &prog)) {
		if (bind_sets(s, &prog))
			search_all(s, &prog, in->uid);
		else
			(void)parse_fail(&in->p, "No such message");
	} else if (prog.bad_charset) {
		answer_no(
		    s, "BADCHARSET (US-ASCII UTF-8)", "Unknown character set");
	}
	search_free(&prog);
}
