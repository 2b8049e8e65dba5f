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

void
search_part_begin(struct search_part *p, const struct mime_tree *t,
    const struct mime_part *part, size_t max)
{
	*p = (struct search_part){ .tree = t,
		.part = part,
		.text = BUF_INIT(max),
		.fold = BUF_INIT(max) };
}

void
search_part_end(struct search_part *p)
{
	buf_free(&p->text);
	buf_free(&p->fold);
}

static void
decode(struct search_part *p, enum mime_encoding enc, struct slice charset)
{
	struct buf raw = BUF_INIT(p->text.max);

	p->decoded = true;
	/* 8-bit without a name is UTF-8 more often than not */
	if (charset.len == 0)
		charset = SLICE("utf-8");
	if (mime_decode(&raw, enc, mime_part_body(p->tree, p->part)) == -1 ||
	    charset_to_utf8(&p->text, charset, buf_slice(&raw)) == -1)
		buf_truncate(&p->text, 0);
	buf_free(&raw);
}

static void
fold(struct search_part *p)
{
	p->folded = true;
	if (charset_fold(&p->fold, buf_slice(&p->text)) == -1)
		buf_truncate(&p->fold, 0);
}

static bool
find_in_body(struct search_part *p, struct slice needle)
{
	enum mime_encoding enc = mime_encoding_of(p->part->encoding);
	char name[64];
	struct slice charset;

	charset = slice_of(name, mime_param_get(p->part->params,
				     SLICE("charset"), name, sizeof(name)));
	if (enc == MIME_IDENTITY && !utf8_has_8bit(needle) &&
	    keeps_ascii(charset))
		return search_find(mime_part_body(p->tree, p->part), needle);
	if (!p->decoded)
		decode(p, enc, charset);
	if (!utf8_has_8bit(needle))
		return search_find(buf_slice(&p->text), needle);
	if (!p->folded)
		fold(p);
	return p->fold.len > 0 &&
	       memmem(p->fold.data, p->fold.len, needle.p, needle.len) != NULL;
}

bool
search_part_has(struct search_part *p, bool with_header, struct slice needle,
    struct buf *work)
{
	struct slice header = mime_part_header(p->tree, p->part);

	if (with_header && find_in_header(header, needle, work))
		return true;
	return p->part->kind == MIME_LEAF &&
	       slice_ieq(p->part->type, SLICE("text")) &&
	       find_in_body(p, needle);
}
