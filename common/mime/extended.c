/* Apart from the rest of param.h: only this needs character sets. */
#include "common/address/token.h"
#include "common/base/ascii.h"
#include "common/mime/charset.h"
#include "common/mime/param.h"

/* Undo %XX; a '%' without two digits stands for itself. */
static void
put_unescaped(struct buf *out, struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		int hi = i + 2 < s.len ? ascii_hex(s.p[i + 1]) : -1;
		int lo = hi != -1 ? ascii_hex(s.p[i + 2]) : -1;
		char byte = s.p[i];

		if (byte == '%' && lo != -1) {
			byte = (char)(hi << 4 | lo);
			i += 2;
		}
		token_put(out, slice_of(&byte, 1));
	}
}

int
mime_param_decode(struct buf *b, struct slice value)
{
	struct buf raw = BUF_INIT(MIME_PARAM_TEXT_MAX);
	struct slice charset;
	struct slice language;
	struct slice text = slice_cut(value, '\'', &charset);
	int rc;

	text = slice_cut(text, '\'', &language);
	put_unescaped(&raw, text);
	rc = charset_to_utf8(b, charset, buf_slice(&raw));
	buf_free(&raw);
	return rc;
}
