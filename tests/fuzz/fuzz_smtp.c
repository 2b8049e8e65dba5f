/* libFuzzer: command lines, content and replies of SMTP. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/smtp/command.h"
#include "common/smtp/data.h"
#include "common/smtp/line.h"
#include "common/smtp/reply.h"
#include "common/smtp/xtext.h"
#include "smtpd/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALL                                                                    \
	(SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 |               \
	    SMTP_EXT_DSN | SMTP_EXT_AUTH)

static void
check_command(struct slice line)
{
	struct smtp_mail mail;
	struct smtp_rcpt rcpt;
	struct slice verb;
	struct slice arg;
	uint64_t n;
	bool last;

	smtp_split(line, &verb, &arg);
	if (verb.len + arg.len > line.len)
		abort();
	(void)!smtp_parse_mail(&mail, arg, ALL);
	(void)!smtp_parse_rcpt(&rcpt, arg, ALL, true);
	(void)!smtp_parse_bdat(arg, &n, &last);
	(void)smtp_helo_valid(arg);
}

/* Lines make progress, and none holds what a line cannot. */
static void
check_lines(struct slice in)
{
	struct smtp_liner l = { .max = 64 };
	struct slice line;
	size_t used;

	while (in.len > 0) {
		enum smtp_line r = smtp_line_next(&l, in, &line, &used);

		if (used > in.len || line.len > 62)
			abort();
		if (r == SMTP_LINE_MORE && used == 0)
			return;
		if (r == SMTP_LINE_OK && line.len > 0 &&
		    (memchr(line.p, '\r', line.len) != NULL ||
			memchr(line.p, '\n', line.len) != NULL ||
			memchr(line.p, '\0', line.len) != NULL))
			abort();
		if (r == SMTP_LINE_OK)
			check_command(line);
		in = slice_sub(in, used, SIZE_MAX);
	}
}

/* Content that is good has CRLF and nothing else, in whatever pieces. */
static void
check_content(struct slice in, size_t piece)
{
	struct buf out = BUF_INIT(1 << 20);
	struct buf whole = BUF_INIT(1 << 20);
	struct smtp_data a;
	struct smtp_data b;
	struct header_scan h = { .bytes = 0 };
	size_t used = 0;

	smtp_data_init(&a, 100);
	smtp_data_init(&b, 100);
	while (used < in.len && a.state != SMTP_DATA_END)
		used += smtp_data_take(&a, slice_sub(in, used, piece), &out);
	if (smtp_data_take(&b, in, &whole) != used || a.bad != b.bad ||
	    a.state != b.state || a.size != b.size)
		abort();
	if (a.bad == 0 && !slice_eq(buf_slice(&out), buf_slice(&whole)))
		abort();
	for (size_t i = 0; a.bad == 0 && i < out.len; i++)
		if ((out.data[i] == '\n' &&
			(i == 0 || out.data[i - 1] != '\r')) ||
		    (out.data[i] == '\r' && i + 1 < out.len &&
			out.data[i + 1] != '\n'))
			abort();
	header_scan(&h, buf_slice(&out));
	buf_free(&out);
	buf_free(&whole);
}

/* Whatever goes out comes back as one mail. */
static void
check_stuffing(struct slice in, size_t piece)
{
	struct smtp_stuff s = SMTP_STUFF_INIT;
	struct buf wire = BUF_INIT(4 << 20);
	struct smtp_data d;

	for (size_t at = 0; at < in.len; at += piece)
		if (smtp_stuff_put(&s, slice_sub(in, at, piece), &wire) == -1)
			abort();
	if (smtp_stuff_end(&s, &wire) == -1)
		abort();
	smtp_data_init(&d, SIZE_MAX);
	if (smtp_data_take(&d, buf_slice(&wire), NULL) != wire.len ||
	    d.state != SMTP_DATA_END || (d.bad & SMTP_DATA_BARE) != 0)
		abort();
	buf_free(&wire);
}

static void
check_reply(struct slice in)
{
	struct smtp_reply r;
	struct slice line;
	size_t used;
	size_t at = 0;

	smtp_reply_init(&r);
	(void)!smtp_reply_take(&r, in, &used);
	if (used > in.len || r.len >= sizeof(r.text) || strlen(r.text) != r.len)
		abort();
	while (smtp_reply_line(&r, &at, &line))
		if (at > r.len + 1)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct buf b = BUF_INIT(1 << 20);
	size_t piece = size == 0 ? 1 : 1 + data[0] % 16U;

	if (size > 65536)
		return 0;
	check_lines(in);
	check_content(in, piece);
	check_stuffing(in, piece);
	check_reply(in);
	if (smtp_xtext_decode(&b, in, true) == 0)
		buf_truncate(&b, 0);
	if (smtp_reply_put(&b, 250, "2.0.0", in) == -1)
		abort();
	buf_free(&b);
	return 0;
}
