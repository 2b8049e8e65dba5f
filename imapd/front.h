#ifndef IMAPD_FRONT_H
#define IMAPD_FRONT_H

#include <stdbool.h>

#include "common/login/talk.h"
#include "imapd/front_frame.h"

/*
 * front - IMAP before login (RFC 3501 §6.1 and §6.2): CAPABILITY, NOOP,
 * LOGOUT, ID, STARTTLS, LOGIN, AUTHENTICATE. The tagged OK of a login comes
 * from the session.
 */
#define IMAP_TAG_MAX 128

enum imap_mode {
	IMAP_COMMAND,  /* a command comes next */
	IMAP_RESPONSE, /* the next line answers a SASL challenge */
	IMAP_SKIP,     /* throw away up to the next CRLF: was too long */
};

struct imap_talk {
	struct talk talk;
	enum imap_mode mode;
	bool alerted; /* told of a password sent in clear */
	char tag[IMAP_TAG_MAX + 1];
	struct front_frame frame;
	struct sasl sasl;
};

extern const struct talk_protocol imap_protocol;

/* Run one whole command as frame_next() found it (front_command.c). */
enum talk_step imap_command(struct imap_talk *m, struct slice text) MUST_USE;

/* One response line of AUTHENTICATE, without its CRLF. */
enum talk_step imap_response(struct imap_talk *m, struct slice line) MUST_USE;

/* Answer a bad command; too many of them end the conversation. */
enum talk_step imap_bad(struct imap_talk *m, const char *text) MUST_USE;

/* Count an error that was answered; maybe it was one too many. */
enum talk_step imap_error(struct imap_talk *m) MUST_USE;

/* Wipe what is known of the client's credentials. */
void imap_forget(struct imap_talk *m);

/* Append the capabilities of this moment, without CRLF. */
void imap_capabilities(struct imap_talk *m);

enum talk_step imap_answer(struct talk *t, enum talk_answer answer) MUST_USE;

#endif
