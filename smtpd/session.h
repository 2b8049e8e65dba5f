#ifndef SMTPD_SESSION_H
#define SMTPD_SESSION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/ipc/chan.h"
#include "common/login/clients.h"
#include "common/login/sasl.h"
#include "common/smtp/command.h"
#include "common/smtp/line.h"
#include "smtpd/content.h"

/*
 * session - one client.
 *
 *	TLS (port 465) -> COMMAND
 *	COMMAND -> AUTH -> AUTH_ASKED -> COMMAND
 *	COMMAND -> DATA or CHUNK (-> FILE -> the same) -> SUBMIT -> COMMAND
 *	any -> CLOSING
 *
 * While verdicts are outstanding (asks) only RCPT commands are read on:
 * every other command waits in the input until all are answered. So
 * replies keep their order, and no command sees half an envelope.
 *
 * A session is freed in one place, when its stream has ended for good;
 * everybody else calls session_close().
 */
struct smtpd;
struct stream;

enum session_phase {
	PHASE_TLS,        /* the handshake of a TLS port */
	PHASE_COMMAND,    /* a command line is next */
	PHASE_AUTH,       /* a line of an AUTH exchange is next */
	PHASE_AUTH_ASKED, /* auth is looking at the credentials */
	PHASE_DATA,       /* content up to CRLF.CRLF */
	PHASE_CHUNK,      /* chunk_left bytes of content */
	PHASE_FILE,       /* waiting for a file for the content */
	PHASE_SUBMIT,     /* waiting for queue to have the mail */
	PHASE_CLOSING,
};

/*
 * A MAIL or RCPT whose verdict is awaited, or a reply that stands behind
 * one of those.
 */
enum ask_kind { ASK_MAIL, ASK_RCPT, ASK_SAID };

struct ask {
	struct ask *next;
	struct session *s;
	enum ask_kind kind;
	uint32_t request;       /* at router; 0: not asked now */
	int64_t asked_ms;       /* when; boot clock */
	struct smtp_rcpt *rcpt; /* owned; of ASK_RCPT */
	char *text;             /* of the reply, owned; NULL: not answered */
	unsigned code;
	char enhanced[16];
};

/*
 * A SUBMIT that queue has not answered. It takes its room in queue's window
 * until then, whether its session still wants to know or not.
 */
struct submission {
	struct smtpd *smtpd;
	struct session *s; /* NULL: has given up */
	uint64_t room;
};

/*
 * A LARGE_ASK that queue has not answered. Queue keeps the file until it is
 * told otherwise, so the answer is waited for though the session has gone.
 */
struct file_ask {
	struct smtpd *smtpd;
	struct session *s; /* NULL: has given up */
};

/* From MAIL to its end; destroyed whole, by transaction_free() alone. */
struct transaction {
	struct smtp_mail mail;
	unsigned number;   /* in the session; part of its id */
	size_t rcpt_count; /* accepted */
	char *first_rcpt;  /* owned; for Received when it is the only one */
	struct buf rcpts;  /* ipc_rcpt records */
	bool chunked;      /* BDAT was used: DATA is wrong now */
	bool has_content;
	bool completed; /* missing fields were added */
	struct content content;
	struct file_ask *file_ask;     /* at queue; NULL: none out */
	struct submission *submission; /* at queue; NULL: none out */
	char token[16];
	unsigned char sha256[32];
};

struct session {
	struct smtpd *smtpd;
	struct stream *stream; /* owned */
	struct client *client;
	uint32_t id;
	enum session_phase phase;
	char address[INET6_ADDRSTRLEN];
	char *helo;             /* owned; NULL before EHLO */
	char *name;             /* owned; by DNS and back, or NULL */
	char *user;             /* owned; who logged in, or NULL */
	struct ptr_lookup *ptr; /* owned; NULL when none is running */

	bool esmtp; /* EHLO */
	bool tls;
	bool secure_port;
	bool trusted;   /* in `networks`: may relay without a login */
	bool may_clear; /* may log in without TLS */
	bool spoken;    /* the first line has come */
	bool eof;       /* the client sends no more */
	bool held;      /* output must leave before more is read */
	bool running;   /* inside session_run() */

	struct smtp_liner liner;
	struct transaction *mail; /* owned; NULL outside of one */
	struct ask *asks;         /* owned; in the order of their replies */
	struct ask **asks_end;
	unsigned asked;               /* how many there are */
	TAILQ_ENTRY(session) quiet;   /* all are in that list */
	int64_t heard_ms;             /* the client's last step forward */
	TAILQ_ENTRY(session) waiting; /* for room in queue's window */
	bool is_waiting;

	uint64_t chunk_left;
	bool chunk_last;
	const struct smtp_status *chunk_bad; /* NULL, or read and refuse it */

	struct sasl sasl;
	struct credentials *who; /* owned; only while AUTH goes on */
	uint32_t auth_request;

	unsigned errors;   /* bad commands */
	unsigned rejects;  /* recipients refused */
	unsigned failures; /* logins refused */
	unsigned mails;
	unsigned transactions;
	uint64_t fresh; /* content bytes since the deadline was moved */
};

/* Input a session may hold, and output the client may leave unread. */
#define SESSION_IN_MAX   65536
#define SESSION_OUT_MAX  262144
#define SESSION_OUT_HIGH 16384

/* Verdicts one session may have outstanding. */
#define SESSION_ASKS_MAX 200

enum session_kind { SESSION_SMTP, SESSION_SUBMISSION, SESSION_SUBMISSIONS };

/*
 * Begin with an accepted, non-blocking socket, which it owns. NULL after
 * closing it when memory is gone. early: the client has sent something
 * before it was greeted.
 */
struct session *session_new(struct smtpd *d, int fd,
    const struct sockaddr_storage *peer, enum session_kind kind, bool early);

/* Go on: read commands as far as there are any and the phase allows. */
void session_run(struct session *s);

/* Send what is to be said, then close. reason: for the log. */
void session_close(struct session *s, const char *reason);

/* The server stops: an idle client is sent away now. */
void session_stop(struct session *s);

/* Without output or log: only at the end of the process. */
void session_free(struct session *s);

/* Move the deadline: the client has so long for its next command. */
void session_idle(struct session *s);
void session_deadline(struct session *s, int64_t ms);

/*
 * Reply now; behind outstanding verdicts, when there are any. text may
 * hold anything; it is made harmless.
 */
void session_reply(
    struct session *s, unsigned code, const char *enhanced, const char *text);
void session_status(struct session *s, const struct smtp_status *status);

/* The same for a bad command: counts, and too many end the session. */
void session_error(struct session *s, const struct smtp_status *status);

/* Lines without enhanced codes: greeting, EHLO, 354, 334. */
void session_say(struct session *s, const char *fmt, ...) PRINTF(2, 3);

/* 421 and close; enhanced "4.x.y". */
void session_goodbye(struct session *s, const char *enhanced, const char *text);

/* The transaction ends, whatever became of it. */
void transaction_free(struct session *s);

/* A command is over: the next one, or goodbye when the server stops. */
void session_next(struct session *s);

/* -- command.c ----------------------------------------------------------- */

/* May this line be read while verdicts are outstanding? */
bool command_overtakes(const struct session *s, struct slice line);
void command_run(struct session *s, struct slice line);

/* -- envelope.c ---------------------------------------------------------- */

void envelope_mail(struct session *s, struct slice arg);
void envelope_rcpt(struct session *s, struct slice arg);

/* May another RCPT be taken before the outstanding ones are answered? */
bool envelope_has_room(const struct session *s);

/* A reply that has to stand behind the verdicts still outstanding. */
void envelope_queue_reply(
    struct session *s, unsigned code, const char *enhanced, const char *text);

/* Router is there again: ask what it has not answered. */
void envelope_ask_again(struct session *s);

/* Nobody answered in time. */
void envelope_timeout(struct session *s);
void envelope_forget(struct session *s);

/* -- auth.c -------------------------------------------------------------- */

void auth_command(struct session *s, struct slice arg);
void auth_line(struct session *s, struct slice line);
void auth_timeout(struct session *s);
void auth_forget(struct session *s);

/* -- data.c -------------------------------------------------------------- */

void data_command(struct session *s);
void data_chunk(struct session *s, struct slice arg);

/* Take input in phases DATA and CHUNK; false when more must come first. */
bool data_input(struct session *s);

/* Waited for a file in vain. */
void data_timeout(struct session *s);

/* -- submit.c ------------------------------------------------------------ */

/* The mail is whole and good: to queue with it, then 250. */
void submit_mail(struct session *s);

/* Queue is there, or has room again: who has waited longest goes first. */
void submit_next(struct smtpd *d);
void submit_timeout(struct session *s);

/* The transaction goes away: nobody waits for its answers. */
void submit_forget(struct session *s);

/* A file of queue's that no mail needs any more. */
void submit_drop_file(struct smtpd *d, uint64_t large);

/* -- ptr.c --------------------------------------------------------------- */

/* Find the client's name; nothing waits for it. */
void ptr_start(struct session *s);
void ptr_stop(struct session *s);

#endif
