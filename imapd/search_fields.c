#include <errno.h>

#include "common/base/utf8.h"
#include "common/base/wire.h"
#include "common/mime/charset.h"
#include "common/mime/date.h"
#include "common/mime/header.h"
#include "common/mime/word.h"
#include "imapd/search.h"

/* Bytes of one field, decoded; what is longer is not kept. */
#define FIELD_TEXT_MAX (64U << 20)

/* clang-format off */
static const struct slice field_names[FIELDS] = {
	[FIELD_SUBJECT] = { "Subject", 7 },
	[FIELD_FROM]    = { "From", 4 },
	[FIELD_TO]      = { "To", 2 },
	[FIELD_CC]      = { "Cc", 2 },
	[FIELD_BCC]     = { "Bcc", 3 },
};
/* clang-format on */

int
search_field_of(struct slice name)
{
	for (int i = 0; i < FIELDS; i++)
		if (slice_ieq(name, field_names[i]))
			return i;
	return -1;
}

/* All fields of this name, decoded and folded, a line each. */
static int
put_field(struct buf *out, struct slice header, struct slice name)
{
	struct buf text = BUF_INIT(FIELD_TEXT_MAX);
	struct mime_fields it = mime_fields(header);
	struct mime_field f;
	size_t at = out->len;
	int rc = wire_put_u32(out, 0);

	while (rc == 0 && mime_fields_next(&it, &f)) {
		if (!slice_ieq(f.name, name))
			continue;
		buf_truncate(&text, 0);
		rc = mime_words_decode(&text, f.value);
		if (rc == 0)
			rc = charset_fold(out, buf_slice(&text));
		if (rc == 0)
			rc = buf_append_byte(out, '\n');
	}
	if (rc == 0)
		wire_set_u32(out->data + at, (uint32_t)(out->len - at - 4));
	buf_free(&text);
	return rc;
}

int
search_fields_make(struct slice header, struct buf *out)
{
	struct slice date = mime_field_find(header, SLICE("Date"));
	int64_t day = SEARCH_NO_DAY;
	struct mime_date d;

	if (date.p != NULL && mime_date_parse(&d, date))
		day = mime_date_days(d.year, d.month, d.day);
	if (wire_put_u64(out, (uint64_t)day) == -1)
		return -1;
	for (size_t i = 0; i < FIELDS; i++)
		if (put_field(out, header, field_names[i]) == -1)
			return -1;
	return 0;
}

int64_t
search_fields_day(struct slice entry)
{
	return entry.len < 8 ? SEARCH_NO_DAY : (int64_t)wire_get_u64(entry.p);
}

bool
search_fields_has(struct slice entry, unsigned field, struct slice needle)
{
	size_t at = 8;
	struct slice text;

	for (unsigned i = 0;; i++) {
		size_t n;

		if (entry.len < at || entry.len - at < 4)
			return false;
		n = wire_get_u32(entry.p + at);
		at += 4;
		if (i == field) {
			text = slice_sub(entry, at, n);
			break;
		}
		if (n > entry.len - at)
			return false;
		at += n;
	}
	/* a field that is there has a line end at least */
	return text.len > needle.len &&
	       (needle.len == 0 ||
		   memmem(text.p, text.len, needle.p, needle.len) != NULL);
}
