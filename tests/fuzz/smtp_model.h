#ifndef TESTS_FUZZ_SMTP_MODEL_H
#define TESTS_FUZZ_SMTP_MODEL_H

/*
 * model - what an SMTP or submission client must have been answered, and
 * which mails queue must have been given: from RFC 5321, 2034, 3030, 3461
 * and 4954. It knows nothing of the code: it reads what the client sent and
 * says which class of reply each command must have had.
 */
#include "common/base/buf.h"
#include "tests/fuzz/smtp_envelope.h"
#include "tests/fuzz/walk.h"

#define SMTP_MAILS_MAX  6
#define SMTP_RCPTS_MAX  100
#define SMTP_ERRORS_MAX 10
#define SMTP_SIZE_LIMIT 300000
#define SMTP_LINE       4096  /* longer lines are refused, whole */
#define SMTP_LINE_AUTH  12290 /* RFC 4954 §4: submission takes so much */
#define SMTP_SETTINGS                                                          \
	"networks = {127.0.0.0/8}\ncleartext-networks = {192.0.2.0/24}\n"      \
	"errors-limit = 10\nrecipients-limit = 100\n"                          \
	"message-size-limit = 300000\n"

/* A recipient that was accepted; "?" where this model cannot read it. */
struct smtp_to {
	char address[256];
	char orcpt[80];
	bool notify; /* NOTIFY= was given */
};

/* A mail as its transaction has made it. */
struct smtp_mail_model {
	char sender[256]; /* "?" as above */
	char envid[80];
	struct smtp_to to[SMTP_RCPTS_MAX];
	unsigned rcpts;
	bool user; /* of one who has logged in */
	struct buf content;
};

struct model {
	struct walk w;
	struct slice in; /* of the client, not judged yet */
	bool submission;
	bool own_network;
	unsigned queue_code; /* what queue says to a mail */
	bool no_files;       /* … to one that needs a file: 452 */

	bool greeted;  /* EHLO or HELO was accepted */
	bool user;     /* AUTH was */
	bool response; /* … wants one */
	bool doubted;  /* a login has failed: it may be refused for that */
	bool spoken;   /* a line that is text has come */
	bool over;
	unsigned bad;      /* refusals; some number of them ends the session */
	unsigned nonsense; /* unknown commands in a row of no mails */

	bool mail;    /* MAIL was accepted */
	bool aborted; /* BDAT failed: only a new transaction helps */
	bool chunks;  /* BDAT was accepted */
	struct smtp_mail_model now;

	unsigned taken; /* mails answered with 250: the first ones, the last */
	struct smtp_mail_model mails[SMTP_MAILS_MAX];
};

static inline void
model_init(struct model *m)
{
	buf_init(&m->now.content, 4 << 20);
	for (size_t i = 0; i < SMTP_MAILS_MAX; i++)
		buf_init(&m->mails[i].content, 4 << 20);
}

static inline void
transaction_over(struct model *m)
{
	m->mail = m->aborted = m->chunks = false;
	m->now.rcpts = 0;
	buf_free(&m->now.content);
}

static inline void
model_free(struct model *m)
{
	transaction_over(m);
	for (size_t i = 0; i < SMTP_MAILS_MAX; i++)
		buf_free(&m->mails[i].content);
}

/* -- replies -------------------------------------------------------------- */

/* RFC 2034 §4: "x.y.z " begins the text, and x is the class. */
static inline bool
enhanced_fits(struct slice text, char class)
{
	size_t i = 0;

	for (int part = 0; part < 3; part++) {
		size_t from = i;

		while (i < text.len && text.p[i] >= '0' && text.p[i] <= '9')
			i++;
		if (i == from || i - from > 3 || i == text.len ||
		    text.p[i] != (part < 2 ? '.' : ' '))
			return false;
		i++;
	}
	return text.p[0] == class;
}

static inline void
reply_line(const struct model *m, struct slice line, const char *code)
{
	if (line.len < 4 || line.p[0] < '2' || line.p[0] > '5' ||
	    (code[0] != '\0' && memcmp(code, line.p, 3) != 0))
		walk_fail(&m->w, "no reply of SMTP");
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] < ' ' || line.p[i] > '~')
			walk_fail(&m->w, "reply is not text");
}

/* It was sent away, or is: it must have given some reason for that. */
static inline void
sent_away(struct model *m)
{
	if (m->bad < 5) /* it has borne less than it promises to */
		walk_fail(&m->w, "sent away for nothing");
	m->over = true;
}

/*
 * The next reply's code; its lines must agree. 0: the session is over.
 * coded: it has an enhanced code, as all have but greetings and 3xx.
 */
static inline unsigned
reply_of(struct model *m, bool coded)
{
	struct slice line;
	char code[4] = "";
	char sep;

	do {
		if (!walk_line(&m->w, &line)) {
			if (!m->over)
				walk_fail(&m->w, "no reply");
			return 0;
		}
		reply_line(m, line, code);
		memcpy(code, line.p, 3);
		sep = line.p[3];
		/* The queue we play says 4.3.1, whatever its code is. */
		if ((coded || code[0] > '3') && code[0] != '3' &&
		    m->queue_code < 500 &&
		    !enhanced_fits(slice_sub(line, 4, SIZE_MAX), code[0]))
			walk_fail(&m->w, "no enhanced code of this class");
	} while (sep == '-');
	if (sep != ' ')
		walk_fail(&m->w, "no reply of SMTP");
	if (code[0] >= '4')
		m->bad++;
	if (memcmp(code, "421", 3) == 0) {
		sent_away(m);
		return 0;
	}
	return (unsigned)(code[0] - '0') * 100 +
	       (unsigned)(code[1] - '0') * 10 + (unsigned)(code[2] - '0');
}

static inline unsigned
reply(struct model *m)
{
	return reply_of(m, true);
}

/* A reply of this class: 2, 3, 4 or 5; 9 is 4 or 5, 0 any but 3. */
static inline unsigned
expect(struct model *m, unsigned class)
{
	unsigned code = reply(m);
	unsigned got = code / 100;

	if (code == 0)
		return 0;
	if ((class == 0 && got == 3) || (class == 9 && got < 4) ||
	    (class > 0 && class < 9 && got != class))
		walk_fail(&m->w, "another class of reply");
	return got;
}

static inline void
expect_code(struct model *m, unsigned want)
{
	unsigned code = reply_of(m, want != 220);

	if (code != 0 && code != want)
		walk_fail(&m->w, "another reply");
}

/* -- the content ---------------------------------------------------------- */

static inline bool
bare_bytes(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] == '\0' ||
		    (s.p[i] == '\r' &&
			(i + 1 == s.len || s.p[i + 1] != '\n')) ||
		    (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')))
			return true;
	return false;
}

static inline bool
long_line(struct slice s)
{
	struct slice line;

	while (s.len > 0) {
		s = slice_cut(s, '\n', &line);
		if (line.len > 65000)
			return true;
	}
	return false;
}

static inline void
mail_taken(struct model *m)
{
	struct smtp_mail_model *mail =
	    &m->mails[MIN(m->taken, SMTP_MAILS_MAX - 1U)];
	struct buf kept = mail->content;

	m->taken++;
	m->nonsense = 0;
	*mail = m->now;
	mail->user = m->user;
	m->now.content = kept;
}

/* All of a mail has come: what is it told? */
static inline void
mail_whole(struct model *m)
{
	struct slice all = buf_slice(&m->now.content);
	bool odd = all.len > 0 && memmem(all.p, all.len, "eceived", 7) != NULL;
	unsigned got;

	if (m->no_files && all.len > 200000)
		got = expect(m, 9);
	else if (bare_bytes(all) || all.len > SMTP_SIZE_LIMIT + 1000)
		got = expect(m, 5);
	else if (odd || long_line(all) || all.len > SMTP_SIZE_LIMIT - 1000)
		got = expect(m, 0); /* loops and edges: either way */
	else if (m->queue_code != 0)
		got = expect(m, m->queue_code / 100);
	else
		got = expect(m, 2);
	if (got == 2)
		mail_taken(m);
	transaction_over(m);
}

static inline void
content_add(struct model *m, struct slice more)
{
	if (buf_append_slice(&m->now.content, more) == -1)
		abort();
}

/* DATA's lines up to the dot, dots undone (RFC 5321 §4.5.2). */
static inline void
read_data(struct model *m)
{
	for (;;) {
		const char *end = memmem(m->in.p, m->in.len, "\r\n", 2);
		struct slice line;

		if (end == NULL) {
			m->in.len = 0; /* the client went away in it */
			m->over = true;
			return;
		}
		line = slice_sub(m->in, 0, (size_t)(end - m->in.p) + 2);
		m->in = slice_sub(m->in, line.len, SIZE_MAX);
		if (slice_eq(line, SLICE(".\r\n")))
			break;
		if (line.p[0] == '.')
			line = slice_sub(line, 1, SIZE_MAX);
		content_add(m, line);
	}
	mail_whole(m);
}

static inline void
do_data(struct model *m)
{
	if (!m->greeted || !m->mail || m->chunks || m->aborted) {
		expect(m, 5);
		if (m->chunks)
			m->aborted = true;
		return;
	}
	if (m->now.rcpts == 0) {
		expect(m, 5);
		return;
	}
	expect_code(m, 354);
	if (!m->over)
		read_data(m);
}

/* A last line without its end gets one; half an end is no text. */
static inline void
end_chunks(struct model *m)
{
	struct slice all = buf_slice(&m->now.content);

	if (all.len > 0 && all.p[all.len - 1] != '\r' &&
	    (all.len < 2 || memcmp(all.p + all.len - 2, "\r\n", 2) != 0))
		content_add(m, SLICE("\r\n"));
	mail_whole(m);
}

static inline void
chunk_taken(struct model *m)
{
	struct slice all = buf_slice(&m->now.content);

	if (expect(m, 0) == 2)
		return;
	if (!bare_bytes(all) && !long_line(all) &&
	    all.len < SMTP_SIZE_LIMIT - 1000)
		walk_fail(&m->w, "a good chunk was refused");
	m->aborted = true;
}

/* RFC 3030 §2: the bytes belong to the command, whatever it is told. */
static inline void
do_bdat(struct model *m, struct slice arg)
{
	bool good = m->mail && !m->aborted && m->now.rcpts > 0;
	struct slice chunk;
	uint64_t n;
	bool last;

	if (!parse_bdat(arg, &n, &last)) {
		expect(m, 5);
		m->over = true; /* where commands go on nobody knows */
		m->in.len = 0;
		return;
	}
	if (n > m->in.len) {
		/* No reply to that; but it may be sent away for the last. */
		if (walk_begins(m->w.out, "421 "))
			(void)reply(m);
		m->in.len = 0;
		m->over = true;
		return;
	}
	chunk = slice_sub(m->in, 0, (size_t)n);
	m->in = slice_sub(m->in, (size_t)n, SIZE_MAX);
	if (!good) {
		expect(m, 5);
		m->aborted = m->mail;
		return;
	}
	m->chunks = true;
	content_add(m, chunk);
	if (last)
		end_chunks(m);
	else
		chunk_taken(m);
}

/* -- the envelope --------------------------------------------------------- */

static inline void
do_mail(struct model *m, struct slice arg)
{
	unsigned got;

	if (!m->greeted || (m->mail && !m->aborted)) {
		expect(m, 5);
		return;
	}
	if (m->submission && !m->user && !m->own_network) {
		expect(m, 5);
		return;
	}
	got = expect(m, m->aborted ? 0 : mail_class(arg));
	if (got != 2)
		return;
	transaction_over(m);
	m->mail = true;
	read_path(arg, "FROM:<", m->now.sender);
	read_param(arg, " ENVID=", m->now.envid);
}

static inline void
do_rcpt(struct model *m, struct slice arg)
{
	struct smtp_to *to;
	char value[80];

	if (!m->greeted || !m->mail || m->chunks || m->aborted) {
		expect(m, 5);
		return;
	}
	if (expect(m, rcpt_class(arg, m->now.rcpts < SMTP_RCPTS_MAX)) != 2)
		return;
	if (m->now.rcpts == SMTP_RCPTS_MAX)
		walk_fail(&m->w, "more recipients than the limit");
	to = &m->now.to[m->now.rcpts++];
	read_path(arg, "TO:<", to->address);
	read_param(arg, " ORCPT=", to->orcpt);
	read_param(arg, " NOTIFY=", value);
	to->notify = value[0] != '\0';
}

/* -- other commands ------------------------------------------------------- */

/* Do the credentials of the only user end this line? */
static inline bool
has_secret(struct slice line)
{
	struct slice secret = SLICE("c2VjcmV0");

	return line.len >= secret.len &&
	       slice_eq(
		   slice_sub(line, line.len - secret.len, SIZE_MAX), secret);
}

/* AUTH and each response (RFC 4954 §4). */
static inline void
do_auth(struct model *m, struct slice arg, bool begin)
{
	bool right =
	    slice_eq(arg, SLICE("PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0"));
	unsigned code;

	m->response = false;
	/* Not over a line that everybody reads (RFC 4954 §4). */
	if (begin && (!m->greeted || m->mail || m->user || !m->submission ||
			 m->own_network)) {
		expect(m, 5);
		return;
	}
	code = reply_of(m, true);
	if (code == 334)
		m->response = true;
	else if (code == 235 && !has_secret(arg))
		walk_fail(&m->w, "who is that?");
	else if (code == 235)
		m->user = true;
	else if (code != 0 && code < 400)
		walk_fail(&m->w, "no reply to AUTH");
	if (begin && right && code != 235 && code != 0 && !m->doubted)
		walk_fail(&m->w, "the right password was refused");
	m->doubted = m->doubted || code >= 400;
}

static inline void
do_hello(struct model *m)
{
	unsigned got = reply_of(m, false) / 100;

	if (got == 3 || got == 4)
		walk_fail(&m->w, "another class of reply");
	if (got != 2)
		return;
	m->greeted = true;
	transaction_over(m);
}

static inline void
do_reset(struct model *m, struct slice arg)
{
	if (arg.len > 0)
		expect(m, 5);
	else if (expect(m, 2) == 2)
		transaction_over(m);
}

static inline bool
is(struct slice verb, const char *name)
{
	return slice_ieq(verb, slice_str(name));
}

static inline void
do_other(struct model *m, struct slice verb, struct slice arg)
{
	if (is(verb, "NOOP") || is(verb, "HELP")) {
		expect(m, 2);
	} else if (is(verb, "VRFY")) {
		expect(m, arg.len > 0 ? 2 : 5);
	} else if (is(verb, "STARTTLS")) {
		expect(m, arg.len > 0 ? 5 : 9); /* there is none */
	} else if (is(verb, "AUTH") && arg.len > 0) {
		do_auth(m, arg, true);
	} else if (is(verb, "QUIT") && arg.len == 0) {
		expect_code(m, 221);
		m->over = true;
	} else {
		expect(m, 5);
		if (++m->nonsense > 2 * SMTP_ERRORS_MAX)
			walk_fail(&m->w, "it bears everything");
	}
}

static inline void
do_command(struct model *m, struct slice verb, struct slice arg)
{
	if (is(verb, "EHLO") || is(verb, "HELO"))
		do_hello(m);
	else if (is(verb, "MAIL"))
		do_mail(m, arg);
	else if (is(verb, "RCPT"))
		do_rcpt(m, arg);
	else if (is(verb, "BDAT"))
		do_bdat(m, arg);
	else if (is(verb, "DATA") && arg.len == 0)
		do_data(m);
	else if (is(verb, "RSET"))
		do_reset(m, arg);
	else
		do_other(m, verb, arg);
}

/* -- lines ---------------------------------------------------------------- */

/* Text that is a line: a response, or a command. */
static inline void
judge_text(struct model *m, struct slice line)
{
	size_t whole = line.len;
	struct slice verb;
	bool browser;

	if (m->response) {
		do_auth(m, line, false);
		return;
	}
	line = slice_trim(line);
	for (verb = slice_sub(line, 0, 0); verb.len < line.len; verb.len++)
		if (line.p[verb.len] == ' ' || line.p[verb.len] == '\t')
			break;
	browser = !m->spoken && whole > verb.len;
	m->spoken = true;
	m->bad += browser ? 5 : 0; /* perhaps one: that may be all */
	do_command(m, verb, slice_trim(slice_sub(line, verb.len, SIZE_MAX)));
	m->bad -= browser ? 5 : 0;
}

/* One line of the client; only CRLF ends one (RFC 5321 §2.3.8). */
static inline bool
judge_line(struct model *m)
{
	const char *lf =
	    m->in.len == 0 ? NULL : memchr(m->in.p, '\n', m->in.len);
	size_t n = lf == NULL ? 0 : (size_t)(lf - m->in.p) + 1;
	struct slice line;

	if (lf == NULL)
		return false;
	m->w.doing = m->in.p;
	line = slice_sub(m->in, 0, n - 1);
	m->in = slice_sub(m->in, n, SIZE_MAX);
	if (n < 2 || lf[-1] != '\r') {
		expect(m, 5);
		m->over = true;
		return false;
	}
	line.len--;
	if (memchr(line.p, '\r', line.len) == NULL &&
	    memchr(line.p, '\0', line.len) == NULL &&
	    n <= (m->submission ? SMTP_LINE_AUTH : SMTP_LINE)) {
		judge_text(m, line);
		return true;
	}
	m->response = false;
	expect(m, 5);
	return true;
}

static inline void
model_judge(struct model *m)
{
	m->w.doing = "connecting";
	expect_code(m, 220);
	while (!m->over && judge_line(m))
		;
	/* For what it has tried it may be sent away behind the reply. */
	if (!m->over && walk_begins(m->w.out, "421 "))
		(void)reply(m);
	if (m->w.out.len > 0)
		walk_fail(&m->w, "nobody asked for this");
}

#endif
