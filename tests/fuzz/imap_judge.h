#ifndef TESTS_FUZZ_IMAP_JUDGE_H
#define TESTS_FUZZ_IMAP_JUDGE_H

/*
 * judge - what IMAP clients were answered, held against what they may be
 * (imap_client.h). From that alone each builds its view of the mailbox,
 * which must be the world's after every command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "tests/fuzz/imap_say.h"
#include "tests/fuzz/walk.h"

/* The messages of the selected mailbox as the client knows them. */
struct view {
	struct walk w;
	unsigned n;
	struct {
		uint32_t uid; /* 0: not told yet */
		uint8_t flags;
		bool knows; /* its flags */
		bool found; /* by this command's FETCH … */
		unsigned got;
	} m[VIEW_MAX];
	bool over;    /* BYE */
	bool keyword; /* FLAGS has named it */
	/* Since this command: */
	unsigned plus;
	bool found;
	bool fetched;
	int recent; /* -1: not told */
	bool copied;
};

/* A number at the start of a line, cut off with its space. */
static inline bool
number(struct slice *s, uint32_t *n)
{
	size_t i = 0;

	for (*n = 0; i < s->len && s->p[i] >= '0' && s->p[i] <= '9'; i++)
		*n = *n * 10 + (uint32_t)(s->p[i] - '0');
	if (i == 0)
		return false;
	*s = slice_sub(*s, i + (i < s->len && s->p[i] == ' '), SIZE_MAX);
	return true;
}

/* A response, its literals left out. */
static inline void
response(struct view *v, struct slice *first, struct buf *all)
{
	struct slice line;

	buf_truncate(all, 0);
	for (;;) {
		uint32_t n;
		const char *open;
		struct slice rest;

		if (!walk_line(&v->w, &line))
			walk_fail(&v->w, "no answer");
		if (buf_append_slice(all, line) == -1)
			abort();
		open = line.len == 0 ? NULL : memrchr(line.p, '{', line.len);
		if (open == NULL || line.p[line.len - 1] != '}')
			break;
		rest = slice_sub(line, (size_t)(open - line.p) + 1, SIZE_MAX);
		if (!number(&rest, &n))
			break;
		if (n > v->w.out.len)
			walk_fail(&v->w, "half a literal");
		v->w.out = slice_sub(v->w.out, n, SIZE_MAX);
	}
	*first = buf_slice(all);
}

static inline const struct box *
box_of(const struct world *w, int who)
{
	int i = w->seat[who].selected;

	return i == -1 ? NULL : &w->box[i];
}

/* -- FETCH ---------------------------------------------------------------- */

static inline uint8_t
flags_of(const char *at)
{
	static const char *const names[] = { "\\Seen", "\\Answered",
		"\\Flagged", "\\Deleted", "\\Draft", "Key", "\\Recent" };
	const char *end = strchr(at, ')');
	uint8_t flags = 0;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		const char *has = strstr(at, names[i]);

		if (has != NULL && has < end)
			flags |= (uint8_t)(1U << i);
	}
	return flags;
}

/* \Recent is of the session; what one that may not write sees is free. */
static inline void
judge_recent(const struct view *v, const struct seat *s, uint32_t uid, bool is)
{
	unsigned k = 0;

	while (k < s->n && s->m[k].uid != uid)
		k++;
	if (k < s->n && !s->readonly && s->m[k].recent != is)
		walk_fail(&v->w, "\\Recent is wrong");
}

static inline void
judge_size(
    const struct view *v, const char *text, const char *name, unsigned want)
{
	const char *at = strstr(text, name);

	if (at != NULL && strtoul(at + strlen(name), NULL, 10) != want)
		walk_fail(&v->w, "another size");
}

/* FETCH of message n: flags, UID and sizes as the model has them. */
static inline void
judge_fetch(struct view *v, const struct step *s, uint32_t n, const char *text)
{
	/* clang-format off */
	static const struct { const char *name; unsigned is; } items[] = {
		{ "FLAGS (", GOT_FLAGS }, { "UID ", GOT_UID },
		{ "RFC822.SIZE ", GOT_SIZE }, { "BODY[] {", GOT_ALL },
		{ "BODY[TEXT] {", GOT_TEXT }, { "ENVELOPE (", GOT_ENVELOPE },
	};
	/* clang-format on */
	const struct box *b = box_of(&s->after, s->who);
	const char *uid = strstr(text, "UID ");
	const char *flags = strstr(text, "FLAGS (");
	uint8_t told = flags == NULL ? 0 : flags_of(flags);
	const struct msg *m;

	if (b == NULL || n == 0 || n > v->n)
		walk_fail(&v->w, "FETCH of no message");
	if (uid != NULL) {
		uint32_t is = (uint32_t)strtoul(uid + 4, NULL, 10);

		if (v->m[n - 1].uid != 0 && v->m[n - 1].uid != is)
			walk_fail(&v->w, "its UID has changed");
		v->m[n - 1].uid = is;
	}
	for (unsigned i = 0; i < ARRAY_LEN(items); i++)
		if (strstr(text, items[i].name) != NULL)
			v->m[n - 1].got |= items[i].is;
	v->fetched = true;
	if ((told & KEY) != 0 && !v->keyword)
		walk_fail(&v->w, "a keyword that was not told of");
	if (flags != NULL) {
		v->m[n - 1].flags = told & (uint8_t)~RECENT;
		v->m[n - 1].knows = true;
	}
	/* Before an EXPUNGE of the same command numbers are the old ones. */
	if (world_message(b, v->m[n - 1].uid) == b->n)
		return;
	m = &b->m[world_message(b, v->m[n - 1].uid)];
	if (flags != NULL && v->m[n - 1].flags != m->flags &&
	    (n > 32 || (world_stale(&s->before, s->who) >> (n - 1) & 1) == 0))
		walk_fail(&v->w, "other flags");
	if (flags != NULL)
		judge_recent(
		    v, &s->after.seat[s->who], m->uid, (told & RECENT) != 0);
	judge_size(v, text, "RFC822.SIZE ", m->text + 10U);
	judge_size(v, text, "BODY[] {", m->text + 10U);
	judge_size(v, text, "BODY[TEXT] {", m->text + 2U);
}

/* All that the command was about must have been answered. */
static inline void
judge_asked(const struct view *v, const struct step *s)
{
	const struct box *b = box_of(&s->before, s->who);

	for (unsigned i = 0; i < s->asked_count; i++) {
		unsigned at = world_message(b, s->asked[i]);
		unsigned wants = s->wants;
		unsigned k = 0;

		if ((s->sees >> at & 1) != 0)
			wants |= GOT_FLAGS;
		while (k < v->n && v->m[k].uid != s->asked[i])
			k++;
		if (k < v->n && (v->m[k].got & wants) != wants)
			walk_fail(&v->w, "a message was left out");
	}
}

/* What a client that wants no answer makes of it (RFC 3501 §6.4.6). */
static inline void
store_silently(struct view *v, const struct step *s)
{
	for (unsigned i = 0; i < s->asked_count; i++)
		for (unsigned k = 0; k < v->n; k++)
			if (v->m[k].uid == s->asked[i]) {
				v->m[k].flags =
				    stored(v->m[k].flags, s->way, s->flags);
				v->m[k].knows |= s->way == 0;
			}
}

/* -- other data ----------------------------------------------------------- */

static inline void
judge_search(struct view *v, const struct step *s, struct slice rest)
{
	const struct seat *t = &s->before.seat[s->who];
	uint32_t bits = 0;
	uint32_t n;

	v->found = true;
	while (number(&rest, &n)) {
		unsigned k = 0;

		while (k < t->n && n != (s->as_uid ? t->m[k].uid : k + 1))
			k++;
		if (k == t->n)
			walk_fail(&v->w, "found what is not there");
		bits |= 1U << k;
	}
	if (((bits ^ s->bits) & ~s->gone) != 0)
		walk_fail(&v->w, "found others");
}

static inline void
judge_status(struct view *v, const struct step *s, const char *text)
{
	const struct box *b = &s->after.box[s->status];
	unsigned unseen = b->n - world_count(world_flagged(b, SEEN));
	unsigned recent = 0;
	char want[96];

	(void)snprintf(
	    want, sizeof(want), " UIDNEXT %u UNSEEN %u)", b->uidnext, unseen);
	if (strstr(text, want) == NULL)
		walk_fail(&v->w, want);
	/* Of one's own mailbox they may be those that one has already. */
	for (unsigned k = 0; k < b->n; k++)
		recent += b->m[k].uid >= b->claimed;
	(void)snprintf(
	    want, sizeof(want), "(MESSAGES %u RECENT %u", b->n, recent);
	if (s->status != s->before.seat[s->who].selected &&
	    strstr(text, want) == NULL)
		walk_fail(&v->w, want);
}

/* What SELECT says besides. */
static inline void
judge_selected(struct view *v, const struct step *s, const char *text)
{
	const struct box *b = box_of(&s->after, s->who);
	const char *next = strstr(text, "[UIDNEXT ");
	const char *unseen = strstr(text, "[UNSEEN ");
	unsigned first = 0;

	if (b == NULL)
		return;
	while (first < b->n && (b->m[first].flags & SEEN) != 0)
		first++;
	if (next != NULL && strtoul(next + 9, NULL, 10) != b->uidnext)
		walk_fail(&v->w, "another UIDNEXT");
	if (unseen != NULL && strtoul(unseen + 8, NULL, 10) != first + 1)
		walk_fail(&v->w, "another first unseen");
}

/* The UIDs of a set in the order they stand there. */
static inline unsigned
uids_of(const char **at, uint32_t uids[VIEW_MAX])
{
	unsigned count = 0;

	while (**at >= '0' && **at <= '9') {
		char *end;
		uint32_t lo = (uint32_t)strtoul(*at, &end, 10);
		uint32_t hi =
		    *end == ':' ? (uint32_t)strtoul(end + 1, &end, 10) : lo;

		for (; lo <= hi && count < VIEW_MAX; lo++)
			uids[count++] = lo;
		*at = end + (*end == ',');
	}
	*at += **at == ' ';
	return count;
}

/* Which of the old ones became which of the new: in any order, but in one. */
static inline void
judge_copied(struct view *v, const struct step *s, const char *text)
{
	const char *at = strstr(text, s->appends ? "[APPENDUID " : "[COPYUID ");
	uint32_t from[VIEW_MAX];
	uint32_t to[VIEW_MAX];
	unsigned n;

	if (at == NULL || s->copied == 0)
		return;
	v->copied = true;
	at = strchr(strchr(at, ' ') + 1, ' ') + 1;
	n = s->appends ? s->copied : uids_of(&at, from);
	if (n != s->copied || uids_of(&at, to) != n)
		walk_fail(&v->w, "another number of UIDs");
	for (unsigned i = 0; i < n; i++) {
		unsigned k = 0;

		while (k < n && s->to[k] != to[i])
			k++;
		if (k == n || (!s->appends && s->from[k] != from[i]))
			walk_fail(&v->w, "other UIDs");
	}
}

static inline void
judge_expunge(struct view *v, const struct step *s, uint32_t n)
{
	if (n == 0 || n > v->n || s->keeps)
		walk_fail(&v->w, "EXPUNGE of that?");
	memmove(&v->m[n - 1], &v->m[n], (--v->n - (n - 1)) * sizeof(v->m[0]));
}

static inline void
judge_exists(struct view *v, uint32_t n)
{
	if (n < v->n || n > VIEW_MAX)
		walk_fail(&v->w, "EXISTS of fewer");
	while (v->n < n)
		memset(&v->m[v->n++], 0, sizeof(v->m[0]));
}

/* "* …" */
static inline void
judge_data(struct view *v, const struct step *s, struct slice rest)
{
	const char *text = rest.p;
	uint32_t n;

	if (walk_begins(rest, "SEARCH") && s->finds)
		judge_search(v, s, slice_sub(rest, 7, SIZE_MAX));
	else if (walk_begins(rest, "STATUS ") && s->status != -1)
		judge_status(v, s, text);
	else if (walk_begins(rest, "FLAGS "))
		v->keyword = (flags_of(text) & KEY) != 0;
	else if (walk_begins(rest, "OK ") && s->opens)
		judge_selected(v, s, text);
	else if (walk_begins(rest, "OK "))
		judge_copied(v, s, text);
	else if (walk_begins(rest, "BYE") || walk_begins(rest, "NO ") ||
		 walk_begins(rest, "BAD "))
		walk_fail(&v->w, "why that?");
	else if (!number(&rest, &n))
		return;
	else if (walk_begins(rest, "EXISTS"))
		judge_exists(v, n);
	else if (walk_begins(rest, "EXPUNGE"))
		judge_expunge(v, s, n);
	else if (walk_begins(rest, "RECENT"))
		v->recent = (int)n;
	else if (walk_begins(rest, "FETCH"))
		judge_fetch(v, s, n, text);
}

/* -- the answer ----------------------------------------------------------- */

/* The view must be what the client is to know now. */
static inline void
compare(struct view *v, const struct step *s)
{
	const struct seat *t = &s->after.seat[s->who];
	const struct box *b = box_of(&s->after, s->who);
	int recent = 0;

	if (b == NULL)
		v->n = 0;
	if (v->n != t->n)
		walk_fail(&v->w, "another number of messages");
	for (unsigned k = 0; k < v->n; k++) {
		unsigned at = world_message(b, t->m[k].uid);

		if (v->m[k].uid != 0 && v->m[k].uid != t->m[k].uid)
			walk_fail(&v->w, "another message");
		v->m[k].uid = t->m[k].uid;
		recent += t->m[k].recent;
		if (at < b->n && v->m[k].knows &&
		    v->m[k].flags != b->m[at].flags && s->may != BAD)
			walk_fail(&v->w, "it was not told of flags");
	}
	if (v->recent != -1 && !t->readonly && v->recent != recent)
		walk_fail(&v->w, "another number is \\Recent");
}

static inline void
judge_tagged(struct view *v, const struct step *s, struct slice rest)
{
	unsigned is = walk_begins(rest, "OK ")    ? OK
		      : walk_begins(rest, "NO ")  ? NO
		      : walk_begins(rest, "BAD ") ? BAD
						  : 0;

	judge_copied(v, s, rest.p);
	if ((is & s->may) == 0)
		walk_fail(&v->w, "another answer");
	if (v->plus != s->plus)
		walk_fail(&v->w, "other continuations");
	if (is == OK && s->finds && !v->found)
		walk_fail(&v->w, "SEARCH without an answer");
	if (is == OK && s->copied > 0 && !v->copied)
		walk_fail(&v->w, "it was not told the new UIDs");
	if (is == OK)
		judge_asked(v, s);
	compare(v, s);
}

/* The mailbox is no more, so the next that is told is BYE, and the last. */
static inline void
judge_lost(struct view *v, const struct step *s)
{
	struct slice line;

	if (v->over)
		return;
	do {
		if (!walk_line(&v->w, &line) || !walk_begins(line, "* "))
			walk_fail(&v->w, "no BYE");
	} while (!walk_begins(line, "* BYE "));
	if (walk_begins(v->w.out, s->tag))
		(void)walk_line(&v->w, &line);
	v->over = true;
}

static inline void
judge_step(struct view *v, const struct step *s, bool alone)
{
	struct buf all = BUF_INIT(1 << 20);
	struct slice line;
	size_t tag = strlen(s->tag);

	if (s->lost) {
		judge_lost(v, s);
		return;
	}
	v->plus = 0;
	v->found = v->fetched = v->copied = false;
	v->recent = -1;
	for (unsigned k = 0; k < v->n; k++)
		v->m[k].got = 0;
	if (s->opens)
		v->n = 0;
	if (s->silent)
		store_silently(v, s);
	for (;;) {
		response(v, &line, &all);
		if (walk_begins(line, s->tag) && line.len > tag &&
		    line.p[tag] == ' ')
			break;
		if (walk_begins(line, "* "))
			judge_data(v, s, slice_sub(line, 2, SIZE_MAX));
		else if (walk_begins(line, "+ "))
			v->plus++;
		else
			walk_fail(&v->w, "what is this?");
		if (s->begins && v->plus == 1)
			break;
	}
	if (s->begins)
		compare(v, s);
	else
		judge_tagged(v, s, slice_sub(line, tag + 1, SIZE_MAX));
	/* Nobody else is there whose changes it might tell. */
	if (alone && s->silent && v->fetched)
		walk_fail(&v->w, "that was to be silent");
	buf_free(&all);
}

#endif
