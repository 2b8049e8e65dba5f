#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/slice.h"

/*
 * account - one user's mail, open in this process.
 *
 * Plain blocking code for one thread. Any number of processes (and of
 * handles in one process) may have the same account open; they see each
 * other's changes through the account's journal (store/README.md has the
 * format and the promises M1-M6).
 *
 * Errors, everywhere in this library: -1 (or NULL) and errno.
 *	ENOENT     no such mailbox or message (IMAP: NONEXISTENT, TRYCREATE)
 *	EEXIST     there is such a mailbox (ALREADYEXISTS)
 *	EINVAL     a name or argument that can never be right (CANNOT)
 *	ENAMETOOLONG, EOVERFLOW   a limit of names, keywords, UIDs (LIMIT)
 *	EPERM      not with INBOX, or opened read-only (CANNOT, READ-ONLY)
 *	ENOSPC, EDQUOT   no room; nothing was changed (OVERQUOTA)
 *	EBUSY      somebody else holds the account's lock and did not let go
 *	           in time (INUSE)
 *	ECANCELED  account_wait.wanted() ended the wait for it
 *	EUCLEAN, ESTALE  what this handle has mapped is damaged or too old:
 *	           close the account and tell the client BYE; the next open
 *	           repairs
 *	others     the system call's (UNAVAILABLE)
 * After any error the account is in a state from which the same call may be
 * tried again.
 */
struct account;

/*
 * How a handle waits for what another one of the account holds: that may be
 * stopped, or wait for its disk.
 */
struct account_wait {
	int64_t most_ms; /* then EBUSY; 0: ACCOUNT_WAIT_MS */
	/*
	 * Asked now and then in a wait that has become long: is there no
	 * reason to give up? NULL: never.
	 */
	bool (*wanted)(void *ctx);
	void *ctx;
};

#define ACCOUNT_WAIT_MS 30000

struct account_config {
	/*
	 * Tells one boot of the machine from the next: store_boot_id(), read
	 * before the chroot. All processes of a machine must give the same.
	 */
	uint8_t boot_id[16];

	/* Expunged mail stays in expunged/ so long; 0: gone at once. */
	uint32_t retention_s;

	struct account_wait wait;
};

/*
 * The kernel's boot id. Needs /proc, so call it before a chroot; where that
 * has it not, WEMMICK_BOOT_ID of the environment.
 */
int store_boot_id(uint8_t id[16]) MUST_USE;

/*
 * Open the account whose home directory is home (may be O_PATH; opened anew,
 * stays the caller's). The first open of a new home makes INBOX, Drafts,
 * Sent, Junk and Trash, with their uses and subscribed. Recovery after a
 * crash or a power cut happens here and when a mailbox is opened. A home
 * without mail/ (a file system not mounted, say) is ENOENT and stays as it
 * is.
 */
struct account *account_open(
    int home, const struct account_config *config) MUST_USE;

/* Who goes on with an account that was left waits in another way. */
void account_set_wait(struct account *a, const struct account_wait *how);

/*
 * Close; mailboxes and appends of it must have been closed. Does the work
 * that is due (account_work) first. NULL is allowed.
 */
void account_close(struct account *a);

/*
 * What account_close() does, but it stays open for somebody who comes later
 * and begins with account_refresh(). Its mailboxes are closed before. -1
 * when it must be opened anew instead.
 */
int account_leave(struct account *a) MUST_USE;

/*
 * Learn what other sessions did: folder list and counts are current then.
 * Changes of open mailboxes wait for their mailbox_refresh().
 */
int account_refresh(struct account *a) MUST_USE;

/*
 * Take in every mail that lies in the drop box, at most 256 under one hold
 * of the lock, and sync. mailbox_open(), mailbox_refresh() and
 * account_status() do so by themselves.
 */
int account_takein(struct account *a) MUST_USE;

/*
 * Background work: syncing flag changes (within a second), moving expunged
 * files away, folding journal into records, the snapshot. account_due_ms()
 * says in how many milliseconds there will be some, or -1 for none: use it
 * as the timeout of the poll for the next command, then call account_work()
 * (errors are logged and tried again later). A step takes milliseconds.
 */
int account_due_ms(const struct account *a);
void account_work(struct account *a);

/*
 * Nobody will want anything for a while: give memory back that holds only
 * what can be read again.
 */
void account_rest(struct account *a);

/* Everything this handle has changed is durable when it returns 0. */
int account_sync(struct account *a) MUST_USE;

/* Attributes of a folder (RFC 3348, 5258, 6154, 9051 §7.3.1). */
enum folder_attributes {
	FOLDER_NOSELECT = 1 << 0, /* only there because of its children */
	FOLDER_CHILDREN = 1 << 1, /* \HasChildren; else \HasNoChildren */
	FOLDER_SUBSCRIBED = 1 << 2,
	FOLDER_NONEXISTENT = 1 << 3, /* subscribed, but not there; + NOSELECT */
	FOLDER_ALL = 1 << 8,         /* special uses */
	FOLDER_ARCHIVE = 1 << 9,
	FOLDER_DRAFTS = 1 << 10,
	FOLDER_FLAGGED = 1 << 11,
	FOLDER_JUNK = 1 << 12,
	FOLDER_SENT = 1 << 13,
	FOLDER_TRASH = 1 << 14,
	FOLDER_USES = 0x7f00 /* all special uses */
};

struct folder_entry {
	char *name;  /* UTF-8, see name.h */
	uint32_t id; /* 0 for NOSELECT; never used again, MAILBOXID */
	unsigned attributes;
};

struct folder_list {
	struct folder_entry *entries; /* INBOX first, children after parents */
	size_t count;
};

/*
 * All names, also those that exist only as parents or as subscriptions.
 * Matching patterns is the caller's. Call folder_list_free() after it.
 */
int account_folders(struct account *a, struct folder_list *list) MUST_USE;
void folder_list_free(struct folder_list *list);

/*
 * Create a mailbox; parents that are missing show as NOSELECT. uses: at
 * most the FOLDER_USES it is to have (a use another mailbox has is EEXIST);
 * with 0, well-known names ("Sent", "Drafts", "Trash", "Junk", "Archive")
 * get theirs. A "/" at the end of name is ignored. Durable on return.
 */
int account_create(
    struct account *a, struct slice name, unsigned uses) MUST_USE;

/*
 * Delete a mailbox and its mail; children stay. EPERM for INBOX, ENOENT
 * also for a name that is NOSELECT, EBUSY while other sessions never stop
 * moving messages. Durable on return, and so is all that was moved before.
 */
int account_delete(struct account *a, struct slice name) MUST_USE;

/*
 * Rename with all children, in one record. INBOX is not renamed: its mail
 * moves to the new mailbox (RFC 3501 §6.3.5). EEXIST when any new name is
 * taken, EINVAL when a name would go below itself. Open mailboxes go on
 * under their new names. Durable on return.
 */
int account_rename(
    struct account *a, struct slice from, struct slice to) MUST_USE;

/* Subscribe or not; the mailbox need not exist. */
int account_subscribe(struct account *a, struct slice name, bool on) MUST_USE;

struct mailbox_status {
	uint32_t id;
	uint32_t uidvalidity;
	uint32_t uidnext;
	uint32_t exists;
	uint32_t recent;
	uint32_t unseen;  /* messages without \Seen */
	uint32_t deleted; /* messages with \Deleted */
	uint64_t highestmodseq;
	uint64_t bytes; /* sum of the messages' sizes */
};

/* STATUS: of a mailbox that need not be open. Takes in first. */
int account_status(struct account *a, struct slice name,
    struct mailbox_status *status) MUST_USE;

/* What the whole account holds, for quota. */
void account_usage(
    const struct account *a, uint64_t *messages, uint64_t *bytes);

#endif
