/* SEARCH */
#include <errno.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/mime/header.h"
#include "imapd/fetch_content.h"
#include "imapd/search.h"
#include "imapd/session_state.h"
#include "store/cache.h"

/* Text of one part, decoded, that can be searched. */
#define WORK_MAX (64U << 20)

/* A client that has left, and a stop, are seen within this. */
#define ASK_MS 100
/* Messages that are told by their flags and dates take less than that. */
#define QUICK_MAX 256

struct finder {
	struct session *s;
	struct search *prog;
	struct message m;
	struct content c;
	struct slice fields; /* search_fields_make() */
	struct slice header;
	struct buf entry; /* fields that were made just now */
	struct buf work;
	bool all_read;    /* what no part has is not there */
	int error;        /* of a message that cannot be read; 0: none */
	bool stopped;     /* nobody waits for the answer any more */
	int64_t asked_ms; /* when that was last asked */
};

/*
 * To be asked between steps that may take long: a mailbox, a message and a
 * list of keys can each be large.
 */
static bool
goes_on(struct finder *f)
{
	int64_t now = clock_boot_ms();

	if (!f->stopped && now - f->asked_ms >= ASK_MS) {
		f->asked_ms = now;
		f->stopped = !in_wanted(f->s);
	}
	return !f->stopped;
}

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

/* Tests of the header. */
static bool
test_header(
    struct finder *f, const struct search *prog, const struct search_step *step)
{
	int64_t day;

	if (step->op == OP_FIELD)
		return search_fields_has(
		    f->fields, step->field, search_needle(prog, step));
	if (step->op == OP_HEADER)
		return header_has(f, step->name, search_needle(prog, step));
	day = search_fields_day(f->fields);
	if (day == SEARCH_NO_DAY)
		return false;
	if (step->op == OP_SENTBEFORE)
		return day < step->number;
	if (step->op == OP_SENTON)
		return day == step->number;
	return day >= step->number;
}

static bool
is_text_test(const struct search_step *step)
{
	return step->op == OP_BODY || step->op == OP_TEXT;
}

static enum truth
test(void *arg, const struct search *prog, const struct search_step *step)
{
	struct finder *f = arg;
	bool found;

	if (step->op < OP_SENTBEFORE)
		found = test_index(f, step);
	else if (step->op == OP_HEADER && !goes_on(f))
		return UNKNOWN;
	else if (is_text_test(step)) /* look_at_part() has the others */
		return f->all_read ? FALSE : UNKNOWN;
	else
		found = test_header(f, prog, step);
	return found ? TRUE : FALSE;
}

static int
open_content(struct finder *f)
{
	return f->c.fd != -1 ? 0 : content_open(&f->c, f->s, f->m.uid);
}

static int
know_header(struct finder *f)
{
	return open_content(f) == -1 ? -1 : content_header(&f->c, &f->header);
}

static int
know_fields(struct finder *f)
{
	struct mailbox *mb = f->s->mailbox;

	if (cache_get(mb, f->m.uid, CACHE_FIELDS, MIME_PARSER_VERSION,
		&f->fields) == 0)
		return 0;
	buf_truncate(&f->entry, 0);
	if (know_header(f) == -1 ||
	    search_fields_make(f->header, &f->entry) == -1)
		return -1;
	f->fields = buf_slice(&f->entry);
	cache_put(mb, f->m.uid, CACHE_FIELDS, MIME_PARSER_VERSION, f->fields);
	return 0;
}

static int
know_body(struct finder *f)
{
	if (open_content(f) == -1 || content_tree(&f->c) == -1)
		return -1;
	/* it may have moved, or was not asked for yet */
	f->header = mime_part_header(&f->s->tree, &f->s->tree.parts[0]);
	return 0;
}

/* Try what was in no part before. True when that found something. */
static bool
look_at_part(struct finder *f, const struct mime_part *part)
{
	const struct mime_tree *tree = &f->s->tree;
	struct search *prog = f->prog;
	struct search_part p;
	bool found = false;

	search_part_begin(&p, tree, part, WORK_MAX);
	for (size_t i = 0; i < prog->count; i++) {
		struct search_step *step = &prog->steps[i];

		if (!is_text_test(step) || step->truth != UNKNOWN)
			continue;
		if (!goes_on(f))
			break;
		if (search_part_has(&p,
			step->op == OP_TEXT || part != &tree->parts[0],
			search_needle(prog, step), &f->work)) {
			step->truth = TRUE;
			found = true;
		}
	}
	search_part_end(&p);
	return found;
}

/* Part by part, so that each is decoded once, and until enough is known. */
static enum truth
search_parts(struct finder *f)
{
	const struct mime_tree *tree = &f->s->tree;
	enum truth t = search_run(f->prog, KNOW_BODY, test, f);

	for (size_t i = 0; i < tree->count && t == UNKNOWN && goes_on(f); i++) {
		session_work(f->s);
		if (look_at_part(f, &tree->parts[i]))
			t = search_run(f->prog, KNOW_BODY, test, f);
	}
	if (t != UNKNOWN)
		return t;
	f->all_read = true;
	return search_run(f->prog, KNOW_BODY, test, f);
}

/* One that is gone meanwhile has nothing that is looked for. */
static void
note_unread(struct finder *f)
{
	if (errno == ENOENT)
		return;
	f->error = errno;
	log_error("event=search-failed session=%08x uid=%u error=%s",
	    f->s->start->number, f->m.uid, strerror(errno));
}

/* Learn no more than the answer needs. */
static bool
is_found(struct finder *f)
{
	struct search *prog = f->prog;
	static int (*const know[])(struct finder *) = {
		[KNOW_FIELDS] = know_fields,
		[KNOW_HEADER] = know_header,
		[KNOW_BODY] = know_body,
	};
	enum truth t;

	search_begin(prog);
	f->all_read = false;
	t = search_run(prog, KNOW_INDEX, test, f);
	for (size_t level = KNOW_FIELDS;
	     level <= KNOW_BODY && t == UNKNOWN && !f->stopped; level++) {
		if (!search_needs(prog, (enum search_level)level))
			continue;
		if (level > KNOW_FIELDS && !goes_on(f))
			break;
		if (know[level](f) == -1) {
			note_unread(f);
			t = FALSE;
		} else if (level == KNOW_BODY)
			t = search_parts(f);
		else
			t = search_run(prog, (enum search_level)level, test, f);
	}
	if (f->c.fd != -1)
		content_close(&f->c);
	return t == TRUE;
}

static void
search_all(struct session *s, struct search *prog, bool uid)
{
	struct finder f = { .s = s,
		.prog = prog,
		.c = { .fd = -1 },
		.entry = BUF_INIT(WORK_MAX), /* the cache takes small ones */
		.work = BUF_INIT(WORK_MAX),
		.asked_ms = clock_boot_ms() };
	struct mailbox_status status;
	size_t mark = s->out.len;

	mailbox_status(s->mailbox, &status);
	out_str(s, "* SEARCH");
	for (uint32_t seq = 1; seq <= status.exists && !s->gone && !f.stopped;
	     seq++) {
		if (seq % QUICK_MAX == 0 && goes_on(&f))
			session_work(s);
		if (mailbox_message(s->mailbox, seq, &f.m) == -1) {
			f.error = errno;
			continue;
		}
		if (!is_found(&f))
			continue;
		out_bytes(s, " ", 1);
		out_number(s, uid ? f.m.uid : seq);
	}
	out_bytes(s, "\r\n", 2);
	cache_flush(s->mailbox);
	if (f.stopped) {
		buf_truncate(&s->out, mark);
		errno = ECANCELED;
		answer_errno(s, NULL);
	} else if (f.error != 0)
		answer_unread(s, f.error);
	else
		answer_ok(s, NULL, "Search completed");
	buf_free(&f.entry);
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
