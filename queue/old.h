#ifndef QUEUE_OLD_H
#define QUEUE_OLD_H

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/slice.h"
#include "queue/id.h"
#include "queue/record.h"

/*
 * old - a file per lingering mail, deferred/XX/ID: its RECORD_MAIL, what
 * happened to it until then, and a RECORD_END. The stable form of a mail.
 *
 * Head of 32 bytes: u64 magic, u32 version, u32 CRC of the rest of the head,
 * u64 length of the file, u64 salt. Records' CRCs start from the head's, so
 * a file made of pieces of others is no file.
 *
 * A file is written as ID.new, made durable (by the caller: many at once),
 * and renamed; ID.new found at start is removed, for what it would have
 * replaced is still there.
 */
#define OLD_NAME 40 /* "XX/ID.new" with the NUL */

/* "3f/ID" and the suffix. */
void old_name(struct qid id, const char *suffix, char name[OLD_NAME]);

/*
 * Write ID.new from the body of the mail's record and the records since, as
 * mail_delta_add() writes them. Returns 0, or -1 with errno; no file is
 * left then.
 */
int old_write(
    int dir, struct qid id, struct slice mail, struct slice delta) MUST_USE;

/* ID.new becomes ID. 0, or -1 with errno. */
int old_rename(int dir, struct qid id) MUST_USE;

/* Remove ID or ID.new. 0, also when there is none, or -1 with errno. */
int old_remove(int dir, struct qid id, const char *suffix) MUST_USE;

struct old {
	char *store;       /* owned by the caller: free() */
	struct slice mail; /* body of the RECORD_MAIL */
	struct slice rest; /* records behind it, for old_next() */
	uint32_t seed;
};

/*
 * Read and check a file. Returns 0, or -1 with errno: EBADMSG when it is
 * damaged or of another mail.
 */
int old_read(int dir, struct qid id, struct old *o) MUST_USE;

/* The same for bytes in memory, which store points to: pure. */
int old_parse(struct slice file, struct qid id, struct old *o) MUST_USE;

/* The next record; 1, or 0 at the end. */
int old_next(struct old *o, struct record *r);

#endif
