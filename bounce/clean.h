#ifndef BOUNCE_CLEAN_H
#define BOUNCE_CLEAN_H

#include <stdbool.h>

#include "common/base/buf.h"

/*
 * clean - text of strangers on its way into a report: addresses, replies
 * of remote hosts, envelope identifiers. What could end a line or a header
 * becomes '?'; what is long is folded. Errors as buf_append().
 */

/* Append s without control bytes, and without 8-bit ones unless utf8. */
int clean_put(struct buf *b, struct slice s, bool utf8) MUST_USE;

/*
 * Append "Name: value" and CRLF, folded at white space (RFC 5322 §2.2.3); a
 * word that fills a line by itself is cut in two.
 */
int clean_field(
    struct buf *b, const char *name, struct slice value, bool utf8) MUST_USE;

/* Append s as lines of a text, each with this indentation and CRLF. */
int clean_lines(
    struct buf *b, const char *indent, struct slice s, bool utf8) MUST_USE;

/* Is s "class.subject.detail" of a class 2, 4 or 5 (RFC 3463 §2)? */
bool clean_status_valid(struct slice s);

#endif
