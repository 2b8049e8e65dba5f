#ifndef CLI_LAYOUT_H
#define CLI_LAYOUT_H

#include <sys/types.h>

#include "common/base/attr.h"
#include "common/ipc/proc.h"

/* layout - who the daemons are and where things stand on disk. */
struct config;

/*
 * uid and gid of a daemon: numbered from base-uid, or the system user
 * wm-NAME. 0, or -1 after cli_fail() when there is no such user.
 */
int layout_ids(
    const struct config *c, enum proc p, uid_t *uid, gid_t *gid) MUST_USE;

/*
 * Make the directories accounts live in, as far as they are missing: the
 * state directory, auth and mail beneath it, the table directory. 0, or -1
 * after cli_fail().
 */
int layout_make(const struct config *c) MUST_USE;

#endif
