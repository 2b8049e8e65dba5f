#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/base/ascii.h"
#include "common/base/utf8.h"
#include "common/mime/charset.h"
#include "common/mime/decode.h"
#include "common/mime/header.h"
#include "common/mime/param.h"
#include "common/mime/tree.h"
#include "common/mime/word.h"
#include "imapd/search.h"

static bool
matches_at(const char *p, struct slice needle)
{
	for (size_t i = 0; i < needle.len; i++)
		if (ascii_lower(p[i]) != needle.p[i])
			return false;
	return true;
}

#ifdef __SSE2__
/*
 * Look at sixteen places at a time: where the first and the last byte are
 * right but for the bit of case, the rest is compared. Returns how far it
 * came, or a match at *found.
 */
static size_t
find_fast(struct slice hay, struct slice needle, bool *found)
{
	const __m128i bit = _mm_set1_epi8(0x20);
	const __m128i first = _mm_or_si128(_mm_set1_epi8(needle.p[0]), bit);
	const __m128i last =
	    _mm_or_si128(_mm_set1_epi8(needle.p[needle.len - 1]), bit);
	size_t i = 0;

	for (; i + needle.len + 15 <= hay.len; i += 16) {
		const char *p = hay.p + i;
		__m128i a = _mm_loadu_si128((const void *)p);
		__m128i b = _mm_loadu_si128((const void *)(p + needle.len - 1));
		__m128i hit =
		    _mm_and_si128(_mm_cmpeq_epi8(_mm_or_si128(a, bit), first),
			_mm_cmpeq_epi8(_mm_or_si128(b, bit), last));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);

		for (; mask != 0; mask &= mask - 1)
			if (matches_at(p + __builtin_ctz(mask), needle)) {
				*found = true;
				return i;
			}
	}
	return i;
}
#endif

bool
search_find(struct slice hay, struct slice needle)
{
	size_t i = 0;
	bool found = false;

	if (needle.len == 0)
		return true;
	if (hay.len < needle.len)
		return false;
#ifdef __SSE2__
	i = find_fast(hay, needle, &found);
#endif
	for (; !found && i + needle.len <= hay.len; i++)
		found = matches_at(hay.p + i, needle);
	return found;
}

/* UTF-8 text against a needle that may hold more than ASCII. */
static bool
find_utf8(struct slice text, struct slice needle, struct buf *work)
{
	if (!utf8_has_8bit(needle))
		return search_find(text, needle);
	buf_truncate(work, 0);
	if (charset_fold(work, text) == -1)
		return false;
	return memmem(work->data, work->len, needle.p, needle.len) != NULL;
}

bool
search_find_field(struct slice value, struct slice needle, struct buf *work)
{
	struct buf text = BUF_INIT(work->max);
	bool found = false;

	/* most fields need no decoding; folding may hide what is there */
	if (value.len == 0 || (!utf8_has_8bit(needle) &&
				  memchr(value.p, '\n', value.len) == NULL &&
				  memmem(value.p, value.len, "=?", 2) == NULL))
		return search_find(value, needle);
	if (mime_words_decode(&text, value) == 0)
		found = find_utf8(buf_slice(&text), needle, work);
	buf_free(&text);
	return found;
}

static bool
find_in_header(struct slice header, struct slice needle, struct buf *work)
{
	struct mime_fields it = mime_fields(header);
	struct mime_field f;

	/* raw first: that covers the names, and most of the values */
	if (search_find(header, needle))
		return true;
	if (!utf8_has_8bit(needle) &&
	    (header.len == 0 || memmem(header.p, header.len, "=?", 2) == NULL))
		return false;
	while (mime_fields_next(&it, &f))
		if (search_find_field(f.value, needle, work))
			return true;
	return false;
}

/* Where ASCII letters are themselves, whatever else there is. */
static bool
keeps_ascii(struct slice charset)
{
	static const char *const kept[] = { "us-ascii", "utf-8", "iso-8859-",
		"windows-125", "koi8-", "euc-" };

	if (charset.len == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (slice_istarts(charset, slice_str(kept[i])))
			return true;
	return false;
}

static bool
find_in_body(const struct mime_tree *t, const struct mime_part *part,
    struct slice needle, struct buf *work)
{
	enum mime_encoding enc = mime_encoding_of(part->encoding);
	struct slice body = mime_part_body(t, part);
	struct buf raw = BUF_INIT(work->max);
	struct buf text = BUF_INIT(work->max);
	char charset[64];
	bool found = false;
	size_t n;

	n = mime_param_get(
	    part->params, SLICE("charset"), charset, sizeof(charset));
	if (enc == MIME_IDENTITY && !utf8_has_8bit(needle) &&
	    keeps_ascii(slice_of(charset, n)))
		return search_find(body, needle);
	if (mime_decode(&raw, enc, body) == 0) {
		/* 8-bit without a name is UTF-8 more often than not */
		if (charset_to_utf8(&text,
			n == 0 ? SLICE("utf-8") : slice_of(charset, n),
			buf_slice(&raw)) == 0)
			found = find_utf8(buf_slice(&text), needle, work);
	}
	buf_free(&raw);
	buf_free(&text);
	return found;
}

bool
search_find_text(const struct mime_tree *t, bool with_header,
    struct slice needle, struct buf *work)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct mime_part *part = &t->parts[i];

		if ((i > 0 || with_header) &&
		    find_in_header(mime_part_header(t, part), needle, work))
			return true;
		if (part->kind == MIME_LEAF &&
		    slice_ieq(part->type, SLICE("text")) &&
		    find_in_body(t, part, needle, work))
			return true;
	}
	return false;
}
