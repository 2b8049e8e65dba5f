#ifndef COMMON_TABLE_USERDB_H
#define COMMON_TABLE_USERDB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/*
 * userdb - how a mailbox user stands in the two tables of users. Both have
 * `user@domain` in lower case as key.
 *
 *	users.db      hash TAB uid TAB home TAB flags     read by auth alone
 *	mailboxes.db  uid SPACE home                      read by router
 *
 * home is a path beneath the mail root, "example.test/pip". users.db also
 * holds USERDB_NEXT_UID, so that the uid of a user who is gone is not
 * given to another.
 */
#define USERDB_NEXT_UID "#next-uid"
#define USERDB_MAX      2048 /* bytes of a record */
#define USERDB_HOME_MAX 512

#define USERDB_DISABLED      1U
#define USERDB_NO_IMAP       2U
#define USERDB_NO_POP3       4U
#define USERDB_NO_SUBMISSION 8U

struct userdb_record {
	struct slice hash; /* crypt(3), "{PLAIN}secret", or "*" */
	uint32_t uid;
	struct slice home;
	unsigned flags;
};

/* Read a users.db value; slices borrowed from it. -1 with errno EBADMSG. */
int userdb_parse(struct slice value, struct userdb_record *a) MUST_USE;

/* Append the users.db value. -1 with errno EINVAL or as buf_append(). */
int userdb_print(const struct userdb_record *a, struct buf *b) MUST_USE;

/* The same for a mailboxes.db value, which has no hash and no flags. */
int userdb_parse_mailbox(struct slice value, struct userdb_record *a) MUST_USE;
int userdb_print_mailbox(const struct userdb_record *a, struct buf *b) MUST_USE;

/* May a home be called so: relative, no "..", no empty part? */
bool userdb_home_fine(struct slice home);

/* "no-imap" to its bit, 0 when there is no such flag. */
unsigned userdb_flag(struct slice name);

/* Append the flags as words, "-" for none. */
int userdb_flags_print(unsigned flags, struct buf *b) MUST_USE;

#endif
