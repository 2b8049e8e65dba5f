/* APPEND */
#include <errno.h>
#include <string.h>

#include "imapd/session_state.h"
#include "store/append.h"
#include "store/name.h"

/* What stands before the message. */
struct append_head {
	struct buf name;
	struct parse_flags flags;
	struct append_about about;
};

/* The message on its way into the store. */
struct append_flow {
	struct append *ap; /* NULL: it is only thrown away */
	bool last_cr;      /* the byte before was a CR */
	bool nul;
	int error; /* errno of the store */
};

/* One that comes to an end without a literal. */
void
cmd_append(struct session *s, struct command_in *in)
{
	(void)s;
	(void)parse_fail(&in->p, "APPEND wants a literal");
}

/* "tag APPEND": is it, before we look any closer? */
static bool
is_append(struct session *s, struct parse *p)
{
	struct slice tag;
	struct slice verb;

	return parse_tag(p, &tag) && parse_space(p) && parse_atom(p, &verb) &&
	       slice_ieq(verb, SLICE("APPEND")) &&
	       slice_copy(s->tag, sizeof(s->tag), tag) == 0;
}

/*
 * " mailbox (flags) date {": the cursor then stands at the literal. False
 * with p.error for bad syntax, false when answered.
 */
static bool
read_head(struct session *s, struct command_in *in, struct append_head *h)
{
	struct parse *p = &in->p;

	h->flags.system = 0;
	h->flags.keyword_count = 0;
	if (!session_name(s, in, &h->name) || !parse_space(p))
		return false;
	if (parse_peek(p) == '(' &&
	    (!parse_flag_list(p, false, &h->flags) || !parse_space(p)))
		return false;
	if (parse_peek(p) == '"') {
		if (!parse_date_time(p, &h->about.date_s, &h->about.zone_min) ||
		    !parse_space(p))
			return false;
		h->about.has_date = true;
	}
	h->about.flags = h->flags.system;
	h->about.keywords = h->flags.keywords;
	h->about.keyword_count = h->flags.keyword_count;
	return parse_peek(p) == '{' || parse_fail(p, "Expected a literal");
}

/*
 * Pass some of the message on. What is stored has CRLF line ends, so a
 * bare LF gets a CR.
 */
static void
pass_on(struct append_flow *f, const char *p, size_t n)
{
	const char *end = p + n;

	if (f->ap == NULL || f->nul || f->error != 0 || n == 0)
		return;
	if (memchr(p, '\0', n) != NULL) {
		f->nul = true;
		return;
	}
	for (const char *from = p; from < end;) {
		const char *lf = memchr(from, '\n', (size_t)(end - from));
		const char *stop = lf == NULL ? end : lf;
		bool cr = stop > from ? stop[-1] == '\r' : f->last_cr;

		if ((stop > from && append_write(f->ap, from,
					(size_t)(stop - from)) == -1) ||
		    (lf != NULL && append_write(f->ap, cr ? "\n" : "\r\n",
				       cr ? 1 : 2) == -1)) {
			f->error = errno;
			return;
		}
		f->last_cr = lf == NULL && cr;
		from = lf == NULL ? end : lf + 1;
	}
}

/* Read n bytes of the client. False when it leaves before. */
static bool
read_message(struct session *s, struct append_flow *f, uint64_t n)
{
	while (n > 0) {
		size_t now = (size_t)MIN(n, (uint64_t)s->in.len);

		pass_on(f, s->in.data, now);
		buf_consume(&s->in, now);
		n -= now;
		if (n > 0 && !in_fill(s))
			return false;
	}
	return true;
}

static void
answer_appended(struct session *s, struct append_flow *f)
{
	struct uidset uids = UIDSET_INIT;
	struct buf code = BUF_INIT(256);
	uint32_t uidvalidity;

	if (append_commit(f->ap, &uidvalidity, &uids) == -1)
		answer_errno(s, "TRYCREATE");
	else if (buf_printf(&code, "APPENDUID %u ", uidvalidity) == 0 &&
		 uidset_format(&uids, &code) == 0)
		answer_ok(s, buf_str(&code), "Append completed");
	else
		answer_ok(s, NULL, "Append completed");
	uidset_free(&uids);
	buf_free(&code);
}

/* The message is read; what follows it must be the end of the command. */
static void
finish(struct session *s, struct append_flow *f)
{
	struct slice line;

	if (!in_line(s, 0, &line))
		return;
	if (!slice_eq(line, SLICE("\r\n"))) {
		answer_bad(s, "Junk behind the message");
		(void)in_skip_command(s);
		return;
	}
	buf_consume(&s->in, line.len);
	if (f->nul) {
		answer_bad(s, "NUL in a message");
	} else if (f->error != 0) {
		errno = f->error;
		answer_errno(s, "TRYCREATE");
	} else {
		answer_appended(s, f);
	}
}

/*
 * Refused and answered before the message: a client that waits for "+"
 * does not send it, any other has sent it already.
 */
static void
drop_message(struct session *s)
{
	uint64_t literal = s->frame.literal;
	bool sync = s->frame.sync;

	buf_consume(&s->in, s->frame.end);
	parse_frame_reset(&s->frame);
	if (sync)
		return;
	if (literal > s->start->literal_max)
		say_bye(s, "Message too big");
	else if (in_skip(s, literal))
		(void)in_skip_command(s);
}

static void
take_message(struct session *s, const struct append_head *h)
{
	uint64_t literal = s->frame.literal;
	struct append_flow f = { .ap = append_begin(
				     s->account, buf_slice(&h->name)) };

	if (f.ap == NULL || append_message(f.ap, &h->about) == -1) {
		answer_errno(s, "TRYCREATE");
		drop_message(s);
		append_free(f.ap);
		return;
	}
	if (s->frame.sync)
		out_str(s, "+ OK\r\n");
	buf_consume(&s->in, s->frame.end);
	parse_frame_reset(&s->frame);
	if (read_message(s, &f, literal))
		finish(s, &f);
	append_free(f.ap);
}

static void
take_append(struct session *s, const struct append_head *h)
{
	if (s->frame.literal > s->start->literal_max) {
		answer_no(s, "TOOBIG", "Message too big");
		drop_message(s);
	} else if (s->frame.literal == 0) {
		answer_no(s, NULL, "An empty message is none");
		drop_message(s);
	} else {
		take_message(s, h);
	}
}

/* Where the announcement of the literal stands. */
static size_t
announcement(const struct session *s)
{
	const char *at = memrchr(s->in.data, '{', s->frame.end);

	return (size_t)(at - s->in.data);
}

/* The arguments are read, well or not; false: the literal is one of them. */
static bool
judge(struct session *s, struct command_in *in, const struct append_head *h,
    bool head)
{
	if (head && in->p.at == announcement(s))
		take_append(s, h);
	else if (s->answered)
		drop_message(s);
	else if (in->p.at > announcement(s))
		return false;
	else {
		/* Where a '{' was read that announces nothing. */
		(void)parse_fail(&in->p, "Expected a literal");
		session_refuse(s, in->p.error);
	}
	return true;
}

bool
cmd_append_literal(struct session *s)
{
	struct append_head h = { .name = BUF_INIT(NAME_MAX_BYTES) };
	struct command_in in = { .uid = false };
	bool taken;

	parse_init(&in.p, slice_sub(buf_slice(&s->in), 0, s->frame.end));
	taken = is_append(s, &in.p);
	if (taken) {
		s->answered = false;
		s->tell = TELL_ALL;
		taken = judge(s, &in, &h, read_head(s, &in, &h));
	}
	parse_free(&in.p);
	buf_free(&h.name);
	return taken;
}
