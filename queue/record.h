#ifndef QUEUE_RECORD_H
#define QUEUE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/slice.h"
#include "common/base/wire.h"
#include "queue/id.h"

/*
 * record - what the spool is made of, in the log and in deferred files.
 *
 * A record is a head of 16 bytes, a body, and zeros up to a multiple of 8:
 *
 *	u32 CRC of the head's next 12 bytes    u32 CRC of the body
 *	u32 length of the body                 u8 kind, three zero bytes
 *
 * little-endian. Both CRC32C start from the seed of the segment or file, so
 * bytes of another use of the same place, or of a mail, pass for nothing.
 * Every body begins with the id of its mail (u64 time, u64 nonce). Applying
 * a record twice, or to a state that holds it already, changes nothing:
 * recovery depends on that.
 *
 * All here is pure: no input or output, and any bytes may be read.
 */
#define RECORD_HEAD     16U
#define RECORD_ID       16U
#define RECORD_MAX      (16U * 1024 * 1024) /* longest body */
#define RECORD_RCPT_MAX 50000U              /* recipients of one mail */
#define RECORD_MADE_MAX (1024U * 1024)      /* bytes of expanded addresses */
#define RECORD_ROWS_MAX (512U * 1024)       /* of results in one record */

enum record_kind {
	RECORD_VOID = 0, /* was answered with an error before it was synced */
	RECORD_MAIL = 1,
	RECORD_EXPANDED = 2,
	RECORD_RESULT = 3,
	RECORD_STATE = 4,
	RECORD_END = 5, /* last of a deferred file */
};

/* Bytes a record with this body takes. */
static inline size_t
record_size(size_t body)
{
	return RECORD_HEAD + ((body + 7) & ~(size_t)7);
}

/* What CRCs of a segment or file start from. */
uint32_t record_seed(const void *nonce, size_t len);

/*
 * Begin a record at a place with record_size(body) bytes: the head without
 * CRCs, and the padding. The caller fills the body.
 */
void record_frame(char *at, enum record_kind kind, size_t body);

/* Fill in the CRCs of a record whose body is complete. Returns its size. */
size_t record_stamp(char *at, uint32_t seed);

/* Turn a framed record into RECORD_VOID; to be stamped (again) afterwards. */
void record_void(char *at);

struct record {
	uint8_t kind;
	struct slice body;
};

enum record_result {
	RECORD_OK = 0,
	RECORD_BAD_HEAD, /* no record begins here */
	RECORD_BAD_BODY, /* one does, its body is damaged or cut; size known */
};

/* The record at the start of in; *size gets the bytes it takes. */
enum record_result record_read(
    struct slice in, uint32_t seed, struct record *r, size_t *size);

/* The id a body begins with. 0, or -1 with errno EBADMSG. */
int record_id(struct slice body, struct qid *id) MUST_USE;

/* -- mail ---------------------------------------------------------------- */

struct envelope {
	struct qid id;
	uint8_t token[16]; /* of the submission */
	uint8_t source;    /* enum ipc_source */
	uint8_t flags;     /* IPC_MAIL_ */
	uint8_t ret;       /* enum ipc_ret */
	bool large;        /* the content is the file large/ID */
	int64_t arrived;   /* wall seconds */
	struct slice client;
	struct slice helo;
	struct slice user;
	struct slice sender;
	struct slice envid;
	uint64_t length;         /* of the content */
	uint8_t sha256[32];      /* of a large content, else zeros */
	uint32_t count;          /* recipients */
	struct slice recipients; /* for envelope_rcpt_get() */
	struct slice content;    /* empty when large */
};

struct envelope_rcpt {
	struct slice address;
	struct slice orcpt;
	uint8_t notify; /* IPC_NOTIFY_ */
};

/* Append all of a mail's body but the content. -1 with errno of buf. */
int envelope_put(const struct envelope *e, struct buf *b) MUST_USE;

/*
 * Read a body; slices are borrowed from it. The recipients are checked and
 * counted too. Returns 0, or -1 with errno EBADMSG.
 */
int envelope_get(struct envelope *e, struct slice body) MUST_USE;

int envelope_rcpt_put(const struct envelope_rcpt *r, struct buf *b) MUST_USE;
int envelope_rcpt_get(struct envelope_rcpt *r, struct wire_in *w) MUST_USE;

/* -- expanded ------------------------------------------------------------ */

enum expansion_what {
	EXPANSION_OF = 1,        /* this one became others */
	EXPANSION_DUPLICATE = 2, /* another goes to the same place */
	EXPANSION_NEW = 3,       /* made from parent */
};

/* A row of RECORD_EXPANDED. */
struct expansion {
	uint32_t number;
	uint8_t what;
	uint32_t parent;      /* of a new one, and what follows */
	struct slice address; /* final, for the router again */
	struct slice sender;  /* owner-list address, or empty: the mail's */
};

/* -- result -------------------------------------------------------------- */

enum rcpt_status {
	RCPT_WAITING = 0, /* to be tried, first or again */
	RCPT_DONE = 1,
	RCPT_FAILED = 2,   /* for good, and its bounce is not sent yet */
	RCPT_BOUNCED = 3,  /* for good, and nobody waits for more */
	RCPT_EXPANDED = 4, /* became other recipients */
	RCPT_DUPLICATE = 5,
	RCPT_DELETED = 6, /* by the administrator */
	RCPT_COUNT
};

#define OUTCOME_WARNED 1U /* a delay warning was sent */
#define OUTCOME_NOTICE 2U /* done, and a success notice is wanted still */

/* A row of RECORD_RESULT. */
struct outcome {
	uint32_t number;
	uint8_t status;
	uint8_t flags;
	uint32_t attempts;
	int64_t next_s;  /* wall seconds: when to try again */
	int64_t tried_s; /* when it was tried last; 0: never */
	uint16_t code;
	struct slice enhanced;
	struct slice text;
	struct slice remote;
};

/* The whole mail is over. */
#define RESULT_FINISHED 1U

/* -- state --------------------------------------------------------------- */

enum state_op {
	STATE_HOLD = 1,
	STATE_RELEASE = 2,
	STATE_DELETE = 3,
};

/* Bodies: begin with the id (and flags or op), then add rows. */
int expanded_begin(struct qid id, struct buf *b) MUST_USE;
int expansion_put(const struct expansion *x, struct buf *b) MUST_USE;
int result_begin(struct qid id, uint8_t flags, struct buf *b) MUST_USE;
int outcome_put(const struct outcome *o, struct buf *b) MUST_USE;
int state_put(
    struct qid id, enum state_op op, struct slice text, struct buf *b) MUST_USE;

/*
 * Read one back: the begin, then rows while w->rest is not empty. 0, or -1
 * with errno EBADMSG.
 */
int expanded_open(struct slice body, struct wire_in *w) MUST_USE;
int expansion_get(struct expansion *x, struct wire_in *w) MUST_USE;
int result_open(struct slice body, uint8_t *flags, struct wire_in *w) MUST_USE;
int outcome_get(struct outcome *o, struct wire_in *w) MUST_USE;
int state_get(struct slice body, uint8_t *op, struct slice *text) MUST_USE;

/* Does every row of such a body read? For recovery and fuzzers. */
bool record_valid(const struct record *r);

#endif
