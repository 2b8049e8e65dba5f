#include "common/config/anchor.h"

#include "common/base/ascii.h"

void
anchor_open(struct anchor_in *in, struct slice text)
{
	in->rest = text;
	buf_init(&in->line, ANCHOR_RECORD_MAX);
}

void
anchor_close(struct anchor_in *in)
{
	buf_free(&in->line);
}

/* One logical line into in->line, white space made single; 1, 0, -1. */
static int
logical_line(struct anchor_in *in)
{
	bool comment = false;
	bool any = in->rest.len > 0;
	int open = 0;

	buf_truncate(&in->line, 0);
	while (in->rest.len > 0) {
		char c = in->rest.p[0];

		in->rest = slice_sub(in->rest, 1, in->rest.len);
		if (c == '\n') {
			comment = false;
			if (open == 0)
				return 1;
			c = ' ';
		}
		if (c == ';')
			comment = true;
		if (comment || c == '\r')
			continue;
		if (c == '(' || c == ')') {
			open += c == '(' ? 1 : -1;
			c = ' ';
		}
		if (c == '\t')
			c = ' ';
		if (open < 0 || !ascii_print(c) ||
		    buf_append_byte(&in->line, c) == -1)
			return -1;
	}
	return open != 0 ? -1 : any;
}

static struct slice
word(struct slice *rest)
{
	struct slice head;

	*rest = slice_cut(slice_trim(*rest), ' ', &head);
	return head;
}

static bool
is_anchor(struct slice line, struct slice *owner)
{
	struct slice w;

	*owner = word(&line);
	do {
		w = word(&line);
		if (slice_ieq(w, SLICE("DS")) || slice_ieq(w, SLICE("DNSKEY")))
			return line.len > 0;
		/* What may stand before the type: TTL and class. */
		if (!slice_ieq(w, SLICE("IN")) &&
		    (w.len == 0 || !ascii_digit(w.p[0])))
			return false;
	} while (line.len > 0);
	return false;
}

int
anchor_next(struct anchor_in *in, const char **record, struct slice *owner)
{
	int rc;

	while ((rc = logical_line(in)) == 1) {
		if (!is_anchor(buf_slice(&in->line), owner))
			continue;
		*record = buf_str(&in->line);
		return 1;
	}
	return rc;
}

static struct slice
undotted(struct slice name)
{
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	return name;
}

bool
anchor_covers(struct slice zone, struct slice name)
{
	zone = undotted(zone);
	name = undotted(name);
	if (zone.len == 0 || slice_ieq(zone, name))
		return true;
	return name.len > zone.len && name.p[name.len - zone.len - 1] == '.' &&
	       slice_ieq(zone, slice_sub(name, name.len - zone.len, zone.len));
}
