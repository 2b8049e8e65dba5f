#ifndef COMMON_BASE_OWNER_H
#define COMMON_BASE_OWNER_H

#include <stdbool.h>
#include <sys/stat.h>

#include "common/base/attr.h"

/*
 * owner - for root that may change users and has no other power over files
 * and processes: what is its owner's alone is done as that owner.
 */

/*
 * Until owner_leave() be that user in what the kernel asks the effective user
 * for; with nothing to do where that is root, or who runs is not. Returns 0,
 * or -1 with errno. Does not nest.
 */
int owner_enter(uid_t uid, gid_t gid) MUST_USE;

/*
 * Open a directory for reading as its owner, by a path that root sees; *st is
 * what it is. nofollow: no link in the last place. -1 and errno.
 */
int owner_open_dir(const char *path, bool nofollow, struct stat *st) MUST_USE;

/* Be root again; keeps errno. Dies where it cannot. */
void owner_leave(void);

#endif
