/*
 * Landlock has no wrapper in the C library and the headers here are older
 * than the kernels we run on: calls and numbers of its ABI, versions 1 to
 * 6 (linux/landlock.h of Linux 6.12).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/daemon/sandbox.h"

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_WRITE                                                               \
	(FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE |                             \
	    LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |   \
	    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG)
#define FS_EVERYTHING_V1 ((1ULL << 13) - 1)
#define FS_REFER         (1ULL << 13) /* ABI 2 */
#define FS_TRUNCATE      (1ULL << 14) /* ABI 3 */
#define FS_IOCTL_DEV     (1ULL << 15) /* ABI 5 */
#define NET_BIND_TCP     (1ULL << 0)  /* ABI 4 */
#define NET_CONNECT_TCP  (1ULL << 1)
#define SCOPE_ABSTRACT   (1ULL << 0) /* ABI 6 */
#define SCOPE_SIGNAL     (1ULL << 1)
#define RULE_NET_PORT    2

struct ruleset_v6 {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct net_port {
	uint64_t allowed;
	uint64_t port;
};

static struct ruleset_v6
handled(int abi)
{
	struct ruleset_v6 r = { .fs = FS_EVERYTHING_V1 };

	if (abi >= 2)
		r.fs |= FS_REFER;
	if (abi >= 3)
		r.fs |= FS_TRUNCATE;
	if (abi >= 4)
		r.net = NET_BIND_TCP | NET_CONNECT_TCP;
	if (abi >= 5)
		r.fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		r.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	return r;
}

static int
allow_root(int ruleset, uint64_t handled_fs, unsigned may)
{
	struct landlock_path_beneath_attr beneath = { 0 };
	int rc;

	if ((may & (MAY_READ | MAY_WRITE)) == 0)
		return 0;
	beneath.allowed_access =
	    (may & MAY_WRITE) == 0
		? FS_READ
		: ((FS_WRITE | FS_REFER | FS_TRUNCATE) & handled_fs);
	beneath.parent_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (beneath.parent_fd == -1)
		return -1;
	rc = (int)syscall(SYS_landlock_add_rule, ruleset,
	    LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	fd_close(beneath.parent_fd);
	return rc;
}

static int
allow_ports(int ruleset, const uint16_t *ports, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct net_port rule = { NET_CONNECT_TCP, ports[i] };

		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT,
			&rule, 0) == -1)
			return -1;
	}
	return 0;
}

int
sandbox_landlock(unsigned may, const uint16_t *ports, size_t count)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	struct ruleset_v6 r;
	int ruleset;

	if (abi == -1 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0; /* not in this kernel, or not switched on */
	if (abi < 1) {
		log_error("event=sandbox-failed what=landlock error=%s",
		    strerror(errno));
		return -1;
	}
	r = handled((int)abi);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (ruleset == -1 || allow_root(ruleset, r.fs, may) == -1 ||
	    (abi >= 4 && allow_ports(ruleset, ports, count) == -1) ||
	    syscall(SYS_landlock_restrict_self, ruleset, 0) == -1) {
		log_error("event=sandbox-failed what=landlock error=%s",
		    strerror(errno));
		fd_close(ruleset);
		return -1;
	}
	fd_close(ruleset);
	return 0;
}
