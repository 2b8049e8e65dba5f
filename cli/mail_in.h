#ifndef CLI_MAIL_IN_H
#define CLI_MAIL_IN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/*
 * mail_in - the mail a local program gives to `sendmail`: text lines made a
 * mail that may travel (CRLF, Date, From, Message-ID), its recipients
 * collected. Pure but for the clock.
 */
#define MAIL_IN_RCPTS_MAX 10000

struct mail_in {
	struct buf content; /* CRLF lines */
	char **rcpts;       /* owned, "user@domain" */
	size_t count;
};

struct mail_in_how {
	const char *sender; /* for a missing From */
	const char *host;   /* completes addresses without a domain */
	bool collect;       /* -t: recipients from To, Cc, Bcc */
};

void mail_in_init(struct mail_in *m, size_t max);
void mail_in_free(struct mail_in *m);

/* One more recipient; @host is added where there is no domain. -1: full. */
int mail_in_rcpt(
    struct mail_in *m, struct slice address, const char *host) MUST_USE;

/*
 * Make m->content from text as it was read: any line end becomes CRLF, a
 * Bcc goes out, missing fields come in. Returns 0, or -1 with errno (ENOBUFS
 * when it is too large).
 */
int mail_in_take(struct mail_in *m, struct slice text,
    const struct mail_in_how *how) MUST_USE;

#endif
