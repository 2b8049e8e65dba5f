#ifndef COMMON_DAEMON_DAEMON_H
#define COMMON_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ipc/chan.h"
#include "common/ipc/proc.h"

/*
 * daemon - the one way a Wemmick process starts.
 *
 * Started by master with its control channel as descriptor 3. Reads what
 * master hands over (configuration, root directory, listeners, files,
 * peers), lets the daemon prepare, enters the root, drops groups, gid, uid
 * and capabilities, sets no_new_privs, rlimits, Landlock and the seccomp
 * filter, and runs the loop. No byte of a client is read before that; a
 * process that cannot drop a privilege ends instead.
 */
struct config;
struct daemon;
struct event;
struct event_base;

/* What listens where; the number travels in CTL_LISTENER. */
enum daemon_service {
	LISTEN_SMTP = 1,
	LISTEN_SUBMISSION = 2,
	LISTEN_SUBMISSIONS = 3,
	LISTEN_IMAP = 4,
	LISTEN_IMAPS = 5,
	LISTEN_POP3 = 6,
	LISTEN_POP3S = 7,
	LISTEN_CONTROL = 8, /* UNIX socket of the administrator's command */
	LISTEN_COUNT
};

struct daemon_listener {
	enum daemon_service service;
	int fd; /* non-blocking, owned by daemon */
	char address[128];
};

/*
 * What a process may do behind its walls besides using what it was handed.
 * The table in master says who may what; a program that wants anything else
 * than its row does not start.
 */
#define MAY_READ     1U  /* open files beneath its root */
#define MAY_WRITE    2U  /* make and change them */
#define MAY_CONNECT  4U  /* to the TCP ports it names */
#define MAY_DATAGRAM 8U  /* send and receive UDP */
#define MAY_THREAD   16U /* start threads, never processes */
#define MAY_FORK     32U /* usher: stays root with three capabilities, forks */
#define MAY_PAIR     64U /* make pairs of sockets, with buffers of its size */

struct daemon_spec {
	enum proc procs[2]; /* who this program can be; PROC_MASTER: end */
	const char *const *syscalls; /* beyond the base list; NULL-terminated */
	unsigned may;                /* MAY_ bits */
	/*
	 * For MAY_CONNECT: the TCP ports Landlock lets through, at most cap of
	 * them; asked once, before the walls go up.
	 */
	size_t (*ports)(struct daemon *d, uint16_t *ports, size_t cap);
	bool accepts_control; /* gets LISTEN_CONTROL, channels of the CLI */
	uint64_t max_files;   /* RLIMIT_NOFILE; 0: 1024 */

	/* Handlers of messages from peers, by type; ends with type 0. */
	const struct ipc_handler *handlers;

	/*
	 * Before the root is entered and privileges dropped: load what must
	 * be loaded from the host (libraries' data, trust anchors), nothing
	 * of a stranger's. Returns 0, or -1 after logging why. May be NULL.
	 */
	int (*prepare)(struct daemon *d);
	/* Sandboxed, all peers there: begin. Returns 0 or -1 after logging. */
	int (*start)(struct daemon *d);
	/*
	 * A reload brought another configuration (daemon_config() is the new
	 * one, files and listeners too). -1 after logging: keep running with
	 * what was. NULL: session holders, which are replaced instead.
	 */
	int (*reload)(struct daemon *d);
	/* A peer's channel is there: at start, and again after its restart. */
	void (*peer_up)(struct daemon *d, struct ipc_chan *c);
	/* It ended; all outstanding calls have been told. c goes away. */
	void (*peer_down)(struct daemon *d, struct ipc_chan *c);
	/* Output to it drained under half again. */
	void (*peer_drained)(struct daemon *d, struct ipc_chan *c);
	/*
	 * Stop taking new work; call daemon_exit() when the last is done.
	 * grace_ms later master insists. NULL: exit at once.
	 */
	void (*stop)(struct daemon *d, uint32_t grace_ms);
	/* For `wemmick status`: a short key=value text. May be NULL. */
	void (*status)(struct daemon *d, char *text, size_t cap);
};

/*
 * main() of every daemon: never returns before the end. data is the
 * process struct, which handlers get back from daemon_data(); the arg of
 * handlers of spec is the struct daemon.
 */
int daemon_run(
    const struct daemon_spec *spec, void *data, int argc, char **argv);

void *daemon_data(const struct daemon *d);
struct event_base *daemon_base(const struct daemon *d);
const struct config *daemon_config(const struct daemon *d);
enum proc daemon_proc(const struct daemon *d);
uint32_t daemon_instance(const struct daemon *d);

/* The i-th listener, NULL after the last. */
const struct daemon_listener *daemon_listener(const struct daemon *d, size_t i);

/*
 * event_add() for the event of a listener that other processes of this kind
 * have, too: one of them is woken for each connection. See exclusive.h.
 */
int daemon_listen(const struct daemon *d, struct event *e) MUST_USE;

/* A file master handed over, still the daemon's; -1 when there is none. */
int daemon_file(const struct daemon *d, const char *name);

/* The root directory handed over (open also after chroot), or -1. */
int daemon_root(const struct daemon *d);

/*
 * The channel to a peer that is up: the instance-th living one of that
 * kind counted from 0, or NULL. daemon_peer_any() picks one of them,
 * always the same for the same key.
 */
struct ipc_chan *daemon_peer(const struct daemon *d, enum proc p, size_t nth);
struct ipc_chan *daemon_peer_any(
    const struct daemon *d, enum proc p, uint32_t key);

/* Leave the loop and exit(0) after telling master. */
void daemon_exit(struct daemon *d);

/*
 * In the child an usher has forked: everything of the parent's is closed
 * but keep[], then root = home directory fd, groups, gid and uid become
 * the user's, capabilities go, no_new_privs (already set) stays; the
 * child's own Landlock, rlimits and a second seccomp filter without all
 * that only the usher does are put in place. -1 after logging: the child
 * must _exit. Does not return to the loop.
 */
int daemon_become_user(struct daemon *d, int home_fd, uint32_t uid,
    const int *keep, size_t keeps) MUST_USE;

#endif
