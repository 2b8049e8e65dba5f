#ifndef TESTS_FUZZ_IMAP_WORLD_H
#define TESTS_FUZZ_IMAP_WORLD_H

/*
 * world - what the commands of IMAP clients have made of their user's mail,
 * and what each client must have been told of it, as RFC 3501, 3691, 4315
 * and 6851 have it: the reference that fuzz_imap_session.c holds sessions
 * against. It knows nothing of the code.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define BOXES 6
#define MSGS  12
#define SEATS 2
/* Messages a client may count: those that are gone, and it was not told. */
#define VIEW     28
#define VIEW_MAX 64

/* Mailboxes the client plays with; the first two are there at once. */
static const char *const box_names[BOXES] = { "INBOX", "Sent", "A", "B", "A/x",
	"B/x" };

/* clang-format off */
enum { SEEN = 1, ANSWERED = 2, FLAGGED = 4, DELETED = 8, DRAFT = 16, KEY = 32,
	RECENT = 64 };
/* clang-format on */

struct msg {
	uint32_t uid;
	uint8_t flags;
	uint8_t text; /* length of its text */
};

struct box {
	bool exists;
	uint32_t uidnext;
	uint32_t claimed; /* \Recent to nobody any more: UIDs below this */
	unsigned n;
	struct msg m[MSGS];
};

/* A session: its mailbox, and the messages it counts there. */
struct seat {
	int selected; /* -1: none */
	bool readonly;
	bool idles;
	bool lost;     /* its mailbox was deleted by another session */
	uint32_t next; /* the first UID it was not told of */
	unsigned n;
	struct {
		uint32_t uid;
		uint8_t told; /* its flags when it was told last */
		bool recent;
	} m[VIEW_MAX];
};

struct world {
	struct box box[BOXES];
	struct seat seat[SEATS];
};

/* Ranges as written; UINT32_MAX is "*". */
struct set {
	uint32_t first[2];
	uint32_t last[2];
	unsigned count;
};

/* What may be answered. */
enum { OK = 1, NO = 2, BAD = 4 };

static inline void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	for (int i = 0; i < BOXES; i++)
		w->box[i].uidnext = 1;
	w->box[0].exists = w->box[1].exists = true;
	for (int i = 0; i < SEATS; i++)
		w->seat[i].selected = -1;
}

/* The message with this UID, or b->n. */
static inline unsigned
world_message(const struct box *b, uint32_t uid)
{
	unsigned k = 0;

	while (k < b->n && b->m[k].uid != uid)
		k++;
	return k;
}

/* Bits of a view as bits of the mailbox; *gone: those that are not there. */
static inline uint32_t
world_living(
    const struct box *b, const struct seat *s, uint32_t bits, uint32_t *gone)
{
	uint32_t living = 0;

	*gone = 0;
	for (unsigned k = 0; k < s->n; k++) {
		unsigned at = world_message(b, s->m[k].uid);

		if ((bits >> k & 1) == 0)
			continue;
		if (at < b->n)
			living |= 1U << at;
		else
			*gone |= 1U << k;
	}
	return living;
}

/*
 * A session is told what there is: new messages always, and where sequence
 * numbers may change also which are gone (RFC 3501 §5.2, §7.4.1). The first
 * that is told of a message has it as \Recent, unless it may not write.
 */
static inline void
world_tell(struct world *w, int who, bool expunges)
{
	struct seat *s = &w->seat[who];
	struct box *b;
	unsigned kept = 0;

	if (s->selected == -1)
		return;
	b = &w->box[s->selected];
	for (unsigned k = 0; k < s->n; k++)
		if (!expunges || world_message(b, s->m[k].uid) < b->n)
			s->m[kept++] = s->m[k];
	s->n = kept;
	for (unsigned k = 0; k < b->n; k++)
		if (b->m[k].uid >= s->next) {
			s->m[s->n].uid = b->m[k].uid;
			s->m[s->n++].recent = b->m[k].uid >= b->claimed;
		}
	for (unsigned k = 0; k < s->n; k++) {
		unsigned at = world_message(b, s->m[k].uid);

		if (at < b->n)
			s->m[k].told = b->m[at].flags;
	}
	s->next = b->uidnext;
	if (!s->readonly)
		b->claimed = b->uidnext;
}

/*
 * Messages of a view whose flags others have changed, or that are gone: what
 * was so before may be answered first, and then what is so now.
 */
static inline uint32_t
world_stale(const struct world *w, int who)
{
	const struct seat *s = &w->seat[who];
	uint32_t bits = 0;

	for (unsigned k = 0; k < s->n; k++) {
		const struct box *b = &w->box[s->selected];
		unsigned at = world_message(b, s->m[k].uid);

		if (at == b->n || b->m[at].flags != s->m[k].told)
			bits |= 1U << k;
	}
	return bits;
}

static inline void
world_select(struct world *w, int who, int box, bool readonly)
{
	w->seat[who] =
	    (struct seat){ .selected = box, .readonly = readonly, .next = 1 };
	world_tell(w, who, true);
}

/*
 * The messages of a set as bits, and in *may what the command may be told:
 * OK, or BAD where a sequence number is of no message.
 */
static inline uint32_t
world_set(const struct seat *b, const struct set *s, bool uid, unsigned *may)
{
	uint32_t bits = 0;

	*may = OK;
	for (unsigned i = 0; i < s->count; i++) {
		uint32_t star = uid && b->n > 0 ? b->m[b->n - 1].uid : b->n;
		bool has_star =
		    s->first[i] == UINT32_MAX || s->last[i] == UINT32_MAX;
		uint32_t lo = s->first[i] == UINT32_MAX ? star : s->first[i];
		uint32_t hi = s->last[i] == UINT32_MAX ? star : s->last[i];

		if (lo > hi) {
			uint32_t t = lo;

			lo = hi;
			hi = t;
		}
		if (b->n == 0 && has_star) {
			*may |= BAD; /* "*" of nothing: either way */
			continue;
		}
		if (!uid && (lo == 0 || hi > b->n))
			*may = BAD;
		for (uint32_t k = 0; k < b->n; k++)
			if (uid ? b->m[k].uid >= lo && b->m[k].uid <= hi
				: k + 1 >= lo && k + 1 <= hi)
				bits |= 1U << k;
	}
	if (*may == BAD)
		bits = 0;
	return bits;
}

static inline void
world_append(struct box *b, uint8_t flags, uint8_t text)
{
	b->m[b->n++] = (struct msg){ b->uidnext++, flags, text };
}

static inline void
world_remove(struct box *b, uint32_t bits)
{
	unsigned kept = 0;

	for (unsigned k = 0; k < b->n; k++)
		if ((bits >> k & 1) == 0)
			b->m[kept++] = b->m[k];
	b->n = kept;
}

static inline uint32_t
world_flagged(const struct box *b, uint8_t flags)
{
	uint32_t bits = 0;

	for (unsigned k = 0; k < b->n; k++)
		if ((b->m[k].flags & flags) != 0)
			bits |= 1U << k;
	return bits;
}

static inline void
world_copy(struct box *to, const struct box *from, uint32_t bits)
{
	unsigned n = from->n; /* to may be from */

	for (unsigned k = 0; k < n; k++)
		if ((bits >> k & 1) != 0)
			world_append(to, from->m[k].flags, from->m[k].text);
}

static inline unsigned
world_count(uint32_t bits)
{
	return (unsigned)__builtin_popcount(bits);
}

/* Is box i named "name/…"? */
static inline bool
is_child(int i, const char *name)
{
	size_t n = strlen(name);

	return strncmp(box_names[i], name, n) == 0 && box_names[i][n] == '/';
}

static inline int
world_find(const char *name)
{
	for (int i = 0; i < BOXES; i++)
		if (strcmp(box_names[i], name) == 0)
			return i;
	return -1;
}

/* Where a mailbox goes when from becomes to; -1: nowhere we know. */
static inline int
renamed(int i, int from, int to)
{
	char name[32];

	if (i == from)
		return to;
	if (!is_child(i, box_names[from]))
		return -1;
	(void)snprintf(name, sizeof(name), "%s%s", box_names[to],
	    box_names[i] + strlen(box_names[from]));
	return world_find(name);
}

/* RENAME: with all below it, and all or nothing (RFC 3501 §6.3.5). */
static inline unsigned
world_rename(struct world *w, int from, int to)
{
	const struct world old = *w;
	bool some = false;

	if (from == 0) {
		if (w->box[to].exists)
			return NO;
		w->box[to] = (struct box){ .exists = true, .uidnext = 1 };
		world_copy(&w->box[to], &old.box[0], ~(uint32_t)0);
		w->box[0].n = 0;
		return OK;
	}
	/* RFC 3501 §6.3.5, also where from is but the parent of others. */
	if (w->box[to].exists || is_child(to, box_names[from]))
		return NO;
	for (int i = 0; i < BOXES; i++) {
		int goes = renamed(i, from, to);

		if (!old.box[i].exists ||
		    (i != from && !is_child(i, box_names[from])))
			continue;
		if (goes == -1 || old.box[goes].exists)
			return goes == -1 ? 0 : NO;
		some = true;
	}
	if (!some)
		return NO;
	for (int i = 0; i < BOXES; i++) {
		int goes = renamed(i, from, to);

		if (!old.box[i].exists || goes == -1)
			continue;
		w->box[goes] = old.box[i];
		w->box[i] = (struct box){ .uidnext = 1 };
		for (int k = 0; k < SEATS; k++)
			if (old.seat[k].selected == i)
				w->seat[k].selected = goes;
	}
	return OK;
}

#endif
