#include "common/mime/charset.h"

#include <errno.h>
#include <stdint.h>

#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "common/base/ascii.h"
#include "common/base/utf8.h"

#define REPLACEMENT  0xfffd
#define NAME_MAX_LEN 64
/* UTF-16 units converted at a time. */
#define CHUNK 1024

enum builtin { CS_ASCII, CS_UTF8, CS_LATIN1, CS_LATIN9, CS_CP1252, CS_ICU };

struct alias {
	const char *name;
	enum builtin id;
};

/* clang-format off */
static const struct alias aliases[] = {
	{ "", CS_ASCII },
	{ "us-ascii", CS_ASCII },
	{ "ascii", CS_ASCII },
	{ "ansi_x3.4-1968", CS_ASCII },
	{ "utf-8", CS_UTF8 },
	{ "utf8", CS_UTF8 },
	{ "iso-8859-1", CS_LATIN1 },
	{ "latin1", CS_LATIN1 },
	{ "iso-8859-15", CS_LATIN9 },
	{ "windows-1252", CS_CP1252 },
	{ "cp1252", CS_CP1252 },
};

/* windows-1252, 0x80 to 0x9f; 0 where nothing is assigned. */
static const uint16_t cp1252[32] = {
	0x20ac, 0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017d, 0,
	0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
	0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0, 0x017e, 0x0178,
};
/* clang-format on */

static enum builtin
builtin_of(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (slice_ieq(name, slice_str(aliases[i].name)))
			return aliases[i].id;
	return CS_ICU;
}

/* What ISO-8859-15 has in other places than ISO-8859-1. */
static uint32_t
latin9(unsigned char c)
{
	switch (c) {
	case 0xa4:
		return 0x20ac;
	case 0xa6:
		return 0x160;
	case 0xa8:
		return 0x161;
	case 0xb4:
		return 0x17d;
	case 0xb8:
		return 0x17e;
	case 0xbc:
		return 0x152;
	case 0xbd:
		return 0x153;
	case 0xbe:
		return 0x178;
	default:
		return c;
	}
}

static uint32_t
code_of(enum builtin id, unsigned char c)
{
	uint32_t code = REPLACEMENT;

	if (c < 0x80 || id == CS_LATIN1)
		code = c;
	else if (id == CS_LATIN9)
		code = latin9(c);
	else if (id == CS_CP1252)
		code = c >= 0xa0 ? c : cp1252[c - 0x80];
	return code == 0 && c != 0 ? REPLACEMENT : code;
}

/* Bytes at the start of s that are ASCII. */
static size_t
ascii_run(struct slice s)
{
	size_t n = 0;

	while (n < s.len && (s.p[n] & 0x80) == 0)
		n++;
	return n;
}

static int
put_single_byte(struct buf *b, enum builtin id, struct slice s)
{
	while (s.len > 0) {
		size_t run = ascii_run(s);

		if (buf_append(b, s.p, run) == -1)
			return -1;
		s = slice_sub(s, run, s.len);
		if (s.len == 0)
			break;
		if (utf8_put(b, code_of(id, (unsigned char)s.p[0])) == -1)
			return -1;
		s = slice_sub(s, 1, s.len);
	}
	return 0;
}

static int
put_utf8(struct buf *b, struct slice s)
{
	if (utf8_valid(s))
		return buf_append_slice(b, s);
	while (s.len > 0) {
		size_t n;
		int32_t code = utf8_next(s, &n);
		int rc = code == -1 ? utf8_put(b, REPLACEMENT)
				    : buf_append(b, s.p, n);

		if (rc == -1)
			return -1;
		s = slice_sub(s, n, s.len);
	}
	return 0;
}

static UConverter *
icu_open(struct slice name)
{
	UErrorCode err = U_ZERO_ERROR;
	char text[NAME_MAX_LEN];
	UConverter *cnv;

	/* an empty name would mean the locale's */
	if (name.len == 0 || slice_copy(text, sizeof(text), name) == -1)
		return NULL;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_alnum(text[i]) && text[i] != '-' && text[i] != '_' &&
		    text[i] != '.' && text[i] != ':')
			return NULL;
	cnv = ucnv_open(text, &err);
	return U_FAILURE(err) ? NULL : cnv;
}

bool
charset_known(struct slice name)
{
	UConverter *cnv;

	if (builtin_of(name) != CS_ICU)
		return true;
	cnv = icu_open(name);
	if (cnv == NULL)
		return false;
	ucnv_close(cnv);
	return true;
}

static int
put_utf16(struct buf *b, const UChar *s, int32_t len)
{
	UErrorCode err = U_ZERO_ERROR;
	char *room = buf_reserve(b, (size_t)len * 3);
	int32_t n = 0;

	if (room == NULL)
		return -1;
	u_strToUTF8WithSub(room, len * 3, &n, s, len, REPLACEMENT, NULL, &err);
	if (U_FAILURE(err)) {
		errno = EILSEQ;
		return -1;
	}
	buf_commit(b, (size_t)n);
	return 0;
}

/* A surrogate pair is never cut: ICU writes pairs whole or not at all. */
static int
put_icu(struct buf *b, UConverter *cnv, struct slice s)
{
	const char *in = s.p;
	const char *end = s.p + s.len;
	UChar out[CHUNK];

	for (;;) {
		UErrorCode err = U_ZERO_ERROR;
		UChar *at = out;

		ucnv_toUnicode(
		    cnv, &at, out + CHUNK, &in, end, NULL, true, &err);
		if (put_utf16(b, out, (int32_t)(at - out)) == -1)
			return -1;
		if (err != U_BUFFER_OVERFLOW_ERROR)
			return 0;
	}
}

int
charset_to_utf8(struct buf *b, struct slice name, struct slice text)
{
	enum builtin id = builtin_of(name);
	UConverter *cnv;
	int rc;

	if (text.len == 0) /* and it may be nowhere */
		return 0;
	if (id == CS_UTF8)
		return put_utf8(b, text);
	cnv = id == CS_ICU ? icu_open(name) : NULL;
	if (cnv == NULL)
		return put_single_byte(b, id == CS_ICU ? CS_ASCII : id, text);
	rc = put_icu(b, cnv, text);
	ucnv_close(cnv);
	return rc;
}

static int
fold_ascii(struct buf *b, struct slice s)
{
	char *room = buf_reserve(b, s.len);

	if (room == NULL)
		return -1;
	for (size_t i = 0; i < s.len; i++)
		room[i] = ascii_lower(s.p[i]);
	buf_commit(b, s.len);
	return 0;
}

int
charset_fold(struct buf *b, struct slice text)
{
	while (text.len > 0) {
		size_t n = ascii_run(text);
		int32_t code;

		if (fold_ascii(b, slice_sub(text, 0, n)) == -1)
			return -1;
		text = slice_sub(text, n, text.len);
		if (text.len == 0)
			return 0;
		code = utf8_next(text, &n);
		if (code != -1)
			code = u_foldCase(code, U_FOLD_CASE_DEFAULT);
		if (utf8_put(b, code == -1 ? REPLACEMENT : (uint32_t)code) ==
		    -1)
			return -1;
		text = slice_sub(text, n, text.len);
	}
	return 0;
}

/* Names and the like; longer text is not brought into a normal form. */
#define NFC_MAX 4096

__attribute__((noinline)) static int
normalize(struct buf *b, struct slice text)
{
	UErrorCode err = U_ZERO_ERROR;
	UChar in[NFC_MAX];
	UChar out[NFC_MAX];
	const UNormalizer2 *nfc;
	int32_t n = 0;

	u_strFromUTF8(in, NFC_MAX, &n, text.p, (int32_t)text.len, &err);
	nfc = unorm2_getNFCInstance(&err);
	n = unorm2_normalize(nfc, in, n, out, NFC_MAX, &err);
	if (U_FAILURE(err)) {
		errno = err == U_MEMORY_ALLOCATION_ERROR ? ENOMEM : EILSEQ;
		return -1;
	}
	return put_utf16(b, out, n);
}

/* What is seldom needed has a large frame on the stack: not in here. */
int
charset_nfc(struct buf *b, struct slice text)
{
	if (ascii_run(text) == text.len)
		return buf_append_slice(b, text);
	if (text.len > NFC_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	return normalize(b, text);
}
