#ifndef COMMON_LOGIN_SESSION_H
#define COMMON_LOGIN_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * session - what a session process is told about its client. The process
 * is already the user's, its root is the user's home, and its seccomp
 * filter is the usher's. Everything here stays valid until it ends.
 */
struct config;

/* What a session leaves behind that would sleep (sleep.h). */
struct login_nap {
	int watch;          /* readable when there is news; -1: nothing is */
	uint32_t wake_ms;   /* to be woken then in any case */
	struct slice state; /* for the one who comes back, SLEEP_STATE_MAX */
};

enum login_sleep {
	LOGIN_ASLEEP, /* the connection is not ours any more: say nothing, end
		       */
	LOGIN_BUSY,   /* the client spoke, or so; maybe later */
	LOGIN_AWAKE,  /* it is not to be */
};

struct login_session {
	int fd;          /* the client or the front's pair; blocking */
	int alive;       /* end of file here: master has ended, so end too;
			  * poll it beside fd. -1: none */
	uint32_t number; /* session= in log lines, printed %08x */
	uint32_t uid;
	bool tls;
	const char *user;     /* the canonical login */
	const char *client;   /* address of the client, as text */
	const char *tag;      /* IMAP: of the LOGIN not answered yet; or "" */
	struct slice preread; /* what the client sent behind its login */
	/*
	 * Not empty: this session goes on where another one has left off, and
	 * that wrote it; but any byte of it may have been changed since.
	 */
	struct slice state;
	/* Call it when nothing is under way. NULL: there is no sleep. */
	enum login_sleep (*sleep)(
	    void *arg, int fd, const struct login_nap *nap);
	void *sleep_arg;
	const struct config *config;
	const uint8_t *boot_id; /* 16 bytes, for struct account_config */
	void **kept;            /* the program's own, from one session of the
				 * process to its next; NULL at first */
};

/*
 * A session program: answers the login, serves the client to its end and
 * returns. The process may be given another session of the same user then,
 * so it leaves nothing open but what it keeps for that; fd and alive stay the
 * caller's.
 */
typedef void login_session_run(const struct login_session *s);

#endif
