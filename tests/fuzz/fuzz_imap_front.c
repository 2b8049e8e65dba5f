/*
 * libFuzzer: IMAP before login. The first byte says whether TLS is on, the
 * second how large the pieces are.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "imapd/front.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum talk_step
go_on(struct talk *t, struct buf *in)
{
	enum talk_step step;
	size_t before;

	do {
		before = in->len;
		buf_truncate(&t->out, 0);
		step = imap_protocol.input(t, in);
		if (step == TALK_AUTH && t->who.user[0] == '\0')
			abort();
		if (step == TALK_AUTH && imap_protocol.tag(t)[0] == '\0')
			abort();
		if (step == TALK_AUTH)
			step = imap_protocol.answer(
			    t, (enum talk_answer)(before % 3));
	} while (step == TALK_READ && in->len < before && in->len > 0);
	return step;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in = BUF_INIT(TALK_IN_MAX);
	enum talk_step step = TALK_READ;
	struct slice text;
	struct talk *t;
	size_t piece;
	size_t at;

	if (size < 2)
		return 0;
	piece = (size_t)data[1] + 1;
	text = slice_of(data + 2, size - 2);
	t = xcalloc(1, imap_protocol.size);
	t->hostname = "fuzz.example";
	t->errors_max = 20;
	t->tls = (data[0] & 1) != 0;
	t->can_login = t->tls;
	t->can_starttls = !t->tls;
	buf_init(&t->out, TALK_OUT_MAX);
	for (at = 0; at < text.len && step == TALK_READ; at += piece) {
		if (buf_append_slice(&in, slice_sub(text, at, piece)) == -1)
			abort(); /* a command was neither taken nor skipped */
		step = go_on(t, &in);
	}
	buf_free(&t->out);
	buf_free(&in);
	free(t);
	return 0;
}
