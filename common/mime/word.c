#include "common/mime/word.h"

#include <string.h>

#include "common/base/ascii.h"
#include "common/mime/charset.h"
#include "common/mime/decode.h"
#include "common/mime/header.h"

struct encoded_word {
	struct slice charset;
	char encoding; /* 'b' or 'q' */
	struct slice text;
	size_t len; /* of all of it */
};

/* Decoded bytes that wait for the rest of their last character. */
struct pending {
	struct slice charset;
	struct buf raw;
};

/* Is there "=?charset?e?text?=" at the start of s? */
static bool
read_word(struct slice s, struct encoded_word *w)
{
	struct slice all = slice_sub(s, 2, MIME_WORD_MAX);
	struct slice rest;
	struct slice enc;
	struct slice ignored;
	const char *end;

	if (s.len < 2 || s.p[0] != '=' || s.p[1] != '?')
		return false;
	rest = slice_cut(all, '?', &w->charset);
	rest = slice_cut(rest, '?', &enc);
	if (w->charset.len == 0 || enc.len != 1 || rest.p == NULL)
		return false;
	w->encoding = ascii_lower(enc.p[0]);
	if (w->encoding != 'b' && w->encoding != 'q')
		return false;
	end = memmem(rest.p, rest.len, "?=", 2);
	if (end == NULL)
		return false;
	w->text = slice_of(rest.p, (size_t)(end - rest.p));
	w->len = (size_t)(end + 2 - s.p);
	(void)slice_cut(w->text, ' ', &ignored);
	if (ignored.len != w->text.len) /* §2: no space inside */
		return false;
	/* RFC 2231 §5: charset*language */
	(void)slice_cut(w->charset, '*', &w->charset);
	return true;
}

/* The Q encoding (§4.2): '_' is a space. */
static int
decode_q(struct buf *b, struct slice text)
{
	size_t before = b->len;

	if (mime_decode(b, MIME_QP, text) == -1)
		return -1;
	/* an encoded underscore is a literal one: undo only bare ones */
	if (memchr(text.p, '_', text.len) == NULL)
		return 0;
	buf_truncate(b, before);
	while (text.len > 0) {
		struct slice head;
		size_t whole = text.len;

		text = slice_cut(text, '_', &head);
		if (mime_decode(b, MIME_QP, head) == -1 ||
		    (head.len < whole && buf_append_byte(b, ' ') == -1))
			return -1;
	}
	return 0;
}

static int
flush(struct buf *b, struct pending *p)
{
	int rc = 0;

	if (p->raw.len > 0)
		rc = charset_to_utf8(b, p->charset, buf_slice(&p->raw));
	buf_truncate(&p->raw, 0);
	return rc;
}

static int
take_word(struct buf *b, struct pending *p, const struct encoded_word *w)
{
	if (!slice_ieq(p->charset, w->charset) && flush(b, p) == -1)
		return -1;
	p->charset = w->charset;
	if (w->encoding == 'q')
		return w->text.len == 0 ? 0 : decode_q(&p->raw, w->text);
	return mime_decode(&p->raw, MIME_BASE64, w->text);
}

/* Bytes before the next "=?" (one that was looked at already is skipped). */
static size_t
plain_len(struct slice s)
{
	const char *at;

	if (s.len < 2)
		return s.len;
	at = memmem(s.p + 1, s.len - 1, "=?", 2);
	return at == NULL ? s.len : (size_t)(at - s.p);
}

static size_t
blank_len(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (s.p[n] == ' ' || s.p[n] == '\t'))
		n++;
	return n;
}

static int
decode_line(struct buf *b, struct pending *p, struct slice s)
{
	bool after_word = false;

	while (s.len > 0) {
		size_t gap = after_word ? blank_len(s) : 0;
		struct encoded_word w;
		size_t n;

		if (read_word(slice_sub(s, gap, s.len), &w)) {
			if ((!after_word && flush(b, p) == -1) ||
			    take_word(b, p, &w) == -1)
				return -1;
			after_word = true;
			s = slice_sub(s, gap + w.len, s.len);
			continue;
		}
		n = plain_len(s);
		if (flush(b, p) == -1 || charset_to_utf8(b, SLICE("utf-8"),
					     slice_sub(s, 0, n)) == -1)
			return -1;
		after_word = false;
		s = slice_sub(s, n, s.len);
	}
	return flush(b, p);
}

int
mime_words_decode(struct buf *b, struct slice value)
{
	struct buf line = BUF_INIT(b->max);
	struct pending p = { .raw = BUF_INIT(b->max) };
	int rc = -1;

	if (mime_unfold(&line, value) == 0)
		rc = decode_line(b, &p, buf_slice(&line));
	buf_free(&line);
	buf_free(&p.raw);
	return rc;
}
