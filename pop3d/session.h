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
enum session_end {
	SESSION_GOES_ON,
	SESSION_QUIT,    /* the client said so: UPDATE */
	SESSION_EOF,     /* it went away: nothing is removed */
	SESSION_IDLE,    /* the autologout timer: the same */
	SESSION_ERRORS,  /* too many bad commands */
	SESSION_STOPPED, /* master has ended */
	SESSION_FAILED,  /* the mailbox could not be opened, or is damaged */
};

#define SESSION_IN_MAX   16384
#define SESSION_OUT_MAX  262144
#define SESSION_OUT_HIGH 65536 /* written out above this */

struct session {
	const struct login_session *login;
	int64_t timeout_ms;
	unsigned errors_max;
	enum session_end end;
	bool skipping; /* in a line that was too long */
	unsigned errors;
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
	char *content;          /* SESSION_CONTENT bytes, for reading files */

	uint64_t retrieved_count;
	uint64_t sent; /* bytes written to the client */
};

/* -- session.c: the process -------------------------------------------- */

login_session_run pop3_session_run;

/* The same, but for a home that is not the root: for tests. */
enum session_end pop3_session_serve(
    const struct login_session *login, int home);

/* -- session_io.c: the client ------------------------------------------ */

/* Queue output; written when it has grown large. */
void session_say(struct session *s, const char *text);
void session_say_slice(struct session *s, struct slice text);
void session_say_number(struct session *s, uint64_t n);
void session_printf(struct session *s, const char *fmt, ...) PRINTF(2, 3);

/* Write all output, waiting as long as the client may be silent. */
void session_flush(struct session *s);

/* Wait for input and append it to in; may set end. */
void session_fill(struct session *s);

/* The client may still be sending: let it read our last words. */
void session_linger(struct session *s);

/* -- session_drop.c: the maildrop -------------------------------------- */

/* Lock and open; answers the login either way. Sets end when it fails. */
void drop_open(struct session *s, int home);
void drop_close(struct session *s);

/* UPDATE (RFC 1939 §6): remove what is deleted. -1 when not all went. */
int drop_update(struct session *s) MUST_USE;

bool bit_get(const uint8_t *bits, uint32_t msg);
void bit_set(uint8_t *bits, uint32_t msg);

/* -- session_command.c -------------------------------------------------- */

/* Run one command line. */
void command_run(struct session *s, struct slice text);

/* Answer and count a bad command. */
void command_bad(struct session *s, const char *text);

/* -- session_content.c -------------------------------------------------- */

#define SESSION_CONTENT 65536

/*
 * The whole answer to RETR, or (lines not UINT64_MAX) to TOP: header and so
 * many lines, byte-stuffed, ended.
 */
void content_send(struct session *s, uint32_t msg, uint64_t lines);

#endif
