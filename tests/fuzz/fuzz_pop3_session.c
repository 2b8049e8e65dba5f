/*
 * libFuzzer: whole POP3 connections, front and session, against a model.
 *
 * Byte 0: bit 0 structured commands (else raw bytes), bit 1 the client is
 * logged in by the right words first, bit 2 no TLS. Bytes 1 and 2: how the
 * bytes are cut. The model is written from RFC 1939, 2449 and 5034 and knows
 * nothing of the code: it reads what the client sent, line by line, and says
 * what must have been answered and what must be in the maildrop afterwards.
 */
#define PEER_MAIN
#include "tests/fuzz/peer.h"

#include "common/config/config.h"
#include "pop3d/front.h"
#include "pop3d/session.h"
#include "tests/fuzz/front.h"
#include "tests/fuzz/home.h"
#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
	unsigned bad;  /* refusals in this state */
	bool deleted[MAILS];
	bool updated; /* QUIT in TRANSACTION */
};

static size_t
mail_len(size_t i)
{
	return strlen(mails[i]);
}

static bool
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
static size_t
message(const struct model *m, struct slice arg)
{
	uint64_t n;

	if (!number(arg, &n) || n == 0 || n > MAILS || m->deleted[n - 1])
		return MAILS;
	return (size_t)n - 1;
}

static bool
may_hang_up(const struct model *m)
{
	return m->state == OVER ||
	       m->bad >= (m->state == TRANSACTION ? ERRORS_MAX : 5);
}

/* The next line of output; false when the server may have hung up. */
static bool
said(struct model *m, struct slice *line)
{
	if (walk_line(&m->w, line))
		return true;
	if (!may_hang_up(m))
		walk_fail(&m->w, "no answer");
	m->state = OVER;
	return false;
}

static void
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

static void
exactly(struct model *m, const char *want)
{
	struct slice line;

	if (said(m, &line) && !slice_eq(line, slice_str(want)))
		walk_fail(&m->w, want);
}

static bool
agreed(struct model *m)
{
	struct slice line;

	if (!said(m, &line))
		return false;
	if (!walk_begins(line, "+OK"))
		walk_fail(&m->w, "should be +OK");
	return true;
}

/* +OK and lines up to the dot; undone of its dots it must be want. */
static void
multi_line(struct model *m, struct slice want, bool any)
{
	struct buf got = BUF_INIT(1 << 20);
	struct slice line;

	if (!agreed(m))
		return;
	for (;;) {
		if (!walk_line(&m->w, &line))
			walk_fail(&m->w, "lines without end");
		if (slice_eq(line, SLICE(".")))
			break;
		if (line.len > 0 && line.p[0] == '.')
			line = slice_sub(line, 1, line.len);
		if (buf_append_slice(&got, line) == -1 ||
		    buf_append_str(&got, "\r\n") == -1)
			abort();
	}
	if (!any && !slice_eq(buf_slice(&got), want))
		walk_fail(&m->w, "other lines than these");
	buf_free(&got);
}

/* Header, empty line and so many lines (RFC 1939 §7). */
static struct slice
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

static void
listing(struct model *m, struct slice arg, bool sizes)
{
	struct buf want = BUF_INIT(4096);
	char line[64];
	size_t i;

	if (arg.len > 0) {
		i = message(m, arg);
		if (i == MAILS) {
			refused(m);
			return;
		}
		(void)snprintf(
		    line, sizeof(line), "+OK %zu %zu", i + 1, mail_len(i));
		if (sizes)
			exactly(m, line);
		else
			(void)agreed(m);
		return;
	}
	for (i = 0; i < MAILS; i++)
		if (!m->deleted[i] &&
		    buf_printf(&want, "%zu %zu\r\n", i + 1, mail_len(i)) == -1)
			abort();
	multi_line(m, buf_slice(&want), !sizes);
	buf_free(&want);
}

static void
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

static void
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
	else if (!slice_ieq(verb, SLICE("DELE")))
		multi_line(m, top_of(i, wanted), false);
}

static void
in_transaction(struct model *m, struct slice verb, struct slice arg, bool given)
{
	if ((slice_ieq(verb, SLICE("LIST")) ||
		slice_ieq(verb, SLICE("UIDL"))) &&
	    (!given || arg.len > 0)) {
		listing(m, arg, slice_ieq(verb, SLICE("LIST")));
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
static void
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

static void
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

static void
judge_line(struct model *m, struct slice text)
{
	struct slice verb;
	struct slice arg = slice_cut(text, ' ', &verb);

	if (m->state == RESPONSE)
		login(m, true);
	else if (m->state == TRANSACTION)
		in_transaction(m, verb, arg, verb.len < text.len);
	else
		before_login(m, verb, arg, verb.len < text.len);
	m->first = false;
}

/* What the client sent, line by line. Only CRLF ends one (RFC 1939 §3). */
static void
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

/* -- the house ------------------------------------------------------------ */

static int home = -1;

static void
fill_home(void)
{
	struct account *a;

	home = home_make();
	a = home_account(home);
	if (a == NULL)
		abort();
	for (size_t i = 0; i < MAILS; i++)
		home_append(a, slice_str(mails[i]), 0);
	account_close(a);
}

/* What the maildrop holds must be what the model says. */
static void
check_home(const struct model *m)
{
	struct account *a = home_account(home);
	struct mailbox_status status;
	uint32_t want = 0;

	for (size_t i = 0; i < MAILS; i++)
		want += !(m->updated && m->deleted[i]);
	if (a == NULL || account_status(a, SLICE("INBOX"), &status) == -1 ||
	    status.exists != want)
		walk_fail(&m->w, "the maildrop is not as it should be");
	account_close(a);
}

static void
run_session(const char *tag, struct slice preread)
{
	static struct config config;
	struct login_session login = { .fd = PEER_FD,
		.alive = -1,
		.user = "pip",
		.client = "192.0.2.1",
		.tag = tag,
		.preread = preread,
		.config = &config,
		.boot_id = home_boot_id };

	config.pop3_timeout = 600;
	config.errors_limit = ERRORS_MAX;
	(void)pop3_session_serve(&login, home);
}

/* -- the client ----------------------------------------------------------- */

/* clang-format off */
static const char *const words[] = {
	"STAT\r\n", "LIST\r\n", "LIST %u\r\n", "UIDL\r\n", "UIDL %u\r\n",
	"RETR %u\r\n", "DELE %u\r\n", "TOP %u 0\r\n", "TOP %u 2\r\n",
	"TOP %u 99999999999999999999\r\n", "NOOP\r\n", "RSET\r\n", "CAPA\r\n",
	"QUIT\r\n", "USER pip\r\n", "PASS secret\r\n", "PASS wrong\r\n",
	"AUTH PLAIN AHBpcABzZWNyZXQ=\r\n", "AUTH PLAIN\r\n",
	"AHBpcABzZWNyZXQ=\r\n", "AUTH LOGIN\r\n", "cGlw\r\n", "c2VjcmV0\r\n",
	"*\r\n", "STLS\r\n", "dele 0%u\r\n", "RETR\r\n", "RETR %u \r\n",
	"DELE 429496729%u\r\n", "NOOP x\r\n", "\r\n", "GET / HTTP/1.1\r\n",
	"RETR %u\n", "DELE %u\r", "LIST \r\n", "STAT %u\r\n", "X", " ",
	"TOP %u\r\n", "TOP %u -1\r\n", "AUTH PLAIN =\r\n", "USER \r\n",
};
/* clang-format on */

static void
say_words(struct buf *in, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i + 1 < size && i < 400; i += 2) {
		const char *word = words[data[i] % ARRAY_LEN(words)];
		const char *mark = strstr(word, "%u");
		size_t head =
		    mark == NULL ? strlen(word) : (size_t)(mark - word);

		if (buf_append(in, word, head) == -1 ||
		    (mark != NULL && buf_printf(in, "%u%s",
					 (unsigned)(data[i + 1] % (MAILS + 2)),
					 mark + 2) == -1))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in = BUF_INIT(1 << 20);
	struct model m = { .state = AUTHORIZATION, .first = true };

	if (size < 4 || size > 8192)
		return 0;
	if (home == -1)
		fill_home();
	if ((data[0] & 2) != 0 &&
	    buf_append_str(&in, "USER pip\r\nPASS secret\r\n") == -1)
		abort();
	if ((data[0] & 1) != 0)
		say_words(&in, data + 3, size - 3);
	else if (buf_append(&in, data + 3, size - 3) == -1)
		abort();
	peer_begin(buf_slice(&in), (uint32_t)data[1] << 8 | data[2]);
	front_run(&pop3_protocol, ERRORS_MAX, (data[0] & 4) == 0, run_session);
	m.w.out = buf_slice(&peer.output);
	judge(&m, buf_slice(&in));
	check_home(&m);
	if (m.updated) { /* for the next one as it was */
		home_remove(home);
		fill_home();
	}
	buf_free(&in);
	buf_free(&peer.output);
	return 0;
}
