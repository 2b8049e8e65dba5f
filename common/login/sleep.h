#ifndef COMMON_LOGIN_SLEEP_H
#define COMMON_LOGIN_SLEEP_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/base/slice.h"

/*
 * sleep - how an idle session's process makes itself unnecessary.
 *
 *	process -> usher    WORD_LINK: I would sleep
 *	usher -> auth       RETURN_ASK, which makes the ticket for the return
 *	usher -> front      SESSION_LINK: the ticket, one end of a new pair
 *	usher -> process    WORD_LINK with the other end; or WORD_NO
 *	process -> front    over it: struct sleep_note, the connection, and what
 *	                    becomes readable when there is news
 *	front -> process    one byte, enum sleep_answer; then the pair is closed
 *
 * From SLEEP_TAKEN on the front has the connection, and the process ends
 * without a word. The front starts a session with ticket and state when
 * client, news or time say so. It knows nothing of the state but its size,
 * and the session that gets it back believes nothing of it.
 */

/* Between usher and process, the first byte of each datagram. */
enum usher_word {
	WORD_ENDED = 'D', /* to the usher: the session has ended */
	WORD_LINK = 'L',
	WORD_NO = 'N',
	WORD_PASS = 'P', /* to the process: another session */
};

enum sleep_answer {
	SLEEP_TAKEN = 'Y',
	SLEEP_BUSY = 'B',  /* something is under way; maybe later */
	SLEEP_NEVER = 'N', /* this front takes none of this session */
};

#define SLEEP_STATE_MAX 1024
#define SLEEP_NOTE_MAX  (SLEEP_STATE_MAX + 8)
#define SLEEP_FDS       2

struct sleep_note {
	uint32_t wake_ms; /* come back then, whatever happens */
	struct slice state;
};

/* Errors as buf_append(). */
int sleep_note_put(struct buf *b, const struct sleep_note *n) MUST_USE;
/* n borrows from bytes. -1 with errno EBADMSG. */
int sleep_note_parse(struct slice bytes, struct sleep_note *n) MUST_USE;

/* One datagram and at most SLEEP_FDS descriptors; it never waits. */
int sleep_send(
    int to, struct slice bytes, const int *fds, size_t count) MUST_USE;

/*
 * Bytes got, 0 at the end, -1. What is received belongs to the caller, missing
 * ones are -1. EMSGSIZE: not all of the descriptors, or bytes, came.
 */
ssize_t sleep_receive(
    int from, void *bytes, size_t cap, int fds[SLEEP_FDS]) MUST_USE;

#endif
