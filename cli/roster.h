#ifndef CLI_ROSTER_H
#define CLI_ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "common/table/userdb.h"

/*
 * roster - the accounts as the administrator's command sees them: all of
 * users.db in memory, changed, and written back whole, and mailboxes.db
 * made from it. One command at a time: roster_open() waits for the lock.
 */
struct config;

struct user {
	char *address; /* owned; user@domain, lower case */
	char *hash;    /* owned; wiped when freed */
	char *home;    /* owned; beneath the mail root */
	uint32_t uid;
	unsigned flags;
};

struct roster {
	const struct config *config;
	struct user *list; /* owned, sorted by address */
	size_t count;
	uint64_t next_uid;
	int lock; /* owned */
};

/*
 * Lock and read; a users.db that is not there yet is an empty one. 0, or
 * -1 after cli_fail(). roster_close() in any case.
 */
int roster_open(struct roster *u, const struct config *c) MUST_USE;
void roster_close(struct roster *u);

/*
 * Write both tables, crash-safely, and wait until everybody goes by them.
 * 0, or -1 after cli_fail().
 */
int roster_save(struct roster *u) MUST_USE;

struct user *roster_find(const struct roster *u, const char *address);

/*
 * Add one with the home DOMAIN/USER; address is in canonical form. The uid
 * is the next free one, or, where a home of this name stayed with its mail,
 * that home's again. NULL after cli_fail() when no uid is left or the home
 * is somebody else's. Pointers to other users are no longer valid.
 */
struct user *roster_add(
    struct roster *u, const char *address, const char *hash) MUST_USE;
void roster_remove(struct roster *u, struct user *user);

void user_set_hash(struct user *user, const char *hash);

/*
 * The canonical form of what an administrator typed, in lower case, the
 * domain in ASCII: a full address in one of our domains, whose local part can
 * be a directory. NULL after cli_fail(). The caller frees.
 */
char *roster_address(const struct config *c, const char *typed) MUST_USE;

#endif
