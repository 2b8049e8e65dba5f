#ifndef QUEUE_HOT_H
#define QUEUE_HOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "queue/chunk.h"
#include "queue/record.h"

/*
 * hot - a mail with its envelope, content and recipients in memory: a base
 * (the body of its RECORD_MAIL) and the records applied to it since. Pure
 * but for memory: recovery, reading back and running use the same code.
 */
struct mail;
struct task;
TAILQ_HEAD(task_list, task);
TAILQ_HEAD(turn_list, mail_hot);

/* Where a recipient goes, as router said; one block of memory. */
struct route {
	uint8_t kind; /* ROUTE_LOCAL or ROUTE_RELAY */
	uint32_t uid;
	struct slice address; /* slices into data */
	struct slice next_hop;
	struct slice home;
	struct slice tag;
	char data[];
};

/* Flags of a recipient in memory, above the OUTCOME_ ones. */
#define RCPT_STORED 0x0fU /* of flags: what goes into records */
#define RCPT_BUSY   0x10U /* being routed, or in a task */
#define RCPT_UNSURE 0x20U /* an attempt's outcome is unknown */
#define RCPT_MADE   0x40U /* by an expansion: the address is final */
#define RCPT_DIRTY  0x80U /* changed, and no record says so yet */

struct rcpt {
	struct slice address; /* as given, or final when RCPT_MADE */
	struct slice orcpt;
	struct slice sender; /* owner-list address, or empty: the mail's */
	uint32_t parent;     /* of one made by an expansion */
	uint32_t next;       /* in a task, or to be asked about; or RCPT_NONE */
	uint8_t notify;
	uint8_t status; /* enum rcpt_status */
	uint8_t flags;
	uint16_t code;
	uint32_t attempts;
	int64_t next_s;  /* wall seconds */
	int64_t tried_s; /* 0: never */
	char *why;       /* owned: enhanced, text and remote, each with NUL */
	struct route *route; /* owned; NULL: not known now */
	struct task *task;
};

#define RCPT_NONE UINT32_MAX

struct mail_hot {
	struct envelope env; /* slices into the chunk or store */
	struct chunk *chunk; /* held; NULL when it was read back */
	char *store;         /* owned; NULL when it stands in a chunk */
	size_t store_len;    /* as mails.hot_bytes counts it */
	char **made;         /* owned: addresses of expansions */
	size_t made_count;
	size_t made_bytes;
	struct rcpt *rcpts; /* owned, by number */
	uint32_t count;
	uint32_t cap;
	uint32_t open;          /* recipients that are not over */
	uint32_t busy;          /* of them: RCPT_BUSY */
	bool finished;          /* a result said that all is over */
	bool held;              /* by the last state record */
	bool stated;            /* there was a state record */
	bool changed;           /* not as the base says */
	bool redirected;        /* expanded */
	bool unwritten;         /* and no record says so yet */
	int64_t warn_s;         /* no warning sooner; wall seconds */
	unsigned asking;        /* recipients router is asked about */
	struct task_list tasks; /* of this mail, waiting or sent */

	/* Recipients router is still to be asked about (route.h). */
	TAILQ_ENTRY(mail_hot) turn;
	struct turn_list *turns; /* it waits in; NULL: there are none */
	struct mail *mail;
	uint32_t ask_first;
	uint32_t ask_last;
};

/*
 * From the body of a RECORD_MAIL. chunk, which then is held, or store (a
 * block to free) is where body stands; store becomes the hot one's also on
 * failure. NULL with errno EBADMSG.
 */
struct mail_hot *hot_new(
    struct slice body, struct chunk *chunk, char *store) MUST_USE;

/* NULL is fine. */
void hot_free(struct mail_hot *h);

/*
 * Apply a record of this mail. 0, or -1 with errno EBADMSG when it does not
 * fit; then part of it may have been applied.
 */
int hot_apply(struct mail_hot *h, const struct record *r) MUST_USE;

/* Apply many, as mail_delta_add() writes them. */
int hot_apply_all(struct mail_hot *h, struct slice delta) MUST_USE;

/*
 * Append the records that lead from the base to the state now, in the form
 * of hot_apply_all(). -1 with errno of buf.
 */
int hot_snapshot(
    const struct mail_hot *h, struct qid id, struct buf *b) MUST_USE;

/* Is the recipient's part over for good? */
bool rcpt_over(const struct rcpt *r);

/* Set the status and keep h->open right. */
void rcpt_set_status(struct mail_hot *h, uint32_t number, uint8_t status);

/* Mark busy or not and keep h->busy right. */
void rcpt_set_busy(struct mail_hot *h, uint32_t number, bool busy);

/* Note why: strings are copied, and cut to what a record holds. */
void rcpt_set_why(struct rcpt *r, struct slice enhanced, struct slice text,
    struct slice remote);
struct rcpt_why {
	struct slice enhanced;
	struct slice text;
	struct slice remote;
};
struct rcpt_why rcpt_get_why(const struct rcpt *r);

/*
 * The row of a result record that says how it is now. Of a mail with very
 * many recipients the texts are cut short.
 */
struct outcome rcpt_outcome(const struct mail_hot *h, uint32_t number);

/* A copy of a route router gave. */
struct ipc_route;
struct route *route_new(const struct ipc_route *m) MUST_USE;

/* The same place: transport, next hop or home, and address? */
bool route_same(const struct route *a, const struct route *b);

/*
 * Add a recipient made from another. Its number, or RCPT_NONE when the mail
 * has as many as it may have.
 */
uint32_t hot_add_rcpt(struct mail_hot *h, uint32_t parent, struct slice address,
    struct slice sender);

/* Who a mail for this recipient comes from. */
struct slice rcpt_sender(const struct mail_hot *h, const struct rcpt *r);

#endif
