/*
 * libFuzzer: whole POP3 connections, front and session, against a model.
 *
 * Byte 0: bit 0 structured commands (else raw bytes), bit 1 the client is
 * logged in by the right words first, bit 2 no TLS, bit 3 it asks for UIDL
 * once more in another session. Bytes 1 and 2: how the bytes are cut. The model
 * is written from RFC 1939, 2449 and 5034 and knows nothing of the code: it
 * reads what the client sent, line by line, and says what must have been
 * answered and what must be in the maildrop afterwards.
 */
#define PEER_MAIN
#include "tests/fuzz/peer.h"

#include "common/config/config.h"
#include "pop3d/front.h"
#include "pop3d/session.h"
#include "tests/fuzz/front.h"
#include "tests/fuzz/home.h"
#include "tests/fuzz/pop3_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

/* What the maildrop holds must be what the model says, and no other mail. */
static void
check_home(const struct model *m)
{
	struct account *a = home_account(home);
	struct mailbox *mb =
	    a == NULL ? NULL : mailbox_open(a, SLICE("INBOX"), true);
	struct message mail;
	uint32_t n = 0;

	if (mb == NULL)
		walk_fail(&m->w, "there is no maildrop any more");
	for (size_t i = 0; i < MAILS; i++) {
		if (m->updated && m->deleted[i])
			continue;
		if (mailbox_message(mb, ++n, &mail) == -1 ||
		    mail.size != mail_len(i))
			walk_fail(&m->w, "another mail was removed");
		if (((mail.flags & MESSAGE_SEEN) != 0) !=
		    (m->updated && m->read[i]))
			walk_fail(&m->w, "\\Seen is for what was read");
	}
	if (mailbox_message(mb, n + 1, &mail) == 0)
		walk_fail(&m->w, "a deleted mail is there");
	mailbox_close(mb);
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

/* Another session: the ids are those of the session before. */
static void
ask_again(struct model *m, bool tls)
{
	struct slice line;

	if (!m->updated)
		memset(m->deleted, 0, sizeof(m->deleted));
	peer_begin(SLICE("USER pip\r\nPASS secret\r\nUIDL\r\nQUIT\r\n"), 0);
	front_run(&pop3_protocol, ERRORS_MAX, tls, run_session);
	m->w = (struct walk){ .out = buf_slice(&peer.output),
		.doing = "UIDL in the next session" };
	m->state = TRANSACTION;
	m->bad = 0;
	for (int i = 0; i < 2; i++)
		if (!walk_line(&m->w, &line) || !walk_begins(line, "+OK"))
			walk_fail(&m->w, "no login");
	uidl_all(m, true);
	if (!agreed(m) || m->w.out.len > 0)
		walk_fail(&m->w, "no end");
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
	if ((data[0] & 8) != 0)
		ask_again(&m, (data[0] & 4) == 0);
	if (m.updated) { /* for the next one as it was */
		home_remove(home);
		fill_home();
	}
	buf_free(&in);
	buf_free(&peer.output);
	return 0;
}
