#ifndef AUTH_LOGIN_H
#define AUTH_LOGIN_H

#include "auth/hasher.h"
#include "auth/memo.h"
#include "auth/penalty.h"
#include "auth/ticket.h"
#include "auth/users.h"
#include "common/ipc/chan.h"

/*
 * login - one AUTH_ASK from its coming to its answer: name, account, cache,
 * penalty, hash, answer.
 */
#define LOGINS_MAX 4096 /* under way at a time; more are put off */

struct config;
struct event;
struct event_base;
struct login;

struct auth {
	struct event_base *base;     /* borrowed */
	const struct config *config; /* borrowed; changes on reload */
	struct users *users;
	struct memo *memo;
	struct tickets *tickets; /* of logins */
	struct tickets *returns; /* of sessions that sleep */
	struct penalties *penalties;
	struct hasher *hasher;
	struct login *logins; /* all under way, owned */
	size_t login_count;
	size_t held;           /* of them, until others of their client end */
	struct event *release; /* owned; runs login_release() */
	int hasher_fd;         /* until the hasher takes it */
	unsigned threads;      /* that hash */
	unsigned long good;
	unsigned long bad;
	unsigned long cached;
	unsigned long put_off;
};

/* Take a request up; its answer goes to c when it is known. */
void login_begin(struct auth *a, struct ipc_chan *c, uint32_t request,
    const struct ipc_auth_ask *ask);

/* The asker is gone: its logins end without an answer. */
void login_forget(struct auth *a, const struct ipc_chan *c);

/* For hasher_new(). */
void login_hashed(struct hasher_job *job);

/* Let those go on that wait for others of their client. */
void login_release(struct auth *a);

/* Answer a TICKET_ASK. */
void login_redeem(struct auth *a, struct ipc_chan *c, uint32_t request,
    const struct ipc_ticket_ask *ask);

#endif
