/* libFuzzer: what a mail server may say to us, whole and in pieces. */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/ascii.h"
#include "relay/ehlo.h"
#include "relay/next_hop.h"
#include "relay/outcome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_text(const char *text)
{
	for (; *text != '\0'; text++)
		if (!ascii_print(*text))
			abort();
}

static void
check_reply(const struct smtp_reply *r)
{
	struct outcome o;
	struct ehlo e;

	if (r->code < 200 || r->code > 599)
		abort();
	outcome_reply(&o, r, "mx.test[192.0.2.1]");
	check_text(o.text);
	check_text(o.enhanced);
	if ((o.status == STATUS_DONE) != (r->code / 100 == 2) ||
	    o.enhanced[0] == '\0')
		abort();
	ehlo_read(&e, r);
	check_text(e.name);
}

/* The replies of a session, its bytes coming step at a time. */
static size_t
read_all(const uint8_t *data, size_t size, size_t step)
{
	struct buf in = BUF_INIT(1 << 20);
	struct smtp_reply r;
	size_t count = 0;
	size_t used;

	smtp_reply_init(&r);
	for (size_t at = 0; at < size; at += step) {
		enum smtp_reply_result rc;

		if (buf_append(&in, data + at, MIN(step, size - at)) == -1)
			abort();
		while ((rc = smtp_reply_take(&r, buf_slice(&in), &used)) ==
		       SMTP_REPLY_DONE) {
			buf_consume(&in, used);
			check_reply(&r);
			count++;
			smtp_reply_init(&r);
		}
		if (rc == SMTP_REPLY_BAD)
			break;
		buf_consume(&in, used);
	}
	buf_free(&in);
	return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct next_hop hop;

	if (read_all(data, size, size + 1) != read_all(data, size, 1))
		abort();
	if (next_hop_parse(&hop, slice_of(data, size)) == 0 &&
	    hop.name[0] == '\0')
		abort();
	return 0;
}
