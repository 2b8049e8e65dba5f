#include "bounce/original.h"

#include <errno.h>
#include <string.h>

#include "bounce/dsn.h"
#include "common/base/ascii.h"
#include "common/base/log.h"
#include "common/base/utf8.h"
#include "common/mime/header.h"

#define STEP           (size_t)16384
#define MESSAGE_ID_MAX 250

/* Up to max bytes of content; more is left out. */
static int
read_up_to(struct buf *b, const struct work *w, size_t max)
{
	while (b->len < max) {
		size_t want = MIN(STEP, max - b->len);
		char *room = buf_reserve(b, want);
		ssize_t n;

		if (room == NULL)
			return -1;
		n = work_read(w, b->len, room, want);
		if (n == -1)
			return -1;
		if (n == 0)
			return 0;
		buf_commit(b, (size_t)n);
	}
	return 0;
}

/* Is there a NUL, or a CR or LF that is not CRLF? */
static bool
is_odd(struct slice s)
{
	if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)
		return true;
	for (size_t i = 0; i < s.len; i++)
		if ((s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')) ||
		    (s.p[i] == '\r' && (i + 1 == s.len || s.p[i + 1] != '\n')))
			return true;
	return false;
}

/*
 * No mail comes in like that, but who sends does not rely on who received:
 * every CR or LF becomes CRLF, as on the way to other hosts.
 */
static int
straighten(struct buf *b)
{
	struct buf out = BUF_INIT(2 * b->max);
	struct slice s = buf_slice(b);
	int rc = 0;

	if (!is_odd(s))
		return 0;
	for (size_t i = 0; i < s.len && rc == 0; i++) {
		if (s.p[i] == '\r' && i + 1 < s.len && s.p[i + 1] == '\n')
			continue; /* its LF makes both */
		if (s.p[i] == '\r' || s.p[i] == '\n')
			rc = buf_append_str(&out, "\r\n");
		else
			rc = buf_append_byte(
			    &out, s.p[i] == '\0' ? '?' : s.p[i]);
	}
	buf_free(b);
	*b = out;
	return rc;
}

/* The header's whole lines, without the empty one behind it. */
static void
keep_header(struct buf *b)
{
	size_t n = mime_header_size(buf_slice(b));
	struct mime_fields it = mime_fields(slice_sub(buf_slice(b), 0, n));
	struct mime_field f;
	size_t end = 0;

	while (mime_fields_next(&it, &f))
		if (f.whole.len > 0 && f.whole.p[f.whole.len - 1] == '\n')
			end = (size_t)(f.whole.p - b->data) + f.whole.len;
	buf_truncate(b, end);
}

static int
end_line(struct buf *b)
{
	if (b->len >= 2 && memcmp(b->data + b->len - 2, "\r\n", 2) == 0)
		return 0;
	return buf_append_str(b, "\r\n");
}

int
original_read(struct original *o, const struct work *w, bool want_whole)
{
	bool failed;

	*o = (struct original){ .whole = want_whole &&
					 work_length(w) <= DSN_FULL_MAX };
	buf_init(&o->text, MAX(DSN_FULL_MAX, DSN_HEAD_MAX) + STEP);
	failed = read_up_to(
		     &o->text, w, o->whole ? DSN_FULL_MAX : DSN_HEAD_MAX) == -1;
	if (failed && errno == ENOMEM)
		return -1;
	if (failed) {
		log_error("event=original-unreadable id=%.*s error=%s",
		    SLICE_FMT(w->m.id), strerror(errno));
		o->whole = false;
	}
	if (straighten(&o->text) == -1)
		return -1;
	if (!o->whole)
		keep_header(&o->text);
	o->missing = failed && o->text.len == 0;
	o->eight_bit = utf8_has_8bit(buf_slice(&o->text));
	return o->missing ? 0 : end_line(&o->text);
}

void
original_free(struct original *o)
{
	buf_free(&o->text);
}

struct slice
original_message_id(const struct original *o)
{
	struct slice id = slice_trim(
	    mime_field_find(buf_slice(&o->text), SLICE("Message-ID")));

	if (id.len < 3 || id.len > MESSAGE_ID_MAX || id.p[0] != '<' ||
	    id.p[id.len - 1] != '>')
		return SLICE_EMPTY;
	for (size_t i = 0; i < id.len; i++)
		if (!ascii_print(id.p[i]) || id.p[i] == ' ')
			return SLICE_EMPTY;
	return id;
}
