/*
 * libFuzzer: reports on mails. Fields of the job and the mail itself are
 * lines of the input; what comes out must be one message/report with three
 * parts, as our own MIME parser reads it, and hold no line a stranger added.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bounce/dsn.h"
#include "bounce/original.h"
#include "common/mime/header.h"
#include "common/mime/tree.h"
#include "deliver/loop.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BOUNDARY "report.4f1d9c0a77e2"

/* CRLF everywhere and nowhere else, no NUL, no line over 998 bytes. */
static void
check_lines(struct slice out)
{
	size_t line = 0;

	for (size_t i = 0; i < out.len; i++) {
		char c = out.p[i];

		if (c == '\0' ||
		    (c == '\n' && (i == 0 || out.p[i - 1] != '\r')) ||
		    (c == '\r' && (i + 1 == out.len || out.p[i + 1] != '\n')))
			abort();
		line = c == '\n' ? 0 : line + 1;
	}
	if (line != 0)
		abort();
}

/* Fields of the report itself are ours, each once. */
static void
check_header(struct slice header)
{
	static const char *const once[] = { "From", "To", "Subject", "Date",
		"Message-ID", "MIME-Version", "Content-Type",
		"Auto-Submitted" };
	struct mime_fields it = mime_fields(header);
	struct mime_field f;
	unsigned seen[ARRAY_LEN(once)] = { 0 };

	while (mime_fields_next(&it, &f))
		for (size_t i = 0; i < ARRAY_LEN(once); i++)
			seen[i] += slice_ieq(f.name, slice_str(once[i]));
	for (size_t i = 0; i < ARRAY_LEN(once); i++)
		if (seen[i] > 1 || (seen[i] == 0 && i != 4))
			abort();
}

static void
check_report(struct slice out, bool bait)
{
	struct mime_tree t = MIME_TREE_INIT;
	unsigned parts = 0;

	check_lines(out);
	mime_tree_parse(&t, out);
	for (size_t i = 1; i < t.count; i++)
		parts += t.parts[i].parent == 0;
	check_header(mime_part_header(&t, &t.parts[0]));
	if (!bait && parts != 3)
		abort();
	mime_tree_free(&t);
}

static struct slice
next(struct slice *rest, size_t max)
{
	struct slice line;

	*rest = slice_cut(*rest, '\x1f', &line);
	return slice_sub(line, 0, max);
}

static void
build(struct work *w, uint8_t mode)
{
	struct buf out = BUF_INIT(DSN_MAX);
	const struct dsn d = { .work = w,
		.hostname = "mail.example.test",
		.now_s = 1795424460,
		.boundary = BOUNDARY,
		.to_postmaster = (mode & 8) != 0 };
	bool bait = memmem(w->content.p == NULL ? "" : w->content.p,
			w->content.len, "4f1d9c0a77e2", 12) != NULL;
	uint8_t token[DSN_TOKEN_LEN];
	uint8_t flags = 0;

	if (dsn_build(&d, &out, &flags) == -1 || dsn_token(w, token) == -1)
		abort();
	check_report(buf_slice(&out), bait);
	(void)dsn_any_wanted(w);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ipc_work_kind kinds[] = { WORK_BOUNCE_FAILURE,
		WORK_BOUNCE_DELAY, WORK_BOUNCE_SUCCESS };
	struct slice rest = slice_of(data, size);
	struct ipc_work_rcpt rcpts[3] = { { .number = 1 } };
	struct work w = { .rcpts = rcpts, .fd = -1 };

	if (size < 3 || size > 16384 || memchr(data, '\0', size) != NULL)
		return 0;
	rest = slice_sub(rest, 2, SIZE_MAX);
	w.rcpt_count = 1 + data[0] / 64 % 3;
	w.m = (struct ipc_work){ .kind = (uint8_t)kinds[data[0] % 3],
		.flags = data[1],
		.ret = data[0] / 4 % 3,
		.arrived = 1795424400,
		.expires = 1795424400 + 86400 };
	w.m.id = SLICE("2v8k1s0000a0000000000000");
	w.m.sender = next(&rest, 1024);
	w.m.envid = next(&rest, 128);
	for (size_t i = 0; i < w.rcpt_count; i++) {
		rcpts[i].number = (uint32_t)i + 1;
		rcpts[i].address = next(&rest, 1024);
		rcpts[i].orcpt = next(&rest, 1024);
		rcpts[i].enhanced = next(&rest, 16);
		rcpts[i].text = next(&rest, 1024);
		rcpts[i].remote = next(&rest, 320);
		rcpts[i].action = data[1] % 4;
		rcpts[i].tried = 1795424400;
	}
	w.content = rest;
	w.m.length = rest.len;
	build(&w, data[1]);
	(void)loop_found(&w, rcpts[0].address);
	return 0;
}
