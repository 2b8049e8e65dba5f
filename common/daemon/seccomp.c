#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/log.h"
#include "common/daemon/sandbox.h"

/*
 * What every process needs after its start: its descriptors, memory, time,
 * signals and the end. Nothing here opens, connects, executes or forks.
 */
static const char *const base_calls[] = { "read", "readv", "pread64", "write",
	"writev", "pwrite64", "close", "lseek", "fstat", "newfstatat",
	"recvmsg", "recvfrom", "sendmsg", "sendto", "shutdown", "getsockopt",
	"setsockopt", "getsockname", "getpeername", "epoll_wait", "epoll_pwait",
	"epoll_ctl", "poll", "ppoll", "select", "pselect6", "brk", "munmap",
	"mremap", "madvise", "futex", "clock_gettime", "clock_nanosleep",
	"nanosleep", "gettimeofday", "time", "getrandom", "rt_sigaction",
	"rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall",
	"exit", "exit_group", "getpid", "gettid", "getuid", "geteuid", "getgid",
	"getegid", "sched_yield", "sched_getaffinity", "set_robust_list",
	"rseq", "membarrier", "uname", "sysinfo", "tgkill", "dup", "dup2",
	"dup3", "fcntl", "timerfd_settime", "getrusage", NULL };

/* Beneath the root, as far as Landlock and the modes let it. */
static const char *const read_calls[] = { "openat", "openat2", "getdents64",
	"statx", "readlinkat", "faccessat", "faccessat2", "access", "stat",
	"lstat", "open", "fadvise64", "fstatfs", "inotify_add_watch",
	"inotify_rm_watch", "inotify_init1", "flock", NULL };

static const char *const write_calls[] = { "fsync", "fdatasync", "syncfs",
	"sync_file_range", "ftruncate", "fallocate", "unlinkat", "unlink",
	"rename", "renameat", "renameat2", "linkat", "link", "mkdirat", "mkdir",
	"rmdir", "fchmod", "fchmodat", "fchown", "utimensat", "pwritev",
	"preadv", "copy_file_range", "sendfile", NULL };

static const char *const connect_calls[] = { "socket", "connect", "bind",
	NULL };

/* What an usher does, and its children until they are somebody else. */
static const char *const spawn_calls[] = { "clone", "fork", "vfork", "wait4",
	"waitid", "kill", "pidfd_open", "setgroups", "setresuid", "setresgid",
	"setuid", "getresuid", "getresgid", "chroot", "fchdir", "chdir",
	"capget", "capset", "prctl", "prlimit64", "close_range",
	"landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "setrlimit", "getppid", "gettid", "getcwd",
	"umask", "set_tid_address", "socketpair", "dup2", "dup3", "pipe2",
	NULL };

/* Only a listener in hand makes these worth anything. */
static const char *const listen_calls[] = { "accept4", "accept", NULL };

static int
allow(scmp_filter_ctx ctx, const char *const *names)
{
	for (; names != NULL && *names != NULL; names++) {
		int nr = seccomp_syscall_resolve_name(*names);
		int rc;

		if (nr == __NR_SCMP_ERROR)
			return -ENOSYS;
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
		if (rc != 0 && rc != -EEXIST)
			return rc;
	}
	return 0;
}

/* Memory may be written or executed, never both, never made executable. */
static int
allow_memory(scmp_filter_ctx ctx)
{
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));

	if (rc != 0)
		return rc;
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
	    SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/*
 * Calls the C library tries on its own and does without: refused, not
 * punished. What a daemon lists itself has been allowed before.
 */
static int
refuse_softly(scmp_filter_ctx ctx)
{
	static const char *const soft[] = { "clone3", "prctl", "ioctl",
		"prlimit64" };

	for (size_t i = 0; i < ARRAY_LEN(soft); i++) {
		int nr = seccomp_syscall_resolve_name(soft[i]);
		int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0);

		if (rc != 0 && rc != -EEXIST)
			return rc;
	}
	return 0;
}

int
sandbox_seccomp(const struct daemon_spec *spec)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int rc = ctx == NULL ? -ENOMEM : 0;

	if (rc == 0)
		rc = allow(ctx, base_calls);
	if (rc == 0)
		rc = allow_memory(ctx);
	if (rc == 0)
		rc = allow(ctx, listen_calls);
	if (rc == 0 && spec->files != FILES_NONE)
		rc = allow(ctx, read_calls);
	if (rc == 0 && spec->files == FILES_WRITE)
		rc = allow(ctx, write_calls);
	if (rc == 0 && spec->connects)
		rc = allow(ctx, connect_calls);
	if (rc == 0 && spec->spawns)
		rc = allow(ctx, spawn_calls);
	if (rc == 0)
		rc = allow(ctx, spec->syscalls);
	if (rc == 0)
		rc = refuse_softly(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (rc != 0)
		log_error("event=sandbox-failed what=seccomp error=%s",
		    strerror(-rc));
	seccomp_release(ctx);
	return rc == 0 ? 0 : -1;
}
