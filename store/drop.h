#ifndef STORE_DROP_H
#define STORE_DROP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * The name of a mail in a drop box: all that a session knows about it when
 * it takes it in.
 *
 *	QUEUEID.RECIPIENT.FOLDER.SIZE.DATE[.L<LOW>][.R]
 *
 * deliver writes the mail (CRLF line ends) as drop/tmp/NAME, syncs, renames
 * it to drop/new/NAME without replacing, and reports it after the next sync
 * (store/README.md). (QUEUEID, RECIPIENT) is the token by which a mail is
 * taken in once. Names sort by queue id, so by arrival.
 */
#define DROP_TOKEN_MAX 64  /* bytes of a queue id: A-Z a-z 0-9 - _ */
#define DROP_NAME_MAX  250 /* bytes of a name */

struct drop_name {
	char queue_id[DROP_TOKEN_MAX + 1];
	uint32_t recipient; /* its number in the mail, never renumbered */
	uint32_t folder;    /* id of a mailbox; 0 is INBOX */
	uint64_t size;      /* bytes of the file */
	int64_t date_s;     /* internal date, seconds since 1970, not below 0 */

	/*
	 * The queue's low-water mark: no unfinished mail has a smaller id.
	 * "" when not known. Tokens below it may be forgotten.
	 */
	char low[DROP_TOKEN_MAX + 1];

	/*
	 * An earlier attempt with this token may have succeeded: look the
	 * token up before taking it in.
	 */
	bool retry;
};

/*
 * Write the name of d and a NUL into out. -1 with errno EINVAL when an id
 * has other bytes, is empty or too long, or the date is negative.
 */
int drop_name_format(
    const struct drop_name *d, char out[DROP_NAME_MAX + 1]) MUST_USE;

/*
 * Parse a name; only what drop_name_format() writes is accepted, byte for
 * byte. -1 with errno EINVAL for anything else.
 */
int drop_name_parse(struct slice name, struct drop_name *d) MUST_USE;

/* 64 bits that stand for the token (queue id, recipient) for ever. */
uint64_t drop_token(const struct drop_name *d);

#endif
