/*
 * What an attacker would try from inside. Order and names are the test's
 * only by what master prints; a row more here is tried by every process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/config/config.h"
#include "common/config/network.h"
#include "tests/attack/attack.h"

#define X32 0x40000000L

/* -- files --------------------------------------------------------------- */

/* One of these opens: then it worked. */
static int
any_opens(const char *const *paths, size_t n, int flags)
{
	for (size_t i = 0; i < n; i++)
		if (openat(AT_FDCWD, paths[i], flags, 0600) != -1)
			return 0;
	return -1;
}

static int
open_host(const struct attacker *a)
{
	static const char *const paths[] = { "/etc/passwd", "/etc/shadow",
		"../../../../../../etc/passwd", "/proc/self/mem",
		"/proc/1/environ", "/dev/null", "/usr/bin/env" };

	(void)a;
	return any_opens(paths, ARRAY_LEN(paths), O_RDONLY);
}

static int
open_house(const struct attacker *a)
{
	const struct config *c = a->daemon->config;
	const char *paths[8] = { c->tls_key, c->state_directory,
		c->run_directory, c->table_directory };
	size_t n = 4;

	paths[n++] = config_state_path(c, "spool");
	paths[n++] = config_state_path(c, "auth/users.db");
	paths[n++] = config_state_path(c, "mail/example.test/pip");
	return any_opens(paths, n, O_RDONLY);
}

/* From the mail root, and from one home to the next. */
static int
open_mailbox(const struct attacker *a)
{
	static const char *const paths[] = { "/example.test/u1/mail/cur",
		"/example.test/u1/mail", "/example.test/u1/journal",
		"/example.test/u1/drop/new", "/example.test/u1",
		"../u1/mail/cur", "../u1", "/../u1/journal",
		"../../example.test/u1" };

	(void)a;
	return any_opens(paths, ARRAY_LEN(paths), O_RDONLY);
}

static int
open_through_root(const struct attacker *a)
{
	struct open_how how = { .flags = O_RDONLY };
	int fd = a->session ? AT_FDCWD : a->daemon->root_fd;
	long rc = syscall(
	    SYS_openat2, fd, "../../../../../../etc/passwd", &how, sizeof(how));

	if (rc != -1)
		return 0;
	return openat(fd, "../../../../../../../etc/passwd", O_RDONLY) == -1
		   ? -1
		   : 0;
}

static int
open_memory(const struct attacker *a)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)a->victim);
	return openat(AT_FDCWD, path, O_RDWR) == -1 ? -1 : 0;
}

static int
create_in_root(const struct attacker *a)
{
	(void)a;
	return openat(AT_FDCWD, "/wm-attack", O_WRONLY | O_CREAT, 0600) == -1
		   ? -1
		   : 0;
}

static int
create_elsewhere(const struct attacker *a)
{
	char *in_state = config_state_path(a->daemon->config, "wm-attack");
	const char *const paths[] = { "/tmp/wm-attack", "/etc/wm-attack",
		in_state, "/example.test/u1/wm-attack",
		"/example.test/u1/mail/cur/wm-attack", "../u1/drop/wm-attack",
		"../wm-attack/x" };

	return any_opens(paths, ARRAY_LEN(paths), O_WRONLY | O_CREAT);
}

static int
remove_others(const struct attacker *a)
{
	(void)a;
	if (unlinkat(AT_FDCWD, "/example.test/u1/mail", AT_REMOVEDIR) == 0 ||
	    renameat(AT_FDCWD, "/example.test/u1", AT_FDCWD, "/mine") == 0 ||
	    linkat(AT_FDCWD, "/etc/passwd", AT_FDCWD, "/mine", 0) == 0)
		return 0;
	return -1;
}

static int
make_setuid(const struct attacker *a)
{
	return fchmod(a->session ? 2 : a->daemon->root_fd, 04755);
}

/* The old way out of a chroot, with what a forker keeps. */
static int
leave_root(const struct attacker *a)
{
	(void)a;
	if (chroot("example.test") == -1)
		return -1;
	for (int i = 0; i < 16; i++)
		if (chdir("..") == -1)
			return -1;
	return openat(AT_FDCWD, "etc/passwd", O_RDONLY) == -1 ? -1 : 0;
}

/* -- the log -------------------------------------------------------------- */

static int
log_cut(const struct attacker *a)
{
	(void)a;
	return ftruncate(2, 0);
}

static int
log_over(const struct attacker *a)
{
	(void)a;
	return pwrite(2, "forged\n", 7, 0) == -1 ? -1 : 0;
}

static int
log_moved(const struct attacker *a)
{
	(void)a;
	return dup2(2, 900) == -1 ? -1 : 0;
}

static int
log_moved_by_fcntl(const struct attacker *a)
{
	(void)a;
	return fcntl(2, F_DUPFD_CLOEXEC, 10) == -1 ? -1 : 0;
}

static int
log_not_appended(const struct attacker *a)
{
	(void)a;
	return fcntl(2, F_SETFL, O_NONBLOCK);
}

/* The kernel cuts a descriptor to 32 bits; so must a filter. */
static int
log_by_another_number(const struct attacker *a)
{
	(void)a;
	return (int)syscall(SYS_ftruncate, 0x100000002L, 0L);
}

/* -- the network ---------------------------------------------------------- */

static int
family(int domain, int type)
{
	return socket(domain, type, 0) == -1 ? -1 : 0;
}

#define FAMILY(name, domain, type)                                             \
	static int name(const struct attacker *a)                              \
	{                                                                      \
		(void)a;                                                       \
		return family(domain, type);                                   \
	}
FAMILY(socket_unix, AF_UNIX, SOCK_STREAM)
FAMILY(socket_netlink, AF_NETLINK, SOCK_RAW)
FAMILY(socket_packet, AF_PACKET, SOCK_RAW)
FAMILY(socket_raw, AF_INET, SOCK_RAW)
FAMILY(socket_alg, AF_ALG, SOCK_SEQPACKET)
FAMILY(socket_vsock, AF_VSOCK, SOCK_STREAM)
FAMILY(socket_udp, AF_INET, SOCK_DGRAM)

static struct sockaddr_in
loopback(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* The house's own doors, whoever listens there. */
static int
connect_house(const struct attacker *a)
{
	const struct config *c = a->daemon->config;
	const struct config_list *const lists[] = { &c->listen_smtp,
		&c->listen_submissions, &c->listen_imaps, &c->listen_pop3 };
	struct sockaddr_in in;
	struct endpoint e;

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd == -1 ||
		    endpoint_parse(slice_str(lists[i]->items[0]), &e) == -1)
			return -1;
		in = loopback(e.port);
		if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
			return 0;
	}
	return -1;
}

static int
connect_in_a_send(const struct attacker *a)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in = loopback(25);

	(void)a;
	return sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&in,
		   sizeof(in)) == -1
		   ? -1
		   : 0;
}

static int
bind_tcp(const struct attacker *a)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in = loopback(31987);

	(void)a;
	return bind(fd, (struct sockaddr *)&in, sizeof(in));
}

static int
filter_socket(const struct attacker *a)
{
	struct sock_filter drop = { 6, 0, 0, 0 };
	struct sock_fprog program = { 1, &drop };
	int fd = a->daemon->listener_count > 0 ? a->daemon->listeners[0].fd : 3;

	return setsockopt(
	    fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* A listener where there is one, for what it leaves to its connections. */
static int
set_option(const struct attacker *a, int option, const void *p, socklen_t n)
{
	int fd = a->daemon->listener_count > 0 ? a->daemon->listeners[0].fd : 3;

	return setsockopt(fd, SOL_SOCKET, option, p, n);
}

static int
linger(const struct attacker *a)
{
	const struct linger on = { 1, 30 };

	return set_option(a, SO_LINGER, &on, sizeof(on));
}

static int
keep_alive(const struct attacker *a)
{
	const int on = 1;

	return set_option(a, SO_KEEPALIVE, &on, sizeof(on));
}

static int
size_input(const struct attacker *a)
{
	const int size = 65536;

	return set_option(a, SO_RCVBUF, &size, sizeof(size));
}

static int
size_output(const struct attacker *a)
{
	const int size = 65536;

	return set_option(a, SO_SNDBUF, &size, sizeof(size));
}

static int
block_listener(const struct attacker *a)
{
	int fd = a->daemon->listener_count > 0 ? a->daemon->listeners[0].fd : 3;

	return fcntl(fd, F_SETFL, O_RDWR);
}

static int
shut_listener(const struct attacker *a)
{
	if (a->daemon->listener_count == 0 || a->session) {
		errno = ENOTSOCK;
		return -1;
	}
	return shutdown(a->daemon->listeners[0].fd, SHUT_RDWR);
}

/* -- processes ------------------------------------------------------------ */

static int
execute(const struct attacker *a)
{
	char *argv[] = { NULL };

	(void)a;
	return execve("/bin/sh", argv, argv);
}

static int
clone_with(unsigned long flags)
{
	long pid = syscall(SYS_clone, flags, 0L, 0L, 0L, 0L);

	if (pid == 0)
		_exit(0);
	return pid == -1 ? -1 : 0;
}

static int
fork_child(const struct attacker *a)
{
	(void)a;
	return clone_with(SIGCHLD);
}

static int
clone_user(const struct attacker *a)
{
	(void)a;
	return clone_with(CLONE_NEWUSER | SIGCHLD);
}

static int
clone_user_thread(const struct attacker *a)
{
	(void)a;
	return clone_with(
	    CLONE_NEWUSER | CLONE_THREAD | CLONE_VM | CLONE_SIGHAND);
}

#define TO_VICTIM(name, nr, ...)                                               \
	static int name(const struct attacker *a)                              \
	{                                                                      \
		return (int)syscall(nr, __VA_ARGS__);                          \
	}
TO_VICTIM(kill_victim, SYS_kill, (long)a->victim, (long)SIGKILL)
TO_VICTIM(
    tgkill_victim, SYS_tgkill, (long)a->victim, (long)a->victim, (long)SIGKILL)
TO_VICTIM(tkill_victim, SYS_tkill, (long)a->victim, (long)SIGKILL)
TO_VICTIM(queue_signal, SYS_rt_sigqueueinfo, (long)a->victim, 9L, 0L)
TO_VICTIM(trace_victim, SYS_ptrace, 16L, (long)a->victim, 0L, 0L)
TO_VICTIM(read_victim, SYS_process_vm_readv, (long)a->victim, 0L, 0L, 0L, 0L)
TO_VICTIM(write_victim, SYS_process_vm_writev, (long)a->victim, 0L, 0L, 0L, 0L)
TO_VICTIM(pidfd_victim, SYS_pidfd_open, (long)a->victim, 0L)
TO_VICTIM(limit_victim, SYS_prlimit64, (long)a->victim, 7L, 0L, 0L)
#undef TO_VICTIM

/* -- who one is ----------------------------------------------------------- */

#define PLAIN(name, ...)                                                       \
	static int name(const struct attacker *a)                              \
	{                                                                      \
		(void)a;                                                       \
		return (int)syscall(__VA_ARGS__);                              \
	}
PLAIN(become_root, SYS_setresuid, 0L, 0L, 0L)
PLAIN(become_group_root, SYS_setresgid, 0L, 0L, 0L)
PLAIN(become_root_by_wrap, SYS_setresuid, 0x100000000L, 0x100000000L, 0L)
PLAIN(keep_and_become, SYS_setresuid, -1L, 0L, -1L)

static int
become_queue(const struct attacker *a)
{
	long uid = (long)a->daemon->config->base_uid + PROC_QUEUE;

	return (int)syscall(SYS_setresuid, uid, uid, uid);
}

static int
join_groups(const struct attacker *a)
{
	const gid_t groups[] = { 0, 42 };

	(void)a;
	return (int)syscall(SYS_setgroups, 2L, groups);
}

static int
raise_capabilities(const struct attacker *a)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct data[2] = { { ~0U, ~0U, 0 },
		{ ~0U, ~0U, 0 } };

	(void)a;
	return (int)syscall(SYS_capset, &head, data);
}

/* -- memory --------------------------------------------------------------- */

static int
map_executable(const struct attacker *a)
{
	(void)a;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		   ? -1
		   : 0;
}

static int
make_executable(const struct attacker *a)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)a;
	return mprotect(p, 4096, PROT_READ | PROT_EXEC);
}

PLAIN(map_by_pkey, SYS_pkey_mprotect, 0L, 4096L, 5L, -1L)
PLAIN(x32_exec, SYS_execve | X32, 0L, 0L, 0L)
PLAIN(x32_open, SYS_openat | X32, 0L, 0L, 0L)

#ifdef __x86_64__
/* The numbers of i386: 5 is open there, and 11 execve. */
static int
int80(const struct attacker *a)
{
	long rc;

	(void)a;
	__asm__ volatile("int $0x80"
			 : "=a"(rc)
			 : "a"(11), "b"(0), "c"(0), "d"(0)
			 : "memory");
	return rc < 0 ? -1 : 0;
}
#endif

/* clang-format off */
#define ROW(name, needs, run) { name, needs, MUST_FAIL, run, 0 },
#define MINE(name, needs, run) { name, needs, OWN, run, 0 },
#define CALL(name) { #name, NOBODY, MUST_FAIL, NULL, SYS_##name },
#define GENTLY(name) { #name, SOFT, MUST_FAIL, NULL, SYS_##name },

static const struct attempt attempts[] = {
	ROW("open-host", MAY_READ, open_host)
	ROW("open-house", MAY_READ, open_house)
	ROW("open-mailbox", MAY_READ, open_mailbox)
	ROW("open-through-root", MAY_READ, open_through_root)
	ROW("open-memory", MAY_READ, open_memory)
	MINE("create-in-root", MAY_READ, create_in_root)
	ROW("create-elsewhere", MAY_READ, create_elsewhere)
	ROW("remove-others", MAY_WRITE, remove_others)
	ROW("make-setuid", NOBODY, make_setuid)
	ROW("leave-root", MAY_FORK, leave_root)
	ROW("log-cut", NOBODY, log_cut)
	ROW("log-over", NOBODY, log_over)
	ROW("log-moved", NOBODY, log_moved)
	ROW("log-moved-by-fcntl", NOBODY, log_moved_by_fcntl)
	ROW("log-not-appended", NOBODY, log_not_appended)
	ROW("log-by-another-number", NOBODY, log_by_another_number)
	ROW("socket-unix", NOBODY, socket_unix)
	ROW("socket-netlink", NOBODY, socket_netlink)
	ROW("socket-packet", NOBODY, socket_packet)
	ROW("socket-raw", NOBODY, socket_raw)
	ROW("socket-alg", NOBODY, socket_alg)
	ROW("socket-vsock", NOBODY, socket_vsock)
	MINE("socket-udp", MAY_DATAGRAM, socket_udp)
	ROW("connect-house", MAY_CONNECT, connect_house)
	ROW("connect-in-a-send", NOBODY, connect_in_a_send)
	ROW("bind-tcp", MAY_DATAGRAM, bind_tcp)
	ROW("filter-socket", NOBODY, filter_socket)
	ROW("linger", NOBODY, linger)
	ROW("keep-alive", NOBODY, keep_alive)
	MINE("size-input", MAY_DATAGRAM, size_input)
	MINE("size-output", MAY_DATAGRAM | MAY_PAIR, size_output)
	MINE("block-listener", MAY_DATAGRAM | MAY_FORK | SESSION, block_listener)
	ROW("execute", NOBODY, execute)
	MINE("fork", MAY_FORK, fork_child)
	ROW("clone-user", NOBODY, clone_user)
	ROW("clone-user-thread", NOBODY, clone_user_thread)
	ROW("kill", NOBODY, kill_victim)
	ROW("tgkill", NOBODY, tgkill_victim)
	ROW("tkill", NOBODY, tkill_victim)
	ROW("rt_sigqueueinfo", NOBODY, queue_signal)
	ROW("ptrace", NOBODY, trace_victim)
	ROW("process_vm_readv", NOBODY, read_victim)
	ROW("process_vm_writev", NOBODY, write_victim)
	ROW("pidfd_open", NOBODY, pidfd_victim)
	ROW("prlimit64", SOFT, limit_victim)
	ROW("become-root", NOBODY, become_root)
	ROW("become-group-root", NOBODY, become_group_root)
	ROW("become-root-by-wrap", NOBODY, become_root_by_wrap)
	ROW("keep-and-become", NOBODY, keep_and_become)
	ROW("become-queue", NOBODY, become_queue)
	ROW("join-groups", NOBODY, join_groups)
	ROW("raise-capabilities", MAY_FORK, raise_capabilities)
	ROW("map-executable", NOBODY, map_executable)
	ROW("make-executable", NOBODY, make_executable)
	ROW("map-by-pkey", NOBODY, map_by_pkey)
	ROW("x32-exec", NOBODY, x32_exec)
	ROW("x32-open", NOBODY, x32_open)
#ifdef __x86_64__
	ROW("int80", NOBODY, int80)
#endif
	/* By their numbers alone: no arguments make these right. */
	CALL(execveat) CALL(vfork) CALL(unshare) CALL(setns) CALL(mount)
	CALL(umount2) CALL( pivot_root) CALL(move_mount) CALL(open_tree)
	CALL(fsopen) CALL(fsmount) CALL(memfd_create) CALL(io_uring_setup)
	CALL(bpf) CALL(userfaultfd) CALL( perf_event_open) CALL(keyctl)
	CALL(add_key) CALL(request_key) CALL(personality) CALL(init_module)
	CALL(finit_module) CALL(delete_module) CALL( kexec_load) CALL(reboot)
	CALL(swapon) CALL(acct) CALL(quotactl) CALL(settimeofday)
	CALL(clock_settime) CALL( adjtimex) CALL(clock_adjtime)
	CALL(sethostname) CALL(syslog) CALL(fanotify_init)
	CALL(name_to_handle_at) CALL( open_by_handle_at) CALL(kcmp)
	CALL(pidfd_getfd) CALL(pidfd_send_signal) CALL(process_madvise)
	CALL( move_pages) CALL(migrate_pages) CALL(mbind) CALL(splice)
	CALL(vmsplice) CALL(tee) CALL(seccomp) CALL( setpriority)
	CALL(sched_setaffinity) CALL(sched_setscheduler) CALL(ioprio_set)
	CALL( shmget) CALL(shmat) CALL(msgget) CALL(semget) CALL(mq_open)
	CALL(remap_file_pages) CALL( listen) CALL(mknodat) CALL(symlinkat)
	CALL(setsid) CALL(setpgid) CALL( setxattr) CALL(mlockall)
	CALL(timer_create) CALL( alarm) CALL(vhangup)
#ifdef __x86_64__
	CALL(iopl) CALL( ioperm) CALL(modify_ldt) CALL(uselib) CALL(chmod)
	CALL( chown) CALL(mknod) CALL(symlink) CALL( arch_prctl)
#endif
	/* By which a session ends its wait for a lock. */
	{ "setitimer", MAY_FORK | SESSION, OWN, NULL, SYS_setitimer },
	GENTLY(clone3)
	GENTLY( ioctl)
	MINE("shut-listener", 0, shut_listener)
};
/* clang-format on */

const struct attempt *
attempt_at(size_t i)
{
	return i < ARRAY_LEN(attempts) ? &attempts[i] : NULL;
}
