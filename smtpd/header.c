#include "smtpd/header.h"

#include <string.h>

static void
see_name(struct header_scan *h)
{
	struct slice name = slice_of(h->name, h->n);

	if (slice_ieq(name, SLICE("Received:")))
		h->received++;
	else if (slice_ieq(name, SLICE("Date:")))
		h->has_date = true;
	else if (slice_ieq(name, SLICE("Message-ID:")))
		h->has_message_id = true;
}

/* A byte at or near the start of a line. */
static void
start_byte(struct header_scan *h, char c)
{
	if (c == '\n') { /* before it only CR: the empty line */
		h->done = true;
		return;
	}
	if (c == '\r' && h->n == 0)
		return;
	h->name[h->n++] = c;
	if (c == ':')
		see_name(h);
	if (c == ':' || c == ' ' || c == '\t' || c == '\r' ||
	    h->n == HEADER_NAME_MAX) {
		h->in_line = true;
		h->n = 0;
	}
}

void
header_scan(struct header_scan *h, struct slice piece)
{
	size_t i = 0;

	while (i < piece.len && !h->done) {
		const char *lf;

		if (!h->in_line) {
			start_byte(h, piece.p[i++]);
			continue;
		}
		lf = memchr(piece.p + i, '\n', piece.len - i);
		i = lf == NULL ? piece.len : (size_t)(lf - piece.p) + 1;
		h->in_line = lf == NULL;
	}
	h->bytes += i;
}
