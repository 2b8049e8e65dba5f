#include "cli/mail_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/address/list.h"
#include "common/base/mem.h"
#include "common/base/rand.h"
#include "common/mime/date.h"
#include "common/mime/header.h"

void
mail_in_init(struct mail_in *m, size_t max)
{
	buf_init(&m->content, max);
	m->rcpts = NULL;
	m->count = 0;
}

void
mail_in_free(struct mail_in *m)
{
	for (size_t i = 0; i < m->count; i++)
		free(m->rcpts[i]);
	free(m->rcpts);
	buf_free(&m->content);
}

int
mail_in_rcpt(struct mail_in *m, struct slice address, const char *host)
{
	char *text;

	if (m->count == MAIL_IN_RCPTS_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	text = slice_dup(address);
	if (memchr(address.p, '@', address.len) == NULL) {
		char *whole = xasprintf("%s@%s", text, host);

		free(text);
		text = whole;
	}
	m->rcpts = xreallocarray(m->rcpts, m->count + 1, sizeof(*m->rcpts));
	m->rcpts[m->count++] = text;
	return 0;
}

/* Every line end, LF or CRLF, as CRLF; the last line gets one, too. */
static int
put_lines(struct buf *b, struct slice text)
{
	struct slice line;

	while (text.len > 0) {
		text = slice_cut(text, '\n', &line);
		if (line.len > 0 && line.p[line.len - 1] == '\r')
			line.len--;
		if (buf_append_slice(b, line) == -1 ||
		    buf_append_str(b, "\r\n") == -1)
			return -1;
	}
	return 0;
}

static int
collect(struct mail_in *m, struct slice value, const char *host)
{
	struct address_list list;
	struct address a;
	int rc = 0;

	address_list_open(&list, value);
	while (rc == 0 && address_list_next(&list, &a)) {
		char *text;

		if (a.kind != ADDRESS_MAILBOX || a.local.len == 0)
			continue;
		text = xasprintf("%.*s%s%.*s", SLICE_FMT(a.local),
		    a.domain.len > 0 ? "@" : "", SLICE_FMT(a.domain));
		rc = mail_in_rcpt(m, slice_str(text), host);
		free(text);
	}
	address_list_close(&list);
	return rc;
}

static bool
is_field(const struct mime_field *f, const char *name)
{
	return slice_ieq(f->name, slice_str(name));
}

struct seen {
	bool date;
	bool from;
	bool id;
};

/* The fields there are; Bcc stays here (RFC 5322 §3.6.3). */
static int
copy_fields(struct mail_in *m, struct slice header,
    const struct mail_in_how *how, struct seen *seen)
{
	struct mime_fields it = mime_fields(header);
	struct mime_field f;

	while (mime_fields_next(&it, &f)) {
		bool bcc = is_field(&f, "Bcc");

		seen->date |= is_field(&f, "Date");
		seen->from |= is_field(&f, "From");
		seen->id |= is_field(&f, "Message-ID");
		if (how->collect &&
		    (bcc || is_field(&f, "To") || is_field(&f, "Cc")) &&
		    collect(m, f.value, how->host) == -1)
			return -1;
		if (!bcc && put_lines(&m->content, f.whole) == -1)
			return -1;
	}
	return 0;
}

/* RFC 6409 §8 lets who submits add what is missing. */
static int
add_missing(
    struct mail_in *m, const struct mail_in_how *how, const struct seen *seen)
{
	struct buf *b = &m->content;
	time_t now = time(NULL);

	if (!seen->from && buf_printf(b, "From: <%s>\r\n", how->sender) == -1)
		return -1;
	if (!seen->date && (buf_append_str(b, "Date: ") == -1 ||
			       mime_date_put(b, (int64_t)now) == -1 ||
			       buf_append_str(b, "\r\n") == -1))
		return -1;
	if (!seen->id && buf_printf(b, "Message-ID: <%llx.%llx@%s>\r\n",
			     (unsigned long long)now,
			     (unsigned long long)rand_u64(), how->host) == -1)
		return -1;
	return buf_append_str(b, "\r\n");
}

/*
 * Does text begin with a header? A program may send just a body: then the
 * first line is no field.
 */
static size_t
header_size(struct slice text)
{
	struct mime_fields it = mime_fields(text);
	struct mime_field f;

	if (!mime_fields_next(&it, &f) || f.name.len == 0)
		return text.len > 0 && text.p[0] == '\n' ? 1 : 0;
	return mime_header_size(text);
}

int
mail_in_take(
    struct mail_in *m, struct slice text, const struct mail_in_how *how)
{
	size_t head = header_size(text);
	struct seen seen = { false, false, false };

	if (copy_fields(m, slice_sub(text, 0, head), how, &seen) == -1 ||
	    add_missing(m, how, &seen) == -1)
		return -1;
	return put_lines(&m->content, slice_sub(text, head, text.len));
}
