#ifndef COMMON_LOGIN_FRONT_H
#define COMMON_LOGIN_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/heap.h"
#include "common/base/map.h"
#include "common/daemon/daemon.h"
#include "common/login/clients.h"
#include "common/login/talk.h"

/*
 * front - the process a stranger talks to until auth knows him: accepts,
 * speaks the protocol before login, asks auth, and hands a logged-in
 * connection to the usher. The part imapd and pop3d share; each gives its
 * talk_protocol.
 */
struct event;
struct tls_ctx;

TAILQ_HEAD(conn_list, conn);

struct front {
	const struct talk_protocol *protocol; /* set by main.c */
	enum daemon_service plain;            /* its listener, STARTTLS */
	enum daemon_service secure;           /* its listener, TLS at once */

	struct daemon *daemon;
	struct tls_ctx *tls; /* NULL without a certificate */
	struct event **accepting;
	size_t accepting_count;
	struct event *accept_again; /* after descriptors ran out */
	struct map conns;           /* session number to struct conn */
	struct conn_list quiet;     /* before login; silent longest first */
	struct clients clients;
	int files_max;          /* descriptors we may have */
	struct conn_list turns; /* asleep, and wanted */
	size_t asleep;
	size_t waking;
	unsigned wakes_left; /* until the timer says more */
	struct event *wake_timer;
	struct heap waits; /* conns waiting for auth or the usher */
	struct event *waits_timer;
	struct event *stop_timer;
	uint32_t last_id;
	uint64_t logins;
	int64_t failed_log_ms;  /* when accept() last failed aloud */
	int64_t refused_log_ms; /* when a refusal was last logged */
	bool stopping;
	int64_t stop_at_ms; /* sessions we copy for are cut off then */
};

/*
 * For the daemon_spec of a front; its data is the struct front. The
 * protocol's listeners are plain and secure.
 */
int front_prepare(struct daemon *d);
int front_start(struct daemon *d);
void front_peer_up(struct daemon *d, struct ipc_chan *c);
void front_peer_down(struct daemon *d, struct ipc_chan *c);
void front_stop(struct daemon *d, uint32_t grace_ms);
void front_status(struct daemon *d, char *text, size_t cap);
extern const struct ipc_handler front_handlers[];

/*
 * RLIMIT_NOFILE: a client's socket and a pair each, for 10,000 and more. No
 * client gets the last sixteenth: a descriptor that comes by a channel and
 * finds no place is the end of that channel.
 */
#define FRONT_MAX_FILES 32768

/* Is fd one of those a client may have? */
bool front_may_use(const struct front *f, int fd);

#endif
