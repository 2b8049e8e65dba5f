#include "common/mime/imap.h"

#include <string.h>

#include "common/address/list.h"
#include "common/address/token.h"
#include "common/mime/header.h"
#include "common/mime/param.h"

#define FIELD_TEXT_MAX (1 << 20) /* bytes of an unfolded field; then NIL */

enum form { FORM_PLAIN, FORM_ESCAPE, FORM_LITERAL };

/* How a string has to be sent (RFC 3501 §4.3). */
static enum form
form_of(struct slice s)
{
	enum form form = FORM_PLAIN;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x80 || c == '\r' || c == '\n')
			return FORM_LITERAL;
		if (c == '"' || c == '\\' || c == '\0')
			form = FORM_ESCAPE;
	}
	return form;
}

static int
put_bytes(struct buf *b, struct slice s, bool escape)
{
	char *room = buf_reserve(b, s.len * 2);
	size_t n = 0;

	if (room == NULL)
		return -1;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (escape && (c == '"' || c == '\\'))
			room[n++] = '\\';
		room[n++] = c == '\0' ? '?' : c;
	}
	buf_commit(b, n);
	return 0;
}

static int
put_string(struct buf *b, struct slice s)
{
	enum form form = form_of(s);

	if (form == FORM_LITERAL) {
		if (buf_printf(b, "{%zu}\r\n", s.len) == -1)
			return -1;
		return put_bytes(b, s, false);
	}
	if (buf_append_byte(b, '"') == -1)
		return -1;
	if (form == FORM_PLAIN ? buf_append_slice(b, s) == -1
			       : put_bytes(b, s, true) == -1)
		return -1;
	return buf_append_byte(b, '"');
}

/* All or nothing: what was written is taken back when rc is -1. */
static int
commit(struct buf *b, size_t before, int rc)
{
	if (rc == -1)
		buf_truncate(b, before);
	return rc;
}

int
mime_imap_string(struct buf *b, struct slice s)
{
	size_t before = b->len;

	return commit(b, before, put_string(b, s));
}

/* RFC 3501 §9: 1*ASTRING-CHAR */
static bool
is_atom(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\", c) != NULL)
			return false;
	}
	return s.len > 0 && !slice_ieq(s, SLICE("NIL"));
}

int
mime_imap_astring(struct buf *b, struct slice s)
{
	return is_atom(s) ? buf_append_slice(b, s) : mime_imap_string(b, s);
}

static int
put_nstring(struct buf *b, struct slice s)
{
	return s.p == NULL ? buf_append(b, "NIL", 3) : put_string(b, s);
}

int
mime_imap_nstring(struct buf *b, struct slice s)
{
	size_t before = b->len;

	return commit(b, before, put_nstring(b, s));
}

/* Without white space around it; may it then stand as it is? */
static bool
is_one_line(struct slice *value)
{
	*value = slice_trim(*value);
	return value->len == 0 ||
	       (memchr(value->p, '\n', value->len) == NULL &&
		   memchr(value->p, '\r', value->len) == NULL);
}

/* A raw field value on one line, or NIL. */
static int
put_field(struct buf *b, struct slice value)
{
	struct buf text = BUF_INIT(FIELD_TEXT_MAX);
	int rc;

	if (value.p != NULL && is_one_line(&value))
		return put_string(b, value);
	if (value.p == NULL || mime_unfold(&text, value) == -1)
		return buf_append(b, "NIL", 3);
	rc = put_string(b, slice_of(buf_str(&text), text.len));
	buf_free(&text);
	return rc;
}

/* (name adl mailbox host); a group is told by a NIL host. */
static int
put_address(struct buf *b, const struct address *a)
{
	struct slice name = a->name;
	struct slice local = a->local;
	struct slice domain = a->domain;

	if (a->kind == ADDRESS_GROUP)
		local = name;
	if (a->kind != ADDRESS_MAILBOX)
		name = domain = SLICE_EMPTY;
	else if (domain.p == NULL)
		domain = SLICE(""); /* NIL would make it a group */
	if (buf_append_byte(b, '(') == -1 || put_nstring(b, name) == -1 ||
	    buf_append_byte(b, ' ') == -1 || put_nstring(b, a->route) == -1 ||
	    buf_append_byte(b, ' ') == -1 || put_nstring(b, local) == -1 ||
	    buf_append_byte(b, ' ') == -1 || put_nstring(b, domain) == -1)
		return -1;
	return buf_append_byte(b, ')');
}

/* The addresses of one field; the list is opened before the first. */
static int
put_addresses(
    struct buf *b, struct address_list *l, struct slice value, bool *open)
{
	struct address a;
	int rc = 0;

	address_list_again(l, value);
	while (rc == 0 && address_list_next(l, &a)) {
		if (!*open)
			rc = buf_append_byte(b, '(');
		*open = true;
		if (rc == 0)
			rc = put_address(b, &a);
	}
	return rc;
}

enum {
	DATE,
	SUBJECT,
	FROM,
	SENDER,
	REPLY_TO,
	TO,
	CC,
	BCC,
	IN_REPLY_TO,
	MESSAGE_ID,
	ENVELOPE_FIELDS
};

/* clang-format off */
static const struct slice envelope_names[ENVELOPE_FIELDS] = {
	[DATE]        = { "Date", 4 },
	[SUBJECT]     = { "Subject", 7 },
	[FROM]        = { "From", 4 },
	[SENDER]      = { "Sender", 6 },
	[REPLY_TO]    = { "Reply-To", 8 },
	[TO]          = { "To", 2 },
	[CC]          = { "Cc", 2 },
	[BCC]         = { "Bcc", 3 },
	[IN_REPLY_TO] = { "In-Reply-To", 11 },
	[MESSAGE_ID]  = { "Message-ID", 10 },
};
/* clang-format on */

struct envelope {
	struct slice header;
	struct slice value[ENVELOPE_FIELDS];
	bool again[ENVELOPE_FIELDS]; /* there is more than one */
	struct address_list list;
	size_t from; /* where From was written */
	size_t from_len;
};

static void
envelope_collect(struct envelope *e)
{
	struct mime_fields it = mime_fields(e->header);
	struct mime_field f;

	while (mime_fields_next(&it, &f))
		for (size_t i = 0; i < ENVELOPE_FIELDS; i++) {
			if (f.name.len != envelope_names[i].len ||
			    !slice_ieq(f.name, envelope_names[i]))
				continue;
			if (e->value[i].p == NULL)
				e->value[i] = f.value;
			else
				e->again[i] = true;
			break;
		}
}

/* All fields of this name after each other. */
static int
put_repeated(struct buf *b, struct envelope *e, size_t i, bool *open)
{
	struct mime_fields it = mime_fields(e->header);
	struct mime_field f;

	while (mime_fields_next(&it, &f))
		if (slice_ieq(f.name, envelope_names[i]) &&
		    put_addresses(b, &e->list, f.value, open) == -1)
			return -1;
	return 0;
}

/* RFC 3501 §7.4.2: Sender and Reply-To default to From. */
static int
repeat_from(struct buf *b, const struct envelope *e)
{
	char *room = buf_reserve(b, e->from_len);

	if (room == NULL)
		return -1;
	memcpy(room, b->data + e->from, e->from_len);
	buf_commit(b, e->from_len);
	return 0;
}

static int
put_address_field(struct buf *b, struct envelope *e, size_t i)
{
	bool open = false;
	int rc;

	if (e->again[i] && (i == TO || i == CC || i == BCC))
		rc = put_repeated(b, e, i, &open);
	else
		rc = put_addresses(b, &e->list, e->value[i], &open);
	if (rc == -1)
		return -1;
	if (open)
		return buf_append_byte(b, ')');
	if (i == SENDER || i == REPLY_TO)
		return repeat_from(b, e);
	return buf_append(b, "NIL", 3);
}

static int
put_envelope_fields(struct buf *b, struct envelope *e)
{
	for (size_t i = 0; i < ENVELOPE_FIELDS; i++) {
		size_t start = b->len + 1;
		int rc;

		if (buf_append_byte(b, i == 0 ? '(' : ' ') == -1)
			return -1;
		if (i >= FROM && i <= BCC)
			rc = put_address_field(b, e, i);
		else
			rc = put_field(b, e->value[i]);
		if (rc == -1)
			return -1;
		if (i == FROM) {
			e->from = start;
			e->from_len = b->len - start;
		}
	}
	return buf_append_byte(b, ')');
}

static int
put_envelope(struct buf *b, struct slice header)
{
	struct envelope e = { .header = header };
	int rc;

	envelope_collect(&e);
	address_list_open(&e.list, SLICE_EMPTY);
	rc = put_envelope_fields(b, &e);
	address_list_close(&e.list);
	return rc;
}

int
mime_imap_envelope(struct buf *b, struct slice header)
{
	size_t before = b->len;

	return commit(b, before, put_envelope(b, header));
}

static int
put_param(struct buf *b, const struct mime_params *p, size_t i)
{
	const struct mime_param *param = &p->list[i];
	char name[256];
	size_t n = MIN(param->name.len, sizeof(name) - 1);

	memcpy(name, param->name.p, n);
	if (param->extended)
		name[n++] = '*';
	if (buf_append_byte(b, i == 0 ? '(' : ' ') == -1 ||
	    put_string(b, slice_of(name, n)) == -1 ||
	    buf_append_byte(b, ' ') == -1)
		return -1;
	return put_string(b, mime_param_value(p, param));
}

static int
put_params(struct buf *b, struct slice rest)
{
	struct mime_params p;
	int rc = 0;

	if (rest.len == 0)
		return buf_append(b, "NIL", 3);
	mime_params_parse(&p, rest);
	for (size_t i = 0; rc == 0 && i < p.count; i++)
		rc = put_param(b, &p, i);
	if (rc == 0)
		rc = p.count == 0 ? buf_append(b, "NIL", 3)
				  : buf_append_byte(b, ')');
	mime_params_free(&p);
	return rc;
}

/* ("attachment" ("filename" "x")), or NIL */
static int
put_disposition(struct buf *b, struct slice value)
{
	struct slice rest;
	struct slice token = mime_token_parse(value, &rest);

	if (token.len == 0)
		return buf_append(b, "NIL", 3);
	if (buf_append_byte(b, '(') == -1 || put_string(b, token) == -1 ||
	    buf_append_byte(b, ' ') == -1 || put_params(b, rest) == -1)
		return -1;
	return buf_append_byte(b, ')');
}

/* One language tag is a string, several are a list (RFC 3282). */
static int
put_language(struct buf *b, struct slice value)
{
	struct slice rest;
	struct slice tag = mime_token_parse(value, &rest);
	struct token_in c = { .in = rest };
	size_t start = b->len;
	size_t count = 0;

	if (tag.len == 0)
		return buf_append(b, "NIL", 3);
	if (buf_append_byte(b, '(') == -1 || put_string(b, tag) == -1)
		return -1;
	for (;;) {
		(void)token_cfws(&c, NULL);
		if (!token_skip(&c, ','))
			break;
		(void)token_cfws(&c, NULL);
		tag = token_run(&c, TOKEN_LIST);
		if (tag.len == 0)
			continue;
		count++;
		if (buf_append_byte(b, ' ') == -1 || put_string(b, tag) == -1)
			return -1;
	}
	if (count > 0)
		return buf_append_byte(b, ')');
	memmove(b->data + start, b->data + start + 1, b->len - start - 1);
	buf_truncate(b, b->len - 1);
	return 0;
}

/* body-fld-dsp, body-fld-lang, body-fld-loc */
static int
put_extension(struct buf *b, const struct mime_part *part)
{
	if (buf_append_byte(b, ' ') == -1 ||
	    put_disposition(b, part->disposition) == -1 ||
	    buf_append_byte(b, ' ') == -1 ||
	    put_language(b, part->language) == -1 ||
	    buf_append_byte(b, ' ') == -1)
		return -1;
	return put_field(b, part->location);
}

static int
put_encoding(struct buf *b, struct slice value)
{
	struct slice token = mime_token_parse(value, NULL);

	return put_string(b, token.len == 0 ? SLICE("7BIT") : token);
}

/* Type to size: what every part but a multipart begins with. */
static int
put_basic(struct buf *b, const struct mime_part *part)
{
	if (put_string(b, part->type) == -1 || buf_append_byte(b, ' ') == -1 ||
	    put_string(b, part->subtype) == -1 || buf_append_byte(b, ' ') == -1)
		return -1;
	/* RFC 2045 §5.2: the default type has the charset US-ASCII */
	if (part->params.p == NULL && slice_ieq(part->type, SLICE("TEXT"))) {
		if (buf_append_str(b, "(\"CHARSET\" \"US-ASCII\")") == -1)
			return -1;
	} else if (put_params(b, part->params) == -1) {
		return -1;
	}
	if (buf_append_byte(b, ' ') == -1 || put_field(b, part->id) == -1 ||
	    buf_append_byte(b, ' ') == -1 ||
	    put_field(b, part->description) == -1 ||
	    buf_append_byte(b, ' ') == -1 ||
	    put_encoding(b, part->encoding) == -1)
		return -1;
	return buf_printf(b, " %zu", part->body_len);
}

/* The state of a walk over the tree. */
struct walk {
	struct buf *b;
	const struct mime_tree *t;
	bool extended;
};

/* What stands before the children of a part. */
static int
enter_part(const struct walk *w, const struct mime_part *part)
{
	const struct mime_part *inner = mime_part_message(w->t, part);

	if (buf_append_byte(w->b, '(') == -1)
		return -1;
	if (part->kind == MIME_MULTIPART)
		return 0;
	if (put_basic(w->b, part) == -1)
		return -1;
	if (inner == NULL)
		return 0;
	if (buf_append_byte(w->b, ' ') == -1 ||
	    put_envelope(w->b, mime_part_header(w->t, inner)) == -1)
		return -1;
	return buf_append_byte(w->b, ' ');
}

/* And what behind them. */
static int
leave_part(const struct walk *w, const struct mime_part *part)
{
	struct buf *b = w->b;

	if (part->kind == MIME_MULTIPART) {
		if (buf_append_byte(b, ' ') == -1 ||
		    put_string(b, part->subtype) == -1)
			return -1;
		if (w->extended && (buf_append_byte(b, ' ') == -1 ||
				       put_params(b, part->params) == -1))
			return -1;
	} else {
		if ((part->kind == MIME_MESSAGE ||
			slice_ieq(part->type, SLICE("TEXT"))) &&
		    buf_printf(b, " %zu", part->lines) == -1)
			return -1;
		if (w->extended && (buf_append_byte(b, ' ') == -1 ||
				       put_field(b, part->md5) == -1))
			return -1;
	}
	if (w->extended && put_extension(b, part) == -1)
		return -1;
	return buf_append_byte(b, ')');
}

static int
put_structure(const struct walk *w)
{
	const struct mime_part *parts = w->t->parts;
	const struct mime_part *part = parts;

	for (;;) {
		if (enter_part(w, part) == -1)
			return -1;
		if (part->child != 0) {
			part = &parts[part->child];
			continue;
		}
		for (;;) {
			if (leave_part(w, part) == -1)
				return -1;
			if (part == parts)
				return 0;
			if (part->next != 0)
				break;
			part = &parts[part->parent];
		}
		part = &parts[part->next];
	}
}

int
mime_imap_structure(struct buf *b, const struct mime_tree *t, bool extended)
{
	struct walk w = { .b = b, .t = t, .extended = extended };
	size_t before = b->len;

	return commit(b, before, put_structure(&w));
}
