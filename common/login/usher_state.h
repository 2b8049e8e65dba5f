#ifndef COMMON_LOGIN_USHER_STATE_H
#define COMMON_LOGIN_USHER_STATE_H

#include <event2/event_struct.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/login/sasl.h"
#include "common/login/sleep.h"
#include "common/login/usher.h"

/* What the files of the usher share; nobody else includes it. */

#define USHER_TAG_MAX     256
#define USHER_PREREAD_MAX 61440
#define USHER_STARTS_MAX  4096

/* A SESSION_START that waits for auth. */
struct usher_start {
	struct usher_start *next;
	struct usher_start *prev;
	struct usher *usher;
	struct ipc_chan *front;
	uint32_t request; /* of the front */
	uint32_t session;
	struct ipc_chan *auth;
	uint32_t auth_request;
	int fd; /* owned */
	bool tls;
	char client[65];
	char tag[USHER_TAG_MAX + 1];
	struct buf preread;
	struct buf state; /* not empty: it comes back */
};

/* What auth said a ticket is worth. */
struct usher_user {
	uint32_t uid;
	char name[LOGIN_NAME_MAX + 1];
	char home[513];
};

/*
 * A process of one user. It serves a session, says so when that has ended,
 * and waits a little for another of the same user in the same home.
 */
struct usher_child {
	struct usher *usher;
	pid_t pid;
	struct usher_user who;
	dev_t home_dev;
	ino_t home_ino;
	int control;        /* our end of its pair; -1 once it was sent away */
	struct event event; /* while control is there */
	bool serving;
	unsigned served;
	uint32_t session;       /* that it serves */
	struct ipc_chan *asked; /* auth, for a ticket to return by; or NULL */
	uint32_t ask_request;
	int64_t linked_ms;        /* when it asked for a link last; 0: never */
	struct ipc_chan *front;   /* of that; NULL once it has gone */
	struct usher_child *next; /* of the same user, while idle */
};

/* One user's processes. */
struct usher_sessions {
	size_t serving;
	struct usher_child *idle;
};

/*
 * Give the session of st to a process, which is forked if none of that user
 * waits. Returns 0 and has freed st, or -1 after logging why not.
 */
int usher_begin(struct usher *u, struct usher_start *st,
    const struct usher_user *who) MUST_USE;

/* How many sessions a user has. */
size_t usher_serving(const struct usher *u, uint32_t uid);

/* Send away all that wait. */
void usher_dismiss_idle(struct usher *u);

/* Reap what has ended, tell the fronts. */
void usher_reap(struct usher *u);

/* Release what was known of a process. */
void usher_child_free(struct usher_child *child);

/* End when that is due and nothing is under way. */
void usher_check_renewal(struct usher *u);

/* Release a start, answered or not. */
void usher_start_free(struct usher_start *st);

/* Answer a SESSION_START, or tell of the end of a session (request 0). */
void usher_tell(struct ipc_chan *front, uint32_t request,
    const struct ipc_session_state *state);

/* -- usher_link.c: letting sessions sleep --------------------------------- */

/* It would like to. False: it asks so often that it means something else. */
bool usher_link_ask(struct usher_child *child) MUST_USE;

/* Its session has ended, or it has. */
void usher_link_forget(struct usher_child *child);

/*
 * Before the usher ends: who has no link yet gets one, or could never sleep.
 * It is under way as long as u->links are.
 */
void usher_link_all(struct usher *u);

/* -- usher_sleep.c: the same, in the process of a user --------------------- */

struct sleeper {
	int control;
	int link;   /* -1: none yet */
	bool ended; /* the connection was handed over */
};

/* For struct login_session; arg is a struct sleeper. */
enum login_sleep usher_sleep(void *arg, int fd, const struct login_nap *nap);

/* A session begins: nothing of the one before. */
void usher_sleep_reset(struct sleeper *s);

/* -- usher_child.c: the process of a user --------------------------------- */

/*
 * Become the user, serve the sessions that come through control. Never
 * returns.
 */
NORETURN void usher_child_main(
    struct usher *u, const struct usher_user *who, int home, int control);

/*
 * A session for a process: one datagram, with the descriptor.
 * -1 when it cannot be sent.
 */
int usher_child_pass(int to, const struct usher_start *st) MUST_USE;

#endif
