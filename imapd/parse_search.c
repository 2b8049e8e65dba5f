#include <stdlib.h>

#include "common/base/ascii.h"
#include "common/base/mem.h"
#include "common/mime/charset.h"
#include "imapd/search.h"

#define STEPS_FIRST 8

enum argument { NOTHING, STRING, FIELD, DATE, NUMBER, WORD, SET };

struct key {
	struct slice name;
	enum search_op op;
	enum argument argument;
	unsigned flags;
	struct slice field; /* of the keys that name one */
};

#define NO_FIELD                                                               \
	{                                                                      \
		NULL, 0                                                        \
	}

/* clang-format off */
static const struct key keys[] = {
	{ { "ALL", 3 },        OP_ALL,        NOTHING, 0, NO_FIELD },
	{ { "ANSWERED", 8 },   OP_FLAG,       NOTHING, MESSAGE_ANSWERED, NO_FIELD },
	{ { "BCC", 3 },        OP_HEADER,     STRING,  0, { "Bcc", 3 } },
	{ { "BEFORE", 6 },     OP_BEFORE,     DATE,    0, NO_FIELD },
	{ { "BODY", 4 },       OP_BODY,       STRING,  0, NO_FIELD },
	{ { "CC", 2 },         OP_HEADER,     STRING,  0, { "Cc", 2 } },
	{ { "DELETED", 7 },    OP_FLAG,       NOTHING, MESSAGE_DELETED, NO_FIELD },
	{ { "DRAFT", 5 },      OP_FLAG,       NOTHING, MESSAGE_DRAFT, NO_FIELD },
	{ { "FLAGGED", 7 },    OP_FLAG,       NOTHING, MESSAGE_FLAGGED, NO_FIELD },
	{ { "FROM", 4 },       OP_HEADER,     STRING,  0, { "From", 4 } },
	{ { "HEADER", 6 },     OP_HEADER,     FIELD,   0, NO_FIELD },
	{ { "KEYWORD", 7 },    OP_KEYWORD,    WORD,    0, NO_FIELD },
	{ { "LARGER", 6 },     OP_LARGER,     NUMBER,  0, NO_FIELD },
	{ { "NEW", 3 },        OP_NEW,        NOTHING, 0, NO_FIELD },
	{ { "OLD", 3 },        OP_NOT_FLAG,   NOTHING, MESSAGE_RECENT, NO_FIELD },
	{ { "ON", 2 },         OP_ON,         DATE,    0, NO_FIELD },
	{ { "RECENT", 6 },     OP_FLAG,       NOTHING, MESSAGE_RECENT, NO_FIELD },
	{ { "SEEN", 4 },       OP_FLAG,       NOTHING, MESSAGE_SEEN, NO_FIELD },
	{ { "SENTBEFORE", 10 }, OP_SENTBEFORE, DATE,   0, NO_FIELD },
	{ { "SENTON", 6 },     OP_SENTON,     DATE,    0, NO_FIELD },
	{ { "SENTSINCE", 9 },  OP_SENTSINCE,  DATE,    0, NO_FIELD },
	{ { "SINCE", 5 },      OP_SINCE,      DATE,    0, NO_FIELD },
	{ { "SMALLER", 7 },    OP_SMALLER,    NUMBER,  0, NO_FIELD },
	{ { "SUBJECT", 7 },    OP_HEADER,     STRING,  0, { "Subject", 7 } },
	{ { "TEXT", 4 },       OP_TEXT,       STRING,  0, NO_FIELD },
	{ { "TO", 2 },         OP_HEADER,     STRING,  0, { "To", 2 } },
	{ { "UID", 3 },        OP_UID,        SET,     0, NO_FIELD },
	{ { "UNANSWERED", 10 }, OP_NOT_FLAG,  NOTHING, MESSAGE_ANSWERED, NO_FIELD },
	{ { "UNDELETED", 9 },  OP_NOT_FLAG,   NOTHING, MESSAGE_DELETED, NO_FIELD },
	{ { "UNDRAFT", 7 },    OP_NOT_FLAG,   NOTHING, MESSAGE_DRAFT, NO_FIELD },
	{ { "UNFLAGGED", 9 },  OP_NOT_FLAG,   NOTHING, MESSAGE_FLAGGED, NO_FIELD },
	{ { "UNKEYWORD", 9 },  OP_KEYWORD,    WORD,    0, NO_FIELD },
	{ { "UNSEEN", 6 },     OP_NOT_FLAG,   NOTHING, MESSAGE_SEEN, NO_FIELD },
};
/* clang-format on */

/* A NOT, an OR or a list that is not complete. */
struct open_key {
	enum search_op op; /* OP_AND: a list */
	unsigned have;     /* of its keys */
	bool bracket;      /* a list that ends with ')' */
};

struct reader {
	struct parse *p;
	struct search *prog;
	struct slice charset;
	struct open_key open[SEARCH_DEPTH_MAX];
	size_t depth;
};

static struct search_step *
add_step(struct reader *r, enum search_op op)
{
	struct search *prog = r->prog;

	if (prog->count == SEARCH_STEPS_MAX) {
		(void)parse_fail(r->p, "Too many search keys");
		return NULL;
	}
	if (prog->count == prog->cap) {
		prog->cap = prog->cap == 0 ? STEPS_FIRST : prog->cap * 2;
		prog->steps =
		    xreallocarray(prog->steps, prog->cap, sizeof(*prog->steps));
	}
	prog->steps[prog->count] = (struct search_step){ .op = op };
	return &prog->steps[prog->count++];
}

static bool
open_key(struct reader *r, enum search_op op, bool bracket)
{
	if (r->depth == SEARCH_DEPTH_MAX)
		return parse_fail(r->p, "Search keys nested too deep");
	r->open[r->depth++] = (struct open_key){ .op = op, .bracket = bracket };
	return true;
}

/* A key is complete; so may be those that wait for it. */
static bool
key_done(struct reader *r)
{
	for (;;) {
		struct open_key *o = &r->open[r->depth - 1];

		o->have++;
		if (o->op == OP_AND)
			return o->have == 1 || add_step(r, OP_AND) != NULL;
		if (o->op == OP_OR && o->have == 1)
			return true;
		if (add_step(r, o->op) == NULL)
			return false;
		r->depth--;
	}
}

/* A string as it is searched for: UTF-8, folded. */
static bool
read_text(struct reader *r, struct search_step *step)
{
	struct buf utf8 = BUF_INIT(SEARCH_TEXT_MAX);
	struct slice s;
	bool ok = false;

	if (!parse_space(r->p) || !parse_astring(r->p, &s))
		return false;
	step->text = r->prog->texts.len;
	if (charset_to_utf8(&utf8, r->charset, s) == 0 &&
	    charset_fold(&r->prog->texts, buf_slice(&utf8)) == 0)
		ok = true;
	step->text_len = r->prog->texts.len - step->text;
	buf_free(&utf8);
	return ok || parse_fail(r->p, "Search strings too long");
}

static bool
read_argument(struct reader *r, const struct key *k, struct search_step *step)
{
	struct parse *p = r->p;
	uint32_t n;

	switch (k->argument) {
	case NOTHING:
		return true;
	case FIELD:
		return parse_space(p) && parse_astring(p, &step->name) &&
		       read_text(r, step);
	case STRING:
		return read_text(r, step);
	case DATE:
		return parse_space(p) && parse_date(p, &step->number);
	case NUMBER:
		if (!parse_space(p) || !parse_number(p, &n))
			return false;
		step->number = n;
		return true;
	case WORD:
		return parse_space(p) && parse_atom(p, &step->name);
	case SET:
		return parse_space(p) && parse_set(p, &step->set);
	}
	return false;
}

static struct slice
read_word(struct parse *p)
{
	size_t start = p->at;

	while (parse_peek(p) != -1 && ascii_alpha(p->in.p[p->at]))
		p->at++;
	return slice_sub(p->in, start, p->at - start);
}

/* Some fields need not be looked for in the message. */
static void
use_kept_field(struct search_step *step)
{
	int field = step->op == OP_HEADER ? search_field_of(step->name) : -1;

	if (field == -1)
		return;
	step->op = OP_FIELD;
	step->field = (unsigned)field;
}

static bool
read_test(struct reader *r, struct slice word)
{
	struct search_step *step;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!slice_ieq(word, keys[i].name))
			continue;
		step = add_step(r, keys[i].op);
		if (step == NULL)
			return false;
		step->flags = keys[i].flags;
		step->name = keys[i].field;
		step->negate = slice_ieq(word, SLICE("UNKEYWORD"));
		if (!read_argument(r, &keys[i], step))
			return false;
		use_kept_field(step);
		return key_done(r);
	}
	return parse_fail(r->p, "Unknown search key");
}

static bool
read_sequence(struct reader *r)
{
	struct search_step *step = add_step(r, OP_SEQ);

	return step != NULL && parse_set(r->p, &step->set) && key_done(r);
}

/* One key, or (*opened) the beginning of one that holds others. */
static bool
read_key(struct reader *r, bool *opened)
{
	int c = parse_peek(r->p);
	struct slice word;

	*opened = true;
	if (parse_skip(r->p, '('))
		return open_key(r, OP_AND, true);
	if (c == '*' || (c != -1 && ascii_digit((char)c))) {
		*opened = false;
		return read_sequence(r);
	}
	word = read_word(r->p);
	if (slice_ieq(word, SLICE("NOT")))
		return open_key(r, OP_NOT, false) && parse_space(r->p);
	if (slice_ieq(word, SLICE("OR")))
		return open_key(r, OP_OR, false) && parse_space(r->p);
	*opened = false;
	return read_test(r, word);
}

static bool
close_list(struct reader *r)
{
	if (!r->open[r->depth - 1].bracket)
		return parse_fail(r->p, "Unexpected bracket");
	r->p->at++;
	r->depth--;
	return key_done(r);
}

static bool
read_keys(struct reader *r)
{
	bool opened;

	if (!open_key(r, OP_AND, false))
		return false;
	for (;;) {
		if (!read_key(r, &opened))
			return false;
		if (opened)
			continue;
		while (parse_peek(r->p) == ')')
			if (!close_list(r))
				return false;
		if (parse_peek(r->p) == -1)
			break;
		if (!parse_space(r->p))
			return false;
	}
	return r->depth == 1 || parse_fail(r->p, "Search keys incomplete");
}

/* "CHARSET UTF-8 ", if it is there. */
static bool
read_charset(struct reader *r)
{
	size_t start = r->p->at;

	if (!slice_ieq(read_word(r->p), SLICE("CHARSET"))) {
		r->p->at = start;
		return true;
	}
	if (!parse_space(r->p) || !parse_astring(r->p, &r->charset) ||
	    !parse_space(r->p))
		return false;
	r->prog->bad_charset = !charset_known(r->charset);
	return !r->prog->bad_charset;
}

bool
search_parse(struct parse *p, struct search *prog)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	bool ok;

	*prog = (struct search){ .texts = BUF_INIT(SEARCH_TEXT_MAX) };
	r->p = p;
	r->prog = prog;
	/* what 8-bit there is without CHARSET can only be UTF-8 */
	r->charset = SLICE("utf-8");
	ok = read_charset(r) && read_keys(r);
	free(r);
	return ok;
}

void
search_free(struct search *prog)
{
	for (size_t i = 0; i < prog->count; i++) {
		parse_set_free(&prog->steps[i].set);
		uidset_free(&prog->steps[i].seqs);
	}
	free(prog->steps);
	buf_free(&prog->texts);
	*prog = (struct search){ .steps = NULL };
}

struct slice
search_needle(const struct search *prog, const struct search_step *step)
{
	return slice_sub(buf_slice(&prog->texts), step->text, step->text_len);
}
