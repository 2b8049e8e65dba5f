#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/account.h"
#include "store/uidset.h"

/*
 * mailbox - one mailbox, selected.
 *
 * A mailbox has a *view*: the messages under sequence numbers 1 to exists
 * as the client knows them. The view changes only in mailbox_refresh(), so
 * numbers stay true through a command whatever others do. Flags are always
 * the current ones. A message another session has expunged stays in the
 * view as MESSAGE_GONE until a refresh may tell it; its content may be
 * missing then (IMAP: EXPUNGEISSUED).
 *
 * Errors: see account.h.
 */
struct mailbox;

/* Flags of a message. RECENT and GONE are told, never stored. */
enum message_flags {
	MESSAGE_SEEN = 1 << 0,
	MESSAGE_ANSWERED = 1 << 1,
	MESSAGE_FLAGGED = 1 << 2,
	MESSAGE_DELETED = 1 << 3,
	MESSAGE_DRAFT = 1 << 4,
	MESSAGE_FLAGS = 0x1f, /* those that can be stored */
	MESSAGE_RECENT = 1 << 8,
	MESSAGE_GONE = 1 << 9
};

#define KEYWORDS_MAX     64 /* different keywords of a mailbox */
#define KEYWORD_MAX_SIZE 64 /* bytes of one */

struct message {
	uint32_t seq;
	uint32_t uid;
	unsigned flags;    /* enum message_flags */
	uint64_t keywords; /* bit n: mailbox_keyword(mb, n) */
	uint64_t modseq;
	uint64_t size;    /* bytes with CRLF line ends, RFC822.SIZE */
	int64_t date_s;   /* internal date, seconds since 1970 UTC */
	int16_t zone_min; /* its zone, minutes east of Greenwich */
	uint32_t saved_s; /* when it came into this mailbox: SAVEDATE */
	uint64_t id;      /* the same for every copy: EMAILID */
};

/*
 * Open by name (UTF-8). Takes in, so a drop is in the view at once. Not
 * read-only, the session gets \Recent for what nobody had before it.
 * Cost does not depend on the number of messages.
 */
struct mailbox *mailbox_open(
    struct account *a, struct slice name, bool readonly) MUST_USE;

/* Close; expunges nothing. NULL is allowed. */
void mailbox_close(struct mailbox *mb);

/*
 * What a client knows of its mailbox, to go on from when the session that
 * told it is no more. It may have been in other hands: mailbox_return()
 * believes nothing of it that does not fit.
 */
#define PLACE_RANGES 64

struct mailbox_place {
	uint32_t id;
	uint32_t uidvalidity;
	uint64_t pos;      /* of the journal: what was told is older */
	uint32_t exists;   /* messages the client counts */
	uint32_t keywords; /* of those there are, told */
	bool readonly;
	uint32_t recent_count; /* ranges of UIDs that are \Recent to it */
	struct uid_range recent[PLACE_RANGES];
};

/*
 * The place of an open mailbox. -1 with errno EAGAIN while something is
 * known that the client was not told, E2BIG when it does not fit.
 */
int mailbox_place(const struct mailbox *mb, struct mailbox_place *p) MUST_USE;

/*
 * Open it with the same view; the next refresh tells what came after. ENOENT
 * when it was deleted, ESTALE when the view cannot be had any more.
 */
struct mailbox *mailbox_return(
    struct account *a, const struct mailbox_place *p) MUST_USE;

/* UTF-8, current after a rename; lives until the next refresh or close. */
const char *mailbox_name(const struct mailbox *mb);
bool mailbox_readonly(const struct mailbox *mb);

/*
 * Let one that was opened read-only be written to. Who shows nobody its
 * messages thus takes no \Recent from those who will, until its next refresh.
 */
void mailbox_make_writable(struct mailbox *mb);

/*
 * Of the view: exists and recent are those of the sequence numbers told;
 * unseen, deleted, bytes and highestmodseq are current.
 */
void mailbox_status(struct mailbox *mb, struct mailbox_status *status);

/* Sequence number of the first message without \Seen, or 0. */
uint32_t mailbox_first_unseen(struct mailbox *mb);

/*
 * Keywords: names of the bits 0 … count - 1, in the order of their first
 * use. NULL beyond. Room says whether new ones may be made (\*).
 */
const char *mailbox_keyword(const struct mailbox *mb, unsigned bit);
unsigned mailbox_keyword_count(const struct mailbox *mb);
/* The bit of a name (ASCII letters in any case), or -1. */
int mailbox_keyword_find(const struct mailbox *mb, struct slice name);

/* -- messages ------------------------------------------------------ */

/* Message seq of the view. -1: ERANGE outside, EUCLEAN. */
int mailbox_message(
    struct mailbox *mb, uint32_t seq, struct message *m) MUST_USE;

/*
 * Sequence number of the first message with this UID or a greater one;
 * exists + 1 when there is none. The UIDs of the view ascend.
 */
uint32_t mailbox_seq(struct mailbox *mb, uint32_t uid);

/* The same when there is exactly this UID, else 0. */
uint32_t mailbox_seq_exact(struct mailbox *mb, uint32_t uid);

/*
 * Turn a set of sequence numbers into the set of UIDs and back; numbers
 * that are not in the view are left out. "*" is the caller's: exists, or
 * the UID of message exists. out is cleared first.
 */
int mailbox_uids(
    struct mailbox *mb, const struct uidset *seqs, struct uidset *out) MUST_USE;
int mailbox_seqs(
    struct mailbox *mb, const struct uidset *uids, struct uidset *out) MUST_USE;

/*
 * Open the content of a message, read-only, CRLF line ends; the caller
 * closes it. size gets the file's true length: use it for the literal.
 * ENOENT when the message is gone.
 */
int mailbox_content(struct mailbox *mb, uint32_t uid, uint64_t *size) MUST_USE;

/* -- changes ------------------------------------------------------- */

/* What a refresh found. Arrays live until the next refresh or close. */
struct mailbox_changes {
	/*
	 * Expunged, highest sequence number first: "* n EXPUNGE" in this
	 * order, or one VANISHED. Empty unless asked for.
	 */
	const struct mailbox_expunged {
		uint32_t seq;
		uint32_t uid;
	} * expunged;
	size_t expunged_count;

	/*
	 * Somebody else holds the account's lock: there may be more to tell,
	 * which nothing but asking again shows.
	 */
	bool busy;

	/* Flags changed by others: numbers valid after the expunges. */
	const uint32_t *changed;
	size_t changed_count;

	uint32_t exists; /* after all */
	uint32_t recent;
	bool exists_changed;   /* new messages: tell EXISTS and RECENT */
	bool keywords_changed; /* tell FLAGS and PERMANENTFLAGS */
	bool expunges_wait;    /* there are some, but they were not asked for */
	bool deleted;          /* the mailbox itself: say BYE, or close it */
};

/*
 * Take in, replay what others did and bring the view up to date. With
 * expunges false, messages others removed stay (FETCH, STORE, SEARCH: RFC
 * 9051 §7.5.1).
 */
int mailbox_refresh(struct mailbox *mb, bool expunges,
    struct mailbox_changes *changes) MUST_USE;

enum store_how { STORE_ADD, STORE_REMOVE, STORE_REPLACE };

struct store_request {
	enum store_how how;
	unsigned flags;               /* within MESSAGE_FLAGS */
	const struct slice *keywords; /* new ones are made, names are atoms */
	size_t keyword_count;
	bool conditional;         /* RFC 7162 UNCHANGEDSINCE */
	uint64_t unchanged_since; /* only messages with a modseq up to this */
};

/*
 * Change flags of the messages of the view in the set: one journal record
 * whatever their number, durable within a second. changed (may be NULL) gets
 * the UIDs whose flags are different now, refused (may be NULL) those that
 * failed the condition; both are cleared first. EOVERFLOW: too many keywords.
 */
int mailbox_store(struct mailbox *mb, const struct uidset *uids,
    const struct store_request *request, struct uidset *changed,
    struct uidset *refused) MUST_USE;

/*
 * Remove messages with \Deleted, of the set or (NULL) all, respectively
 * (mailbox_remove) whatever their flags. One record, durable on return; the
 * view shows it at the next refresh that asks for expunges. gone (may be
 * NULL) gets the UIDs.
 */
int mailbox_expunge(struct mailbox *mb, const struct uidset *uids,
    struct uidset *gone) MUST_USE;
int mailbox_remove(struct mailbox *mb, const struct uidset *uids,
    struct uidset *gone) MUST_USE;

/* COPYUID: the n-th UID of from became the n-th of to. */
struct copy_result {
	uint32_t uidvalidity; /* of the target */
	struct uidset from;
	struct uidset to;
};

#define COPY_RESULT_INIT                                                       \
	{                                                                      \
		.uidvalidity = 0                                               \
	}

/*
 * Copy (or move) the messages of the set to the mailbox named target, with
 * flags, keywords and dates, all or none, in one record, durable on return.
 * ENOENT: no such mailbox (TRYCREATE). Messages of the set that are gone
 * are left out. The caller frees the result.
 */
int mailbox_copy(struct mailbox *mb, const struct uidset *uids,
    struct slice target, struct copy_result *result) MUST_USE;
int mailbox_move(struct mailbox *mb, const struct uidset *uids,
    struct slice target, struct copy_result *result) MUST_USE;
void copy_result_free(struct copy_result *r);

#endif
