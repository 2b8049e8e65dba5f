#include "relay/seven.h"

#include <errno.h>

#include "common/base/ascii.h"
#include "common/base/utf8.h"
#include "common/mime/decode.h"
#include "common/mime/header.h"
#include "common/mime/tree.h"

#define QP_LINE 76 /* RFC 2045 §6.7 (5) */

/* -- quoted-printable ----------------------------------------------------- */

struct qp {
	struct buf *out;
	size_t column;
};

static int
qp_put(struct qp *q, const char *text, size_t n)
{
	if (q->column + n > QP_LINE - 1) {
		if (buf_append(q->out, "=\r\n", 3) == -1)
			return -1;
		q->column = 0;
	}
	q->column += n;
	return buf_append(q->out, text, n);
}

static int
qp_byte(struct qp *q, unsigned char c, bool last)
{
	static const char hex[] = "0123456789ABCDEF";
	const char coded[3] = { '=', hex[c >> 4], hex[c & 15] };
	bool blank = c == ' ' || c == '\t';
	bool first = q->column == 0 || q->column + 1 > QP_LINE - 1;

	/*
	 * White space at the end of a line would be lost on the way, and a
	 * line must not begin like a boundary.
	 */
	if (c == '-' && first)
		return qp_put(q, coded, sizeof(coded));
	if (blank ? !last : ascii_print((char)c) && c != '=')
		return qp_put(q, (const char *)&c, 1);
	return qp_put(q, coded, sizeof(coded));
}

static int
qp_encode(struct buf *out, struct slice body)
{
	struct qp q = { .out = out };

	for (size_t i = 0; i < body.len; i++) {
		bool last;

		if (i + 1 < body.len && body.p[i] == '\r' &&
		    body.p[i + 1] == '\n') {
			if (buf_append(out, "\r\n", 2) == -1)
				return -1;
			q.column = 0;
			i++;
			continue;
		}
		last = i + 1 == body.len || body.p[i + 1] == '\r';
		if (qp_byte(&q, (unsigned char)body.p[i], last) == -1)
			return -1;
	}
	return 0;
}

/* -- parts ---------------------------------------------------------------- */

/* What cannot be changed has to be clean. */
static int
put_clean(struct buf *out, struct slice s)
{
	if (utf8_has_8bit(s)) {
		errno = EBADMSG;
		return -1;
	}
	return buf_append_slice(out, s);
}

/* All fields but the one that is replaced; the empty line stays away. */
static int
put_fields(struct buf *out, struct slice header)
{
	struct mime_fields it = mime_fields(header);
	struct mime_field f;

	while (mime_fields_next(&it, &f))
		if (!slice_ieq(f.name, SLICE("Content-Transfer-Encoding")) &&
		    put_clean(out, f.whole) == -1)
			return -1;
	return 0;
}

static bool
has_field(struct slice header, struct slice name)
{
	return mime_field_find(header, name).p != NULL;
}

/* Text that came without MIME: nobody can know what it is (RFC 1428). */
static int
put_mime(struct buf *out, struct slice header)
{
	if (!has_field(header, SLICE("MIME-Version")) &&
	    buf_append_str(out, "MIME-Version: 1.0\r\n") == -1)
		return -1;
	if (has_field(header, SLICE("Content-Type")))
		return 0;
	return buf_append_str(
	    out, "Content-Type: text/plain; charset=unknown-8bit\r\n");
}

/* "base64" with 8-bit bytes in it: to code it again would spoil it. */
static bool
is_coded(const struct mime_part *part)
{
	return mime_encoding_of(part->encoding) != MIME_IDENTITY;
}

static int
put_leaf(struct buf *out, const struct mime_tree *t,
    const struct mime_part *part, bool root)
{
	struct slice header = mime_part_header(t, part);
	struct slice body = mime_part_body(t, part);

	if (!utf8_has_8bit(body)) {
		if (put_clean(out, header) == -1)
			return -1;
		return buf_append_slice(out, body);
	}
	if (is_coded(part)) {
		errno = EBADMSG;
		return -1;
	}
	if (put_fields(out, header) == -1 ||
	    (root && put_mime(out, header) == -1) ||
	    buf_append_str(out,
		"Content-Transfer-Encoding: quoted-printable\r\n\r\n") == -1)
		return -1;
	return qp_encode(out, body);
}

/* What holds others says nothing of 8 bits any more (RFC 2045 §6.4). */
static int
put_holder(struct buf *out, struct slice header)
{
	if (put_fields(out, header) == -1)
		return -1;
	return buf_append_str(out, "\r\n");
}

static int
put_part(struct buf *out, const struct mime_tree *t, size_t i, size_t *at)
{
	const struct mime_part *part = &t->parts[i];
	int rc;

	/* Boundaries, and what stands before the first and behind the last. */
	if (put_clean(out, slice_sub(t->message, *at, part->header - *at)) ==
	    -1)
		return -1;
	if (part->kind == MIME_LEAF) {
		rc = put_leaf(out, t, part, i == 0);
		*at = part->body + part->body_len;
	} else {
		rc = put_holder(out, mime_part_header(t, part));
		*at = part->body;
	}
	return rc;
}

int
seven_bit(struct buf *out, struct slice message)
{
	struct mime_tree t = MIME_TREE_INIT;
	size_t before = out->len;
	size_t at = 0;
	int rc = 0;
	int saved;

	mime_tree_parse(&t, message);
	for (size_t i = 0; i < t.count && rc == 0; i++)
		rc = put_part(out, &t, i, &at);
	if (rc == 0)
		rc = put_clean(out, slice_sub(message, at, SIZE_MAX));
	saved = errno;
	if (rc == -1)
		buf_truncate(out, before);
	mime_tree_free(&t);
	errno = saved;
	return rc;
}
