#ifndef COMMON_MIME_WORD_H
#define COMMON_MIME_WORD_H

#include "common/base/buf.h"
#include "common/base/slice.h"

/* Longest encoded word that is looked at (RFC 2047 §2 allows 75 bytes). */
#define MIME_WORD_MAX 998

/*
 * Append a header value as UTF-8 text on one line: folding undone, encoded
 * words decoded (RFC 2047), white space between two of them left out. A
 * character cut in two by the sender across words of one charset is put
 * together again. Raw 8-bit is taken for UTF-8; what means nothing becomes
 * U+FFFD. Linear. Errors as buf_append().
 */
int mime_words_decode(struct buf *b, struct slice value) MUST_USE;

#endif
