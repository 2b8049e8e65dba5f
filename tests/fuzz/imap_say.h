#ifndef TESTS_FUZZ_IMAP_SAY_H
#define TESTS_FUZZ_IMAP_SAY_H

/*
 * say - the words of an IMAP client, made from a fuzzer's bytes, and what is
 * known of each command when it is said: what it may be answered, what must
 * be told, and the world (imap_world.h) behind it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/dice.h"
#include "tests/fuzz/imap_world.h"

#define STEPS 40

/* What a FETCH response may have told. */
enum {
	GOT_FLAGS = 1,
	GOT_UID = 2,
	GOT_SIZE = 4,
	GOT_ALL = 8,
	GOT_TEXT = 16,
	GOT_ENVELOPE = 32
};

/* One command: what it may be answered, and the world behind it. */
struct step {
	int who;
	char tag[8];
	unsigned may;
	unsigned plus; /* continuations wanted */
	bool lost;     /* the session ends (RFC 2180 §3.2), or has */
	bool begins;   /* IDLE: it ends in one, the answer is DONE's */
	bool opens;    /* SELECT: the view begins anew */
	bool mute;     /* tells nothing but what it is about */
	bool keeps;    /* tells no EXPUNGE (RFC 3501 §7.4.1) */
	bool finds;    /* SEARCH: bits, as UIDs or not */
	bool as_uid;
	uint32_t bits;
	uint32_t gone; /* in the view only: no rules */
	int status;    /* STATUS of this mailbox; -1 */
	/* UIDs that must be told of, by FETCH with these items. */
	uint32_t asked[MSGS];
	unsigned asked_count;
	unsigned wants;
	uint32_t sees; /* bits of the mailbox: \Seen is new, and to be told */
	bool vague;    /* the RFCs leave open what comes of it */
	bool silent;   /* STORE that is not answered: what the client knows */
	unsigned way;
	uint8_t flags;
	/* APPENDUID, COPYUID (RFC 4315 §3) */
	uint32_t from[MSGS];
	uint32_t to[MSGS];
	unsigned copied;
	bool appends;
	struct world before;
	struct world after;
	size_t at; /* of the input: its beginning and end */
	size_t end;
};

struct client {
	struct dice dice;
	int seats; /* sessions */
	int who;   /* of them speaks */
	struct buf in[SEATS];
	char idle_tag[SEATS][8];
	struct world w;
	struct step steps[STEPS + 2 * SEATS];
	size_t count;
};

/* -- making commands ------------------------------------------------------ */

static inline unsigned
draw(struct client *c, unsigned n)
{
	return dice_draw(&c->dice, n);
}

#define put(c, ...) dice_put(&(c)->in[(c)->who], __VA_ARGS__)

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

static inline struct seat *
seat(struct client *c)
{
	return &c->w.seat[c->who];
}

static inline struct box *
selected(struct client *c)
{
	int i = seat(c)->selected;

	return i == -1 ? NULL : &c->w.box[i];
}

static inline bool
readonly(struct client *c)
{
	return seat(c)->readonly;
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
	return world_set(seat(c), &set, uid, &s->may);
}

/*
 * The same, but not in SEARCH: no number is one of an empty mailbox. Those
 * that are there still are returned; of others the client has not been told
 * that they are gone, and may be refused (RFC 2180 §4).
 */
static inline uint32_t
take_messages(struct client *c, struct step *s, bool uid)
{
	uint32_t bits = take_set(c, s, uid);
	struct box *b = selected(c);

	if (b == NULL)
		return 0;
	if (!uid && seat(c)->n == 0)
		s->may = BAD;
	bits = world_living(b, seat(c), bits, &s->gone);
	for (unsigned k = 0; k < b->n; k++)
		if ((bits >> k & 1) != 0)
			s->asked[s->asked_count++] = b->m[k].uid;
	if (s->gone != 0)
		s->may |= NO;
	return bits;
}

#endif
