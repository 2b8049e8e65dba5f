/* libFuzzer: mails made seven bits for servers that take no more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/mime/decode.h"
#include "common/mime/tree.h"
#include "relay/seven.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A mail of one part has the same bytes in its body as before. */
static void
check_body(struct slice before, struct slice after)
{
	struct mime_tree t = MIME_TREE_INIT;
	struct buf back = BUF_INIT(SIZE_MAX / 2);
	struct slice body;
	bool single;

	mime_tree_parse(&t, before);
	single = t.count == 1;
	body = mime_part_body(&t, &t.parts[0]);
	if (single && utf8_has_8bit(body)) {
		struct mime_tree n = MIME_TREE_INIT;

		mime_tree_parse(&n, after);
		if (n.count != 1 ||
		    mime_decode(&back, MIME_QP,
			mime_part_body(&n, &n.parts[0])) == -1 ||
		    !slice_eq(buf_slice(&back), body))
			abort();
		mime_tree_free(&n);
	}
	mime_tree_free(&t);
	buf_free(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	struct buf out = BUF_INIT(4 * size + 65536);

	if (seven_bit(&out, in) == 0) {
		if (utf8_has_8bit(buf_slice(&out)))
			abort();
		check_body(in, buf_slice(&out));
	}
	buf_free(&out);
	return 0;
}
