/*
 * imapload - load for an IMAP server; see load.h. Commands are sent with
 * tags A1, A2, …; every one must be answered OK. Literals in answers are
 * skipped by their length, whatever stands in them.
 */
#include "load.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/num.h"

/* Bytes of the literal that begins behind this line, or 0. */
static uint64_t
literal_length(struct slice line)
{
	const char *brace;
	uint64_t n;

	if (line.len < 3 || line.p[line.len - 1] != '}')
		return 0;
	brace = memrchr(line.p, '{', line.len);
	if (brace == NULL)
		return 0;
	brace++;
	if (num_parse(slice_of(brace, (size_t)(line.p + line.len - 1 - brace)),
		UINT32_MAX, &n) == -1)
		return 0;
	return n;
}

static void
tagged(struct load *l, struct conn *c, struct slice line)
{
	const char *space = memchr(line.p, ' ', line.len);

	if (space == NULL || line.p + line.len - space < 3 ||
	    memcmp(space, " OK", 3) != 0)
		load_die("refused: %.*s", (int)line.len, line.p);
	load_answer(l, c);
}

static void
one_line(struct load *l, struct conn *c, struct slice line)
{
	c->skip = literal_length(line);
	if (line.len < 2)
		return;
	if (line.p[0] == 'A' && line.p[1] >= '0' && line.p[1] <= '9') {
		tagged(l, c, line);
	} else if (line.p[0] == '*') {
		l->rows_seen++;
		if (c->part == PART_GREETING)
			load_answer(l, c);
	}
}

static void
consume(struct load *l, struct conn *c)
{
	const char *end;
	size_t n;

	while (c->in.len > 0) {
		if (c->skip > 0) {
			n = c->skip < c->in.len ? (size_t)c->skip : c->in.len;
			buf_consume(&c->in, n);
			c->skip -= n;
			continue;
		}
		end = memchr(c->in.data, '\n', c->in.len);
		if (end == NULL)
			return;
		n = (size_t)(end - c->in.data);
		if (n == 0 || end[-1] != '\r')
			load_die("a line without CR");
		one_line(l, c, slice_of(c->in.data, n - 1));
		buf_consume(&c->in, n + 1);
	}
}

static void
command(struct conn *c, struct slice text)
{
	load_must(buf_printf(&c->out, "A%llu ", (unsigned long long)++c->tag));
	load_must(buf_append_slice(&c->out, text));
	load_must(buf_append_str(&c->out, "\r\n"));
}

int
main(int argc, char **argv)
{
	static const struct load_protocol imap = { "imapload", consume,
		command };

	return load_main(argc, argv, &imap);
}
