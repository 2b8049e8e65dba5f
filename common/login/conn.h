#ifndef COMMON_LOGIN_CONN_H
#define COMMON_LOGIN_CONN_H

#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/types.h>

#include "common/login/front.h"
#include "common/login/proxy.h"

/*
 * conn - one client of a front, from accept() to the end of its session.
 * Private to the front: front.c accepts and ends, conn.c talks, handover.c
 * asks auth and the usher.
 *
 *	TALK -> AUTH -> HANDOVER -> PROXY (TLS) or HELD (plain)
 *	PROXY, HELD -> ASLEEP -> WAKING -> PROXY, HELD
 *	AUTH, HANDOVER -> TALK when it was not to be; any -> CLOSING
 */
struct ipc_chan;
struct stream;

enum conn_state {
	CONN_TALK,     /* the protocol reads commands */
	CONN_AUTH,     /* auth is looking at the credentials */
	CONN_HANDOVER, /* the usher is to start a session, or is missing */
	CONN_PROXY,    /* the session runs; we copy for TLS */
	CONN_HELD,     /* the session has the socket; we only count it */
	CONN_ASLEEP,   /* there is no session; we watch for what wakes it */
	CONN_WAKING,   /* the usher is to start it again */
	CONN_CLOSING,  /* the last replies are leaving */
};

#define CONN_TICKET 32

/* What is kept of a session that sleeps (sleep.h). */
struct conn_sleep {
	int fd;             /* a plain client's; owned; -1 with TLS */
	int watch;          /* owned; -1: nobody tells of news */
	struct event input; /* of fd */
	struct event news;  /* of watch */
	bool wanted;        /* it waits for its turn to come back */
	bool client_ended;  /* meanwhile; the session is to hear of it */
	TAILQ_ENTRY(conn) turn;
	size_t state_len;
	char state[];
};

struct conn {
	struct heap_node wait; /* first: when patience with a peer ends */
	struct front *front;
	uint32_t id;
	enum conn_state state;
	TAILQ_ENTRY(conn) quiet; /* listed while state is TALK */
	int64_t heard_ms;        /* the client's last step forward */
	bool secure_port;        /* TLS from the first byte */
	bool cut;                /* end the socket also for who else has it */
	bool asked;              /* an usher may have a session with it */
	char address[INET6_ADDRSTRLEN];
	struct client *client;
	struct stream *stream; /* owned; NULL once HELD */
	struct talk *talk;     /* owned; NULL after login */

	/* What is asked of whom; chan NULL when nothing is. */
	struct ipc_chan *chan;
	uint32_t request;
	char *user; /* canonical, once auth said so; owned */
	char ticket[CONN_TICKET];
	int pair; /* TLS: our end, until the session runs */
	struct proxy proxy;
	bool tls;

	/* A session that runs: what it was given, and how it says good night.
	 */
	ino_t given;
	uint32_t pid;
	int link; /* owned; -1: none. ticket is for its return */
	int64_t linked_ms;
	struct event link_event;
	struct conn_sleep *sleep; /* ASLEEP and WAKING; owned */
};

/* How long we wait for a peer, ms. auth delays answers to guesses. */
#define CONN_AUTH_MS  60000
#define CONN_USHER_MS 10000

/* Output a client may leave unread before we stop reading it. */
#define CONN_BACKLOG 16384

/* For an accepted socket, which it owns. NULL after closing it. */
struct conn *conn_new(struct front *f, int fd,
    const struct sockaddr_storage *peer, bool secure) MUST_USE;

/* Greet, or begin the handshake. */
void conn_begin(struct conn *c);

/* Every change of state goes through it. */
void conn_state(struct conn *c, enum conn_state state);

void conn_free(struct conn *c);

/* What the protocol needs to speak; c->talk is to have it. */
struct talk *conn_talk_new(const struct conn *c) MUST_USE;

/* Send what the protocol said. */
void conn_flush(struct conn *c);

/* Go on after one of the protocol's calls. */
void conn_step(struct conn *c, enum talk_step step);

/* Last words, then the end. For the states with a talk. */
void conn_end(struct conn *c, enum talk_end why);

/* talk->who is to be asked about. */
void conn_ask_auth(struct conn *c);

/* Auth has accepted: find the usher, or wait for it. */
void conn_hand_over(struct conn *c);

/* A peer did not answer in time. */
void conn_waited(struct conn *c);

/* It cannot sleep by the link it has: its ticket is worthless. */
void conn_unlink(struct conn *c);

/*
 * The channel is gone: HELD sessions it told of can no longer be counted,
 * unless they have a link.
 */
void conn_lost_peer(struct conn *c, const struct ipc_chan *chan);

/* It says that the session has ended. */
void conn_session_ended(struct conn *c, const struct ipc_chan *chan);

/* -- handover.c, for those who come back ----------------------------------- */

/* A pair for a TLS client: ours is c->pair, the session's is returned. */
int conn_pair(struct conn *c) MUST_USE;

/*
 * Ask c->chan for a session with c's ticket; m has what is not the same for
 * every one. fd, which goes to it, is taken in any case. Returns 0, and heard
 * will be told the answer, or -1.
 */
int conn_ask_usher(struct conn *c, int fd, struct ipc_session_start *m,
    ipc_answer *heard) MUST_USE;

/* -- conn_sleep.c ---------------------------------------------------------- */

/*
 * The usher says over what the session of c may say that it sleeps; c NULL:
 * it is nobody's. fd is taken.
 */
void conn_link(struct front *f, struct conn *c, int fd, struct slice ticket);

/* At once: its turn, or its client's word, has come. */
void conn_wake(struct conn *c);

/* The usher is there again: ask it. */
void conn_wake_again(struct conn *c);

/* The wait for the usher, or the time to sleep, is over. */
void conn_slept(struct conn *c);

/* Its client has gone while it was asleep. */
void conn_left(struct conn *c);

/* Last words to a client whose session sleeps, then the end. */
void conn_wake_failed(struct conn *c);

/* Whatever there is of sleep. */
void conn_sleep_free(struct conn *c);

/* Let those come back whose turn it is. */
void front_wake_some(struct front *f);

/* Set or move (0: end) the wait of this conn. */
void front_wait(struct conn *c, int64_t ms);

/* A conn has gone; maybe it was the last one of a front that stops. */
void front_gone(struct front *f);

#endif
