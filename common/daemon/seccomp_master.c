/*
 * Master's filter, which all its children inherit: with it they start,
 * change users and put up walls of their own. What nobody of the house
 * needs is refused, not punished: the name service may load anything, and
 * master must not die of it.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/daemon/seccomp.h"

/* Beyond what its daemons may behind their walls. */
static const char *const calls[] = { "execve", "setgroups", "arch_prctl",
	"mmap", "mprotect", "fork", "vfork", "wait4", "waitid", "kill",
	"tgkill", "socketpair", "connect", "bind", "listen", "sendto",
	"sendmsg", "sendmmsg", "recvmmsg", "setsockopt", "fcntl", "ioctl",
	"pipe", "pipe2", "dup", "eventfd2", "signalfd4", "epoll_create",
	"epoll_create1", "timerfd_create", "memfd_create", "chmod", "fchmod",
	"fchmodat", "chown", "fchownat", "statfs", "readlink", "getcwd",
	"getdents", "creat", "pread64", "preadv2", "pwritev2", "prctl",
	"seccomp", "prlimit64", "setrlimit", "getrlimit", "setuid", "setgid",
	"getgroups", "getpgrp", "getppid", "getpgid", "getsid", "setsid",
	"set_tid_address", "alarm", "setitimer", "getitimer", "timer_create",
	"timer_settime", "timer_delete", "times", "clock_getres",
	"clock_gettime", "gettimeofday", "rt_sigpending", "rt_sigsuspend",
	"rt_sigtimedwait", "rt_sigqueueinfo", "pause", "pidfd_open",
	"pidfd_send_signal", "sched_getparam", "sched_getscheduler",
	"sched_get_priority_max", "sched_get_priority_min", "sched_setaffinity",
	"msync", "mincore", "mlock", "munlock", "mlock2", "getcpu", "capget",
	"capset", "umask", "get_robust_list", "get_mempolicy",
	"landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "close_range", NULL };

/* No namespaces, and only the families that somebody of the house uses. */
static int
arguments(scmp_filter_ctx ctx)
{
	static const int families[] = { AF_UNIX, AF_INET, AF_INET6 };
	int rc;

	rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
		    SCMP_A0(SCMP_CMP_MASKED_EQ,
			CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			    CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			    CLONE_NEWCGROUP,
			0));
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(families); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
		    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i], 0));
	return rc;
}

int
sandbox_seccomp_master(void)
{
	const unsigned all = MAY_READ | MAY_WRITE | MAY_CONNECT | MAY_DATAGRAM |
			     MAY_THREAD | MAY_FORK;
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int rc = ctx == NULL ? -ENOMEM : 0;

	if (rc == 0)
		rc = seccomp_attr_set(
		    ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_calls(ctx, all);
	if (rc == 0)
		rc = seccomp_names(ctx, SCMP_ACT_ALLOW, calls);
	if (rc == 0)
		rc = arguments(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	if (rc != 0)
		log_error("event=sandbox-failed what=seccomp error=%s",
		    strerror(-rc));
	seccomp_release(ctx);
	return rc == 0 ? 0 : -1;
}
