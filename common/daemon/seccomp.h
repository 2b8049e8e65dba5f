#ifndef COMMON_DAEMON_SECCOMP_H
#define COMMON_DAEMON_SECCOMP_H

#include <seccomp.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/daemon/sandbox.h"

/* What the filters of this folder share; nobody else includes it. */

/* All calls of a list, whatever their arguments. 0 or a negative errno. */
int seccomp_names(
    scmp_filter_ctx ctx, uint32_t action, const char *const *names) MUST_USE;

/* The calls of a process with these MAY_ bits, without argument rules. */
int seccomp_calls(scmp_filter_ctx ctx, unsigned may) MUST_USE;

/* Calls that are allowed with certain arguments only. */
int seccomp_arguments(scmp_filter_ctx ctx, unsigned may) MUST_USE;

/*
 * A second filter beside the first, for what is wrong whatever else is
 * allowed: writing over the log, becoming somebody who is no mailbox user.
 */
int seccomp_refuse(
    const struct daemon_spec *spec, const struct sandbox_users *users) MUST_USE;

#endif
