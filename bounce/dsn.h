#ifndef BOUNCE_DSN_H
#define BOUNCE_DSN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/ipc/work.h"

/*
 * dsn - a report on what became of a mail (RFC 3461 §6, RFC 3464, RFC 6522,
 * RFC 6533 for international mail). Pure: a job in, a message out.
 */
#define DSN_FULL_MAX  ((size_t)100 * 1024) /* content returned whole */
#define DSN_HEAD_MAX  ((size_t)64 * 1024)  /* of a header returned alone */
#define DSN_MAX       ((size_t)IPC_INLINE_MAX)
#define DSN_TOKEN_LEN 16

struct dsn {
	const struct work *work;
	const char *hostname; /* who reports */
	int64_t now_s;
	const char *boundary; /* random; letters and digits */
	bool to_postmaster;   /* the mail itself had no sender */
};

/*
 * Does this recipient want to hear of this kind of event (RFC 3461 §4.1;
 * WORK_BOUNCE_FAILURE and so on)?
 */
bool dsn_wanted(const struct ipc_work_rcpt *r, enum ipc_work_kind kind);

/* Is there anybody among the job's recipients who wants one? */
bool dsn_any_wanted(const struct work *w);

/*
 * 16 bytes that are the same whenever the same report is made: of queue
 * id, kind and recipients. 0, or -1 when the digest fails.
 */
int dsn_token(const struct work *w, uint8_t token[DSN_TOKEN_LEN]) MUST_USE;

/*
 * Append the message, CRLF throughout. *flags: IPC_MAIL_ bits it needs. One
 * that does not fit into out returns the header only, then says less of each
 * recipient: a job of queue's always fits into DSN_MAX. 0, or -1 with errno
 * (of buf_append()).
 */
int dsn_build(const struct dsn *d, struct buf *out, uint8_t *flags) MUST_USE;

#endif
