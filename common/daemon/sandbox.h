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

/*
 * No groups, gid, uid, with root_fd as the root directory, which may be
 * closed to root without capabilities; then no capability at all.
 * keep_spawner: uid stays 0 with SETUID, SETGID and SYS_CHROOT only (an
 * usher).
 */
int sandbox_identity(
    int root_fd, uint32_t uid, uint32_t gid, bool keep_spawner) MUST_USE;

/*
 * From spawner to user inside its child: enters root_fd as the user, so
 * that a home closed to root without capabilities opens.
 */
int sandbox_become(int root_fd, uint32_t uid, uint32_t gid) MUST_USE;

/* no_new_privs, not dumpable, no core, files bounded. */
int sandbox_limits(uint64_t max_files) MUST_USE;

/*
 * Landlock, as far as the kernel knows it: files beneath the root only and
 * only as may says, connections only to the ports given, no TCP binding;
 * signals and abstract sockets only within. Without Landlock in the kernel: 0.
 */
int sandbox_landlock(
    unsigned may, const uint16_t *ports, size_t port_count) MUST_USE;

/*
 * The seccomp filters of a daemon: which calls it may make, and which
 * arguments nobody may give them. users: the uids an usher may become.
 */
struct sandbox_users {
	uint32_t first;
	uint32_t last;
};
int sandbox_seccomp(
    const struct daemon_spec *spec, const struct sandbox_users *users) MUST_USE;

/*
 * What a session must not do any more although its usher does. Compiled
 * once, before the usher's own filter; put on in each child.
 */
struct sock_fprog;
int sandbox_session_compile(struct sock_fprog *program) MUST_USE;
int sandbox_session(const struct sock_fprog *program) MUST_USE;

/* Master's: all that it and any daemon on its way to its walls needs. */
int sandbox_seccomp_master(void) MUST_USE;

#endif
