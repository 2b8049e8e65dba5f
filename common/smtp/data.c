#include "common/smtp/data.h"

#include <string.h>

void
smtp_data_init(struct smtp_data *d, size_t line_max)
{
	*d = (struct smtp_data){ .line_max = line_max };
}

/* Content that has to be refused anyway is not kept. */
static void
data_put(struct smtp_data *d, struct buf *out, const char *p, size_t n)
{
	d->size += n;
	if (out != NULL && d->bad == 0 && buf_append(out, p, n) == -1)
		d->bad |= SMTP_DATA_FULL;
}

/* A line without CR, LF or NUL before its CRLF; 0: look closer. */
static size_t
clean_line(const char *p, size_t n, size_t line_max)
{
	const char *lf = memchr(p, '\n', n);
	size_t len;

	if (lf == NULL || lf == p || lf[-1] != '\r')
		return 0;
	len = (size_t)(lf - p) - 1;
	if (len > line_max || memchr(p, '\r', len) != NULL ||
	    memchr(p, '\0', len) != NULL)
		return 0;
	return len + 2;
}

/* Bytes of whole clean lines at the start of a line: nearly all there is. */
static size_t
clean_lines(const char *p, size_t n, size_t line_max, bool dots)
{
	size_t done = 0;
	size_t k;

	while (done < n && !(dots && p[done] == '.')) {
		k = clean_line(p + done, n - done, line_max);
		if (k == 0)
			break;
		done += k;
	}
	return done;
}

/* Text up to a CR or LF, or what there is of it. */
static void
data_text(struct smtp_data *d, struct slice in, size_t *i, struct buf *out)
{
	size_t from = *i;
	char c = '\0';

	while (*i < in.len) {
		c = in.p[*i];
		if (c == '\r' || c == '\n')
			break;
		if (c == '\0')
			d->bad |= SMTP_DATA_NUL;
		(*i)++;
	}
	d->line += *i - from;
	if (d->line > d->line_max)
		d->bad |= SMTP_DATA_LONG;
	data_put(d, out, in.p + from, *i - from);
	if (*i == in.len)
		return;
	(*i)++;
	if (c == '\r')
		d->state = SMTP_DATA_CR;
	else
		d->bad |= SMTP_DATA_BARE; /* text: the line goes on */
}

/* A CR came in text, what is behind it? */
static void
data_cr(struct smtp_data *d, char c, size_t *i, struct buf *out)
{
	if (c != '\n') {
		d->bad |= SMTP_DATA_BARE;
		d->state = SMTP_DATA_TEXT;
		return;
	}
	(*i)++;
	d->line = 0;
	d->state = SMTP_DATA_START;
	data_put(d, out, "\r\n", 2);
}

static void
data_start(
    struct smtp_data *d, struct slice in, size_t *i, struct buf *out, bool dots)
{
	size_t n = clean_lines(in.p + *i, in.len - *i, d->line_max, dots);

	data_put(d, out, in.p + *i, n);
	*i += n;
	if (*i == in.len)
		return;
	if (dots && in.p[*i] == '.') {
		(*i)++;
		d->state = SMTP_DATA_DOT;
	} else {
		d->state = SMTP_DATA_TEXT;
	}
}

/* One transition; *i moves on, or the state changes. */
static void
data_step(
    struct smtp_data *d, struct slice in, size_t *i, struct buf *out, bool dots)
{
	char c = in.p[*i];

	switch (d->state) {
	case SMTP_DATA_START:
		data_start(d, in, i, out, dots);
		return;
	case SMTP_DATA_DOT:
		/* The dot itself is never content (RFC 5321 §4.5.2). */
		d->state = c == '\r' ? SMTP_DATA_DOT_CR : SMTP_DATA_TEXT;
		*i += c == '\r';
		return;
	case SMTP_DATA_DOT_CR:
		if (c == '\n') {
			(*i)++;
			d->state = SMTP_DATA_END;
			return;
		}
		d->bad |= SMTP_DATA_BARE;
		d->state = SMTP_DATA_TEXT;
		return;
	case SMTP_DATA_TEXT:
		data_text(d, in, i, out);
		return;
	case SMTP_DATA_CR:
		data_cr(d, c, i, out);
		return;
	case SMTP_DATA_END:
		return;
	}
}

size_t
smtp_data_take(struct smtp_data *d, struct slice in, struct buf *out)
{
	size_t i = 0;

	while (i < in.len && d->state != SMTP_DATA_END)
		data_step(d, in, &i, out, true);
	return i;
}

void
smtp_data_take_chunk(struct smtp_data *d, struct slice in, struct buf *out)
{
	size_t i = 0;

	while (i < in.len)
		data_step(d, in, &i, out, false);
}

void
smtp_data_finish(struct smtp_data *d, struct buf *out)
{
	if (d->state == SMTP_DATA_START)
		return;
	if (d->state != SMTP_DATA_TEXT)
		d->bad |= SMTP_DATA_BARE;
	d->state = SMTP_DATA_START;
	d->line = 0;
	data_put(d, out, "\r\n", 2);
}

/* -- going out ---------------------------------------------------------- */

/* Text up to the next CR or LF. */
static size_t
stuff_run(const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n);
	const char *cr;

	if (end != NULL)
		n = (size_t)(end - p);
	cr = n == 0 ? NULL : memchr(p, '\r', n);
	return cr == NULL ? n : (size_t)(cr - p);
}

/* At a line's start: whole clean lines, or a dot and what follows. */
static int
stuff_start(struct smtp_stuff *s, struct slice in, size_t *i, struct buf *out)
{
	size_t n = clean_lines(in.p + *i, in.len - *i, SIZE_MAX, true);

	if (buf_append(out, in.p + *i, n) == -1)
		return -1;
	*i += n;
	if (*i == in.len)
		return 0;
	s->last = 'x';
	return in.p[*i] == '.' ? buf_append(out, ".", 1) : 0;
}

int
smtp_stuff_put(struct smtp_stuff *s, struct slice content, struct buf *out)
{
	size_t i = 0;
	size_t n;

	while (i < content.len) {
		if (s->last == '\r') {
			/* CRLF, or a CR alone, which becomes one. */
			i += content.p[i] == '\n';
			s->last = '\n';
			if (buf_append(out, "\r\n", 2) == -1)
				return -1;
			continue;
		}
		if (s->last == '\n' && stuff_start(s, content, &i, out) == -1)
			return -1;
		if (i == content.len)
			return 0;
		n = stuff_run(content.p + i, content.len - i);
		if (buf_append(out, content.p + i, n) == -1)
			return -1;
		i += n;
		if (i == content.len)
			return 0;
		/* An LF alone is taken for the end it was meant to be. */
		i += content.p[i] == '\r';
		s->last = '\r';
	}
	return 0;
}

int
smtp_stuff_end(struct smtp_stuff *s, struct buf *out)
{
	if (s->last != '\n' && buf_append(out, "\r\n", 2) == -1)
		return -1;
	s->last = '\n';
	return buf_append(out, ".\r\n", 3);
}
