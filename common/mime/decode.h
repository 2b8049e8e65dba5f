#ifndef COMMON_MIME_DECODE_H
#define COMMON_MIME_DECODE_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * decode - content transfer encodings undone (RFC 2045 §6), leniently:
 * what is malformed never ends the text.
 */
enum mime_encoding {
	MIME_IDENTITY, /* 7bit, 8bit, binary, and what is not known */
	MIME_BASE64,
	MIME_QP,
};

/* By the raw value of Content-Transfer-Encoding (p may be NULL). */
enum mime_encoding mime_encoding_of(struct slice value);

/*
 * Append the decoded body. Bytes outside the base64 alphabet are skipped
 * and '=' ends it; "=XY" without two digits stands for itself. Errors as
 * buf_append().
 */
int mime_decode(
    struct buf *b, enum mime_encoding enc, struct slice body) MUST_USE;

#endif
