#ifndef RELAY_SESSION_STATE_H
#define RELAY_SESSION_STATE_H

#include <openssl/evp.h>

#include "common/smtp/data.h"
#include "common/smtp/reply.h"
#include "common/tls/stream.h"
#include "relay/ehlo.h"
#include "relay/session.h"

/* What session.c and mail.c know of a session; nobody else includes it. */
enum session_state {
	STATE_CONNECT,
	STATE_GREETING,
	STATE_EHLO,
	STATE_HELO,
	STATE_STARTTLS,
	STATE_TLS,
	STATE_AUTH,       /* PLAIN, or the last step of LOGIN */
	STATE_AUTH_USER,  /* AUTH LOGIN sent */
	STATE_AUTH_LOGIN, /* user sent */
	STATE_READY,
	STATE_MAIL,    /* envelope commands are under way */
	STATE_CONTENT, /* content is going out */
	STATE_DOT,     /* all has been said, the verdict is awaited */
	STATE_QUIT,
	STATE_GONE,
	STATE_COUNT
};

/* One recipient of the transaction under way. */
struct session_rcpt {
	size_t place; /* in work->rcpts */
	bool taken;   /* 250 */
	bool told;    /* the owner knows its fate */
};

struct session {
	const struct settings *settings;
	const struct session_ops *ops;
	void *arg;
	struct target target;
	struct stream *stream; /* owned */
	enum session_state state;
	struct smtp_reply reply; /* the one coming in */
	struct ehlo ehlo;
	bool login;
	bool greeted;
	bool implicit_tls;
	bool no_more; /* the server wants to close, or we lost step */
	bool freed;   /* by its owner, inside a callback */
	int depth;    /* callbacks on the stack */
	size_t mails;
	int64_t born_ms;
	struct outcome why; /* of the end, once it is known */

	/* The transaction: replies come in the order of the commands. */
	const struct work *work; /* NULL between transactions */
	struct session_rcpt rcpts[SESSION_RCPTS_MAX];
	size_t rcpt_count;
	size_t sent;      /* commands of the envelope sent */
	size_t answered;  /* and answered */
	bool reset;       /* the envelope begins with RSET */
	bool needs_reset; /* a transaction was left open */
	bool utf8;
	bool mail_failed;
	size_t taken; /* recipients accepted and not told */
	uint64_t at;  /* content sent so far */
	struct smtp_stuff stuff;
	EVP_MD_CTX *digest; /* of the content, when it comes from a file */
	bool converted;     /* the content is seven, not what work has */
	struct buf seven;
	uint64_t converting; /* our part of settings->converting */
};

/* -- session.c ------------------------------------------------------------ */

void session_enter(struct session *s, enum session_state next);

/* The connection ends here, for this reason. */
void session_end(struct session *s, const struct outcome *why);

/* The same in our own words, temporary and the connection's fault. */
void session_break(
    struct session *s, const char *enhanced, const char *fmt, ...) PRINTF(3, 4);

/*
 * Send, and wait for the reply from now on. -1: the stream will end, which
 * its own callback tells.
 */
int session_send(struct session *s, struct slice bytes);

/* What we are doing, for messages: "MAIL", "the end of data". */
const char *session_doing(const struct session *s);

/* -- hello.c ------------------------------------------------------------- */

/* Say EHLO. */
void hello_begin(struct session *s);

/* Begin the TLS handshake. */
void hello_tls(struct session *s);

/* A reply came in a state from STATE_GREETING to STATE_AUTH_LOGIN. */
void hello_reply(struct session *s);

/* -- mail.c --------------------------------------------------------------- */

/* A reply came in STATE_MAIL, STATE_CONTENT or STATE_DOT. */
void mail_reply(struct session *s);

/* All output has left in STATE_CONTENT: send more. */
void mail_more(struct session *s);

/* Tell those recipients who do not know it yet. */
void mail_tell_all(
    struct session *s, enum rcpt_fate fate, const struct outcome *o);

/* Our side broke: the server has not seen the end, so it takes nothing. */
void mail_broken(struct session *s, const char *what, enum ipc_blame blame);

/* The work is done with, and what was made of its content. */
void mail_forget(struct session *s);

/* The connection is ending: tell the fate of all who do not know it. */
void mail_abort(struct session *s, const struct outcome *why);

/* -- fit.c ---------------------------------------------------------------- */

/*
 * RFC 6152 §3: a server that takes seven bits gets seven bits, from
 * s->seven. True when it cannot have them, which all were told. Conversions
 * happen in memory: those of all sessions share a ceiling, and what does not
 * fit is deferred.
 */
#define CONVERTING_MAX ((uint64_t)256 * 1024 * 1024) /* bytes */
bool fit_refuse(struct session *s);

#endif
