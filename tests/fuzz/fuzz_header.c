/*
 * libFuzzer: header fields: folding, encoded words (RFC 2047), parameters
 * (RFC 2231), dates, characters sets, transfer encodings; and that what IMAP
 * is told about them is what our own parser of IMAP reads back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/mime/charset.h"
#include "common/mime/date.h"
#include "common/mime/decode.h"
#include "common/mime/header.h"
#include "common/mime/imap.h"
#include "common/mime/param.h"
#include "common/mime/word.h"
#include "imapd/parse.h"
#include "smtpd/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ROOM ((size_t)4 << 20)

/* Fields cover the header, one behind the other. */
static void
check_fields(struct slice in)
{
	size_t size = mime_header_size(in);
	struct mime_fields it = mime_fields(slice_sub(in, 0, size));
	struct mime_field f;
	const char *at = in.p;

	if (size > in.len)
		abort();
	while (mime_fields_next(&it, &f)) {
		if (f.whole.p != at || f.whole.len == 0)
			abort();
		at += f.whole.len;
		if (f.name.len > 0 && mime_field_find(in, f.name).p == NULL)
			abort();
	}
	if (at > in.p + size)
		abort();
}

/* The same scan in pieces sees the same header. */
static void
check_scan(struct slice in, size_t piece)
{
	struct header_scan whole = { .bytes = 0 };
	struct header_scan parts = { .bytes = 0 };

	header_scan(&whole, in);
	for (size_t at = 0; at < in.len; at += piece)
		header_scan(&parts, slice_sub(in, at, piece));
	if (whole.done != parts.done || whole.bytes != parts.bytes ||
	    whole.has_date != parts.has_date ||
	    whole.has_message_id != parts.has_message_id)
		abort();
}

/* Text for people: one line of UTF-8, and the same when done again. */
static void
check_words(struct slice in)
{
	struct buf text = BUF_INIT(ROOM);
	struct buf flat = BUF_INIT(ROOM);

	if (mime_words_decode(&text, in) == -1 || !utf8_valid(buf_slice(&text)))
		abort();
	if (mime_unfold(&flat, in) == -1 || flat.len > in.len)
		abort();
	if (flat.len > 0 && (memchr(flat.data, '\n', flat.len) != NULL ||
				memchr(flat.data, '\0', flat.len) != NULL))
		abort();
	buf_free(&text);
	buf_free(&flat);
}

static void
check_params(struct slice in)
{
	struct buf b = BUF_INIT(ROOM);
	struct mime_params p;
	char plain[200];

	mime_params_parse(&p, in);
	if (p.count > MIME_PARAM_MAX)
		abort();
	for (size_t i = 0; i < p.count; i++) {
		struct slice value = mime_param_value(&p, &p.list[i]);

		if (p.list[i].at + p.list[i].len > p.text.len)
			abort();
		if (p.list[i].extended && mime_param_decode(&b, value) == -1)
			abort();
		if (!utf8_valid(buf_slice(&b)))
			abort();
		buf_truncate(&b, 0);
		if (mime_param_get(in, p.list[i].name, plain, sizeof(plain)) >=
		    sizeof(plain))
			abort();
	}
	mime_params_free(&p);
	buf_free(&b);
}

/* A date that is read is written as the same moment. */
static void
check_date(struct slice in)
{
	struct buf b = BUF_INIT(200);
	struct mime_date again;
	struct mime_date d;
	int64_t when;

	if (!mime_date_parse(&d, in))
		return;
	when = mime_date_unix(&d);
	if (d.month < 1 || d.month > 12 || d.day < 1 ||
	    d.day > mime_month_days(d.year, d.month) || d.hour > 23 ||
	    d.minute > 59 || d.second > 60 || d.zone_m < -1439 ||
	    d.zone_m > 1439)
		abort();
	mime_date_from_unix(&again, when, d.zone_m);
	if (d.year > 1 && d.year < 9999 && mime_date_unix(&again) != when)
		abort();
	if (d.year < 2 || d.year > 9998)
		return; /* beyond is made what the calendar can hold */
	if (mime_date_put(&b, when) == -1 ||
	    !mime_date_parse(&again, buf_slice(&b)) ||
	    mime_date_unix(&again) != when)
		abort();
	buf_free(&b);
}

/* Strings for IMAP are read back as they were, but for the NUL. */
static void
check_strings(struct slice in)
{
	struct buf b = BUF_INIT(ROOM);
	struct parse p;
	struct slice s;

	for (int way = 0; way < 2; way++) {
		buf_truncate(&b, 0);
		if ((way == 0 ? mime_imap_string : mime_imap_astring)(&b, in) ==
		    -1)
			abort();
		parse_init(&p, buf_slice(&b));
		if (!parse_astring(&p, &s) || !parse_end(&p) || s.len != in.len)
			abort();
		for (size_t i = 0; i < s.len; i++)
			if (s.p[i] != (in.p[i] == '\0' ? '?' : in.p[i]))
				abort();
		parse_free(&p);
	}
	buf_free(&b);
}

/* Character sets, those of our own and one of ICU's. */
static void
check_charsets(struct slice in)
{
	static const char *const names[] = { "", "utf-8", "iso-8859-1",
		"iso-8859-15", "windows-1252", "x-unknown" };
	struct buf b = BUF_INIT(ROOM);
	struct buf folded = BUF_INIT(ROOM);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		buf_truncate(&b, 0);
		if (charset_to_utf8(&b, slice_str(names[i]), in) == -1 ||
		    !utf8_valid(buf_slice(&b)))
			abort();
	}
	(void)charset_known(slice_sub(in, 0, 40));
	if (utf8_valid(in) && (charset_fold(&folded, in) == -1 ||
				  !utf8_valid(buf_slice(&folded))))
		abort();
	for (int enc = MIME_IDENTITY; enc <= MIME_QP; enc++) {
		buf_truncate(&b, 0);
		if (mime_decode(&b, (enum mime_encoding)enc, in) == -1 ||
		    b.len > in.len)
			abort();
	}
	buf_free(&b);
	buf_free(&folded);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	if (size < 1 || size > 8192)
		return 0;
	check_fields(in);
	check_scan(in, 1 + data[0] % 13U);
	check_words(in);
	check_params(in);
	check_date(in);
	check_strings(in);
	check_charsets(in);
	return 0;
}
