#ifndef COMMON_TABLE_ACCOUNT_H
#define COMMON_TABLE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * account - how a mailbox user stands in the two tables of users. Both have
 * `user@domain` in lower case as key.
 *
 *	users.db      hash TAB uid TAB home TAB flags     read by auth alone
 *	mailboxes.db  uid SPACE home                      read by router
 *
 * home is a path beneath the mail root, "example.test/pip". users.db also
 * holds ACCOUNT_NEXT_UID, so that the uid of a user who is gone is not
 * given to another.
 */
#define ACCOUNT_NEXT_UID "#next-uid"
#define ACCOUNT_MAX      2048 /* bytes of a record */
#define ACCOUNT_HOME_MAX 512

#define ACCOUNT_DISABLED      1U
#define ACCOUNT_NO_IMAP       2U
#define ACCOUNT_NO_POP3       4U
#define ACCOUNT_NO_SUBMISSION 8U

struct account {
	struct slice hash; /* crypt(3), "{PLAIN}secret", or "*" */
	uint32_t uid;
	struct slice home;
	unsigned flags;
};

/* Read a users.db value; slices borrowed from it. -1 with errno EBADMSG. */
int account_parse(struct slice value, struct account *a) MUST_USE;

/* Append the users.db value. -1 with errno EINVAL or as buf_append(). */
int account_print(const struct account *a, struct buf *b) MUST_USE;

/* The same for a mailboxes.db value, which has no hash and no flags. */
int account_parse_mailbox(struct slice value, struct account *a) MUST_USE;
int account_print_mailbox(const struct account *a, struct buf *b) MUST_USE;

/* May a home be called so: relative, no "..", no empty part? */
bool account_home_fine(struct slice home);

/* "no-imap" to its bit, 0 when there is no such flag. */
unsigned account_flag(struct slice name);

/* Append the flags as words, "-" for none. */
int account_flags_print(unsigned flags, struct buf *b) MUST_USE;

#endif
