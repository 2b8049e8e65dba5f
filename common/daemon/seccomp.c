#include "common/daemon/seccomp.h"

#include <errno.h>
#include <string.h>

#include "common/base/log.h"

/*
 * What every process needs after its start: its descriptors, memory, time,
 * signals and the end. Nothing here opens, connects, executes or forks.
 */
static const char *const base_calls[] = { "read", "readv", "pread64", "write",
	"writev", "close", "fstat", "newfstatat", "recvmsg", "recvfrom",
	"shutdown", "getsockopt", "getsockname", "getpeername", "epoll_wait",
	"epoll_pwait", "epoll_ctl", "poll", "ppoll", "select", "pselect6",
	"brk", "munmap", "mremap", "madvise", "futex", "clock_gettime",
	"clock_nanosleep", "nanosleep", "gettimeofday", "time", "getrandom",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"restart_syscall", "exit", "exit_group", "getpid", "gettid", "getuid",
	"geteuid", "getgid", "getegid", "sched_yield", "sched_getaffinity",
	"set_robust_list", "rseq", "membarrier", "uname", "sysinfo", "dup2",
	"dup3", "timerfd_settime", "getrusage", NULL };

/* Beneath the root, as far as Landlock and the modes let it. */
static const char *const read_calls[] = { "openat", "openat2", "getdents64",
	"statx", "readlinkat", "faccessat", "faccessat2", "access", "stat",
	"lstat", "open", "lseek", "dup", "fadvise64", "fstatfs",
	"inotify_add_watch", "inotify_rm_watch", "inotify_init1", "flock",
	NULL };

static const char *const write_calls[] = { "pwrite64", "pwritev", "preadv",
	"fsync", "fdatasync", "syncfs", "sync_file_range", "ftruncate",
	"fallocate", "unlinkat", "unlink", "rename", "renameat", "renameat2",
	"linkat", "link", "mkdirat", "mkdir", "rmdir", "fchown", "utimensat",
	"copy_file_range", "sendfile", NULL };

static const char *const connect_calls[] = { "connect", NULL };
static const char *const datagram_calls[] = { "bind", NULL };
static const char *const pair_calls[] = { "socketpair", NULL };

/* What an usher does, and its children until they are somebody else. */
static const char *const fork_calls[] = { "wait4", "setresuid", "setresgid",
	"getresuid", "getresgid", "chroot", "fchdir", "chdir", "capget",
	"capset", "close_range", "landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "umask", "socketpair", "setitimer", NULL };

/* Only a listener in hand makes these worth anything. */
static const char *const listen_calls[] = { "accept4", "accept", NULL };

/*
 * Calls the C library tries on its own and does without: refused, not
 * punished. What a daemon lists itself has been allowed before.
 */
static const char *const soft_calls[] = { "clone3", "ioctl", "prlimit64",
	NULL };
static const char *const soft_unless_fork[] = { "prctl", NULL };

int
seccomp_names(scmp_filter_ctx ctx, uint32_t action, const char *const *names)
{
	for (; names != NULL && *names != NULL; names++) {
		int nr = seccomp_syscall_resolve_name(*names);
		int rc;

		if (nr == __NR_SCMP_ERROR)
			return -ENOSYS;
		rc = seccomp_rule_add(ctx, action, nr, 0);
		if (rc != 0 && rc != -EEXIST)
			return rc;
	}
	return 0;
}

int
seccomp_calls(scmp_filter_ctx ctx, unsigned may)
{
	const struct {
		bool wanted;
		const char *const *names;
	} lists[] = {
		{ true, base_calls },
		{ true, listen_calls },
		{ (may & (MAY_READ | MAY_WRITE)) != 0, read_calls },
		{ (may & MAY_WRITE) != 0, write_calls },
		{ (may & MAY_CONNECT) != 0, connect_calls },
		{ (may & MAY_DATAGRAM) != 0, datagram_calls },
		{ (may & MAY_PAIR) != 0, pair_calls },
		{ (may & MAY_FORK) != 0, fork_calls },
	};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(lists); i++)
		if (lists[i].wanted)
			rc = seccomp_names(ctx, SCMP_ACT_ALLOW, lists[i].names);
	return rc;
}

static int
fill(scmp_filter_ctx ctx, const struct daemon_spec *spec)
{
	const uint32_t nosys = SCMP_ACT_ERRNO(ENOSYS);
	int rc;

	/* Calls of another architecture or ABI end us all the same. */
	rc = seccomp_attr_set(
	    ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_calls(ctx, spec->may);
	if (rc == 0)
		rc = seccomp_names(ctx, SCMP_ACT_ALLOW, spec->syscalls);
	if (rc == 0)
		rc = seccomp_arguments(ctx, spec->may);
	if (rc == 0)
		rc = seccomp_names(ctx, nosys, soft_calls);
	if (rc == 0 && (spec->may & MAY_FORK) == 0)
		rc = seccomp_names(ctx, nosys, soft_unless_fork);
	return rc;
}

int
sandbox_seccomp(
    const struct daemon_spec *spec, const struct sandbox_users *users)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = ctx == NULL ? -ENOMEM : fill(ctx, spec);

	/* The first one loaded must still let the second be. */
	if (rc == 0)
		rc = seccomp_refuse(spec, users);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (rc != 0)
		log_error("event=sandbox-failed what=seccomp error=%s",
		    strerror(-rc));
	seccomp_release(ctx);
	return rc == 0 ? 0 : -1;
}
