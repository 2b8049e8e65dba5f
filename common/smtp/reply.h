#ifndef COMMON_SMTP_REPLY_H
#define COMMON_SMTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * reply - replies of servers (RFC 5321 §4.2, enhanced codes RFC 2034), read
 * and written. Text of a peer is made harmless where it comes in: control
 * and 8-bit bytes become '?', so it may go into logs, headers and IPC.
 */
#define SMTP_REPLY_TEXT_MAX  4096    /* kept of all lines together */
#define SMTP_REPLY_LINE_MAX  2048    /* octets of a line, CRLF included */
#define SMTP_REPLY_TOTAL_MAX 65536   /* octets of a whole reply's lines */
#define SMTP_REPLY_CUT_MAX   4194304 /* octets cut away from them */
#define SMTP_ENHANCED_MAX    12      /* "5.999.999" and NUL */

enum smtp_reply_result {
	SMTP_REPLY_DONE = 0, /* a whole reply is in r */
	SMTP_REPLY_MORE,
	SMTP_REPLY_BAD, /* not SMTP: no code, codes that change, no end */
};

struct smtp_reply {
	unsigned code;                    /* 200 to 599 */
	char enhanced[SMTP_ENHANCED_MAX]; /* "" when there is none */
	char text[SMTP_REPLY_TEXT_MAX];   /* lines, '\n' between them, codes
					   * left out; NUL-terminated */
	size_t len;                       /* of text */
	size_t total;                     /* octets so far */
	size_t cut;                       /* octets cut away so far */
	bool cutting;                     /* in a line that is too long */
	enum smtp_reply_result held;      /* what that line will be */
};

/* Begin a new reply. */
void smtp_reply_init(struct smtp_reply *r);

/*
 * Read lines from in until the reply is whole; *used bytes are done with
 * (also with SMTP_REPLY_MORE). Call again with what comes behind them. Of a
 * line that is too long the front counts and the rest is read over.
 */
enum smtp_reply_result smtp_reply_take(
    struct smtp_reply *r, struct slice in, size_t *used) MUST_USE;

/* The next line of r->text; false behind the last. *at starts at 0. */
bool smtp_reply_line(
    const struct smtp_reply *r, size_t *at, struct slice *line);

/*
 * Append a reply: lines of text are separated by '\n', every one gets code
 * and enhanced code (NULL, or one that is none for this code: none). What would
 * break the line becomes '?', a line is cut at 500 bytes. Errors as
 * buf_append().
 */
int smtp_reply_put(struct buf *b, unsigned code, const char *enhanced,
    struct slice text) MUST_USE;

/* Is s "class.subject.detail" (RFC 3463 §2)? Class must suit code. */
bool smtp_enhanced_valid(struct slice s, unsigned code);

#endif
