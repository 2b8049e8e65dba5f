/*
 * pop3load - load for a POP3 server; see load.h. Every command must be
 * answered +OK; the answers of some have lines up to a single dot.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

static const char LAST_LINE[] = "\r\n.\r\n";

static bool
has_lines(struct slice text)
{
	return slice_istarts(text, SLICE("RETR ")) ||
	       slice_istarts(text, SLICE("TOP ")) ||
	       slice_ieq(text, SLICE("LIST")) ||
	       slice_ieq(text, SLICE("UIDL")) || slice_ieq(text, SLICE("CAPA"));
}

static void
command(struct conn *c, struct slice text)
{
	c->multi[(c->first + c->under_way) % LOAD_DEPTH_MAX] = has_lines(text);
	load_must(buf_append_slice(&c->out, text));
	load_must(buf_append_str(&c->out, "\r\n"));
}

static void
answered(struct load *l, struct conn *c)
{
	bool greeting = c->part == PART_GREETING;

	load_answer(l, c);
	if (!greeting)
		c->first = (c->first + 1) % LOAD_DEPTH_MAX;
	l->rows_seen++;
}

/* The status line. Returns false when it is not all there. */
static bool
status(struct load *l, struct conn *c)
{
	const char *end = memchr(c->in.data, '\n', c->in.len);
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - c->in.data);
	if (n < 4 || memcmp(c->in.data, "+OK", 3) != 0 || end[-1] != '\r')
		load_die("refused: %.*s", (int)n, c->in.data);
	c->inside = c->part != PART_GREETING && c->multi[c->first];
	if (c->inside) {
		/* The CRLF stays: the last line may follow at once. */
		buf_consume(&c->in, n - 1);
	} else {
		buf_consume(&c->in, n + 1);
		answered(l, c);
	}
	return true;
}

/* The lines. Returns false when the last one is not there. */
static bool
lines(struct load *l, struct conn *c)
{
	const size_t n = sizeof(LAST_LINE) - 1;
	const char *end = memmem(c->in.data, c->in.len, LAST_LINE, n);

	if (end == NULL) {
		if (c->in.len >= n)
			buf_consume(&c->in, c->in.len - (n - 1));
		return false;
	}
	buf_consume(&c->in, (size_t)(end - c->in.data) + n);
	c->inside = false;
	answered(l, c);
	return true;
}

static void
consume(struct load *l, struct conn *c)
{
	while (c->in.len > 0)
		if (!(c->inside ? lines(l, c) : status(l, c)))
			return;
}

int
main(int argc, char **argv)
{
	static const struct load_protocol pop3 = { "pop3load", consume,
		command };

	return load_main(argc, argv, &pop3);
}
