#ifndef COMMON_LOGIN_TALK_H
#define COMMON_LOGIN_TALK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/ipc/message_list.h"
#include "common/ipc/proc.h"
#include "common/login/sasl.h"

/*
 * talk - a conversation before login, without any input or output of its
 * own: the protocol reads bytes from one buf, writes replies to another and
 * returns what it wants to happen next. front.c makes it happen.
 */

/* What the protocol wants next, once its replies are on their way. */
enum talk_step {
	TALK_READ,     /* a command was answered, or there is none yet */
	TALK_AUTH,     /* ask auth about who, then call answer() */
	TALK_STARTTLS, /* handshake; everything not consumed is thrown away */
	TALK_CLOSE,    /* the end, when the replies have left */
};

/* What became of a TALK_AUTH. Success is answered by the session. */
enum talk_answer {
	ANSWER_BAD,         /* wrong user or password: say no more than that */
	ANSWER_DENIED,      /* right, but not for this service */
	ANSWER_UNAVAILABLE, /* auth or the usher is not there; try later */
};

/* Why the front ends a conversation by itself. */
enum talk_end {
	END_IDLE,     /* said nothing for too long */
	END_STOPPING, /* this front is going away */
	END_BUSY,     /* too many connections; instead of the greeting */
};

struct talk {
	/* Set by the front. */
	const char *hostname;
	unsigned errors_max; /* bad commands before we say goodbye */
	bool tls;
	bool can_starttls; /* a certificate is there; no TLS yet */
	bool can_login;    /* TLS, or the network may log in without */

	/* Set by the protocol. */
	struct buf out;         /* replies; the front sends and empties it */
	struct credentials who; /* with TALK_AUTH; wiped by the front */
	unsigned errors;
	unsigned failures; /* logins refused */
	bool spoken;       /* the first line has come */
};

/* Logins a client may fail in one connection. */
#define TALK_FAILURES_MAX 5

/* Input a conversation may hold before login, bytes. */
#define TALK_IN_MAX  16384
#define TALK_OUT_MAX 4096

struct talk_protocol {
	const char *name; /* "imap": service= in the log, and ALPN */
	enum ipc_service service;
	enum proc usher;
	size_t size; /* of the protocol's struct, which begins with a talk */

	/* Connected (or TLS is up on a TLS port): the greeting. */
	void (*greet)(struct talk *t);
	/*
	 * Consume at most one command; called again as long as something
	 * was consumed.
	 */
	enum talk_step (*input)(struct talk *t, struct buf *in);
	/* Answer a TALK_AUTH, then input() is called again. */
	enum talk_step (*answer)(struct talk *t, enum talk_answer answer);
	/* TLS is up after TALK_STARTTLS: forget what was before. */
	void (*secured)(struct talk *t);
	/* Say why it ends. */
	void (*end)(struct talk *t, enum talk_end why);
	/* The tag the session will need; "" for protocols without. */
	const char *(*tag)(const struct talk *t);
};

/*
 * Append to the replies. One command has at most TALK_OUT_MAX bytes of
 * them; what would not fit is dropped and ends the conversation through
 * its error count.
 */
void talk_say(struct talk *t, const char *text);
void talk_printf(struct talk *t, const char *fmt, ...) PRINTF(2, 3);

/* Does a first line belong to a browser that was sent to us? */
bool talk_is_http(struct slice line);

/*
 * Overwrite and consume the first n bytes of input, which may have held a
 * password.
 */
void talk_consume(struct buf *in, size_t n);

#endif
