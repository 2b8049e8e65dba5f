#ifndef STORE_HOME_H
#define STORE_HOME_H

#include <sys/types.h>

#include "common/base/attr.h"

/*
 * The skeleton of a mailbox user's home: drop/tmp, drop/new, mail/{cur,
 * new,tmp}, journal, expunged. Everything else the first session makes.
 */
struct home_owner {
	uid_t uid; /* the mailbox user */
	gid_t gid; /* the user's private group */

	/*
	 * The delivery agent, let into drop/ by an ACL; (uid_t)-1 for none.
	 * On a file system without ACLs the call fails with EOPNOTSUPP.
	 */
	uid_t deliver;
};

/*
 * Make parent/name (a single component) and the skeleton in it; what exists
 * already is kept and its owner, mode and ACL are set again, so that a crash
 * in the middle is mended by calling again. Needs the right to chown when
 * owner->uid is not the caller's. Symbolic links are refused (ELOOP).
 * Everything is synced before it returns 0; -1 with errno otherwise.
 */
int home_create(
    int parent, const char *name, const struct home_owner *owner) MUST_USE;

/* The same inside a home that is open already. */
int home_fill(int home, const struct home_owner *owner) MUST_USE;

/*
 * Has anybody put anything into this home yet? 1, or 0 when there is nothing
 * but what home_fill() makes, all of it or a part; -1 with errno.
 */
int home_used(int home) MUST_USE;

#endif
