#ifndef TESTS_FUZZ_IMAP_CLIENT_H
#define TESTS_FUZZ_IMAP_CLIENT_H

/*
 * client - IMAP commands made from fuzzer's bytes, and with each what it may
 * be answered and the world (imap_world.h) behind it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/buf.h"
#include "tests/fuzz/imap_world.h"

#define STEPS 40

/* One command: what it may be answered, and the world behind it. */
struct step {
	char tag[8];
	unsigned may;
	unsigned plus; /* continuations wanted */
	bool opens;    /* SELECT: the view begins anew */
	bool keeps;    /* tells no EXPUNGE (RFC 3501 §7.4.1) */
	bool finds;    /* SEARCH: bits, as UIDs or not */
	bool as_uid;
	uint32_t bits;
	int status; /* STATUS of this mailbox; -1 */
	struct world before;
	struct world after;
	size_t at; /* of the input */
};

struct client {
	const uint8_t *p; /* the dice of the fuzzer */
	size_t left;
	struct buf in;
	struct world w;
	struct step steps[STEPS];
	size_t count;
};

/* -- making commands ------------------------------------------------------ */

static inline unsigned
draw(struct client *c, unsigned n)
{
	if (c->left == 0)
		return 0;
	c->left--;
	return *c->p++ % n;
}

static inline void put(struct client *c, const char *fmt, ...) PRINTF(2, 3);

static inline void
put(struct client *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (buf_vprintf(&c->in, fmt, ap) == -1)
		abort();
	va_end(ap);
}

static inline void
put_number(struct client *c, uint32_t n)
{
	if (n == UINT32_MAX)
		put(c, "*");
	else
		put(c, "%u", n);
}

static inline void
put_set(struct client *c, struct set *s)
{
	s->count = 1 + draw(c, 2);
	for (unsigned i = 0; i < s->count; i++) {
		uint32_t lo = 1 + draw(c, MSGS + 3);
		uint32_t hi = 1 + draw(c, MSGS + 3);

		s->first[i] = lo > MSGS + 2 ? UINT32_MAX : lo;
		s->last[i] = hi > MSGS + 2 ? UINT32_MAX : hi;
		if (i > 0)
			put(c, ",");
		put_number(c, s->first[i]);
		if (s->first[i] != s->last[i]) {
			put(c, ":");
			put_number(c, s->last[i]);
		}
	}
}

static inline void
put_flags(struct client *c, uint8_t flags)
{
	static const char *const names[] = { "\\Seen", "\\Answered",
		"\\Flagged", "\\Deleted", "\\Draft", "Key" };
	const char *gap = "";

	put(c, "(");
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if ((flags >> i & 1) != 0) {
			put(c, "%s%s", gap, names[i]);
			gap = " ";
		}
	put(c, ")");
}

static inline struct box *
selected(struct client *c)
{
	return c->w.selected == -1 ? NULL : &c->w.box[c->w.selected];
}

/* The set of a command, and what it alone makes of the answer. */
static inline uint32_t
take_set(struct client *c, struct step *s, bool uid)
{
	struct set set;

	put_set(c, &set);
	if (selected(c) == NULL) {
		s->may = BAD;
		return 0;
	}
	return world_set(selected(c), &set, uid, &s->may);
}

/* The same, but not in SEARCH: no number is one of an empty mailbox. */
static inline uint32_t
take_messages(struct client *c, struct step *s, bool uid)
{
	uint32_t bits = take_set(c, s, uid);

	if (!uid && selected(c) != NULL && selected(c)->n == 0)
		s->may = BAD;
	return bits;
}

static inline void
do_select(struct client *c, struct step *s, bool readonly)
{
	int i = (int)draw(c, BOXES);

	put(c, "%s %s\r\n", readonly ? "EXAMINE" : "select", box_names[i]);
	s->may = c->w.box[i].exists ? OK : NO;
	s->opens = true;
	c->w.selected = s->may == OK ? i : -1;
	c->w.readonly = readonly;
}

static inline void
do_create(struct client *c, struct step *s)
{
	int i = (int)draw(c, BOXES);

	put(c, "CREATE \"%s\"\r\n", box_names[i]);
	s->may = c->w.box[i].exists ? NO : OK;
	if (s->may == OK)
		c->w.box[i] = (struct box){ .exists = true, .uidnext = 1 };
}

static inline void
do_delete(struct client *c, struct step *s)
{
	int i = (int)draw(c, BOXES);

	put(c, "DELETE %s\r\n", box_names[i]);
	s->may = i > 0 && c->w.box[i].exists ? OK : NO;
	if (s->may == OK) {
		c->w.box[i] = (struct box){ .uidnext = 1 };
		if (c->w.selected == i)
			c->w.selected = -1;
	}
}

static inline void
do_rename(struct client *c, struct step *s)
{
	int from = (int)draw(c, BOXES);
	int to = (int)draw(c, BOXES);

	/* Where a name would leave our world there is nothing to say. */
	s->may = world_rename(&c->w, from, to);
	if (s->may == 0) {
		put(c, "NOOP\r\n");
		s->may = OK;
		return;
	}
	put(c, "RENAME %s %s\r\n", box_names[from], box_names[to]);
}

static inline void
do_append(struct client *c, struct step *s)
{
	int i = (int)draw(c, BOXES);
	uint8_t flags = (uint8_t)draw(c, 64);
	uint8_t text = (uint8_t)draw(c, 200);
	bool sync = c->w.box[i].exists && draw(c, 2) == 0;

	if (c->w.box[i].n == MSGS) {
		put(c, "NOOP\r\n");
		s->may = OK;
		return;
	}
	put(c, "APPEND %s ", box_names[i]);
	put_flags(c, flags);
	put(c, " {%u%s}\r\nS: x\r\n\r\n%.*s\r\n\r\n", 10 + text,
	    sync ? "" : "+", (int)text,
	    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
	    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
	    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
	    "zz");
	s->plus = sync;
	s->may = c->w.box[i].exists ? OK : NO;
	if (s->may == OK)
		world_append(&c->w.box[i], flags, text);
}

static inline void
do_store(struct client *c, struct step *s, bool uid)
{
	static const char *const how[] = { "FLAGS", "+FLAGS", "-FLAGS" };
	unsigned way = draw(c, 3);
	bool silent = draw(c, 2) == 0;
	uint8_t flags = (uint8_t)draw(c, 64);
	struct box *b;
	uint32_t bits;

	put(c, uid ? "UID STORE " : "STORE ");
	bits = take_messages(c, s, uid);
	put(c, " %s%s ", how[way], silent ? ".SILENT" : "");
	put_flags(c, flags);
	put(c, "\r\n");
	s->keeps = !uid;
	b = selected(c);
	if (b != NULL && c->w.readonly)
		s->may = NO | (s->may & BAD);
	if (b == NULL || c->w.readonly || (s->may & OK) == 0)
		return;
	for (unsigned k = 0; k < b->n; k++) {
		uint8_t *f = &b->m[k].flags;

		if ((bits >> k & 1) == 0)
			continue;
		*f = way == 0   ? flags
		     : way == 1 ? (uint8_t)(*f | flags)
				: (uint8_t)(*f & ~flags);
	}
}

static inline void
do_fetch(struct client *c, struct step *s, bool uid)
{
	static const char *const items[] = { "FLAGS", "(UID FLAGS)",
		"(FLAGS RFC822.SIZE)", "FULL", "(BODY.PEEK[] UID)",
		"(UID BODY[TEXT])", "(FLAGS BODY[])", "ENVELOPE" };
	unsigned item = draw(c, ARRAY_LEN(items));
	struct box *b;
	uint32_t bits;

	put(c, uid ? "UID FETCH " : "FETCH ");
	bits = take_messages(c, s, uid);
	put(c, " %s\r\n", items[item]);
	s->keeps = !uid;
	b = selected(c);
	if (b == NULL || c->w.readonly || (s->may & OK) == 0 || item < 5 ||
	    item > 6)
		return;
	for (unsigned k = 0; k < b->n; k++)
		if ((bits >> k & 1) != 0)
			b->m[k].flags |= SEEN;
}

static inline void
do_search(struct client *c, struct step *s, bool uid)
{
	/* clang-format off */
	static const struct { const char *key; uint8_t flags; bool not; } k[] = {
		{ "ALL", 0, true }, { "SEEN", SEEN, false },
		{ "UNSEEN", SEEN, true }, { "DELETED", DELETED, false },
		{ "NOT FLAGGED", FLAGGED, true }, { "KEYWORD Key", KEY, false },
		{ "OR DRAFT ANSWERED", DRAFT | ANSWERED, false },
		{ "UNKEYWORD Key SUBJECT \"\"", KEY, true },
	};
	/* clang-format on */
	unsigned i = draw(c, ARRAY_LEN(k));
	struct box *b = selected(c);
	uint32_t set;

	put(c, "%sSEARCH %s ", uid ? "UID " : "", k[i].key);
	set = take_set(c, s, false);
	put(c, "\r\n");
	s->keeps = !uid;
	if (b == NULL || (s->may & OK) == 0)
		return;
	s->finds = true;
	s->as_uid = uid;
	s->bits = world_flagged(b, k[i].flags);
	if (k[i].not )
		s->bits = ~s->bits & ((1U << b->n) - 1);
	if (k[i].flags != 0 && i == 7)
		s->bits = 0; /* no message has a Subject */
	s->bits &= set;
}

static inline void
do_copy(struct client *c, struct step *s, bool uid, bool move)
{
	int to = (int)draw(c, BOXES);
	struct box *dest = &c->w.box[to];
	size_t undo = c->in.len;
	uint32_t bits;

	put(c, "%s%s ", uid ? "UID " : "", move ? "MOVE" : "COPY");
	bits = take_messages(c, s, uid);
	put(c, " %s\r\n", box_names[to]);
	if (selected(c) != NULL && move && c->w.readonly) {
		s->may = NO | (s->may & BAD);
		return;
	}
	if ((s->may & OK) == 0)
		return;
	if (!dest->exists) {
		s->may |= NO;
		if (bits != 0)
			s->may &= ~(unsigned)OK;
		return;
	}
	if (dest->n + world_count(bits) > MSGS) {
		buf_truncate(&c->in, undo);
		put(c, "NOOP\r\n");
		s->may = OK;
		return;
	}
	world_copy(dest, selected(c), bits);
	if (move)
		world_remove(selected(c), bits);
}

static inline void
do_expunge(struct client *c, struct step *s, bool uid)
{
	struct box *b = selected(c);
	uint32_t bits = UINT32_MAX;

	s->may = b == NULL ? BAD : OK;
	put(c, uid ? "UID EXPUNGE " : "EXPUNGE");
	if (uid)
		bits = take_set(c, s, true);
	put(c, "\r\n");
	if (b != NULL && c->w.readonly)
		s->may = NO;
	else if (b != NULL)
		world_remove(b, bits & world_flagged(b, DELETED));
}

static inline void
do_close(struct client *c, struct step *s, bool expunge)
{
	struct box *b = selected(c);

	put(c, expunge ? "CLOSE\r\n" : "UNSELECT\r\n");
	s->may = b == NULL ? BAD : OK;
	if (b != NULL && expunge && !c->w.readonly)
		world_remove(b, world_flagged(b, DELETED));
	c->w.selected = -1;
}

static inline void
do_other(struct client *c, struct step *s)
{
	/* clang-format off */
	static const struct { const char *text; unsigned may; } other[] = {
		{ "NOOP\r\n", OK }, { "NOOP x\r\n", BAD },
		{ "CAPABILITY\r\n", OK }, { "FROB\r\n", BAD },
		{ "LOGIN pip secret\r\n", BAD }, { "LIST \"\" *\r\n", OK },
		{ "LSUB \"\" %\r\n", OK }, { "LIST \"\" {3+}\r\nA/%\r\n", OK },
		{ "SUBSCRIBE A\r\n", OK }, { "UNSUBSCRIBE A\r\n", OK },
		{ "NAMESPACE\r\n", OK }, { "ID NIL\r\n", OK },
		{ "FETCH 0 FLAGS\r\n", BAD }, { "CREATE a//b\r\n", NO },
		{ "CREATE \"&AAA\"\r\n", NO }, { "ENABLE X\r\n", OK },
		{ "STATUS nowhere (MESSAGES)\r\n", NO }, { "\r\n", BAD },
		{ "STARTTLS\r\n", BAD }, { "SEARCH CHARSET X ALL\r\n", NO | BAD },
		{ "APPEND A () \"x\" {1+}\r\na\r\n", BAD }, { "uid\r\n", BAD },
	};
	/* clang-format on */
	unsigned i = draw(c, ARRAY_LEN(other));

	put(c, "%s", other[i].text);
	s->may = other[i].may;
}

static inline void
do_status(struct client *c, struct step *s)
{
	int i = (int)draw(c, BOXES);

	put(c, "STATUS %s (MESSAGES UIDNEXT UNSEEN)\r\n", box_names[i]);
	s->may = c->w.box[i].exists ? OK : NO;
	s->status = i;
}

static inline void
do_idle_or_check(struct client *c, struct step *s)
{
	if (draw(c, 2) == 0) {
		put(c, "IDLE\r\nDONE\r\n");
		s->may = OK;
		s->plus = 1;
	} else {
		put(c, "CHECK\r\n");
		s->may = selected(c) == NULL ? BAD : OK;
	}
}

static inline void
one_command(struct client *c, struct step *s)
{
	unsigned op = draw(c, 24);

	switch (op) {
	case 0:
	case 1:
		do_select(c, s, op == 1);
		break;
	case 2:
		do_create(c, s);
		break;
	case 3:
		do_delete(c, s);
		break;
	case 4:
		do_rename(c, s);
		break;
	case 5:
	case 6:
	case 7:
		do_append(c, s);
		break;
	case 8:
	case 9:
		do_store(c, s, op == 8);
		break;
	case 10:
	case 11:
		do_fetch(c, s, op == 10);
		break;
	case 12:
	case 13:
		do_search(c, s, op == 12);
		break;
	case 14:
	case 15:
		do_copy(c, s, op == 14, false);
		break;
	case 16:
	case 17:
		do_copy(c, s, op == 16, true);
		break;
	case 18:
	case 19:
		do_expunge(c, s, op == 18);
		break;
	case 20:
		do_close(c, s, draw(c, 2) == 0);
		break;
	case 21:
		do_status(c, s);
		break;
	case 22:
		do_idle_or_check(c, s);
		break;
	default:
		do_other(c, s);
		break;
	}
}

static inline void
make_commands(struct client *c)
{
	while (c->left > 0 && c->count < STEPS) {
		struct step *s = &c->steps[c->count++];

		*s = (struct step){ .status = -1, .before = c->w };
		(void)snprintf(s->tag, sizeof(s->tag), "t%zu", c->count);
		s->at = c->in.len;
		put(c, "%s ", s->tag);
		one_command(c, s);
		s->after = c->w;
	}
}

#endif
