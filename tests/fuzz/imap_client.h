#ifndef TESTS_FUZZ_IMAP_CLIENT_H
#define TESTS_FUZZ_IMAP_CLIENT_H

/*
 * client - the commands of one IMAP client or of two, made from a fuzzer's
 * bytes (imap_say.h), and what each makes of the world.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/imap_say.h"

static inline void
say_noop(struct client *c, struct step *s)
{
	put(c, "NOOP\r\n");
	s->may = OK;
}

static inline void
do_select(struct client *c, struct step *s, bool examine)
{
	unsigned byte = draw(c, 256);
	int i = (int)(byte % BOXES);
	bool never = byte >= 256 / BOXES * BOXES;

	put(c, "%s %s%s\r\n", examine ? "EXAMINE" : "select",
	    never ? "../" : "", box_names[i]);
	s->may = !never && c->w.box[i].exists ? OK : NO;
	s->opens = s->mute = true;
	world_select(&c->w, c->who, s->may == OK ? i : -1, examine);
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
	struct seat *other = &c->w.seat[SEATS - 1 - c->who];

	put(c, "DELETE %s\r\n", box_names[i]);
	s->may = i > 0 && c->w.box[i].exists ? OK : NO;
	if (s->may == OK) {
		c->w.box[i] = (struct box){ .uidnext = 1 };
		if (seat(c)->selected == i)
			*seat(c) = (struct seat){ .selected = -1 };
		if (other->selected == i) {
			other->selected = -1;
			other->lost = true;
			other->n = 0;
		}
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
		say_noop(c, s);
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
		say_noop(c, s);
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
	if (s->may != OK)
		return;
	s->appends = true;
	s->to[s->copied++] = c->w.box[i].uidnext;
	world_append(&c->w.box[i], flags, text);
}

static inline uint8_t
stored(uint8_t old, unsigned way, uint8_t flags)
{
	return way == 0   ? flags
	       : way == 1 ? (uint8_t)(old | flags)
			  : (uint8_t)(old & ~flags);
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
	if (b != NULL && readonly(c))
		s->may = NO | (s->may & BAD);
	if (b == NULL || readonly(c) || (s->may & OK) == 0) {
		s->asked_count = 0;
		return;
	}
	s->silent = silent;
	s->wants = silent ? 0 : GOT_FLAGS | (uid ? GOT_UID : 0);
	s->way = way;
	s->flags = flags;
	for (unsigned k = 0; k < b->n; k++) {
		uint8_t *f = &b->m[k].flags;

		if ((bits >> k & 1) == 0)
			continue;
		*f = stored(*f, way, flags);
	}
}

/*
 * BODY[] sets \Seen, and tells so. Where others have changed flags meanwhile
 * it may do so before or behind them.
 */
static inline void
see(struct client *c, struct step *s, uint32_t bits)
{
	struct box *b = selected(c);

	s->vague = world_stale(&c->w, c->who) != 0;
	for (unsigned k = 0; k < b->n; k++) {
		if ((bits >> k & 1) == 0 || (b->m[k].flags & SEEN) != 0)
			continue;
		b->m[k].flags |= SEEN;
		s->sees |= 1U << k;
	}
}

static inline void
do_fetch(struct client *c, struct step *s, bool uid)
{
	/* clang-format off */
	static const struct { const char *text; unsigned wants; } items[] = {
		{ "FLAGS", GOT_FLAGS }, { "(UID FLAGS)", GOT_UID | GOT_FLAGS },
		{ "(FLAGS RFC822.SIZE)", GOT_FLAGS | GOT_SIZE },
		{ "FULL", GOT_FLAGS | GOT_SIZE | GOT_ENVELOPE },
		{ "(BODY.PEEK[] UID)", GOT_ALL | GOT_UID },
		{ "(UID BODY[TEXT])", GOT_UID | GOT_TEXT },
		{ "(FLAGS BODY[])", GOT_FLAGS | GOT_ALL },
		{ "ENVELOPE", GOT_ENVELOPE },
	};
	/* clang-format on */
	unsigned item = draw(c, ARRAY_LEN(items));
	struct box *b;
	uint32_t bits;

	put(c, uid ? "UID FETCH " : "FETCH ");
	bits = take_messages(c, s, uid);
	put(c, " %s\r\n", items[item].text);
	s->keeps = !uid;
	s->wants = items[item].wants | (uid ? GOT_UID : 0);
	b = selected(c);
	if (b == NULL || (s->may & OK) == 0)
		s->asked_count = 0;
	else if (!readonly(c) && (item == 5 || item == 6))
		see(c, s, bits);
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
	uint32_t all;

	put(c, "%sSEARCH %s ", uid ? "UID " : "", k[i].key);
	set = take_set(c, s, false);
	put(c, "\r\n");
	s->keeps = !uid;
	if (b == NULL || (s->may & OK) == 0)
		return;
	s->finds = true;
	s->as_uid = uid;
	s->gone = world_stale(&c->w, c->who);
	all = (1U << seat(c)->n) - 1;
	for (unsigned n = 0; n < seat(c)->n; n++) {
		unsigned at = world_message(b, seat(c)->m[n].uid);

		if (at < b->n && (b->m[at].flags & k[i].flags) != 0)
			s->bits |= 1U << n;
	}
	if (k[i].not )
		s->bits = ~s->bits & all;
	if (i == 7)
		s->bits = 0; /* no message has a Subject */
	s->bits &= set;
}

static inline void
do_copy(struct client *c, struct step *s, bool uid, bool move)
{
	int to = (int)draw(c, BOXES);
	struct box *dest = &c->w.box[to];
	size_t undo = c->in[c->who].len;
	uint32_t bits;

	put(c, "%s%s ", uid ? "UID " : "", move ? "MOVE" : "COPY");
	bits = take_messages(c, s, uid);
	put(c, " %s\r\n", box_names[to]);
	if (selected(c) != NULL && move && readonly(c)) {
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
		buf_truncate(&c->in[c->who], undo);
		say_noop(c, s);
		return;
	}
	for (; s->copied < s->asked_count; s->copied++) {
		s->from[s->copied] = s->asked[s->copied];
		s->to[s->copied] = dest->uidnext + s->copied;
	}
	world_copy(dest, selected(c), bits);
	if (move)
		world_remove(selected(c), bits);
}

/* Only what it was told of: nobody loses what no client of his has seen. */
static inline void
do_expunge(struct client *c, struct step *s, bool uid)
{
	struct box *b = selected(c);
	uint32_t bits = UINT32_MAX;

	s->may = b == NULL ? BAD : OK;
	put(c, uid ? "UID EXPUNGE " : "EXPUNGE");
	if (uid)
		bits = take_set(c, s, true);
	if (b != NULL)
		bits = world_living(b, seat(c), bits, &s->gone);
	put(c, "\r\n");
	if (b != NULL && readonly(c))
		s->may = NO;
	else if (b != NULL)
		world_remove(b, bits & world_flagged(b, DELETED));
}

static inline void
do_close(struct client *c, struct step *s, bool expunge)
{
	struct box *b = selected(c);
	uint32_t gone;

	put(c, expunge ? "CLOSE\r\n" : "UNSELECT\r\n");
	s->may = b == NULL ? BAD : OK;
	if (b != NULL && expunge && !readonly(c))
		world_remove(b, world_living(b, seat(c), UINT32_MAX, &gone) &
				    world_flagged(b, DELETED));
	*seat(c) = (struct seat){ .selected = -1 };
	s->mute = true;
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

	put(c, "STATUS %s (MESSAGES RECENT UIDNEXT UNSEEN)\r\n", box_names[i]);
	s->may = c->w.box[i].exists ? OK : NO;
	s->status = i;
}

static inline void
do_idle_or_check(struct client *c, struct step *s)
{
	bool idle = draw(c, 2) == 0;

	if (idle && c->seats > 1) {
		put(c, "IDLE\r\n");
		s->may = OK;
		s->begins = seat(c)->idles = true;
		memcpy(c->idle_tag[c->who], s->tag, sizeof(s->tag));
	} else if (idle) {
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
do_done(struct client *c, struct step *s)
{
	put(c, "DONE\r\n");
	memcpy(s->tag, c->idle_tag[c->who], sizeof(s->tag));
	s->may = OK;
	seat(c)->idles = false;
}

/* May it stand so, or does the model know too little? */
static inline bool
fits(const struct client *c, const struct step *s)
{
	for (int i = 0; i < SEATS; i++) {
		const struct seat *t = &c->w.seat[i];
		const struct box *b =
		    t->selected == -1 ? NULL : &c->w.box[t->selected];

		if (b != NULL && t->n + b->n > VIEW)
			return false;
	}
	if (s->vague)
		return false;
	/* Who is refused is told nothing: it must be known whether it is. */
	return c->seats == 1 || s->may == BAD || (s->may & BAD) == 0;
}

static inline void
make_step(struct client *c, void (*command)(struct client *, struct step *))
{
	struct step *s = &c->steps[c->count++];

	*s = (struct step){ .who = c->who, .status = -1, .before = c->w };
	(void)snprintf(s->tag, sizeof(s->tag), "t%zu", c->count);
	s->at = c->in[c->who].len;
	s->lost = seat(c)->lost;
	if (seat(c)->idles) {
		do_done(c, s);
	} else {
		put(c, "%s ", s->tag);
		(s->lost ? say_noop : command)(c, s);
	}
	if (s->may != BAD && !s->mute)
		world_tell(&c->w, c->who, !s->keeps);
	if (fits(c, s) || command == say_noop) {
		s->after = c->w;
		s->end = c->in[c->who].len;
		return;
	}
	c->w = s->before;
	c->count--;
	buf_truncate(&c->in[c->who], s->at);
	make_step(c, say_noop);
}

static inline void
make_commands(struct client *c)
{
	while (c->dice.left > 0 && c->count < STEPS) {
		c->who = c->seats > 1 ? (int)draw(c, SEATS) : 0;
		make_step(c, one_command);
	}
	/* In the end all know the same. */
	for (int i = 0; i < 2 * SEATS && c->seats > 1; i++) {
		c->who = i % SEATS;
		make_step(c, say_noop);
	}
}

#endif
