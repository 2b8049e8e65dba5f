/*
 * libFuzzer: POP3 before login, and content as it is sent. The first byte
 * says whether TLS is on, the second how large the pieces are.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "pop3d/content.h"
#include "pop3d/front.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum talk_step
go_on(struct talk *t, struct buf *in)
{
	enum talk_step step;
	size_t before;

	do {
		before = in->len;
		buf_truncate(&t->out, 0);
		step = pop3_protocol.input(t, in);
		if (step == TALK_AUTH && t->who.user[0] == '\0')
			abort();
		if (step == TALK_AUTH)
			step = pop3_protocol.answer(
			    t, (enum talk_answer)(before % 3));
	} while (step == TALK_READ && in->len < before && in->len > 0);
	return step;
}

static void
talk_to(struct slice text, size_t piece, bool tls)
{
	struct talk *t = xcalloc(1, pop3_protocol.size);
	struct buf in = BUF_INIT(TALK_IN_MAX);
	enum talk_step step = TALK_READ;
	size_t at;

	t->hostname = "fuzz.example";
	t->errors_max = 20;
	t->tls = tls;
	t->can_login = tls;
	t->can_starttls = !tls;
	buf_init(&t->out, TALK_OUT_MAX);
	for (at = 0; at < text.len && step == TALK_READ; at += piece) {
		if (buf_append_slice(&in, slice_sub(text, at, piece)) == -1)
			abort(); /* a line was neither taken nor skipped */
		step = go_on(t, &in);
	}
	buf_free(&t->out);
	buf_free(&in);
	free(t);
}

/* No line of the output may be a lone dot but the last. */
static void
check_stuffed(struct slice text, size_t piece)
{
	struct stuffing st = STUFFING_INIT;
	struct buf out = BUF_INIT(1 << 22);
	size_t at;
	char *end;

	for (at = 0; at < text.len; at += piece) {
		if (stuffing_feed(&st, slice_sub(text, at, piece), &out) == -1)
			abort();
	}
	if (stuffing_end(&st, &out) == -1)
		abort();
	end = memmem(out.data, out.len, "\n.\r\n", 4);
	if (out.len > 3 && end != out.data + out.len - 4)
		abort();
	if (out.len > 3 && out.data[0] == '.' && out.data[1] != '.')
		abort();
	buf_free(&out);
}

static void
check_top(struct slice text, size_t piece)
{
	struct top whole = TOP_INIT(piece);
	struct top pieces = TOP_INIT(piece);
	size_t want = top_take(&whole, text);
	size_t got = 0;
	size_t at;

	for (at = 0; at < text.len && !pieces.done; at += piece)
		got += top_take(&pieces, slice_sub(text, at, piece));
	if (want != got)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text;
	size_t piece;

	if (size < 2)
		return 0;
	piece = (size_t)data[1] + 1;
	text = slice_of(data + 2, size - 2);
	talk_to(text, piece, (data[0] & 1) != 0);
	check_stuffed(text, piece);
	check_top(text, piece);
	return 0;
}
