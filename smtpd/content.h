#ifndef SMTPD_CONTENT_H
#define SMTPD_CONTENT_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/smtp/command.h"
#include "common/smtp/data.h"
#include "smtpd/header.h"

/*
 * content - what a mail holds, while it comes in: in memory up to
 * CONTENT_MEMORY, then in a file of queue's. A mail that is to be refused
 * is read to its end and not kept.
 */
#define CONTENT_MEMORY   ((size_t)256 * 1024)
#define CONTENT_LINE_MAX ((size_t)65536) /* longer lines are refused */

struct content_limits {
	uint64_t size;
	uint64_t header;
	unsigned received;
};

struct content {
	struct smtp_data data;
	struct header_scan header;
	struct content_limits limits;
	struct buf mem;  /* not yet in the file: our fields, then the mail */
	size_t front;    /* bytes of our fields at the start */
	uint64_t length; /* of it all, so far */
	bool has_8bit;   /* bytes of 0x80 and above have come */
	/* The file: -1 while all is in memory. */
	int fd; /* owned */
	uint64_t large;
	EVP_MD_CTX *sha;                  /* owned; of what was written */
	const struct smtp_status *broken; /* why it cannot be kept, or NULL */
};

/* Our fields come first. 0, or -1 when memory is gone. */
int content_init(struct content *c, const struct content_limits *limits,
    struct slice fields) MUST_USE;
void content_free(struct content *c);

/*
 * Take bytes after DATA: as smtp_data_take(), but what cannot be kept is
 * thrown away and remembered in broken. Returns how many were taken;
 * c->data.state tells the end.
 */
size_t content_take(struct content *c, struct slice in);

/* Bytes of a BDAT chunk, all of them; after the last one, finish. */
void content_take_chunk(struct content *c, struct slice in);
void content_finish_chunks(struct content *c);

/* What to break it with when there is no file for it. */
extern const struct smtp_status content_no_space;
extern const struct smtp_status content_try_later;

/* Does it want a file, and have none yet? */
bool content_wants_file(const struct content *c);

/* Here it is; fd belongs to the content from now on. */
void content_use_file(struct content *c, int fd, uint64_t large);

/* Nothing of it can be kept any more. */
void content_break(struct content *c, const struct smtp_status *why);

/* Put fields between ours and the mail. Only before there is a file. */
void content_insert(struct content *c, struct slice fields);

/*
 * All has come: write the rest to the file. NULL when the mail is good, or
 * the reply it deserves. sha256 is set when there is a file.
 */
const struct smtp_status *content_end(
    struct content *c, unsigned char sha256[32]) MUST_USE;

#endif
