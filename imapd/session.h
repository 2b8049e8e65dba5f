#ifndef IMAPD_SESSION_H
#define IMAPD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"
#include "common/login/session.h"

struct account;

/*
 * session - one logged-in user over one connection: plain blocking code in
 * a process of its own, under the user's uid.
 */
struct imap_session_start {
	int fd;     /* the client, or the front's pair; stays the caller's */
	int alive;  /* above 0: its end of file says master has ended */
	int home;   /* the user's home, also the working directory */
	bool quiet; /* send no greeting: the client has had one */
	uint32_t number; /* session= in log lines */
	const char *user;
	const char *tag;      /* of the login to be answered */
	struct slice preread; /* what the client sent behind its login */
	uint8_t boot_id[16];  /* see struct account_config */
	uint32_t retention_s;
	int64_t idle_ms;      /* a silent client is sent away after this */
	int64_t lock_ms;      /* so long is a mailbox's lock waited for */
	uint64_t literal_max; /* bytes of an appended message */
	unsigned errors_max;  /* bad commands in a row */
	/*
	 * Where the open account is left for the process's next session, and
	 * found by it; NULL: it is closed.
	 */
	struct account **kept;
	/*
	 * See struct login_session. sleep is called after hibernate_ms of
	 * IDLE; 0: never.
	 */
	struct slice state;
	enum login_sleep (*sleep)(
	    void *arg, int fd, const struct login_nap *nap);
	void *sleep_arg;
	int64_t hibernate_ms;
};

/*
 * Answer the login and serve the client until it logs out or is gone.
 * Returns 0, or 1 when the front has it back because it was silent, or -1
 * when its mail could not be opened or was damaged; the client was told.
 */
int imap_session_serve(const struct imap_session_start *start);

/* The same for a process that has the home as its root (login/session.h). */
login_session_run imap_session_run;

#endif
