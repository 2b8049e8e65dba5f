/*
 * libFuzzer: whole SMTP and submission sessions against a model.
 *
 * Byte 0: bit 0 structured commands (else raw bytes), bit 1 submission, bit
 * 2 a client of our own network, bits 4 to 6 what queue answers. Byte 1: how
 * the bytes are cut. The model is written from RFC 5321, 3030, 3463 and 4954
 * and knows nothing of the code: it reads what the client sent and says which
 * class of reply each command must have had, whether there is a transaction,
 * and which mails queue must have been given.
 */
#include "tests/unit/smtpd/house.h"

#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ERRORS_MAX 10
#define RCPTS_MAX  100
#define SIZE_LIMIT 300000
#define SETTINGS                                                               \
	"networks = {127.0.0.0/8}\ncleartext-networks = {192.0.2.0/24}\n"      \
	"errors-limit = 10\nrecipients-limit = 100\n"                          \
	"message-size-limit = 300000\n"

/* -- the model ------------------------------------------------------------ */

struct model {
	struct walk w;
	struct slice in; /* of the client, not judged yet */
	bool submission;
	bool own_network;
	unsigned queue_code; /* what queue says to a mail */
	bool no_files;       /* … to one that needs a file: 452 */

	bool greeted; /* EHLO or HELO was accepted */
	bool user;    /* AUTH was */
	bool response;
	bool spoken; /* a line that is text has come */
	bool over;
	unsigned bad; /* refusals; some number of them ends the session */

	bool mail;    /* MAIL was accepted */
	bool aborted; /* BDAT failed: only a new transaction helps */
	bool chunks;  /* BDAT was accepted */
	unsigned rcpts;
	char sender[256]; /* "?" where this model cannot read it */
	struct buf content;

	unsigned taken; /* mails answered with 250 */
	unsigned last_rcpts;
	char last_sender[256];
	struct buf last_content;
};

static void
transaction_over(struct model *m)
{
	m->mail = m->aborted = m->chunks = false;
	m->rcpts = 0;
	buf_free(&m->content);
}

/* The next reply's code; its lines must agree. 0: the session is over. */
static unsigned
reply(struct model *m)
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
		if (line.len < 4 || line.p[0] < '2' || line.p[0] > '5' ||
		    (code[0] != '\0' && memcmp(code, line.p, 3) != 0))
			walk_fail(&m->w, "no reply of SMTP");
		memcpy(code, line.p, 3);
		sep = line.p[3];
		for (size_t i = 0; i < line.len; i++)
			if (line.p[i] < ' ' || line.p[i] > '~')
				walk_fail(&m->w, "reply is not text");
	} while (sep == '-');
	if (sep != ' ')
		walk_fail(&m->w, "no reply of SMTP");
	if (code[0] >= '4')
		m->bad++;
	if (memcmp(code, "421", 3) == 0) {
		if (m->bad < 5) /* it has borne less than it promises to */
			walk_fail(&m->w, "sent away for nothing");
		m->over = true;
		return 0;
	}
	return (unsigned)(code[0] - '0') * 100 +
	       (unsigned)(code[1] - '0') * 10 + (unsigned)(code[2] - '0');
}

/* A reply of this class: 2, 3, 4 or 5; 9 is 4 or 5, 0 any but 3. */
static unsigned
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

static void
expect_code(struct model *m, unsigned want)
{
	unsigned code = reply(m);

	if (code != 0 && code != want)
		walk_fail(&m->w, "another reply");
}

static bool
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

static bool
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

/* All of a mail has come: what is it told? */
static void
mail_whole(struct model *m)
{
	struct slice all = buf_slice(&m->content);
	bool odd = all.len > 0 && memmem(all.p, all.len, "eceived", 7) != NULL;
	unsigned got;

	if (m->no_files && all.len > 200000)
		got = expect(m, 9);
	else if (bare_bytes(all) || all.len > SIZE_LIMIT + 1000)
		got = expect(m, 5);
	else if (odd || long_line(all) || all.len > SIZE_LIMIT - 1000)
		got = expect(m, 0); /* loops and edges: either way */
	else if (m->queue_code != 0)
		got = expect(m, m->queue_code / 100);
	else
		got = expect(m, 2);
	if (got == 2) {
		m->taken++;
		m->last_rcpts = m->rcpts;
		memcpy(m->last_sender, m->sender, sizeof(m->sender));
		buf_free(&m->last_content);
		if (buf_append_slice(&m->last_content, all) == -1)
			abort();
	}
	transaction_over(m);
}

/* DATA's lines up to the dot, dots undone (RFC 5321 §4.5.2). */
static void
read_data(struct model *m)
{
	for (;;) {
		const char *end = m->in.len < 2
				      ? NULL
				      : memmem(m->in.p, m->in.len, "\r\n", 2);
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
		if (buf_append_slice(&m->content, line) == -1)
			abort();
	}
	mail_whole(m);
}

static void
do_data(struct model *m)
{
	if (!m->greeted || !m->mail || m->chunks || m->aborted) {
		expect(m, 5);
		if (m->chunks)
			m->aborted = true;
		return;
	}
	if (m->rcpts == 0) {
		expect(m, 5);
		return;
	}
	expect_code(m, 354);
	if (!m->over)
		read_data(m);
}

static bool
parse_bdat(struct slice arg, uint64_t *n, bool *last)
{
	struct slice digits;
	struct slice word = slice_trim(slice_cut(arg, ' ', &digits));

	*n = 0;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9' || i > 15)
			return false;
		*n = *n * 10 + (uint64_t)(digits.p[i] - '0');
	}
	*last = slice_ieq(word, SLICE("LAST"));
	return digits.len > 0 && (*last || word.len == 0);
}

/* RFC 3030 §2: the bytes belong to the command, whatever it is told. */
static void
do_bdat(struct model *m, struct slice arg)
{
	bool good = m->mail && !m->aborted && m->rcpts > 0;
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
	if (buf_append_slice(&m->content, chunk) == -1)
		abort();
	if (last) {
		struct slice all = buf_slice(&m->content);

		if ((all.len < 2 ||
			memcmp(all.p + all.len - 2, "\r\n", 2) != 0) &&
		    (all.len == 0 || all.p[all.len - 1] != '\r') &&
		    buf_append_str(&m->content, all.len > 0 ? "\r\n" : "") ==
			-1)
			abort();
		mail_whole(m);
	} else if (expect(m, 0) != 2) {
		if (!bare_bytes(buf_slice(&m->content)) &&
		    !long_line(buf_slice(&m->content)) &&
		    m->content.len < SIZE_LIMIT - 1000)
			walk_fail(&m->w, "a good chunk was refused");
		m->aborted = true;
	}
}

/* What stands in <>, where that is plain. */
static void
keep_sender(struct model *m, struct slice arg)
{
	const char *open = memchr(arg.p, '<', arg.len);
	const char *close = memchr(arg.p, '>', arg.len);
	size_t n;

	memcpy(m->sender, "?", 2);
	if (open == NULL || close == NULL || close < open ||
	    memchr(arg.p, '"', arg.len) != NULL ||
	    memchr(arg.p, '\\', arg.len) != NULL || open[1] == '@')
		return;
	n = (size_t)(close - open) - 1;
	if (n < sizeof(m->sender) - 1) {
		memcpy(m->sender, open + 1, n);
		m->sender[n] = '\0';
	}
}

static void
do_mail(struct model *m, struct slice arg)
{
	bool known = slice_eq(arg, SLICE("FROM:<a@b.example>")) ||
		     slice_eq(arg, SLICE("FROM:<>"));
	unsigned got;

	if (!m->greeted || (m->mail && !m->aborted)) {
		expect(m, 5);
		return;
	}
	if (m->submission && !m->user && !m->own_network) {
		expect(m, 5);
		return;
	}
	got = expect(m, known && !m->aborted ? 2 : 0);
	if (got != 2)
		return;
	transaction_over(m);
	m->mail = true;
	keep_sender(m, arg);
}

static void
do_rcpt(struct model *m, struct slice arg)
{
	unsigned class = 0;

	if (!m->greeted || !m->mail || m->chunks || m->aborted) {
		expect(m, 5);
		return;
	}
	if (slice_eq(arg, SLICE("TO:<pip@example.test>")))
		class = m->rcpts < RCPTS_MAX ? 2 : 4;
	else if (slice_eq(arg, SLICE("TO:<nobody@example.test>")))
		class = 9;
	else if (slice_eq(arg, SLICE("TO:<later@example.test>")))
		class = 4;
	if (expect(m, class) == 2)
		m->rcpts++;
}

/* AUTH and each response (RFC 4954 §4). */
static void
do_auth(struct model *m, bool begin)
{
	unsigned code;

	m->response = false;
	if (begin && (!m->greeted || m->mail || m->user || !m->submission)) {
		expect(m, 5);
		return;
	}
	code = reply(m);
	if (code == 334)
		m->response = true;
	else if (code == 235)
		m->user = true;
	else if (code != 0 && code < 400)
		walk_fail(&m->w, "no reply to AUTH");
}

static void
do_hello(struct model *m)
{
	unsigned got = expect(m, 0);

	if (got == 4)
		walk_fail(&m->w, "another class of reply");
	if (got != 2)
		return;
	m->greeted = true;
	transaction_over(m);
}

static void
do_reset(struct model *m, struct slice arg)
{
	if (arg.len > 0)
		expect(m, 5);
	else if (expect(m, 2) == 2)
		transaction_over(m);
}

static bool
is(struct slice verb, const char *name)
{
	return slice_ieq(verb, slice_str(name));
}

static void
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
	else if (is(verb, "NOOP") || is(verb, "HELP"))
		expect(m, 2);
	else if (is(verb, "VRFY"))
		expect(m, arg.len > 0 ? 2 : 5);
	else if (is(verb, "STARTTLS"))
		expect(m, arg.len > 0 ? 5 : 9); /* there is none */
	else if (is(verb, "AUTH") && arg.len > 0)
		do_auth(m, true);
	else if (is(verb, "QUIT") && arg.len == 0) {
		expect_code(m, 221);
		m->over = true;
	} else
		expect(m, 5);
}

/* One line of the client; only CRLF ends one (RFC 5321 §2.3.8). */
static bool
judge_line(struct model *m)
{
	const char *lf =
	    m->in.len == 0 ? NULL : memchr(m->in.p, '\n', m->in.len);
	size_t n = lf == NULL ? 0 : (size_t)(lf - m->in.p) + 1;
	struct slice verb;
	struct slice line;
	bool browser;

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
	if (memchr(line.p, '\r', line.len) != NULL ||
	    memchr(line.p, '\0', line.len) != NULL ||
	    n > (m->submission ? 12290 : 4096)) {
		m->response = false;
		expect(m, 5);
		return true;
	}
	if (m->response) {
		do_auth(m, false);
		return true;
	}
	line = slice_trim(line);
	for (verb = slice_sub(line, 0, 0); verb.len < line.len; verb.len++)
		if (line.p[verb.len] == ' ' || line.p[verb.len] == '\t')
			break;
	browser = !m->spoken && line.len > verb.len;
	m->spoken = true;
	if (browser)
		m->bad += 5; /* perhaps one: that may be all */
	do_command(m, verb, slice_trim(slice_sub(line, verb.len, SIZE_MAX)));
	if (browser)
		m->bad -= 5;
	return true;
}

static void
judge(struct model *m)
{
	m->w.doing = "connecting";
	expect_code(m, 220);
	while (!m->over && judge_line(m))
		;
	if (m->w.out.len > 0)
		walk_fail(&m->w, "nobody asked for this");
}

/* -- the house ------------------------------------------------------------ */

static struct house *houses[2];

/* Until nothing moves any more; what was said is read meanwhile. */
static void
settle(struct house *h)
{
	static char chunk[65536];
	ssize_t k;
	bool moved;

	do {
		(void)event_base_get_max_events(
		    h->base, EVENT_BASE_COUNT_ACTIVE, 1);
		(void)event_base_loop(h->base, EVLOOP_NONBLOCK);
		moved = event_base_get_max_events(
			    h->base, EVENT_BASE_COUNT_ACTIVE, 0) > 0;
		while ((k = recv(h->fd, chunk, sizeof(chunk), 0)) > 0) {
			if (buf_append(&h->got, chunk, (size_t)k) == -1)
				abort();
			moved = true;
		}
	} while (moved);
	if (k == 0 || (k == -1 && errno != EAGAIN))
		h->closed = true;
}

/* Router answers what it held back, the last question first. */
static void
settle_all(struct house *h)
{
	settle(h);
	while (h->held_count > 0) {
		house_verdict(
		    h->router, h->held[--h->held_count], 250, "2.1.5", "Ok");
		settle(h);
	}
}

static void
say(struct house *h, struct slice text)
{
	while (text.len > 0 && !h->closed) {
		ssize_t k = send(h->fd, text.p, text.len, MSG_NOSIGNAL);

		if (k > 0)
			text = slice_sub(text, (size_t)k, SIZE_MAX);
		else if (k == -1 && errno != EAGAIN)
			h->closed = true;
		settle(h);
	}
}

static uint32_t
roll(uint32_t *dice)
{
	*dice = *dice * 1664525U + 1013904223U;
	return *dice >> 16;
}

/*
 * How many bytes from at on go in one piece: cut by the dice, and always
 * behind a line with DATA, which ends a group (RFC 2920 §3.1).
 */
static size_t
piece(struct slice in, size_t at, uint32_t *dice)
{
	size_t n = in.len - at;
	uint32_t r = *dice == 0 ? 0 : roll(dice);
	size_t end;

	if (*dice != 0 && n > 20000)
		n = (size_t)1 + r % 30000;
	else if (r % 3 == 1)
		n = MIN(n, (size_t)1 + r / 4 % 5);
	else if (r % 3 == 2)
		n = MIN(n, (size_t)1 + r / 4 % 200);
	for (end = at; end < at + n; end++) {
		size_t line = end;

		if (in.p[end] != '\n')
			continue;
		while (line > 0 && in.p[line - 1] != '\n')
			line--;
		while (line + 4 < end)
			if (strncasecmp(in.p + line++, "DATA", 4) == 0)
				return end + 1 - at;
	}
	return n;
}

static void
talk(struct house *h, struct slice in, uint32_t dice)
{
	size_t at = 0;

	settle(h);
	while (at < in.len && !h->closed) {
		size_t n = piece(in, at, &dice);
		bool line = in.p[at + n - 1] == '\n';

		if (line)
			settle_all(h);
		say(h, slice_sub(in, at, n));
		if (line)
			settle_all(h);
		at += n;
	}
	settle_all(h);
}

static void
begin(struct house *h, const struct model *m)
{
	h->held_count = 0;
	h->submits = 0;
	h->queue_code = m->queue_code;
	h->large_code = m->no_files ? 452 : 0;
	buf_free(&h->content);
	house_client(h, m->own_network ? "127.0.0.1" : "192.0.2.9",
	    m->submission ? SESSION_SUBMISSION : SESSION_SMTP, false);
}

/* Queue must have been given what the model says was acknowledged. */
static void
check_mails(const struct house *h, const struct model *m)
{
	struct slice got = buf_slice(&h->content);
	struct slice want = buf_slice(&m->last_content);
	struct wire_in w = wire_in(buf_slice(&h->rcpts));
	struct ipc_rcpt r;
	unsigned n = 0;

	if (m->queue_code == 0 && h->submits != m->taken)
		walk_fail(&m->w, "not the mails that were acknowledged");
	if (m->taken == 0 || m->queue_code != 0)
		return;
	while (w.rest.len > 0 && ipc_rcpt_get(&r, &w) == 0)
		n++;
	if (n != m->last_rcpts)
		walk_fail(&m->w, "not the recipients that were accepted");
	if (m->last_sender[0] != '?' &&
	    strcasecmp(h->sender, m->last_sender) != 0)
		walk_fail(&m->w, "not the sender that was given");
	if (h->large == 0 && !m->submission &&
	    (got.len < want.len ||
		!slice_eq(slice_sub(got, got.len - want.len, want.len), want)))
		walk_fail(&m->w, "not the content that was sent");
}

/* -- the client ----------------------------------------------------------- */

/* clang-format off */
static const char *const words[] = {
	"EHLO c.example\r\n", "HELO c\r\n", "EHLO \x01\r\n",
	"MAIL FROM:<a@b.example>\r\n", "MAIL FROM:<>\r\n",
	"MAIL FROM:<c@d.example> SIZE=1000 BODY=8BITMIME SMTPUTF8\r\n",
	"MAIL FROM:<nobody@d.example>\r\n", "MAIL FROM:a@b\r\n",
	"RCPT TO:<pip@example.test>\r\n", "RCPT TO:<hold@example.test>\r\n",
	"RCPT TO:<nobody@example.test>\r\n", "RCPT TO:<later@example.test>\r\n",
	"RCPT TO:<x@elsewhere.example>\r\n", "RCPT TO:<>\r\n",
	"RCPT TO:<pip@example.test> NOTIFY=NEVER ORCPT=rfc822;a\r\n",
	"DATA\r\n", "Subject: x\r\n\r\n", "..dot\r\n", ".\r\n", "\r\n.\r\n",
	"DATA\r\n.\r\n", "DATA\r\nA: b\r\n\r\n.x\r\n..\r\n.\r\n",
	"BDAT 4\r\nab\r\n", "BDAT 5 LAST\r\nabc\r\n", "BDAT 0\r\n",
	"BDAT 0 LAST\r\n", "BDAT 3 last\r\na\nb", "BDAT 6\r\nQUIT\r\n",
	"BDAT 3 \r\na\rb", "BDAT x\r\n", "BDAT 18446744073709551616\r\n",
	"BDAT 99\r\n", "RSET\r\n", "NOOP\r\n", "NOOP x\r\n", "VRFY pip\r\n",
	"EXPN list\r\n", "HELP\r\n", "QUIT\r\n", "STARTTLS\r\n",
	"VRFY p\xc3\xbc\r\n", "AUTH PLAIN\r\n", "AUTH LOGIN\r\n", "*\r\n",
	"AUTH PLAIN AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\r\n",
	"AHBpcEBleGFtcGxlLnRlc3QAc2VjcmV0\r\n", "AUTH PLAIN AHgAeQ==\r\n",
	"cGlwQGV4YW1wbGUudGVzdA==\r\n", "c2VjcmV0\r\n", "XCLIENT A=b\r\n",
	"RSET x\r\n", "DATA x\r\n", "GET / HTTP/1.1\r\n", "\r\n", "NO\rOP\r\n",
	"NOOP\n", "mail from:<a@b.example>\r\n", "rcpt to:<pip@example.test>\r\n",
	"EHLO [192.0.2.9]\r\n", "RCPT TO:<\"p\\\"ip\"@example.test>\r\n",
	"MAIL FROM:<a@b.example> SIZE=999999999\r\n", "\x80\xff\r\n",
};
/* clang-format on */

/* A mail that needs a file, or is too large for anybody. */
static void
say_large(struct buf *in, bool too_large)
{
	size_t lines = too_large ? 6000 : 4600;
	char line[64];

	memset(line, 'x', sizeof(line));
	memcpy(line + 58, "\r\n", 2);
	if (buf_append_str(in, "DATA\r\n\r\n") == -1)
		abort();
	for (size_t i = 0; i < lines; i++)
		if (buf_append(in, line, 60) == -1)
			abort();
	if (buf_append_str(in, ".\r\n") == -1)
		abort();
}

static void
say_words(struct buf *in, const uint8_t *data, size_t size)
{
	bool large = false;

	for (size_t i = 0; i + 1 < size && i < 400; i++) {
		if (data[i] >= 254 && data[i] == data[i + 1] && !large) {
			say_large(in, data[i] == 255);
			large = true;
		} else if (buf_append_str(
			       in, words[data[i] % ARRAY_LEN(words)]) == -1) {
			abort();
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned codes[] = { 0, 0, 0, 0, 452, 550, 554, 451 };
	struct buf in = BUF_INIT(4 << 20);
	struct model m = { .content = BUF_INIT(4 << 20),
		.last_content = BUF_INIT(4 << 20) };
	struct house *h;

	if (size < 3 || size > 16384)
		return 0;
	m.submission = (data[0] & 2) != 0;
	m.own_network = (data[0] & 4) != 0;
	m.queue_code = codes[data[0] >> 4 & 7];
	m.no_files = (data[0] >> 4 & 7) == 3;
	if (houses[m.submission] == NULL) {
		houses[m.submission] = house_new(m.submission, SETTINGS);
		house_connect_resolver(houses[m.submission]);
		log_level(LOG_FAIL + 1);
	}
	h = houses[m.submission];
	if ((data[0] & 1) != 0)
		say_words(&in, data + 2, size - 2);
	else if (buf_append(&in, data + 2, size - 2) == -1)
		abort();
	begin(h, &m);
	talk(h, buf_slice(&in), data[1]);
	m.w.out = buf_slice(&h->got);
	m.in = buf_slice(&in);
	judge(&m);
	check_mails(h, &m);
	fd_close(h->fd);
	h->fd = -1;
	settle(h);
	if (h->smtpd.sessions.count != 0)
		abort(); /* the client has gone, and somebody still waits */
	transaction_over(&m);
	buf_free(&m.last_content);
	buf_free(&in);
	return 0;
}
