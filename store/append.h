#ifndef STORE_APPEND_H
#define STORE_APPEND_H

#include "store/account.h"
#include "store/uidset.h"

/*
 * append - put messages of a client into a mailbox (APPEND, MULTIAPPEND):
 * all of them or none.
 *
 *	ap = append_begin(a, name);
 *	append_message(ap, &about) and append_write(ap, …) for each message
 *	append_commit(ap, &uidvalidity, &uids);
 *	append_free(ap);
 *
 * Content is streamed to a file; nothing of it is kept in memory.
 */
struct append;

struct append_about {
	unsigned flags;               /* within MESSAGE_FLAGS (mailbox.h) */
	const struct slice *keywords; /* copied */
	size_t keyword_count;
	bool has_date;    /* else: now */
	int64_t date_s;   /* seconds since 1970 UTC */
	int16_t zone_min; /* minutes east of Greenwich */
};

/* ENOENT: no such mailbox (TRYCREATE). */
struct append *append_begin(struct account *a, struct slice name) MUST_USE;

/* The next message starts. */
int append_message(
    struct append *ap, const struct append_about *about) MUST_USE;

/* Some of its content, as it is to be stored: CRLF line ends. */
int append_write(struct append *ap, const void *p, size_t n) MUST_USE;

/*
 * All messages are in the mailbox, durably, when this returns 0; none when
 * -1. uids (may be NULL) gets their UIDs, in order.
 */
int append_commit(
    struct append *ap, uint32_t *uidvalidity, struct uidset *uids) MUST_USE;

/* Release; without a commit nothing remains. NULL is allowed. */
void append_free(struct append *ap);

#endif
