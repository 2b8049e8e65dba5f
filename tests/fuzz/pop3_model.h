#ifndef TESTS_FUZZ_POP3_MODEL_H
#define TESTS_FUZZ_POP3_MODEL_H

/*
 * model - what a POP3 client must have been answered, and what must be in
 * the maildrop afterwards: from RFC 1939, 2449 and 5034. It knows nothing of
 * the code: it reads what the client sent, line by line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "tests/fuzz/walk.h"

#define ERRORS_MAX 20
#define GREETING   "+OK fuzz.example POP3 ready\r\n"

static const char *const mails[] = {
	"Subject: one\r\n\r\nHello\r\n",
	".dot: first\r\n..: two\r\n\r\n.\r\n..\r\n.end\r\n",
	"A: header only\r\n",
	"\r\nbody only\r\n\r\n\r\nlast\r\n",
	"B: long\r\n\r\n1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n",
};
#define MAILS ARRAY_LEN(mails)

/* -- the model ------------------------------------------------------------ */

struct model {
	struct walk w;
	enum { AUTHORIZATION, RESPONSE, TRANSACTION, OVER } state;
	bool first;    /* no line has been read */
	bool has_user; /* USER was accepted */
	unsigned bad;  /* refusals in this state; after login, in a row */
	bool deleted[MAILS];
	bool read[MAILS]; /* by RETR */
	char uid[MAILS][72];
	bool updated; /* QUIT in TRANSACTION */
};

static inline size_t
mail_len(size_t i)
{
	return strlen(mails[i]);
}

static inline bool
number(struct slice s, uint64_t *n)
{
	*n = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (*n < (uint64_t)1 << 40)
			*n = *n * 10 + (uint64_t)(s.p[i] - '0');
	}
	return s.len > 0;
}

/* A message that may be named, or MAILS. */
static inline size_t
message(const struct model *m, struct slice arg)
{
	uint64_t n;

	if (!number(arg, &n) || n == 0 || n > MAILS || m->deleted[n - 1])
		return MAILS;
	return (size_t)n - 1;
}

static inline bool
may_hang_up(const struct model *m)
{
	return m->state == OVER ||
	       m->bad >= (m->state == TRANSACTION ? ERRORS_MAX : 5);
}

/* The next line of output; false when the server may have hung up. */
static inline bool
said(struct model *m, struct slice *line)
{
	if (walk_line(&m->w, line))
		return true;
	if (!may_hang_up(m))
		walk_fail(&m->w, "no answer");
	m->state = OVER;
	return false;
}

static inline void
refused(struct model *m)
{
	struct slice line;

	if (!said(m, &line))
		return;
	if (!walk_begins(line, "-ERR"))
		walk_fail(&m->w, "should be -ERR");
	m->bad++;
	if (m->state != TRANSACTION || m->bad < ERRORS_MAX)
		return;
	m->state = OVER;
	if (!walk_line(&m->w, &line) || !walk_begins(line, "-ERR"))
		walk_fail(&m->w, "too many errors, and no farewell");
}

static inline void
exactly(struct model *m, const char *want)
{
	struct slice line;

	if (said(m, &line) && !slice_eq(line, slice_str(want)))
		walk_fail(&m->w, want);
}

static inline bool
agreed(struct model *m)
{
	struct slice line;

	if (!said(m, &line))
		return false;
	if (!walk_begins(line, "+OK"))
		walk_fail(&m->w, "should be +OK");
	return true;
}

/* Lines up to the dot, undone of their dots. */
static inline void
read_lines(struct model *m, struct buf *got)
{
	struct slice line;

	for (;;) {
		if (!walk_line(&m->w, &line))
			walk_fail(&m->w, "lines without end");
		if (slice_eq(line, SLICE(".")))
			break;
		if (line.len > 0 && line.p[0] == '.')
			line = slice_sub(line, 1, line.len);
		if (buf_append_slice(got, line) == -1 ||
		    buf_append_str(got, "\r\n") == -1)
			abort();
	}
}

/* +OK and these lines; or, with any, whichever. */
static inline void
multi_line(struct model *m, struct slice want, bool any)
{
	struct buf got = BUF_INIT(1 << 20);

	if (!agreed(m))
		return;
	read_lines(m, &got);
	if (!any && !slice_eq(buf_slice(&got), want))
		walk_fail(&m->w, "other lines than these");
	buf_free(&got);
}

/* Header, empty line and so many lines (RFC 1939 §7). */
static inline struct slice
top_of(size_t i, uint64_t lines)
{
	struct slice all = slice_str(mails[i]);
	size_t at = 0;
	bool body = false;

	while (at < all.len && !(body && lines == 0)) {
		const char *end = memmem(all.p + at, all.len - at, "\r\n", 2);
		size_t next = (size_t)(end - all.p) + 2;

		if (body)
			lines--;
		else
			body = next == at + 2;
		at = next;
	}
	return slice_sub(all, 0, at);
}

/*
 * A unique id is 1 to 70 visible characters, of this message only, and the
 * same in every session (RFC 1939 §7).
 */
static inline void
judge_uid(struct model *m, size_t i, struct slice id)
{
	if (id.len == 0 || id.len > 70)
		walk_fail(&m->w, "no unique id");
	for (size_t k = 0; k < id.len; k++)
		if (id.p[k] < '!' || id.p[k] > '~')
			walk_fail(&m->w, "no unique id");
	for (size_t k = 0; k < MAILS; k++)
		if (k != i && slice_eq(id, slice_str(m->uid[k])))
			walk_fail(&m->w, "two of one id");
	if (m->uid[i][0] != '\0' && !slice_eq(id, slice_str(m->uid[i])))
		walk_fail(&m->w, "its id has changed");
	if (slice_copy(m->uid[i], sizeof(m->uid[i]), id) == -1)
		abort();
}

/* "n id", of message i under this number. */
static inline void
judge_uidl(struct model *m, struct slice line, size_t n, size_t i)
{
	struct slice number;
	char want[24];

	(void)snprintf(want, sizeof(want), "%zu", n);
	line = slice_cut(line, ' ', &number);
	if (!slice_eq(number, slice_str(want)))
		walk_fail(&m->w, "another number than this");
	judge_uid(m, i, line);
}

/* UIDL of all; renumbered: those that were deleted have gone. */
static inline void
uidl_all(struct model *m, bool renumbered)
{
	struct buf got = BUF_INIT(4096);
	struct slice rest;
	struct slice line;
	size_t n = 0;

	if (!agreed(m))
		return;
	read_lines(m, &got);
	rest = buf_slice(&got);
	for (size_t i = 0; i < MAILS; i++) {
		if (m->deleted[i])
			continue;
		n++;
		rest = slice_cut(rest, '\n', &line);
		if (line.len == 0)
			walk_fail(&m->w, "fewer lines than messages");
		line.len--; /* its CR */
		judge_uidl(m, line, renumbered ? n : i + 1, i);
	}
	if (rest.len > 0)
		walk_fail(&m->w, "more lines than messages");
	buf_free(&got);
}

static inline void
listing_of(struct model *m, struct slice arg, bool sizes)
{
	struct slice line;
	char want[64];
	size_t i = message(m, arg);

	if (i == MAILS) {
		refused(m);
		return;
	}
	(void)snprintf(want, sizeof(want), "+OK %zu %zu", i + 1, mail_len(i));
	if (sizes) {
		exactly(m, want);
	} else if (said(m, &line)) {
		if (!walk_begins(line, "+OK "))
			walk_fail(&m->w, "should be +OK");
		judge_uidl(m, slice_sub(line, 4, SIZE_MAX), i + 1, i);
	}
}

static inline void
listing(struct model *m)
{
	struct buf want = BUF_INIT(4096);

	for (size_t i = 0; i < MAILS; i++)
		if (!m->deleted[i] &&
		    buf_printf(&want, "%zu %zu\r\n", i + 1, mail_len(i)) == -1)
			abort();
	multi_line(m, buf_slice(&want), false);
	buf_free(&want);
}

static inline void
stat_line(struct model *m)
{
	char want[64];
	size_t count = 0;
	size_t bytes = 0;

	for (size_t i = 0; i < MAILS; i++)
		if (!m->deleted[i]) {
			count++;
			bytes += mail_len(i);
		}
	(void)snprintf(want, sizeof(want), "+OK %zu %zu", count, bytes);
	exactly(m, want);
}

/* Where RETR says a size, it is this one. */
static inline void
retr_size(const struct model *m, size_t i, bool top)
{
	const char *octets =
	    m->w.out.len == 0
		? NULL
		: memmem(m->w.out.p, MIN(m->w.out.len, 40U), " octets\r\n", 9);

	if (!top && octets != NULL &&
	    strtoul(m->w.out.p + 4, NULL, 10) != mail_len(i))
		walk_fail(&m->w, "another size");
}

static inline void
about_message(struct model *m, struct slice verb, struct slice arg)
{
	struct slice n = arg;
	struct slice lines = SLICE_EMPTY;
	uint64_t wanted = UINT64_MAX;
	bool top = slice_ieq(verb, SLICE("TOP"));
	size_t i;

	if (top)
		lines = slice_cut(arg, ' ', &n);
	i = message(m, n);
	if (i == MAILS || (top && !number(lines, &wanted)))
		refused(m);
	else if (slice_ieq(verb, SLICE("DELE")) && agreed(m))
		m->deleted[i] = true;
	else if (!slice_ieq(verb, SLICE("DELE"))) {
		retr_size(m, i, top);
		m->read[i] = m->read[i] || !top;
		multi_line(m, top_of(i, wanted), false);
	}
}

static inline void
in_transaction(struct model *m, struct slice verb, struct slice arg, bool given)
{
	if ((slice_ieq(verb, SLICE("LIST")) ||
		slice_ieq(verb, SLICE("UIDL"))) &&
	    (!given || arg.len > 0)) {
		if (given)
			listing_of(m, arg, slice_ieq(verb, SLICE("LIST")));
		else if (slice_ieq(verb, SLICE("LIST")))
			listing(m);
		else
			uidl_all(m, false);
	} else if (slice_ieq(verb, SLICE("RETR")) ||
		   slice_ieq(verb, SLICE("DELE")) ||
		   slice_ieq(verb, SLICE("TOP"))) {
		about_message(m, verb, arg);
	} else if (given) {
		refused(m);
	} else if (slice_ieq(verb, SLICE("STAT"))) {
		stat_line(m);
	} else if (slice_ieq(verb, SLICE("NOOP"))) {
		(void)agreed(m);
	} else if (slice_ieq(verb, SLICE("RSET"))) {
		if (agreed(m))
			memset(m->deleted, 0, sizeof(m->deleted));
	} else if (slice_ieq(verb, SLICE("CAPA"))) {
		multi_line(m, SLICE_EMPTY, true);
	} else if (slice_ieq(verb, SLICE("QUIT"))) {
		m->updated = agreed(m);
		m->state = OVER;
	} else {
		refused(m);
	}
}

/* After PASS or a response: in, refused, or (AUTH) asked for more. */
static inline void
login(struct model *m, bool may_ask)
{
	struct slice line;

	m->has_user = false;
	m->state = AUTHORIZATION;
	if (!said(m, &line))
		return;
	if (walk_begins(line, "+OK")) {
		char want[64];
		size_t bytes = 0;

		for (size_t i = 0; i < MAILS; i++)
			bytes += mail_len(i);
		(void)snprintf(want, sizeof(want),
		    "+OK %zu messages (%zu octets)", MAILS, bytes);
		if (!slice_eq(line, slice_str(want)))
			walk_fail(&m->w, want);
		m->state = TRANSACTION;
		m->bad = 0;
	} else if (may_ask && walk_begins(line, "+ ")) {
		m->state = RESPONSE;
	} else if (walk_begins(line, "-ERR")) {
		m->bad++;
	} else {
		walk_fail(&m->w, "no answer to a login");
	}
}

static inline void
before_login(struct model *m, struct slice verb, struct slice arg, bool given)
{
	struct slice line;

	if (slice_ieq(verb, SLICE("USER"))) {
		m->has_user = false;
		if (!said(m, &line))
			return;
		m->has_user = walk_begins(line, "+OK");
		m->bad += !m->has_user;
		if (slice_eq(arg, SLICE("pip")) && !m->has_user)
			walk_fail(&m->w, "no user may be called so?");
	} else if (slice_ieq(verb, SLICE("PASS")) && m->has_user) {
		login(m, false);
	} else if (slice_ieq(verb, SLICE("AUTH")) && arg.len > 0) {
		login(m, true);
	} else if (slice_ieq(verb, SLICE("CAPA")) && !given) {
		multi_line(m, SLICE_EMPTY, true);
	} else if (slice_ieq(verb, SLICE("QUIT")) && !given) {
		(void)agreed(m);
		m->state = OVER;
	} else if (m->first && verb.len > 2 && given) {
		/* Perhaps a browser: refused, and that may be all. */
		refused(m);
		m->bad += 5;
	} else {
		refused(m);
	}
}

static inline void
judge_line(struct model *m, struct slice text)
{
	struct slice verb;
	struct slice arg = slice_cut(text, ' ', &verb);
	unsigned bad = m->bad;

	if (m->state == RESPONSE) {
		login(m, true);
	} else if (m->state == TRANSACTION) {
		in_transaction(m, verb, arg, verb.len < text.len);
		if (m->bad == bad)
			m->bad = 0;
	} else {
		before_login(m, verb, arg, verb.len < text.len);
	}
	m->first = false;
}

/* What the client sent, line by line. Only CRLF ends one (RFC 1939 §3). */
static inline void
judge(struct model *m, struct slice in)
{
	while (in.len > 0 && m->state != OVER) {
		size_t max = m->state == RESPONSE ? 4096 : 255;
		const char *end = memmem(in.p, in.len, "\r\n", 2);
		size_t len = end == NULL ? in.len : (size_t)(end - in.p);
		struct slice text = slice_sub(in, 0, len);

		if (end == NULL && in.len < max)
			break;
		m->w.doing = in.p;
		if (end == NULL || len + 2 > max ||
		    memchr(text.p, '\r', len) != NULL ||
		    memchr(text.p, '\n', len) != NULL ||
		    memchr(text.p, '\0', len) != NULL) {
			m->has_user = false;
			if (m->state == RESPONSE)
				m->state = AUTHORIZATION;
			refused(m);
		} else {
			judge_line(m, text);
		}
		in = slice_sub(in, len + 2, in.len);
	}
	if (m->w.out.len > 0)
		walk_fail(&m->w, "nobody asked for this");
}

#endif
