#include "imapd/sleep_state.h"

#include <errno.h>

#include "common/base/wire.h"

#define VERSION 1

enum bits { IDLING = 1, SELECTED = 2, READ_ONLY = 4, ALL_BITS = 7 };

static int
put_place(struct buf *b, const struct sleep_state *s)
{
	const struct mailbox_place *p = &s->place;

	if (wire_put_u32(b, s->keywords_told) == -1 ||
	    wire_put_u32(b, p->id) == -1 ||
	    wire_put_u32(b, p->uidvalidity) == -1 ||
	    wire_put_u64(b, p->pos) == -1 || wire_put_u32(b, p->exists) == -1 ||
	    wire_put_u32(b, p->keywords) == -1 ||
	    wire_put_u32(b, p->recent_count) == -1)
		return -1;
	for (uint32_t i = 0; i < p->recent_count; i++)
		if (wire_put_u32(b, p->recent[i].first) == -1 ||
		    wire_put_u32(b, p->recent[i].last) == -1)
			return -1;
	return 0;
}

int
sleep_state_put(struct buf *b, const struct sleep_state *s)
{
	unsigned bits = (s->idling ? IDLING : 0) |
			(s->selected ? SELECTED : 0) |
			(s->selected && s->place.readonly ? READ_ONLY : 0);

	if (wire_put_u8(b, VERSION) == -1 ||
	    wire_put_u8(b, (uint8_t)bits) == -1 ||
	    wire_put_u64(b, (uint64_t)s->silent_since_ms) == -1 ||
	    wire_put_u32(b, s->errors) == -1 ||
	    wire_put_bytes(b, slice_str(s->tag)) == -1)
		return -1;
	return s->selected ? put_place(b, s) : 0;
}

/* A range is one, and they ascend. */
static bool
read_recent(struct wire_in *in, struct mailbox_place *p)
{
	uint32_t last = 0;

	if (p->recent_count > PLACE_RANGES)
		return false;
	for (uint32_t i = 0; i < p->recent_count; i++) {
		struct uid_range *r = &p->recent[i];

		r->first = wire_u32(in);
		r->last = wire_u32(in);
		if (r->first <= last || r->last < r->first)
			return false;
		last = r->last;
	}
	return true;
}

static bool
read_place(struct wire_in *in, struct sleep_state *s)
{
	struct mailbox_place *p = &s->place;

	s->keywords_told = wire_u32(in);
	p->id = wire_u32(in);
	p->uidvalidity = wire_u32(in);
	p->pos = wire_u64(in);
	p->exists = wire_u32(in);
	p->keywords = wire_u32(in);
	p->recent_count = wire_u32(in);
	return s->keywords_told <= KEYWORDS_MAX &&
	       p->keywords <= KEYWORDS_MAX && read_recent(in, p);
}

/* What stands in an answer must be what a client could have sent. */
static bool
is_tag(struct slice text)
{
	struct parse p;
	struct slice tag;
	bool good;

	parse_init(&p, text);
	good = parse_tag(&p, &tag) && tag.len == text.len;
	parse_free(&p);
	return good;
}

int
sleep_state_parse(struct slice bytes, struct sleep_state *s)
{
	struct wire_in in = wire_in(bytes);
	unsigned version = wire_u8(&in);
	unsigned bits = wire_u8(&in);
	struct slice tag;

	*s = (struct sleep_state){ .idling = (bits & IDLING) != 0,
		.selected = (bits & SELECTED) != 0 };
	s->silent_since_ms = (int64_t)wire_u64(&in);
	s->errors = wire_u32(&in);
	tag = wire_bytes(&in, PARSE_TAG_MAX);
	s->place.readonly = (bits & READ_ONLY) != 0;
	if (version != VERSION || (bits & ~(unsigned)ALL_BITS) != 0 ||
	    (s->place.readonly && !s->selected) || s->silent_since_ms < 0 ||
	    slice_copy(s->tag, sizeof(s->tag), tag) == -1 ||
	    (s->idling ? !is_tag(tag) : tag.len > 0) ||
	    (s->selected && !read_place(&in, s)) || wire_done(&in) == -1) {
		errno = EBADMSG;
		return -1;
	}
	return 0;
}
