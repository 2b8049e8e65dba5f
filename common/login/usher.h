#ifndef COMMON_LOGIN_USHER_H
#define COMMON_LOGIN_USHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/map.h"
#include "common/daemon/daemon.h"
#include "common/ipc/message_list.h"
#include "common/login/session.h"

/*
 * usher - turns tickets into sessions. It keeps root's right to become
 * somebody else, so it is small and reads nothing but frames of fixed
 * fields: what a ticket is worth it asks auth, whether that uid is a
 * mailbox user's it knows from its own configuration, and the home it
 * opens beneath its root without following links.
 *
 * All sessions are forks of one address layout. After USHER_FORKS of them,
 * and after any death by a signal (somebody may be guessing the layout), it
 * ends and master starts another; the sessions go on, and fronts ask the
 * new one what the old one has not answered.
 */
#define USHER_FORKS 1000

/*
 * A fork is most of what a login costs, so a session's process waits a
 * little for another session of the same user.
 */
#define USHER_IDLE_MS  5000
#define USHER_IDLE_MAX 256 /* processes that wait */
#define USHER_SERVES   100 /* sessions of one process */

struct event;
struct usher_start;

struct usher {
	enum ipc_service service;   /* set by main.c */
	login_session_run *session; /* set by main.c */
	uint8_t boot_id[16];        /* set by prepare() of main.c */

	struct daemon *daemon;
	struct usher_start *starts;
	size_t start_count;
	struct map children; /* pid to struct usher_child */
	struct map users;    /* uid to struct usher_sessions */
	size_t idle_count;
	uint32_t idle_ms; /* how long a process waits for another session */
	struct event *child_event;
	unsigned forks;
	size_t links;  /* being made */
	bool linked;   /* all have one, before the end */
	bool renew;    /* end when nothing is under way */
	bool stopping; /* and no session runs */
	struct event *stop_timer;
};

/* For the daemon_spec of an usher; its data is the struct usher. */
int usher_start(struct daemon *d);
int usher_reload(struct daemon *d);
void usher_peer_down(struct daemon *d, struct ipc_chan *c);
void usher_stop(struct daemon *d, uint32_t grace_ms);
void usher_status(struct daemon *d, char *text, size_t cap);
extern const struct ipc_handler usher_handlers[];

/*
 * Open a home beneath root: relative, no "..", no symbolic links, a
 * directory of this user. -1 with errno.
 */
int usher_open_home(int root, const char *home, uint32_t uid) MUST_USE;

#endif
