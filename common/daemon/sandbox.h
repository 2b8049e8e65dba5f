#ifndef COMMON_DAEMON_SANDBOX_H
#define COMMON_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/daemon/daemon.h"

/*
 * The walls around a process, in the order they are put up. Each returns
 * 0, or -1 after logging why; a process without its walls must not run.
 */

/* Root directory becomes the one behind fd. Needs CAP_SYS_CHROOT. */
int sandbox_root(int fd) MUST_USE;

/*
 * No groups, gid, uid; then no capability at all. keep_spawner: uid stays
 * 0 with SETUID, SETGID and SYS_CHROOT only (an usher).
 */
int sandbox_identity(uint32_t uid, uint32_t gid, bool keep_spawner) MUST_USE;

/*
 * From spawner to user inside its child: enters root_fd as the user, so
 * that a home closed to root without capabilities opens.
 */
int sandbox_become(int root_fd, uint32_t uid, uint32_t gid) MUST_USE;

/* no_new_privs, not dumpable, no core, files and processes bounded. */
int sandbox_limits(uint64_t max_files, bool spawns) MUST_USE;

/*
 * Landlock, as far as the kernel knows it: files beneath the root only and
 * only as spec says, connections only to the ports given (spec->connects),
 * no TCP binding. Without Landlock in the kernel: 0.
 */
int sandbox_landlock(
    enum daemon_files files, const uint16_t *ports, size_t port_count) MUST_USE;

/* The seccomp filter: the base list and extra (NULL-terminated or NULL). */
int sandbox_seccomp(const struct daemon_spec *spec) MUST_USE;

#endif
