#ifndef TESTS_FUZZ_SMTP_CLIENT_H
#define TESTS_FUZZ_SMTP_CLIENT_H

/*
 * client - what an SMTP client may say, made from a fuzzer's bytes: lines of
 * a table, or commands with arguments, content and lengths of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/dice.h"

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
static inline void
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

static inline void
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

/* -- commands that are put together --------------------------------------- */

static inline void
put_params(struct buf *in, const char *const *params, size_t n, unsigned bits)
{
	for (size_t i = 0; i < n; i++)
		if ((bits >> i & 1) != 0)
			dice_put(in, " %s", params[i]);
	dice_put(in, "\r\n");
}

static inline void
put_mail(struct buf *in, struct dice *d)
{
	static const char *const senders[] = { "", "a@b.example", "c@d.example",
		"e@f.example" };
	static const char *const params[] = { "SIZE=1000", "BODY=8BITMIME",
		"SMTPUTF8", "RET=HDRS", "ENVID=x1", "SIZE=999999999" };
	unsigned bits = dice_draw(d, 128);

	dice_put(in, "MAIL FROM:<%s>", senders[dice_draw(d, 4)]);
	put_params(in, params, ARRAY_LEN(params), bits >= 64 ? 0 : bits);
}

static inline void
put_rcpt(struct buf *in, struct dice *d)
{
	static const char *const params[] = { "NOTIFY=NEVER",
		"ORCPT=rfc822;a" };
	static const char *const names[] = { "pip", "nobody", "hold", "later",
		"r4", "r5", "r6", "r7" };
	unsigned bits = dice_draw(d, 8);

	dice_put(in, "RCPT TO:<%s@example.test>", names[dice_draw(d, 8)]);
	put_params(in, params, ARRAY_LEN(params), bits >= 4 ? 0 : bits);
}

/* About as many as are allowed. */
static inline void
put_many_rcpts(struct buf *in, struct dice *d)
{
	unsigned n = 94 + dice_draw(d, 10);

	for (unsigned i = 0; i < n; i++)
		dice_put(in, "RCPT TO:<r%u@example.test>\r\n", i);
}

/* Pieces of content, most of them good. */
static inline void
put_content(struct buf *in, struct dice *d)
{
	static const struct slice pieces[] = { { "x", 1 }, { "\r\n", 2 },
		{ ".", 1 }, { "..", 2 }, { "abc\r\n", 5 }, { "\r\n.x", 4 },
		{ "QUIT\r\n", 6 }, { "A: b\r\n", 6 }, { "\r\n\r\n", 4 },
		{ ".y\r\n", 4 }, { ".\r\n", 3 }, { "\n", 1 }, { "\r", 1 },
		{ "\0", 1 }, { "\n.\r\n", 4 }, { ".\n", 2 } };
	unsigned n = dice_draw(d, 16);
	unsigned of = n >= 8 ? ARRAY_LEN(pieces) : 10;

	for (n %= 8; n > 0; n--)
		if (buf_append_slice(in, pieces[dice_draw(d, of)]) == -1)
			abort();
}

static inline void
put_data(struct buf *in, struct dice *d)
{
	dice_put(in, "DATA\r\n");
	put_content(in, d);
	dice_put(in, "\r\n.\r\n");
}

/* A chunk, sometimes of another length than it says. */
static inline void
put_chunk(struct buf *in, struct dice *d)
{
	struct buf content = BUF_INIT(4096);
	unsigned how = dice_draw(d, 32);
	size_t n;

	put_content(&content, d);
	n = content.len;
	if (how >= 30)
		n = how == 30 ? n + 1 : n - (n > 0);
	dice_put(in, "BDAT %zu%s\r\n", n, (how & 1) != 0 ? " LAST" : "");
	if (buf_append_slice(in, buf_slice(&content)) == -1)
		abort();
	buf_free(&content);
}

/* A line about as long as is allowed, or far longer. */
static inline void
put_long(struct buf *in, struct dice *d)
{
	static const size_t limits[] = { 4096, 12290, 8192, 24580, 20000 };
	size_t len =
	    limits[dice_draw(d, ARRAY_LEN(limits))] - 3 + dice_draw(d, 6);
	unsigned odd = dice_draw(d, 8);
	size_t at = in->len;

	dice_put(in, "NOOP ");
	while (in->len - at < len - 2)
		dice_put(in, "%s", in->len - at + 7 < len ? "NOOP " : "x");
	if (odd < 3)
		in->data[at + len / 2] = "\r\n"[odd];
	dice_put(in, "\r\n");
}

static inline void
say_commands(struct buf *in, const uint8_t *data, size_t size)
{
	struct dice d = { data, size };

	for (unsigned count = 0; d.left > 0 && count < 60; count++) {
		switch (dice_draw(&d, 16)) {
		case 0:
		case 1:
			put_mail(in, &d);
			break;
		case 2:
		case 3:
			put_rcpt(in, &d);
			break;
		case 4:
			put_many_rcpts(in, &d);
			break;
		case 5:
		case 6:
			put_data(in, &d);
			break;
		case 7:
		case 8:
		case 9:
			put_chunk(in, &d);
			break;
		case 10:
			put_long(in, &d);
			break;
		case 11:
			dice_put(in, "RSET\r\n");
			break;
		default:
			dice_put(
			    in, "%s", words[dice_draw(&d, ARRAY_LEN(words))]);
		}
	}
}

#endif
