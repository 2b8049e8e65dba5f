#ifndef QUEUE_MAIL_H
#define QUEUE_MAIL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/attr.h"
#include "common/base/heap.h"
#include "queue/hot.h"
#include "queue/id.h"
#include "queue/seg.h"

/*
 * mail - every mail of the queue, in memory.
 *
 * Most of them wait and are no more than a struct mail: where the mail
 * stands on disk (its base: a record in the log, or a deferred file), what
 * happened since (delta), and when it is due. One that is being worked on
 * has its envelope, recipients and content too (hot).
 *
 *	COMMITTING  accepted, its record is not durable yet    hot
 *	COLD        waits                                      on disk
 *	HOT         routed, delivered, bounced                 hot
 *	ENDING      all is over; the record of that is written hot or cold
 *
 * A mail whose base is in the log, or for which the log holds results that
 * its file does not have, is tied to the oldest segment it needs.
 */
enum mail_state {
	MAIL_COMMITTING,
	MAIL_COLD,
	MAIL_HOT,
	MAIL_ENDING,
};

#define MAIL_IN_FILE 0x01U  /* the base is deferred/XX/ID */
#define MAIL_LARGE   0x02U  /* owns large/ID */
#define MAIL_HELD    0x04U  /* by the administrator, or as damaged */
#define MAIL_UNSURE  0x08U  /* an earlier attempt's outcome is unknown */
#define MAIL_DOOMED  0x10U  /* to be deleted */
#define MAIL_CORRUPT 0x20U  /* cannot be read; held */
#define MAIL_PARKED  0x40U  /* waits for a place before its destination */
#define MAIL_SEEN    0x80U  /* was read since the start: due is known */
#define MAIL_FOLDING 0x100U /* a file of it is being written */
#define MAIL_LATER   0x200U /* and a record was logged since */
#define MAIL_FLUSH   0x400U /* to be tried when it is read back */
#define MAIL_LISTED  0x800U /* in a destination's list of parked mails */

struct mail {
	struct heap_node due; /* boot clock, ms; first member */
	struct qid id;
	struct mail *hash_next;
	TAILQ_ENTRY(mail) order; /* all mails, by id */
	TAILQ_ENTRY(mail) tied;  /* in seg->mails */
	struct seg *seg;         /* tied to; NULL: to none */
	struct mail_hot *hot;    /* owned; NULL while cold */
	char *delta;             /* owned: records to apply to the base */
	uint32_t delta_len;
	uint32_t base_at;  /* in the log: where its record is in seg */
	uint32_t base_len; /* and how long its body */
	uint8_t state;     /* enum mail_state */
	uint16_t flags;    /* MAIL_ */
};

TAILQ_HEAD(mail_order, mail);

struct mails {
	struct mail_order order;
	struct mail **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	size_t hot;       /* of them, with envelope and content in memory */
	size_t hot_bytes; /* of those read back */
	size_t held;
	struct heap due;
};

void mails_init(struct mails *ms);

/* Forget all; nothing on disk is touched. */
void mails_free(struct mails *ms);

/* A new one of this id, cold and due never; there is none of it yet. */
struct mail *mail_add(struct mails *ms, struct qid id) MUST_USE;

/* NULL when there is none. */
struct mail *mail_find(const struct mails *ms, struct qid id);

/* Forget it: out of everything, freed. Its segment is left untold. */
void mail_remove(struct mails *ms, struct mail *m);

/* The oldest unfinished mail, or NULL: the low-water mark. */
struct mail *mails_first(const struct mails *ms);

/* Tie to s, which must not be newer than what it is tied to; or to none. */
void mail_tie(struct mail *m, struct seg *s);

/* Set and clear flags, and count the held ones. */
void mail_flag(struct mails *ms, struct mail *m, unsigned set, unsigned clear);

/* Take hot, or give it up again (freed). */
void mail_heated(struct mails *ms, struct mail *m, struct mail_hot *h);
void mail_cooled(struct mails *ms, struct mail *m);

/* Add a record to what is to be applied to the base. */
void mail_delta_add(struct mail *m, const struct record *r);
void mail_delta_set(struct mail *m, char *delta, size_t len);

#endif
