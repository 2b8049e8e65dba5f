#ifndef COMMON_SMTP_DATA_H
#define COMMON_SMTP_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * data - content of a mail coming in (RFC 5321 §4.5.2) and going out.
 *
 * Only CRLF.CRLF ends DATA. A CR or LF alone is no line end for any
 * purpose: reading goes on to the real end, and the mail is then refused,
 * so that nobody behind us can read two mails out of it.
 */
#define SMTP_DATA_BARE 1U /* held a CR or LF that was not CRLF */
#define SMTP_DATA_NUL  2U
#define SMTP_DATA_LONG 4U /* a line longer than line_max */
#define SMTP_DATA_FULL 8U /* it did not fit into out, or memory is gone */

enum smtp_data_state {
	SMTP_DATA_START, /* at the start of a line */
	SMTP_DATA_DOT,   /* a dot came there */
	SMTP_DATA_DOT_CR,
	SMTP_DATA_TEXT,
	SMTP_DATA_CR,
	SMTP_DATA_END,
};

struct smtp_data {
	enum smtp_data_state state;
	unsigned bad;    /* SMTP_DATA_ bits; the content may not be kept */
	size_t line;     /* bytes of the present line so far */
	size_t line_max; /* CRLF not counted */
	uint64_t size;   /* bytes of content so far */
};

void smtp_data_init(struct smtp_data *d, size_t line_max);

/*
 * Take bytes after 354. Content, dots undone, is appended to out (NULL:
 * thrown away), until something bad is seen: the mail will be refused then,
 * and the rest is only followed to its end. Returns how many bytes were
 * taken: all, or up to the end of the mail, which state SMTP_DATA_END
 * tells.
 */
size_t smtp_data_take(struct smtp_data *d, struct slice in, struct buf *out);

/*
 * Take bytes of a BDAT chunk: the same rules for line ends, but no dots and
 * no end. smtp_data_finish() after the last chunk adds a missing CRLF.
 */
void smtp_data_take_chunk(
    struct smtp_data *d, struct slice in, struct buf *out);
void smtp_data_finish(struct smtp_data *d, struct buf *out);

/*
 * Content going out: dots doubled, and whatever the content holds, every
 * line ends with CRLF and no CR or LF stands alone. Begin with
 * SMTP_STUFF_INIT, end with smtp_stuff_end(), which adds ".\r\n".
 */
struct smtp_stuff {
	char last; /* '\n': at the start of a line; '\r': a CR is owed */
};
#define SMTP_STUFF_INIT                                                        \
	{                                                                      \
		.last = '\n'                                                   \
	}
int smtp_stuff_put(
    struct smtp_stuff *s, struct slice content, struct buf *out) MUST_USE;
int smtp_stuff_end(struct smtp_stuff *s, struct buf *out) MUST_USE;

#endif
