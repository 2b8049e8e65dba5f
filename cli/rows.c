#include "cli/rows.h"

#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "common/base/mem.h"

#define COLUMNS_MAX 32
#define WIDTH_MAX   60 /* a wider cell makes only its own line longer */

struct row {
	char *cells[COLUMNS_MAX]; /* owned; NULL: empty */
};

struct rows {
	FILE *to;
	bool json;
	char *names[COLUMNS_MAX]; /* owned */
	size_t columns;
	struct row *rows; /* owned */
	size_t count;
	size_t cap;
};

struct rows *
rows_new(FILE *to, bool json)
{
	struct rows *r = xcalloc(1, sizeof(*r));

	r->to = to;
	r->json = json;
	return r;
}

static size_t
column(struct rows *r, const char *name)
{
	for (size_t i = 0; i < r->columns; i++)
		if (strcmp(r->names[i], name) == 0)
			return i;
	if (r->columns == COLUMNS_MAX)
		return COLUMNS_MAX;
	r->names[r->columns] = xstrdup(name);
	return r->columns++;
}

static struct row *
add_row(struct rows *r)
{
	if (r->count == r->cap) {
		r->cap = r->cap == 0 ? 64 : r->cap * 2;
		r->rows = xreallocarray(r->rows, r->cap, sizeof(*r->rows));
	}
	memset(&r->rows[r->count], 0, sizeof(*r->rows));
	return &r->rows[r->count++];
}

/* Terminals obey control bytes; mail systems are full of strangers' text. */
static char *
printable(struct slice text)
{
	char *copy = slice_dup(text);

	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = '?';
	return copy;
}

static void
set_cell(struct rows *r, struct row *row, const char *name, struct slice text)
{
	size_t at = column(r, name);

	if (at == COLUMNS_MAX)
		return;
	free(row->cells[at]);
	row->cells[at] = printable(text);
}

static void
print_line(FILE *to, struct slice s)
{
	char *copy = printable(s);

	(void)fprintf(to, "%s\n", copy);
	free(copy);
}

static bool
is_number(const char *s)
{
	return s[0] != '\0' && strlen(s) < 16 &&
	       strspn(s, "0123456789") == strlen(s) && (s[0] != '0' || !s[1]);
}

static int
put_pair(struct buf *b, const char *name, const char *text)
{
	if (buf_append_str(b, b->len == 1 ? "" : ", ") == -1 ||
	    json_put_string(b, slice_str(name)) == -1 ||
	    buf_append_str(b, ": ") == -1)
		return -1;
	if (is_number(text))
		return buf_append_str(b, text);
	return json_put_string(b, slice_str(text));
}

static void
print_object(struct rows *r, va_list ap)
{
	struct buf b = BUF_INIT(1024 * 1024);
	const char *name;
	int rc = buf_append_byte(&b, '{');

	while ((name = va_arg(ap, const char *)) != NULL)
		rc |= put_pair(&b, name, va_arg(ap, const char *));
	rc |= buf_append_byte(&b, '}');
	if (rc == 0)
		(void)fprintf(r->to, "%s\n", buf_str(&b));
	buf_free(&b);
	r->count++;
}

void
rows_add(struct rows *r, ...)
{
	const char *name;
	struct row *row;
	va_list ap;

	va_start(ap, r);
	if (r->json) {
		print_object(r, ap);
	} else {
		row = add_row(r);
		while ((name = va_arg(ap, const char *)) != NULL)
			set_cell(
			    r, row, name, slice_str(va_arg(ap, const char *)));
	}
	va_end(ap);
}

void
rows_add_json(struct rows *r, struct slice object)
{
	struct json_reader j;
	enum json_result got = JSON_BAD;
	struct row row = { .cells = { NULL } };

	if (r->json) {
		print_line(r->to, object);
		r->count++;
		return;
	}
	if (json_begin(&j, object))
		while ((got = json_next(&j)) == JSON_PAIR)
			set_cell(r, &row, buf_str(&j.key), buf_slice(&j.value));
	if (got == JSON_END) {
		*add_row(r) = row;
	} else {
		for (size_t i = 0; i < COLUMNS_MAX; i++)
			free(row.cells[i]);
		print_line(r->to, object);
	}
	json_free(&j);
}

/* Bytes of UTF-8 that begin a character: near enough to columns. */
static size_t
width(const char *s)
{
	size_t n = 0;

	for (; s != NULL && *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
print_cells(struct rows *r, char *const *cells, const size_t *widths)
{
	size_t last = r->columns;

	while (last > 0 && (cells[last - 1] == NULL || !cells[last - 1][0]))
		last--;
	for (size_t i = 0; i < last; i++) {
		const char *text =
		    cells[i] == NULL || cells[i][0] == '\0' ? "-" : cells[i];
		size_t pad =
		    widths[i] > width(text) ? widths[i] - width(text) : 0;

		if (i + 1 == last)
			pad = 0;
		(void)fprintf(
		    r->to, "%s%s%*s", i == 0 ? "" : "  ", text, (int)pad, "");
	}
	(void)fputc('\n', r->to);
}

static void
print_table(struct rows *r)
{
	size_t widths[COLUMNS_MAX] = { 0 };

	for (size_t i = 0; i < r->columns; i++) {
		for (char *p = r->names[i]; *p != '\0'; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p & ~0x20);
		widths[i] = width(r->names[i]);
		for (size_t n = 0; n < r->count; n++)
			widths[i] = MAX(widths[i],
			    MIN(width(r->rows[n].cells[i]), WIDTH_MAX));
	}
	print_cells(r, r->names, widths);
	for (size_t n = 0; n < r->count; n++)
		print_cells(r, r->rows[n].cells, widths);
}

size_t
rows_end(struct rows *r)
{
	size_t count = r->count;

	if (!r->json && count > 0)
		print_table(r);
	for (size_t n = 0; !r->json && n < count; n++)
		for (size_t i = 0; i < r->columns; i++)
			free(r->rows[n].cells[i]);
	for (size_t i = 0; i < r->columns; i++)
		free(r->names[i]);
	free(r->rows);
	free(r);
	return count;
}
