/*
 * libFuzzer: whole SMTP and submission sessions against a model.
 *
 * Byte 0: bit 0 structured commands (else raw bytes), bit 1 submission, bit
 * 2 a client of our own network, bit 3 commands with arguments of their own
 * (else lines of a table), bits 4 to 6 what queue answers. Byte 1: how the
 * bytes are cut. The model (smtp_model.h) says which class of reply each
 * command must have had, whether there is a transaction, and which mails
 * queue must have been given.
 */
#include "tests/unit/smtpd/house.h"

#include <openssl/sha.h>

#include "tests/fuzz/smtp_client.h"
#include "tests/fuzz/smtp_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -- the house ------------------------------------------------------------ */

static struct house *houses[2];

/* What queue was given: the first mails, and the last. */
static struct given {
	struct buf content;
	struct buf rcpts;
	char sender[1100];
	char envid[200];
	char user[400];
	bool known; /* there was no other one before it was looked at */
	bool large; /* its content is in the house's file, while it is last */
	uint64_t length;
} given[SMTP_MAILS_MAX];
static unsigned given_count;

static void
keep(struct buf *b, const struct buf *from)
{
	buf_free(b);
	buf_init(b, 64 << 20);
	if (buf_append_slice(b, buf_slice(from)) == -1)
		abort();
}

static bool
is_whole(const struct given *g)
{
	return g->large || g->content.len == g->length;
}

/* A mail may come in several frames: again until all of it is there. */
static void
keep_mail(const struct house *h)
{
	struct given *g;

	if (h->submits == 0)
		return;
	g = &given[MIN(h->submits, (unsigned)SMTP_MAILS_MAX) - 1];
	if (given_count == h->submits && g->content.len == h->content.len &&
	    g->rcpts.len == h->rcpts.len)
		return;
	/* Some that were whole before anybody looked: only counted. */
	for (unsigned n = given_count; n < h->submits; n++)
		if (n > 0 && n < SMTP_MAILS_MAX &&
		    (n > given_count || !is_whole(&given[n - 1])))
			given[n - 1].known = false;
	g->known = true;
	given_count = h->submits;
	keep(&g->content, &h->content);
	keep(&g->rcpts, &h->rcpts);
	memcpy(g->sender, h->sender, sizeof(g->sender));
	memcpy(g->envid, h->envid, sizeof(g->envid));
	memcpy(g->user, h->user, sizeof(g->user));
	g->large = h->large != 0;
	g->length = h->length;
}

/* Does anything move? Once: so that no two mails are given meanwhile. */
static bool
turn(struct house *h, int once)
{
	(void)event_base_get_max_events(h->base, EVENT_BASE_COUNT_ACTIVE, 1);
	(void)event_base_loop(h->base, EVLOOP_NONBLOCK | once);
	keep_mail(h);
	return event_base_get_max_events(h->base, EVENT_BASE_COUNT_ACTIVE, 0) >
	       0;
}

/* Until nothing moves any more; what was said is read meanwhile. */
static void
settle(struct house *h)
{
	static char chunk[65536];
	ssize_t k;
	bool moved;

	do {
		moved = turn(h, EVLOOP_ONCE) || turn(h, 0);
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
		/* Who waits for answers does not read on without limit. */
		if (k == -1)
			settle_all(h);
		else
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
 * How many bytes from at on go in one piece: cut by the dice, sometimes
 * between CR and LF, and always behind a line with DATA, which ends a group
 * (RFC 2920 §3.1).
 */
static size_t
piece(struct slice in, size_t at, uint32_t *dice)
{
	size_t n = in.len - at;
	uint32_t r = *dice == 0 ? 3 : roll(dice);
	const char *lf;
	size_t end;

	if (*dice != 0 && n > 20000)
		n = MIN(n, (size_t)1 + r % 30000);
	else if (r % 3 == 1)
		n = MIN(n, (size_t)1 + r / 4 % 5);
	else if (r % 3 == 2)
		n = MIN(n, (size_t)1 + r / 4 % 200);
	else if (r % 8 == 0 && (lf = memchr(in.p + at, '\n', n)) != NULL &&
		 lf > in.p + at)
		n = (size_t)(lf - in.p) - at;
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
	given_count = 0;
	h->queue_code = m->queue_code;
	h->large_code = m->no_files ? 452 : 0;
	buf_free(&h->content);
	house_client(h, m->own_network ? "127.0.0.1" : "192.0.2.9",
	    m->submission ? SESSION_SUBMISSION : SESSION_SMTP, false);
}

/*
 * In front of what the client sent there is one Received field (RFC 5321
 * §4.4), and what a submission may lack (RFC 6409 §8), each once.
 */
static void
check_trace(const struct model *m, struct slice fields)
{
	static const char *const names[] = {
		"Received: ", "Date: ", "Message-ID: "
	};
	unsigned seen = 0;
	struct slice line;

	while (fields.len > 0) {
		unsigned i = 0;

		fields = slice_cut(fields, '\n', &line);
		if (line.len < 2 || line.p[line.len - 1] != '\r')
			walk_fail(&m->w, "a trace without its end");
		if (line.p[0] == '\t' && seen != 0)
			continue;
		while (i < ARRAY_LEN(names) && !walk_begins(line, names[i]))
			i++;
		if (i == ARRAY_LEN(names) || (seen & 1U << i) != 0 ||
		    (i > 0 && !m->submission))
			walk_fail(&m->w, "another field in front");
		seen |= 1U << i;
	}
	if ((seen & 1) == 0)
		walk_fail(&m->w, "no Received");
}

/* What came by a file; its digest must be told. */
static void
read_large(const struct house *h, const struct model *m, struct buf *b)
{
	unsigned char sha[SHA256_DIGEST_LENGTH];
	char *room = buf_reserve(b, h->length + 1);
	ssize_t n;

	if (room == NULL)
		abort();
	n = pread(h->file, room, h->length + 1, 0);
	if (n < 0 || (uint64_t)n != h->length)
		walk_fail(&m->w, "a file of another length");
	buf_commit(b, (size_t)n);
	(void)SHA256((const unsigned char *)b->data, b->len, sha);
	if (memcmp(sha, h->sha256, sizeof(sha)) != 0)
		walk_fail(&m->w, "another digest");
}

static void
check_content(const struct house *h, const struct model *m,
    const struct given *g, const struct smtp_mail_model *mail)
{
	struct slice want = buf_slice(&mail->content);
	struct buf file = BUF_INIT(4 << 20);
	struct slice got = buf_slice(&g->content);

	if (g->large) {
		read_large(h, m, &file);
		got = buf_slice(&file);
	}
	if (got.len < want.len || got.len != g->length ||
	    !slice_eq(slice_sub(got, got.len - want.len, want.len), want))
		walk_fail(&m->w, "not the content that was sent");
	check_trace(m, slice_sub(got, 0, got.len - want.len));
	buf_free(&file);
}

static bool
differs(const char *want, struct slice is)
{
	return strcmp(want, "?") != 0 && !slice_ieq(is, slice_str(want));
}

static void
check_rcpts(const struct model *m, const struct given *g,
    const struct smtp_mail_model *mail)
{
	struct wire_in w = wire_in(buf_slice(&g->rcpts));
	struct ipc_rcpt r;
	unsigned n = 0;

	for (; w.rest.len > 0 && ipc_rcpt_get(&r, &w) == 0; n++) {
		const struct smtp_to *to = &mail->to[n];

		if (n == mail->rcpts)
			break;
		if (differs(to->address, r.address))
			walk_fail(&m->w, "not the recipient that was given");
		if (differs(to->orcpt, r.orcpt) ||
		    (!to->notify && r.notify != 0) ||
		    (strcmp(to->orcpt, "?") != 0 && to->notify &&
			r.notify == 0))
			walk_fail(&m->w, "not the parameters of RCPT");
	}
	if (n != mail->rcpts || w.rest.len > 0)
		walk_fail(&m->w, "not the recipients that were accepted");
}

static void
check_mail(const struct house *h, const struct model *m, unsigned n)
{
	const struct smtp_mail_model *mail = &m->mails[n];
	const struct given *g = &given[n];

	if (!g->known)
		return;
	check_rcpts(m, g, mail);
	if (differs(mail->sender, slice_str(g->sender)))
		walk_fail(&m->w, "not the sender that was given");
	if (differs(mail->envid, slice_str(g->envid)))
		walk_fail(&m->w, "not the ENVID that was given");
	if (differs(mail->user ? "pip@example.test" : "", slice_str(g->user)))
		walk_fail(&m->w, "not the user that has logged in");
	if (!g->large || m->taken == n + 1)
		check_content(h, m, g, mail);
}

/* Queue must have been given what the model says was acknowledged. */
static void
check_mails(const struct house *h, const struct model *m)
{
	if (m->queue_code != 0)
		return;
	if (h->submits != m->taken)
		walk_fail(&m->w, "not the mails that were acknowledged");
	for (unsigned n = 0; n < m->taken && n < SMTP_MAILS_MAX; n++)
		check_mail(h, m, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned codes[] = { 0, 0, 0, 0, 452, 550, 554, 451 };
	struct buf in = BUF_INIT(4 << 20);
	struct model m = { 0 };
	struct house *h;

	if (size < 3 || size > 16384)
		return 0;
	model_init(&m);
	m.submission = (data[0] & 2) != 0;
	m.own_network = (data[0] & 4) != 0;
	m.queue_code = codes[data[0] >> 4 & 7];
	m.no_files = (data[0] >> 4 & 7) == 3;
	if (houses[m.submission] == NULL) {
		houses[m.submission] = house_new(m.submission, SMTP_SETTINGS);
		house_connect_resolver(houses[m.submission]);
		log_level(LOG_FAIL + 1);
	}
	h = houses[m.submission];
	if ((data[0] & 9) == 9)
		say_commands(&in, data + 2, size - 2);
	else if ((data[0] & 1) != 0)
		say_words(&in, data + 2, size - 2);
	else if (buf_append(&in, data + 2, size - 2) == -1)
		abort();
	begin(h, &m);
	talk(h, buf_slice(&in), data[1]);
	m.w.out = buf_slice(&h->got);
	m.in = buf_slice(&in);
	model_judge(&m);
	check_mails(h, &m);
	fd_close(h->fd);
	h->fd = -1;
	settle(h);
	if (h->smtpd.sessions.count != 0)
		abort(); /* the client has gone, and somebody still waits */
	model_free(&m);
	buf_free(&in);
	return 0;
}
