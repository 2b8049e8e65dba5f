#include "common/mime/tree.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/mime/header.h"
#include "common/mime/param.h"

#define PARTS_FIRST 8

/* A multipart whose delimiter lines are being looked for. */
struct open_multipart {
	uint32_t part;
	size_t len;
	char boundary[MIME_BOUNDARY_MAX + 1];
};

struct parser {
	struct mime_tree *t;
	struct slice in;
	size_t at;                   /* start of the line to look at */
	size_t lines;                /* line ends before `at` */
	uint32_t cur;                /* the part that is being read */
	struct open_multipart *open; /* owned; innermost last */
	size_t open_count;
	size_t open_cap;
};

/* A delimiter line (RFC 2046 §5.1.1). */
struct delimiter {
	size_t level; /* which of the open multiparts */
	bool last;    /* "--boundary--" */
};

static struct slice
line_at(const struct parser *p)
{
	const char *from = p->in.p + p->at;
	size_t rest = p->in.len - p->at;
	const char *lf = memchr(from, '\n', rest);

	return slice_of(from, lf == NULL ? rest : (size_t)(lf - from) + 1);
}

/*
 * Is line a delimiter of an open multipart? One boundary may be the prefix
 * of another, so the longest that fits is meant; of equal ones the inner.
 */
static bool
find_delimiter(const struct parser *p, struct slice line, struct delimiter *d)
{
	size_t best = 0;

	if (line.len < 3 || line.p[0] != '-' || line.p[1] != '-')
		return false;
	line = slice_sub(line, 2, line.len);
	for (size_t i = p->open_count; i > 0; i--) {
		const struct open_multipart *o = &p->open[i - 1];

		if (o->len <= best || o->len > line.len ||
		    memcmp(o->boundary, line.p, o->len) != 0)
			continue;
		best = o->len;
		d->level = i - 1;
		d->last = line.len >= best + 2 && line.p[best] == '-' &&
			  line.p[best + 1] == '-';
	}
	return best > 0;
}

static void
set_default_type(const struct mime_tree *t, struct mime_part *part)
{
	const struct mime_part *up = &t->parts[part->parent];

	part->type = SLICE("TEXT");
	part->subtype = SLICE("PLAIN");
	part->params = SLICE_EMPTY;
	if (part->depth > 0 && up->kind == MIME_MULTIPART &&
	    slice_ieq(up->subtype, SLICE("digest"))) {
		part->type = SLICE("MESSAGE"); /* RFC 2046 §5.1.5 */
		part->subtype = SLICE("RFC822");
	}
}

/* Remember the fields BODYSTRUCTURE is made of; the first one counts. */
static void
take_content_field(
    struct mime_part *part, const struct mime_field *f, struct slice *type)
{
	const struct {
		struct slice name;
		struct slice *value;
	} known[] = {
		{ SLICE("Type"), type },
		{ SLICE("Transfer-Encoding"), &part->encoding },
		{ SLICE("ID"), &part->id },
		{ SLICE("Description"), &part->description },
		{ SLICE("MD5"), &part->md5 },
		{ SLICE("Disposition"), &part->disposition },
		{ SLICE("Language"), &part->language },
		{ SLICE("Location"), &part->location },
	};
	struct slice name = slice_sub(f->name, 8, f->name.len);

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (slice_ieq(name, known[i].name) && known[i].value->p == NULL)
			*known[i].value = f->value;
}

static void
take_fields(struct mime_part *part, struct slice header, struct slice *type)
{
	struct mime_fields it = mime_fields(header);
	struct mime_field f;

	while (mime_fields_next(&it, &f))
		if (f.name.len > 8 && slice_istarts(f.name, SLICE("Content-")))
			take_content_field(part, &f, type);
}

static void
push_multipart(struct parser *p, const struct mime_part *part)
{
	struct open_multipart *o;

	if (p->open_count == p->open_cap) {
		p->open_cap = p->open_cap == 0 ? 2 : p->open_cap * 2;
		p->open = xreallocarray(p->open, p->open_cap, sizeof(*p->open));
	}
	o = &p->open[p->open_count];
	o->part = (uint32_t)(part - p->t->parts);
	o->len = mime_param_get(
	    part->params, SLICE("boundary"), o->boundary, sizeof(o->boundary));
	if (o->len > 0)
		p->open_count++;
}

/* Decide what the part is, once its header is known. */
static void
classify(struct parser *p, struct mime_part *part, struct slice type)
{
	struct mime_type t = mime_type_parse(type);
	size_t before = p->open_count;
	bool composite;

	set_default_type(p->t, part);
	if (t.type.len > 0 && t.subtype.len > 0) {
		part->type = t.type;
		part->subtype = t.subtype;
		part->params = t.rest;
	}
	part->kind = MIME_LEAF;
	composite = slice_ieq(part->type, SLICE("multipart"));
	if (composite && part->depth < MIME_DEPTH_MAX) {
		push_multipart(p, part);
		part->kind = MIME_MULTIPART;
		if (p->open_count > before)
			return;
		/* RFC 2045 §5.2: without a boundary the type is invalid */
		part->kind = MIME_LEAF;
		part->type = SLICE("TEXT");
		part->subtype = SLICE("PLAIN");
		part->params = SLICE_EMPTY;
		return;
	}
	if (slice_ieq(part->type, SLICE("message")) &&
	    slice_ieq(part->subtype, SLICE("rfc822"))) {
		composite = true;
		if (part->depth < MIME_DEPTH_MAX &&
		    p->t->count < MIME_PARTS_MAX)
			part->kind = MIME_MESSAGE;
	}
	if (composite && part->kind == MIME_LEAF) {
		part->type = SLICE("APPLICATION");
		part->subtype = SLICE("OCTET-STREAM");
		part->params = SLICE_EMPTY;
	}
}

static struct mime_part *
add_part(struct parser *p, uint32_t parent)
{
	struct mime_tree *t = p->t;
	uint32_t index = (uint32_t)t->count;
	struct mime_part *part;

	if (t->count == t->cap) {
		t->cap = t->cap == 0 ? PARTS_FIRST : t->cap * 2;
		t->parts = xreallocarray(t->parts, t->cap, sizeof(*t->parts));
	}
	part = &t->parts[t->count++];
	*part = (struct mime_part){ .parent = parent, .header = p->at };
	if (index > 0) {
		struct mime_part *up = &t->parts[parent];

		part->depth = up->depth + 1;
		if (up->last == 0)
			up->child = index;
		else
			t->parts[up->last].next = index;
		up->last = index;
	}
	p->cur = index;
	return part;
}

/*
 * Read the header that starts here. It ends behind an empty line, or
 * before a delimiter line of a multipart around it.
 */
static void
read_header(struct parser *p, struct mime_part *part)
{
	struct slice type = SLICE_EMPTY;
	struct delimiter d;

	while (p->at < p->in.len) {
		struct slice line = line_at(p);
		bool empty =
		    line.p[0] == '\n' || (line.len == 2 && line.p[0] == '\r');

		if (find_delimiter(p, line, &d))
			break;
		p->at += line.len;
		p->lines += line.p[line.len - 1] == '\n';
		if (empty)
			break;
	}
	part->header_len = p->at - part->header;
	part->body = p->at;
	part->lines = p->lines;
	take_fields(part, mime_part_header(p->t, part), &type);
	classify(p, part, type);
}

/* A part begins here; a message inside it begins with it. */
static void
begin_part(struct parser *p, uint32_t parent)
{
	struct mime_part *part = add_part(p, parent);

	read_header(p, part);
	while (p->t->parts[p->cur].kind == MIME_MESSAGE) {
		part = add_part(p, p->cur);
		read_header(p, part);
	}
}

/* The line break before a delimiter belongs to it (RFC 2046 §5.1.1). */
static size_t
before_break(const struct parser *p, size_t from, size_t *lines)
{
	size_t end = p->at;

	*lines = p->lines;
	if (end > from && p->in.p[end - 1] == '\n') {
		end--;
		(*lines)--;
		if (end > from && p->in.p[end - 1] == '\r')
			end--;
	}
	return end;
}

/*
 * A header alone in a part whose parent ends here, too, ends where that one
 * does: before the line break. So does all that is in the part.
 */
static void
cut_header(struct parser *p, struct mime_part *part)
{
	struct mime_part *parts = p->t->parts;
	size_t lines;

	part->body = before_break(p, parts[part->parent].body, &lines);
	part->header = MIN(part->header, part->body);
	part->header_len = part->body - part->header;
	for (uint32_t i = part->child; i != 0; i = parts[i].child) {
		parts[i].header = part->body;
		parts[i].body = part->body;
	}
}

/*
 * The part ends, and at a delimiter all around it up to its owner; without a
 * child a multipart is no multipart.
 */
static void
end_part(struct parser *p, struct mime_part *part, const uint32_t *owner)
{
	size_t lines = p->lines;
	size_t end = p->at;

	if (owner != NULL)
		end = before_break(p, part->body, &lines);
	part->body_len = end - part->body;
	part->lines = lines - part->lines;
	if (owner != NULL && p->at == part->body && part->parent != *owner)
		cut_header(p, part);
	if (part->kind == MIME_MULTIPART && part->child == 0) {
		part->kind = MIME_LEAF;
		part->type = SLICE("TEXT");
		part->subtype = SLICE("PLAIN");
		part->params = SLICE_EMPTY;
	}
}

/* End the parts inside the multipart whose delimiter is next. */
static void
reach_delimiter(struct parser *p, const struct delimiter *d)
{
	uint32_t owner = p->open[d->level].part;

	while (p->cur != owner) {
		struct mime_part *part = &p->t->parts[p->cur];

		end_part(p, part, &owner);
		p->cur = part->parent;
	}
	p->open_count = d->last ? d->level : d->level + 1;
}

/* Count the rest of the lines where no delimiter can come. */
static void
skip_rest(struct parser *p)
{
	const char *end = p->in.p + p->in.len;

	while (p->at < p->in.len) {
		const char *from = p->in.p + p->at;
		const char *lf = memchr(from, '\n', (size_t)(end - from));

		if (lf == NULL) {
			p->at = p->in.len;
			return;
		}
		p->lines++;
		p->at = (size_t)(lf - p->in.p) + 1;
	}
}

static void
read_bodies(struct parser *p)
{
	struct delimiter d;

	while (p->at < p->in.len && p->open_count > 0) {
		struct slice line = line_at(p);
		bool found =
		    p->t->count < MIME_PARTS_MAX && find_delimiter(p, line, &d);

		if (found)
			reach_delimiter(p, &d);
		p->at += line.len;
		p->lines += line.p[line.len - 1] == '\n';
		if (found && !d.last)
			begin_part(p, p->open[d.level].part);
	}
	skip_rest(p);
}

void
mime_tree_parse(struct mime_tree *t, struct slice message)
{
	struct parser p = { .t = t, .in = message };

	t->message = message;
	t->count = 0;
	begin_part(&p, 0);
	read_bodies(&p);
	for (;;) {
		end_part(&p, &t->parts[p.cur], NULL);
		if (p.cur == 0)
			break;
		p.cur = t->parts[p.cur].parent;
	}
	free(p.open);
}

void
mime_tree_free(struct mime_tree *t)
{
	free(t->parts);
	*t = (struct mime_tree)MIME_TREE_INIT;
}

const struct mime_part *
mime_part_message(const struct mime_tree *t, const struct mime_part *part)
{
	return part->kind == MIME_MESSAGE ? &t->parts[part->child] : NULL;
}

/* The n-th child (from 1) of a multipart; of anything else itself is 1. */
static const struct mime_part *
nth_part(const struct mime_tree *t, const struct mime_part *part, uint32_t n)
{
	if (part->kind != MIME_MULTIPART)
		return n == 1 ? part : NULL;
	part = &t->parts[part->child];
	for (; n > 1; n--) {
		if (part->next == 0)
			return NULL;
		part = &t->parts[part->next];
	}
	return n == 0 ? NULL : part;
}

const struct mime_part *
mime_tree_find(const struct mime_tree *t, const uint32_t *path, size_t n)
{
	const struct mime_part *part = &t->parts[0];

	for (size_t i = 0; i < n && part != NULL; i++) {
		/* below a part stands what it holds, not the part again */
		if (i > 0 && part->kind == MIME_LEAF)
			return NULL;
		if (i > 0 && part->kind == MIME_MESSAGE)
			part = mime_part_message(t, part);
		part = nth_part(t, part, path[i]);
	}
	return part;
}
