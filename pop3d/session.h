#ifndef POP3D_SESSION_H
#define POP3D_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/login/session.h"

/*
 * session - one logged-in POP3 client (RFC 1939 §5 and §6): plain blocking
 * code in a process of its own, whose root is the user's home. The maildrop
 * is the user's INBOX as it was when the session began.
 */
struct account;
struct mailbox;

/* Where a session stands; it only ever moves down this list. */
enum pop3_end {
	POP3_GOES_ON,
	POP3_QUIT,    /* the client said so: UPDATE */
	POP3_EOF,     /* it went away: nothing is removed */
	POP3_IDLE,    /* the autologout timer: the same */
	POP3_ERRORS,  /* too many bad commands */
	POP3_STOPPED, /* master has ended */
	POP3_FAILED,  /* the mailbox could not be opened, or is damaged */
};

#define POP3_IN_MAX   16384
#define POP3_OUT_MAX  262144
#define POP3_OUT_HIGH 65536 /* written out above this */

struct pop3_session {
	const struct login_session *login;
	int64_t timeout_ms;
	unsigned errors_max;
	enum pop3_end end;
	bool skipping;   /* in a line that was too long */
	unsigned errors; /* bad commands in a row */
	struct buf in;
	struct buf out;

	int lock; /* the maildrop's, held by being open; -1 */
	struct account *account;
	struct mailbox *box;
	uint32_t count; /* messages of the maildrop */
	uint32_t uidvalidity;
	uint64_t bytes;         /* of the messages not deleted */
	uint32_t deleted_count; /* messages marked as deleted */
	uint64_t total_bytes;   /* of all */
	uint8_t *deleted;       /* a bit a message, number 1 is bit 0 */
	uint8_t *retrieved;     /* the same: to be marked \Seen */
	char *content;          /* POP3_CONTENT bytes, for reading files */

	uint64_t retrieved_count;
	uint32_t removed; /* by QUIT */
	uint64_t sent;    /* bytes written to the client */
};

/* -- session.c: the process -------------------------------------------- */

login_session_run pop3_session_run;

/* The same, but for a home that is not the root: for tests. */
enum pop3_end pop3_session_serve(const struct login_session *login, int home);

/* -- session_io.c: the client ------------------------------------------ */

/* Queue output; written when it has grown large. */
void pop3_say(struct pop3_session *s, const char *text);
void pop3_say_slice(struct pop3_session *s, struct slice text);
void pop3_say_number(struct pop3_session *s, uint64_t n);
void pop3_printf(struct pop3_session *s, const char *fmt, ...) PRINTF(2, 3);

/* Write all output, waiting as long as the client may be silent. */
void pop3_flush(struct pop3_session *s);

/* Wait for input and append it to in; may set end. */
void pop3_fill(struct pop3_session *s);

/*
 * The account's way to wait (store/account.h): false when the client is
 * gone, or master; sets end. Behind QUIT the client need not be there. ctx:
 * the session.
 */
bool pop3_wanted(void *ctx);

/* The client may still be sending: let it read our last words. */
void pop3_linger(struct pop3_session *s);

/* -- session_drop.c: the maildrop -------------------------------------- */

/* Lock and open; answers the login either way. Sets end when it fails. */
void maildrop_open(struct pop3_session *s, int home);
void maildrop_close(struct pop3_session *s);

/* UPDATE (RFC 1939 §6): remove what is deleted. -1 when not all went. */
int maildrop_update(struct pop3_session *s) MUST_USE;

bool maildrop_bit_get(const uint8_t *bits, uint32_t msg);
void maildrop_bit_set(uint8_t *bits, uint32_t msg);

/* -- session_command.c -------------------------------------------------- */

/* Run one command line. */
void pop3_command_run(struct pop3_session *s, struct slice text);

/* Answer and count a bad command. */
void pop3_command_bad(struct pop3_session *s, const char *text);

/* -- session_content.c -------------------------------------------------- */

#define POP3_CONTENT 65536

/*
 * The whole answer to RETR, or (lines not UINT64_MAX) to TOP: header and so
 * many lines, byte-stuffed, ended.
 */
void pop3_content_send(struct pop3_session *s, uint32_t msg, uint64_t lines);

#endif
