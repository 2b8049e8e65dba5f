#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/ipc/work.h"
#include "relay/outcome.h"
#include "relay/settings.h"
#include "relay/target.h"

/*
 * session - one connection to one server, from connect to QUIT; it carries
 * mails one after the other.
 *
 *	CONNECT -> GREETING -> EHLO (-> HELO) -> STARTTLS -> TLS -> EHLO
 *	        -> AUTH -> READY
 *	READY -> MAIL (envelope) -> CONTENT -> DOT -> READY
 *	READY -> QUIT -> gone; any -> gone
 *
 * TLS from the start on port 465. The owner hears of everything by the
 * ops and frees the session inside or after `ended`.
 */
#define SESSION_RCPTS_MAX  100  /* of one transaction; RFC 5321 §4.5.3.1.8 */
#define SESSION_MAILS_MAX  1000 /* then the connection is closed */
#define SESSION_AGE_MAX_MS 300000

struct event_base;
struct session;

/* What happened to one recipient of a transaction. */
enum rcpt_fate {
	RCPT_OVER,  /* the outcome is final for this attempt and all others */
	RCPT_RETRY, /* another host, or a later attempt, may take it */
	RCPT_AGAIN, /* the same host, in another transaction (§4.5.3.1.10) */
};

struct session_ops {
	/* READY for the first time: give it a mail. */
	void (*ready)(void *arg, struct session *s);
	/* The fate of recipient `rcpt` (its place in work->rcpts). */
	void (*rcpt)(void *arg, struct session *s, size_t rcpt,
	    enum rcpt_fate fate, const struct outcome *o);
	/*
	 * The transaction is through and all its recipients told. reusable:
	 * READY for another mail; else only session_quit() is left.
	 */
	void (*mail_done)(void *arg, struct session *s, bool reusable);
	/*
	 * The connection is gone; recipients of a transaction have been told.
	 * why: for those who wanted to use it (status 0 after a QUIT).
	 * greeted: it had been READY. try_clear: TLS failed where it was not
	 * needed, without it the same target may do.
	 */
	void (*ended)(void *arg, struct session *s, const struct outcome *why,
	    bool greeted, bool try_clear);
};

/*
 * Connect to target. settings, ops and arg are borrowed; login: use the
 * settings' user and password. NULL with errno when there is no socket;
 * everything else is told by ended().
 */
struct session *session_new(struct event_base *base,
    const struct settings *settings, const struct target *target,
    bool login) MUST_USE;
void session_ops(struct session *s, const struct session_ops *ops, void *arg);

/* Close at once; no callback. NULL is fine. */
void session_free(struct session *s);

/*
 * READY: send w to these recipients, at most SESSION_RCPTS_MAX places in
 * w->rcpts. w is borrowed until mail_done() or ended().
 */
void session_mail(
    struct session *s, const struct work *w, const size_t *rcpts, size_t count);

/* READY, nothing to send now: close politely after this time. */
void session_idle(struct session *s, int64_t wait_ms);

/* Say goodbye now; ended() follows. */
void session_quit(struct session *s);

/* Would it take another mail? */
bool session_reusable(const struct session *s);

const struct target *session_target(const struct session *s);

/* "TLSv1.3", "none": for the log. */
const char *session_tls(const struct session *s);

/* Did this session take over RFC 3461's reports of what it carried? */
bool session_has_dsn(const struct session *s);

#endif
