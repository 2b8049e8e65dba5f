/* libFuzzer: the tree of a message and what IMAP says about it. */
#include <stdint.h>
#include <stdlib.h>

#include "common/mime/date.h"
#include "common/mime/decode.h"
#include "common/mime/imap.h"
#include "common/mime/param.h"
#include "common/mime/word.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_tree(const struct mime_tree *t, size_t size)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct mime_part *p = &t->parts[i];
		const struct mime_part *up = &t->parts[p->parent];

		if (p->header + p->header_len != p->body ||
		    p->body + p->body_len > size || p->depth > MIME_DEPTH_MAX)
			abort();
		if (i > 0 &&
		    (p->parent >= i || p->header < up->body ||
			p->body + p->body_len > up->body + up->body_len))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mime_tree t = MIME_TREE_INIT;
	struct buf b = BUF_INIT((size_t)1 << 24);
	struct slice in = slice_of(data, size);
	struct mime_params params;
	struct mime_date date;

	mime_tree_parse(&t, in);
	check_tree(&t, size);
	for (size_t i = 0; i < t.count; i++) {
		const struct mime_part *p = &t.parts[i];

		if (mime_decode(&b, mime_encoding_of(p->encoding),
			mime_part_body(&t, p)) == -1)
			abort();
		buf_truncate(&b, 0);
	}
	(void)!mime_imap_structure(&b, &t, true);
	(void)!mime_imap_envelope(&b, mime_part_header(&t, &t.parts[0]));
	buf_truncate(&b, 0);
	(void)!mime_words_decode(&b, in);
	(void)mime_date_parse(&date, in);
	mime_params_parse(&params, in);
	mime_params_free(&params);
	mime_tree_free(&t);
	buf_free(&b);
	return 0;
}
