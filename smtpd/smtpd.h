#ifndef SMTPD_SMTPD_H
#define SMTPD_SMTPD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/base/map.h"
#include "common/base/recent.h"
#include "common/base/slice.h"
#include "common/ipc/chan.h"
#include "common/login/clients.h"

/*
 * smtpd - what the sessions of one process share. Knows its peers only as
 * channels, so that tests can stand at the other end of them.
 */
struct config;
struct event_base;
struct session;
struct tls_ctx;

TAILQ_HEAD(session_list, session);

struct smtpd {
	struct event_base *base;
	const struct config *config;
	bool submission;     /* else port 25 */
	struct tls_ctx *tls; /* NULL without a certificate */

	/* NULL while they are down. */
	struct ipc_chan *router;
	struct ipc_chan *queue;
	struct ipc_chan *resolver;
	struct ipc_chan *auth;

	/* What queue last said of its state (INTAKE_STATE). */
	unsigned intake_code; /* 250: takes mail */
	char intake_enhanced[16];
	char *intake_text;           /* owned */
	uint64_t window;             /* bytes it wants unanswered at most */
	uint64_t unanswered;         /* bytes there are */
	struct session_list waiting; /* for queue, and room in it */

	/* Tokens: 16 bytes nobody knows, counted on in the last eight. */
	char token[16];
	uint64_t tokens;

	struct recent accepted; /* recipients, as envelope.c keys them */

	struct map sessions;       /* id to struct session */
	struct session_list quiet; /* silent longest first */
	struct clients clients;
	uint32_t last_id;
	bool draining;           /* no new clients; gone() after the last */
	bool stopping;           /* and those there are sent away when idle */
	void (*gone)(void *arg); /* called when the last session has ended */
	void *gone_arg;

	uint64_t received; /* mails */
	uint64_t rejected; /* recipients and mails */
	int64_t refused_log_ms;
};

/* How long a peer may take, ms. */
#define SMTPD_VERDICT_MS 30000
#define SMTPD_SUBMIT_MS  120000
#define SMTPD_AUTH_MS    60000

#define SMTPD_WINDOW (uint64_t)(16 * 1024 * 1024) /* until queue says */

/* Start with the loop, the configuration and the process told. */
void smtpd_init(struct smtpd *d);
void smtpd_free(struct smtpd *d);

/*
 * A peer's channel is up or has gone. On up, what waited for it is sent
 * again; on gone, all outstanding calls have been told already.
 */
void smtpd_peer_up(struct smtpd *d, struct ipc_chan *c);
void smtpd_peer_down(struct smtpd *d, struct ipc_chan *c);

/* A message nobody asked for: INTAKE_STATE. */
void smtpd_intake_state(struct smtpd *d, struct ipc_frame *f);

/* No new mail: idle clients are sent away, the others when done. */
void smtpd_stop(struct smtpd *d);

/* Serve those that are here to their end; then gone() is called. */
void smtpd_drain(struct smtpd *d);

#endif
