#ifndef IMAPD_SLEEP_STATE_H
#define IMAPD_SLEEP_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "imapd/parse.h"
#include "store/mailbox.h"

/*
 * sleep_state - all that a session is when nothing is under way, as bytes.
 * The front has had them in its hands: what is read is checked for what it
 * may be at all, and by mailbox_return() for what is true.
 */
struct sleep_state {
	int64_t silent_since_ms;     /* boot clock: the client's last word */
	uint32_t errors;             /* bad commands in a row */
	bool idling;                 /* in IDLE */
	char tag[PARSE_TAG_MAX + 1]; /* … of that */
	bool selected;
	uint32_t keywords_told; /* in the last FLAGS */
	struct mailbox_place place;
};

/* Errors as buf_append(). */
int sleep_state_put(struct buf *b, const struct sleep_state *s) MUST_USE;

/* -1 with errno EBADMSG. */
int sleep_state_parse(struct slice bytes, struct sleep_state *s) MUST_USE;

#endif
