/* The halves of the filters that look at arguments. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/daemon/seccomp.h"

#define LOG_FD      2
#define PROGRAM_MAX ((size_t)64 * 1024)
#define THIRTY_TWO  0xffffffffU /* the kernel looks at no more of an int */
#define SPECIAL     07000U      /* setuid, setgid, sticky */
#define TYPE_MASK   15U         /* of socket(): without its flags */

/* A call, and arguments with which a rule is for it; any missing: any. */
struct rule {
	unsigned may; /* for whom: one of these bits, 0 for everybody */
	int call;
	unsigned count;
	struct scmp_arg_cmp args[3];
};

/* clang-format off */
#define IS(n, value)          { n, SCMP_CMP_EQ, value, 0 }
#define WITHOUT(n, mask)      { n, SCMP_CMP_MASKED_EQ, mask, 0 }
#define MASKED(n, mask, bits) { n, SCMP_CMP_MASKED_EQ, mask, bits }
#define FCNTL(may, cmd)       { may, SCMP_SYS(fcntl), 1, { IS(1, cmd) } }
#define OPTION(may, level, name) \
	{ may, SCMP_SYS(setsockopt), 2, { IS(1, level), IS(2, name) } }
#define SOCKET(may, domain, type) \
	{ may, SCMP_SYS(socket), 2, { IS(0, domain), MASKED(1, TYPE_MASK, type) } }

static const struct rule allowed[] = {
	/* Memory is written or executed, never both, nor made executable. */
	{ 0, SCMP_SYS(mmap), 1, { WITHOUT(2, PROT_EXEC) } },
	{ 0, SCMP_SYS(mprotect), 1, { WITHOUT(2, PROT_EXEC) } },
	/* A connect hidden in a send asks nobody for the port. */
	{ 0, SCMP_SYS(sendto), 1, { WITHOUT(3, MSG_FASTOPEN) } },
	{ 0, SCMP_SYS(sendmsg), 1, { WITHOUT(2, MSG_FASTOPEN) } },
	FCNTL(0, F_GETFD), FCNTL(0, F_SETFD), FCNTL(0, F_GETFL),
	FCNTL(0, F_DUPFD), FCNTL(0, F_DUPFD_CLOEXEC), FCNTL(0, F_GET_SEALS),
	FCNTL(MAY_READ, F_GETLK), FCNTL(MAY_READ, F_SETLK),
	FCNTL(MAY_READ, F_SETLKW), FCNTL(MAY_READ, F_OFD_GETLK),
	FCNTL(MAY_READ, F_OFD_SETLK), FCNTL(MAY_READ, F_OFD_SETLKW),
	/*
	 * A listener is shared with master and one's siblings: whoever made
	 * it block would stop them. A session's own connection may block.
	 */
	{ 0, SCMP_SYS(fcntl), 2, { IS(1, F_SETFL),
	    MASKED(2, O_NONBLOCK | O_ASYNC, O_NONBLOCK) } },
	{ MAY_FORK | MAY_DATAGRAM, SCMP_SYS(fcntl), 2, { IS(1, F_SETFL),
	    WITHOUT(2, O_ASYNC) } },
	/*
	 * Nor may a filter or the like stay behind on a socket that somebody
	 * else has too, or is handed: close() of one that lingers blocks.
	 */
	OPTION(0, IPPROTO_TCP, TCP_NODELAY),
	OPTION(MAY_DATAGRAM | MAY_PAIR, SOL_SOCKET, SO_SNDBUF),
	OPTION(MAY_DATAGRAM, SOL_SOCKET, SO_RCVBUF),
	OPTION(MAY_DATAGRAM, SOL_SOCKET, SO_REUSEADDR),
	OPTION(MAY_DATAGRAM, SOL_SOCKET, SO_REUSEPORT),
	OPTION(MAY_DATAGRAM, SOL_SOCKET, SO_SNDBUFFORCE),
	OPTION(MAY_DATAGRAM, SOL_SOCKET, SO_RCVBUFFORCE),
	{ MAY_DATAGRAM, SCMP_SYS(setsockopt), 1, { IS(1, IPPROTO_IP) } },
	{ MAY_DATAGRAM, SCMP_SYS(setsockopt), 1, { IS(1, IPPROTO_IPV6) } },
	{ MAY_DATAGRAM, SCMP_SYS(setsockopt), 1, { IS(1, IPPROTO_TCP) } },
	SOCKET(MAY_CONNECT, AF_INET, SOCK_STREAM),
	SOCKET(MAY_CONNECT, AF_INET6, SOCK_STREAM),
	SOCKET(MAY_DATAGRAM, AF_INET, SOCK_DGRAM),
	SOCKET(MAY_DATAGRAM, AF_INET6, SOCK_DGRAM),
	{ MAY_WRITE, SCMP_SYS(fchmod), 1, { WITHOUT(1, SPECIAL) } },
	{ MAY_WRITE, SCMP_SYS(fchmodat), 1, { WITHOUT(2, SPECIAL) } },
	{ MAY_THREAD, SCMP_SYS(clone), 1,
	    { MASKED(0, CLONE_THREAD | CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
	      CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, CLONE_THREAD) } },
	/* A fork, and nothing else that clone() can do. */
	{ MAY_FORK, SCMP_SYS(clone), 1, { WITHOUT(0, THIRTY_TWO &
	    ~(unsigned)(CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CSIGNAL)) } },
	{ MAY_FORK, SCMP_SYS(setuid), 1, { IS(0, 0) } },
	{ MAY_FORK, SCMP_SYS(setgroups), 1, { IS(0, 0) } },
	{ MAY_FORK, SCMP_SYS(prctl), 1, { IS(0, PR_SET_KEEPCAPS) } },
	{ MAY_FORK, SCMP_SYS(prctl), 1, { IS(0, PR_SET_SECCOMP) } },
};

/* The log may be added to: not changed, and not moved to another number. */
#define LOG(call)           { 0, SCMP_SYS(call), 1, { MASKED(0, THIRTY_TWO, LOG_FD) } }
#define LOG_FCNTL(cmd)      { 0, SCMP_SYS(fcntl), 2, \
	{ MASKED(0, THIRTY_TWO, LOG_FD), MASKED(1, THIRTY_TWO, cmd) } }

static const struct rule refused[] = {
	LOG(dup), LOG(dup2), LOG(dup3), LOG(ftruncate), LOG(fallocate),
	LOG(pwrite64), LOG(pwritev), LOG(lseek), LOG(fchmod), LOG(fchown),
	LOG(sendfile), LOG(flock), LOG_FCNTL(F_DUPFD), LOG_FCNTL(F_DUPFD_CLOEXEC),
	LOG_FCNTL(F_SETFL), LOG_FCNTL(F_SETLK), LOG_FCNTL(F_OFD_SETLK),
};
/* clang-format on */

static int
add_rules(scmp_filter_ctx ctx, uint32_t action, unsigned may,
    const struct rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &rules[i];
		int rc;

		if (r->may != 0 && (r->may & may) == 0)
			continue;
		rc = seccomp_rule_add_array(
		    ctx, action, r->call, r->count, r->args);
		if (rc != 0 && rc != -EEXIST)
			return rc;
	}
	return 0;
}

int
seccomp_arguments(scmp_filter_ctx ctx, unsigned may)
{
	int rc;

	rc = add_rules(ctx, SCMP_ACT_ALLOW, may, allowed, ARRAY_LEN(allowed));
	if (rc != 0 && rc != -EEXIST)
		return rc;
	/*
	 * libunbound tries it for every answer too large for UDP, and
	 * connects as others do where it is not to be had.
	 */
	if ((may & MAY_DATAGRAM) != 0) {
		const struct scmp_arg_cmp fast =
		    MASKED(2, MSG_FASTOPEN, MSG_FASTOPEN);

		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EOPNOTSUPP),
		    SCMP_SYS(sendmsg), 1, &fast);
		if (rc != 0)
			return rc;
	}
	/* abort() is a signal to oneself; nobody else's to send. */
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
	    SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0));
}

/* An usher becomes a mailbox user and nobody else, whatever it is told. */
static int
refuse_strangers(scmp_filter_ctx ctx, const struct sandbox_users *users)
{
	static const int calls[] = { SCMP_SYS(setresuid), SCMP_SYS(setresgid) };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		for (unsigned arg = 0; rc == 0 && arg < 3; arg++) {
			const struct scmp_arg_cmp under = { arg, SCMP_CMP_LT,
				users->first, 0 };
			const struct scmp_arg_cmp above = { arg, SCMP_CMP_GT,
				users->last, 0 };

			rc = seccomp_rule_add_array(
			    ctx, SCMP_ACT_KILL_PROCESS, calls[i], 1, &under);
			if (rc == 0)
				rc = seccomp_rule_add_array(ctx,
				    SCMP_ACT_KILL_PROCESS, calls[i], 1, &above);
		}
	return rc;
}

int
seccomp_refuse(
    const struct daemon_spec *spec, const struct sandbox_users *users)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx == NULL ? -ENOMEM : 0;

	if (rc == 0)
		rc = add_rules(ctx, SCMP_ACT_KILL_PROCESS, spec->may, refused,
		    ARRAY_LEN(refused));
	if (rc == 0 && (spec->may & MAY_FORK) != 0)
		rc = refuse_strangers(ctx, users);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* -- sessions ----------------------------------------------------------- */

static const char *const not_in_sessions[] = { "clone", "fork", "wait4",
	"setgroups", "setresuid", "setresgid", "setuid", "chroot", "fchdir",
	"capset", "close_range", "landlock_create_ruleset", "landlock_add_rule",
	"landlock_restrict_self", "prctl", "socketpair", "tgkill", "umask",
	"accept", "accept4", NULL };

static int export(scmp_filter_ctx ctx, struct buf *b)
{
	int fd = memfd_create("session-filter", MFD_CLOEXEC);
	int rc = fd == -1 ? -errno : seccomp_export_bpf(ctx, fd);

	if (rc == 0 && file_pread(fd, b) == -1)
		rc = -errno;
	fd_close(fd);
	return rc;
}

/* The library does not look whether all of it was written. */
static bool
is_whole(const struct sock_fprog *program)
{
	const struct sock_filter *last;

	if (program->len == 0)
		return false;
	last = &program->filter[program->len - 1];
	return BPF_CLASS(last->code) == BPF_RET;
}

int
sandbox_session_compile(struct sock_fprog *program)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	struct buf b = BUF_INIT(PROGRAM_MAX);
	size_t len = 0;
	int rc = ctx == NULL ? -ENOMEM : 0;

	if (rc == 0)
		rc = seccomp_names(ctx, SCMP_ACT_KILL_PROCESS, not_in_sessions);
	if (rc == 0)
		rc = export(ctx, &b);
	seccomp_release(ctx);
	if (rc != 0) {
		buf_free(&b);
		log_error("event=sandbox-failed what=session error=%s",
		    strerror(-rc));
		return -1;
	}
	program->filter = (struct sock_filter *)(void *)buf_take(&b, &len);
	program->len = (unsigned short)(len / sizeof(*program->filter));
	if (!is_whole(program)) {
		log_error("event=sandbox-failed what=session error=short");
		return -1;
	}
	return 0;
}

int
sandbox_session(const struct sock_fprog *program)
{
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) == 0)
		return 0;
	log_error(
	    "event=sandbox-failed what=session error=%s", strerror(errno));
	return -1;
}
