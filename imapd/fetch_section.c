#include "common/mime/header.h"
#include "imapd/fetch.h"

static bool
is_named(const struct fetch_request *r, const struct fetch_section *sec,
    struct slice name)
{
	for (size_t i = 0; i < sec->name_count; i++)
		if (slice_ieq(r->names[sec->name + i], name))
			return true;
	return false;
}

int
fetch_pick_fields(const struct fetch_request *r,
    const struct fetch_section *sec, struct slice header, struct buf *out)
{
	bool want = sec->text == SECTION_FIELDS;
	struct mime_fields it = mime_fields(header);
	struct mime_field f;
	size_t last = 0;

	while (mime_fields_next(&it, &f)) {
		last = it.at;
		if (is_named(r, sec, f.name) == want &&
		    buf_append_slice(out, f.whole) == -1)
			return -1;
	}
	/* the empty line belongs to it, where there is one */
	return buf_append_slice(out, slice_sub(header, last, it.at - last));
}

/* Header or text of a message: the whole one, or one in a part. */
static struct slice
message_bytes(const struct fetch_request *r, const struct fetch_section *sec,
    const struct mime_tree *t, const struct mime_part *part,
    struct buf *scratch)
{
	if (sec->depth > 0)
		part = mime_part_message(t, part);
	if (part == NULL)
		return SLICE_EMPTY;
	if (sec->text == SECTION_TEXT)
		return mime_part_body(t, part);
	if (sec->text == SECTION_HEADER)
		return mime_part_header(t, part);
	buf_truncate(scratch, 0);
	if (fetch_pick_fields(r, sec, mime_part_header(t, part), scratch) == -1)
		return SLICE_EMPTY;
	return slice_of(buf_str(scratch), scratch->len);
}

struct slice
fetch_section_bytes(const struct fetch_request *r,
    const struct fetch_section *sec, const struct mime_tree *t,
    struct buf *scratch)
{
	const struct mime_part *part = mime_tree_find(t, sec->path, sec->depth);
	struct slice s;

	if (part == NULL)
		return SLICE_EMPTY;
	if (sec->text == SECTION_MIME)
		s = mime_part_header(t, part);
	else if (sec->text != SECTION_ALL)
		return message_bytes(r, sec, t, part, scratch);
	else if (sec->depth == 0)
		s = t->message;
	else
		s = mime_part_body(t, part);
	return s.p == NULL ? slice_of("", 0) : s;
}
