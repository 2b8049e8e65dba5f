#include "store/drop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/ascii.h"
#include "common/base/num.h"

static int
invalid(void)
{
	errno = EINVAL;
	return -1;
}

static bool
id_valid(struct slice id)
{
	if (id.len == 0 || id.len > DROP_TOKEN_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_alnum(id.p[i]) && id.p[i] != '-' && id.p[i] != '_')
			return false;
	return true;
}

int
drop_name_format(const struct drop_name *d, char out[DROP_NAME_MAX + 1])
{
	struct slice low = slice_str(d->low);
	int n;

	if (!id_valid(slice_str(d->queue_id)) || d->date_s < 0 ||
	    (low.len > 0 && !id_valid(low)))
		return invalid();
	n = snprintf(out, DROP_NAME_MAX + 1, "%s.%u.%u.%llu.%lld%s%s%s",
	    d->queue_id, d->recipient, d->folder, (unsigned long long)d->size,
	    (long long)d->date_s, low.len > 0 ? ".L" : "", d->low,
	    d->retry ? ".R" : "");
	return n > 0 && n <= DROP_NAME_MAX ? 0 : invalid();
}

/* A number as we write it: without zeros in front. */
static int
number(struct slice *rest, uint64_t max, uint64_t *v)
{
	struct slice s;

	*rest = slice_cut(*rest, '.', &s);
	if (s.len > 1 && s.p[0] == '0')
		return invalid();
	return num_parse(s, max, v) == -1 ? invalid() : 0;
}

int
drop_name_parse(struct slice name, struct drop_name *d)
{
	char again[DROP_NAME_MAX + 1];
	struct slice rest = name;
	struct slice part;
	uint64_t recipient;
	uint64_t folder;
	uint64_t date;

	*d = (struct drop_name){ .recipient = 0 };
	if (name.len > DROP_NAME_MAX)
		return invalid();
	rest = slice_cut(rest, '.', &part);
	if (!id_valid(part) ||
	    slice_copy(d->queue_id, sizeof(d->queue_id), part) == -1 ||
	    number(&rest, UINT32_MAX, &recipient) == -1 ||
	    number(&rest, UINT32_MAX, &folder) == -1 ||
	    number(&rest, INT64_MAX, &d->size) == -1 ||
	    number(&rest, INT64_MAX, &date) == -1)
		return invalid();
	d->recipient = (uint32_t)recipient;
	d->folder = (uint32_t)folder;
	d->date_s = (int64_t)date;
	if (rest.len > 0 && rest.p[0] == 'L') {
		rest = slice_cut(slice_sub(rest, 1, rest.len), '.', &part);
		if (!id_valid(part) ||
		    slice_copy(d->low, sizeof(d->low), part) == -1)
			return invalid();
	}
	d->retry = slice_eq(rest, SLICE("R"));
	/* One name, one spelling: also a dot too many ends here. */
	if (drop_name_format(d, again) == -1 ||
	    !slice_eq(slice_str(again), name))
		return invalid();
	return 0;
}

uint64_t
drop_token(const struct drop_name *d)
{
	uint64_t h = 0xcbf29ce484222325; /* FNV-1a, then mixed */
	const char *p;

	for (p = d->queue_id; *p != '\0'; p++)
		h = (h ^ (uint8_t)*p) * 0x100000001b3;
	h = (h ^ 0xff) * 0x100000001b3;
	for (unsigned i = 0; i < 4; i++)
		h = (h ^ (d->recipient >> (8 * i) & 0xff)) * 0x100000001b3;
	h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9;
	h = (h ^ (h >> 27)) * 0x94d049bb133111eb;
	return h ^ (h >> 31);
}
