#ifndef COMMON_LOGIN_USHER_STATE_H
#define COMMON_LOGIN_USHER_STATE_H

#include <sys/types.h>

#include "common/base/buf.h"
#include "common/login/sasl.h"
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
};

/* A session that runs. */
struct usher_child {
	pid_t pid;
	uint32_t uid;
	uint32_t session;
	struct ipc_chan *front; /* NULL once it has gone */
};

/* What auth said a ticket is worth. */
struct usher_user {
	uint32_t uid;
	char name[LOGIN_NAME_MAX + 1];
	char home[513];
};

/*
 * Fork the session of st and queue the word to the front. Returns its gate,
 * or -1 after logging why not: the session begins when a byte is written
 * there, after that word has left, and ends when the gate is closed before.
 * The child never returns.
 */
int usher_fork(struct usher *u, const struct usher_start *st,
    const struct usher_user *who) MUST_USE;

/* Reap what has ended, tell the fronts. */
void usher_reap(struct usher *u);

/* Count one session more or less of a user; returns how many there are. */
size_t usher_count(struct usher *u, uint32_t uid, int change);

/* End when that is due and nothing is under way. */
void usher_check_renewal(struct usher *u);

/* Answer a SESSION_START, or tell of the end of a session (request 0). */
void usher_tell(struct ipc_chan *front, uint32_t request,
    const struct ipc_session_state *state);

#endif
