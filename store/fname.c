#include "store/fname.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/base/ascii.h"
#include "common/base/num.h"
#include "store/mailbox.h"

/* In the order of the alphabet, as Maildir wants them. */
static const struct {
	char letter;
	unsigned flag;
} letters[] = {
	{ 'D', MESSAGE_DRAFT },
	{ 'F', MESSAGE_FLAGGED },
	{ 'R', MESSAGE_ANSWERED },
	{ 'S', MESSAGE_SEEN },
	{ 'T', MESSAGE_DELETED },
};

void
fname_format(const struct fname *f, char out[FNAME_MAX + 1])
{
	char flags[ARRAY_LEN(letters) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if ((f->flags & letters[i].flag) != 0)
			flags[n++] = letters[i].letter;
	flags[n] = '\0';
	snprintf(out, FNAME_MAX + 1,
	    "%" PRId64 ".Z%dW%016" PRIx64 ".wm,S=%" PRIu64 ",U=%u.%u:2,%s",
	    f->date_s, f->zone_min, f->id, f->size, f->uid, f->uidvalidity,
	    flags);
}

unsigned
fname_flags(struct slice name)
{
	const char *p = memmem(name.p, name.len, ":2,", 3);
	unsigned flags = 0;

	if (p == NULL)
		return 0;
	for (p += 3; p < name.p + name.len; p++)
		for (size_t i = 0; i < ARRAY_LEN(letters); i++)
			if (*p == letters[i].letter)
				flags |= letters[i].flag;
	return flags;
}

/* What stands before word is cut off s into head. */
static int
cut(struct slice *s, struct slice word, struct slice *head)
{
	const char *at = memmem(s->p, s->len, word.p, word.len);

	if (at == NULL)
		return -1;
	*head = slice_of(s->p, (size_t)(at - s->p));
	*s = slice_sub(*s, head->len + word.len, s->len);
	return 0;
}

static int
signed_number(struct slice s, uint64_t max, int64_t *v)
{
	bool minus = s.len > 0 && s.p[0] == '-';
	uint64_t n;

	if (num_parse(slice_sub(s, minus ? 1 : 0, s.len), max, &n) == -1)
		return -1;
	*v = minus ? -(int64_t)n : (int64_t)n;
	return 0;
}

static int
hex64(struct slice s, uint64_t *v)
{
	*v = 0;
	if (s.len != 16)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		if (ascii_hex(s.p[i]) == -1)
			return -1;
		*v = *v << 4 | (uint64_t)ascii_hex(s.p[i]);
	}
	return 0;
}

int
fname_parse(struct slice name, struct fname *f)
{
	struct slice date;
	struct slice zone;
	struct slice id;
	struct slice size;
	struct slice uid;
	struct slice validity;
	uint64_t uid_value;
	uint64_t validity_value;
	int64_t zone_value;

	*f = (struct fname){ .flags = fname_flags(name) };
	if (cut(&name, SLICE(".Z"), &date) == -1 ||
	    cut(&name, SLICE("W"), &zone) == -1 ||
	    cut(&name, SLICE(".wm,S="), &id) == -1 ||
	    cut(&name, SLICE(",U="), &size) == -1 ||
	    cut(&name, SLICE("."), &uid) == -1 ||
	    cut(&name, SLICE(":2,"), &validity) == -1 ||
	    signed_number(date, INT64_MAX, &f->date_s) == -1 ||
	    signed_number(zone, 24 * 60, &zone_value) == -1 ||
	    hex64(id, &f->id) == -1 ||
	    num_parse(size, INT64_MAX, &f->size) == -1 ||
	    num_parse(uid, UINT32_MAX, &uid_value) == -1 ||
	    num_parse(validity, UINT32_MAX, &validity_value) == -1 ||
	    uid_value == 0 || validity_value == 0) {
		errno = EINVAL;
		return -1;
	}
	f->zone_min = (int16_t)zone_value;
	f->uid = (uint32_t)uid_value;
	f->uidvalidity = (uint32_t)validity_value;
	return 0;
}
