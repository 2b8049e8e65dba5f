#ifndef IMAPD_SESSION_STATE_H
#define IMAPD_SESSION_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/mime/tree.h"
#include "imapd/parse.h"
#include "imapd/parse_frame.h"
#include "imapd/session.h"
#include "store/account.h"
#include "store/mailbox.h"

/*
 * The inside of a session, for its files only.
 *
 * Output never fails to its caller: when the client is gone, or memory is,
 * `gone` is set, what follows is dropped, and the loop ends at the next
 * command.
 */
/* What the answer of a command tells first (RFC 3501 §7.4.1). */
enum tell { TELL_NOTHING, TELL_NO_EXPUNGE, TELL_ALL };

struct session {
	const struct imap_session_start *start;
	int fd;
	struct account *account;
	struct mailbox *mailbox; /* the selected one, or NULL */
	unsigned keywords_told;  /* of it, in the last FLAGS */
	bool gone;               /* no more input or output */
	bool ended;              /* BYE was said */
	bool logout;             /* … as the client wanted */
	bool asleep;         /* … and not said: the front has the client */
	bool damaged;        /* … because of the store */
	bool busy;           /* the mailbox has more to tell, later */
	unsigned errors;     /* bad commands in a row */
	int64_t silent_ms;   /* since when the client is; 0: not known */
	int64_t no_sleep_ms; /* before, it is not tried again */
	char tag[PARSE_TAG_MAX + 1];
	bool answered; /* the command being run */
	enum tell tell;
	size_t used; /* bytes of `in` the command took */
	struct parse_frame frame;
	struct buf in;         /* from the first byte of a command on */
	bool reads_full;       /* the client sends a lot */
	struct buf out;        /* not sent yet */
	uint64_t sent;         /* bytes, so far */
	struct buf file;       /* the message that is looked at */
	struct mime_tree tree; /* … and its parts, when parsed */
};

/* Kinds of entries in the store's cache (store/cache.h). */
enum cache_kind {
	CACHE_META = 1,   /* u32 length, ENVELOPE, BODYSTRUCTURE */
	CACHE_BODY = 2,   /* BODY */
	CACHE_FIELDS = 3, /* search_fields_make() */
};

/* What a command was given. */
struct command_in {
	struct parse p;
	bool uid; /* it came as UID … */
};

/* -- session_out.c: towards the client ------------------------------------ */

#define OUT_BATCH 65536 /* sent when so much has gathered */

void out_grow(struct session *s, const void *p, size_t n);

/* Most output is a few bytes for which there is room. */
static inline void
out_bytes(struct session *s, const void *p, size_t n)
{
	struct buf *b = &s->out;

	if (b->cap == 0 || s->gone || n > b->max - b->len ||
	    n >= b->cap - (size_t)(b->data - b->alloc) - b->len) {
		out_grow(s, p, n);
		return;
	}
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
}
static inline void
out_slice(struct session *s, struct slice text)
{
	out_bytes(s, text.p, text.len);
}

static inline void
out_str(struct session *s, const char *text)
{
	out_bytes(s, text, strlen(text));
}

void out_number(struct session *s, uint64_t n);
void out_format(struct session *s, const char *fmt, ...) PRINTF(2, 3);
/* A string of RFC 3501, quoted or as a literal. */
void out_string(struct session *s, struct slice text);
/* An astring: an atom where it can be. */
void out_astring(struct session *s, struct slice text);
/* The name of a mailbox, UTF-8, as an IMAP4rev1 client wants it. */
void out_mailbox(struct session *s, struct slice name);
/* Room for n bytes at the end, for out_commit(); NULL: gone is set. */
char *out_reserve(struct session *s, size_t n);
void out_commit(struct session *s, size_t n);
/*
 * Send everything, or what has gathered if that is a batch. The account's
 * work is done when it is due: what the store's cache lent may be gone.
 */
void out_flush(struct session *s);
void out_batch(struct session *s);

/*
 * The tagged answer of the command, behind what s->tell says. code may be
 * NULL; no brackets.
 */
void answer_ok(struct session *s, const char *code, const char *text);
void answer_no(struct session *s, const char *code, const char *text);
void answer_bad(struct session *s, const char *text);
/*
 * NO (or BYE, where the account is damaged) for the errno of a call of the
 * store; missing: the code for ENOENT.
 */
void answer_errno(struct session *s, const char *missing);
/* NO for messages whose content could not be had, with the errno of one. */
void answer_unread(struct session *s, int error);
/* BYE, and the session ends. */
void say_bye(struct session *s, const char *text);

/* -- session_in.c: from the client ---------------------------------------- */

/*
 * Wait for more input and append it to s->in; meanwhile the account's work
 * is done. False when there will be none: the client left, or was silent
 * for too long and told so.
 */
bool in_fill(struct session *s);
/* The same where nothing is under way, so that the session may sleep. */
bool in_first(struct session *s);
/*
 * Wait until the client says something (true), wake (a descriptor or -1)
 * is readable, or wait_ms passed (both false).
 */
bool in_wait(struct session *s, int wake, int64_t wait_ms);
/*
 * The account's way to wait (store/account.h): false when the client is
 * gone, or the house is about to be. ctx: the session.
 */
bool in_wanted(void *ctx);
/*
 * Do the account's work (store/account.h) if it is due; the time until it
 * is, or most_ms. Flag changes must be synced within a second whatever the
 * client does: who waits or computes for long calls this.
 */
void session_work(struct session *s);
int64_t session_work_due(const struct session *s, int64_t most_ms) MUST_USE;
/* Throw n bytes of input away; false when the client is gone. */
bool in_skip(struct session *s, uint64_t n);
/* Throw away what is left of a refused command. */
bool in_skip_command(struct session *s);
/* Read one line, CRLF included, behind the first `at` bytes of s->in. */
bool in_line(struct session *s, size_t at, struct slice *line);

/* -- session_sleep.c: without a process ------------------------------------ */

/* How long until session_sleep() is to be tried, at at_ms at best; -1: never.
 */
int64_t session_sleep_due(const struct session *s, int64_t at_ms, bool watched);
/*
 * Leave everything to the front. The client has been told all there is to
 * tell. True when it is done, and asleep and gone are set.
 */
bool session_sleep(struct session *s, bool idling, int watch);
/*
 * Between two commands: wait until the client speaks (true); or until it is
 * time to sleep, and do (gone) or do not.
 */
bool session_rest(struct session *s);
/* Be again what start->state says. False when that cannot be. */
bool session_wake(struct session *s);

/* Go on with an IDLE another process has begun (cmd_idle.c). */
void session_idle_again(struct session *s);

/* -- session_tell.c: what the client must know ---------------------------- */

/* Bring the view up to date and send what changed; see mailbox.h. */
void session_tell(struct session *s, bool expunges);
void session_tell_status(struct session *s, const char *what, uint32_t n);
/* FLAGS and PERMANENTFLAGS of the selected mailbox. */
void session_tell_flags(struct session *s);
/* The same when keywords came up since. */
void session_tell_new_keywords(struct session *s);
/* "(\Seen …)" of a message. */
void out_flags(struct session *s, const struct message *m);
/* Close the selected mailbox, if there is one. */
void session_unselect(struct session *s);

/* -- session_set.c: messages a command is about --------------------------- */

/*
 * Read a set and turn it into sequence numbers of the view. False when p
 * has an error; for sequence numbers also when one is not there.
 */
bool session_set(
    struct session *s, struct command_in *in, struct uidset *seqs) MUST_USE;
/* The same, as UIDs. */
bool session_uids(
    struct session *s, struct command_in *in, struct uidset *uids) MUST_USE;
/* A parsed set; out holds sequence numbers. */
bool session_resolve(struct session *s, struct parse_set *set, bool uid,
    struct uidset *out) MUST_USE;

/* -- session_name.c: names of mailboxes ----------------------------------- */

/*
 * Read " mailbox" (modified UTF-7) as the canonical UTF-8 name, at most
 * NAME_MAX_BYTES. False when p has an error, or when there can be no such
 * name; that is answered.
 */
bool session_name(
    struct session *s, struct command_in *in, struct buf *name) MUST_USE;
/* The wire form to the canonical name. -1 and errno as store/name.h. */
int session_name_convert(struct slice wire, struct buf *name) MUST_USE;

/* -- session_command.c ------------------------------------------------------
 */

/* Run one command; text is without the CRLF at its end. */
void session_command(struct session *s, struct slice text);

/*
 * BAD for the command that is coming in; it is thrown away up to its end.
 * False when the session is over. (session.c)
 */
bool session_refuse(struct session *s, const char *text);

/*
 * The command so far ends in an announced literal. If it is APPEND and that
 * the message, take it, answer, and return true; everything of the command
 * is then consumed.
 */
bool cmd_append_literal(struct session *s);

/* "IMAP4rev1 …" after login. */
extern const char session_capabilities[];

/* The commands; each answers exactly once, or sets p.error for BAD. */
typedef void command_run(struct session *s, struct command_in *in);
command_run cmd_append, cmd_capability, cmd_check, cmd_close, cmd_copy,
    cmd_create, cmd_delete, cmd_enable, cmd_examine, cmd_expunge, cmd_fetch,
    cmd_id, cmd_idle, cmd_list, cmd_logout, cmd_lsub, cmd_move, cmd_namespace,
    cmd_noop, cmd_rename, cmd_search, cmd_select, cmd_status, cmd_store,
    cmd_subscribe, cmd_unselect, cmd_unsubscribe;

#endif
