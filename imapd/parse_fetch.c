#include "common/base/ascii.h"
#include "common/mime/imap.h"
#include "imapd/fetch.h"

#define LABELS_MAX (1 << 20)

struct named_item {
	struct slice name;
	unsigned items;
};

#define FAST (FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE)

/* clang-format off */
static const struct named_item macros[] = {
	{ { "ALL", 3 },  FAST | FETCH_ENVELOPE },
	{ { "FAST", 4 }, FAST },
	{ { "FULL", 4 }, FAST | FETCH_ENVELOPE | FETCH_BODY },
};

static const struct named_item items[] = {
	{ { "UID", 3 },            FETCH_UID },
	{ { "FLAGS", 5 },          FETCH_FLAGS },
	{ { "INTERNALDATE", 12 },  FETCH_INTERNALDATE },
	{ { "RFC822.SIZE", 11 },   FETCH_SIZE },
	{ { "ENVELOPE", 8 },       FETCH_ENVELOPE },
	{ { "BODY", 4 },           FETCH_BODY },
	{ { "BODYSTRUCTURE", 13 }, FETCH_BODYSTRUCTURE },
};

/* The old names of some sections. */
static const struct {
	struct slice name;
	enum section_text text;
	bool peek;
} old_sections[] = {
	{ { "RFC822", 6 },         SECTION_ALL,    false },
	{ { "RFC822.HEADER", 13 }, SECTION_HEADER, true },
	{ { "RFC822.TEXT", 11 },   SECTION_TEXT,   false },
};

static const struct {
	struct slice name;
	enum section_text text;
} texts[] = {
	{ { "HEADER", 6 },             SECTION_HEADER },
	{ { "HEADER.FIELDS", 13 },     SECTION_FIELDS },
	{ { "HEADER.FIELDS.NOT", 17 }, SECTION_FIELDS_NOT },
	{ { "TEXT", 4 },               SECTION_TEXT },
	{ { "MIME", 4 },               SECTION_MIME },
};
/* clang-format on */

/* Letters, digits and dots: the names of items and sections. */
static struct slice
read_name(struct parse *p)
{
	size_t start = p->at;

	while (parse_peek(p) == '.' ||
	       (parse_peek(p) != -1 && ascii_alnum(p->in.p[p->at])))
		p->at++;
	return slice_sub(p->in, start, p->at - start);
}

static struct fetch_section *
add_section(struct parse *p, struct fetch_request *r)
{
	struct fetch_section *sec = &r->sections[r->section_count];

	if (r->section_count == FETCH_SECTIONS_MAX) {
		(void)parse_fail(p, "Too many sections");
		return NULL;
	}
	r->section_count++;
	*sec = (struct fetch_section){ .text = SECTION_ALL,
		.label = r->labels.len };
	return sec;
}

static bool
label_done(
    struct parse *p, struct fetch_request *r, struct fetch_section *sec, int rc)
{
	sec->label_len = r->labels.len - sec->label;
	return rc == 0 || parse_fail(p, "Too many field names");
}

/* " (From \"To\")" behind HEADER.FIELDS, also into the label. */
static bool
read_field_names(
    struct parse *p, struct fetch_request *r, struct fetch_section *sec)
{
	int rc = buf_append(&r->labels, " (", 2);

	sec->name = r->name_count;
	if (!parse_space(p) || !parse_byte(p, '('))
		return false;
	do {
		struct slice name;

		if (!parse_astring(p, &name))
			return false;
		if (r->name_count == FETCH_NAMES_MAX)
			return parse_fail(p, "Too many field names");
		r->names[r->name_count++] = name;
		if (rc == 0 && sec->name_count++ > 0)
			rc = buf_append_byte(&r->labels, ' ');
		if (rc == 0)
			rc = mime_imap_astring(&r->labels, name);
	} while (parse_skip(p, ' '));
	if (rc == 0)
		rc = buf_append_byte(&r->labels, ')');
	return label_done(p, r, sec, rc) && parse_byte(p, ')');
}

static bool
read_section_text(
    struct parse *p, struct fetch_request *r, struct fetch_section *sec)
{
	struct slice name = read_name(p);

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (!slice_ieq(name, texts[i].name))
			continue;
		sec->text = texts[i].text;
		if (sec->text == SECTION_MIME && sec->depth == 0)
			break; /* §6.4.5: MIME only of a part */
		if (!label_done(
			p, r, sec, buf_append_slice(&r->labels, texts[i].name)))
			return false;
		return (sec->text != SECTION_FIELDS &&
			   sec->text != SECTION_FIELDS_NOT) ||
		       read_field_names(p, r, sec);
	}
	return parse_fail(p, "Unknown section");
}

/* "1.2" and maybe ".TEXT" */
static bool
read_section_path(
    struct parse *p, struct fetch_request *r, struct fetch_section *sec)
{
	do {
		uint32_t n;

		if (parse_peek(p) != -1 && ascii_alpha(p->in.p[p->at]))
			return read_section_text(p, r, sec);
		if (!parse_nz_number(p, &n))
			return false;
		if (sec->depth == MIME_DEPTH_MAX)
			return parse_fail(p, "Section too deep");
		sec->path[sec->depth++] = n;
		if (!label_done(p, r, sec,
			buf_printf(&r->labels, "%u%s", n,
			    parse_peek(p) == '.' ? "." : "")))
			return false;
	} while (parse_skip(p, '.'));
	return true;
}

/* "<0.1024>"; the label holds the offset only. */
static bool
read_partial(
    struct parse *p, struct fetch_request *r, struct fetch_section *sec)
{
	if (!parse_skip(p, '<'))
		return true;
	sec->partial = true;
	return parse_number(p, &sec->from) && parse_byte(p, '.') &&
	       parse_nz_number(p, &sec->length) && parse_byte(p, '>') &&
	       label_done(p, r, sec, buf_printf(&r->labels, "<%u>", sec->from));
}

/* At '[' behind BODY or BODY.PEEK. */
static bool
read_section(struct parse *p, struct fetch_request *r, bool peek)
{
	struct fetch_section *sec = add_section(p, r);

	if (sec == NULL || !parse_byte(p, '[') ||
	    !label_done(p, r, sec, buf_append(&r->labels, "BODY[", 5)))
		return false;
	sec->peek = peek;
	if (parse_peek(p) != ']' && !read_section_path(p, r, sec))
		return false;
	if (!parse_byte(p, ']') ||
	    !label_done(p, r, sec, buf_append_byte(&r->labels, ']')))
		return false;
	return read_partial(p, r, sec);
}

static bool
find_item(
    const struct named_item *list, size_t n, struct slice name, unsigned *found)
{
	for (size_t i = 0; i < n; i++)
		if (slice_ieq(name, list[i].name)) {
			*found |= list[i].items;
			return true;
		}
	return false;
}

static bool
read_item(struct parse *p, struct fetch_request *r)
{
	struct slice name = read_name(p);
	bool peek = slice_ieq(name, SLICE("BODY.PEEK"));

	if (peek || (parse_peek(p) == '[' && slice_ieq(name, SLICE("BODY"))))
		return read_section(p, r, peek);
	if (find_item(items, ARRAY_LEN(items), name, &r->items))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(old_sections); i++) {
		struct fetch_section *sec;

		if (!slice_ieq(name, old_sections[i].name))
			continue;
		sec = add_section(p, r);
		if (sec == NULL)
			return false;
		sec->text = old_sections[i].text;
		sec->peek = old_sections[i].peek;
		return label_done(p, r, sec,
		    buf_append_slice(&r->labels, old_sections[i].name));
	}
	return parse_fail(p, "Unknown item to fetch");
}

bool
fetch_parse(struct parse *p, struct fetch_request *r)
{
	size_t start = p->at;

	r->items = 0;
	r->sees = false;
	r->section_count = 0;
	r->name_count = 0;
	buf_init(&r->labels, LABELS_MAX);
	if (find_item(macros, ARRAY_LEN(macros), read_name(p), &r->items))
		return parse_end(p);
	p->at = start;
	if (!parse_skip(p, '(')) {
		if (!read_item(p, r))
			return false;
	} else {
		do {
			if (!read_item(p, r))
				return false;
		} while (parse_skip(p, ' '));
		if (!parse_byte(p, ')'))
			return false;
	}
	for (size_t i = 0; i < r->section_count; i++)
		r->sees = r->sees || !r->sections[i].peek;
	return parse_end(p);
}

void
fetch_request_free(struct fetch_request *r)
{
	buf_free(&r->labels);
}
