#ifndef MASTER_SERVICES_H
#define MASTER_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/daemon/daemon.h"
#include "common/ipc/proc.h"

/*
 * The table of the house: which processes there are, what each is given,
 * and which of them may talk to each other. Nothing else decides that.
 */
enum root_kind {
	ROOT_EMPTY,
	ROOT_SPOOL,
	ROOT_TABLES,
	ROOT_MAIL,
	ROOT_AUTH,
};

/* Files handed over, by the bits of service.files. */
#define FILE_TLS      1U /* "tls-cert", "tls-key" */
#define FILE_RELAY_PW 2U /* "relay-password" */
#define FILE_ANCHOR   4U /* "trust-anchor" */
#define FILE_ALIVE    8U /* "alive": end of file when master has ended */

#define LISTEN_BIT(s) (1U << (unsigned)(s))

struct service {
	enum proc proc;
	const char *program;
	const char *user; /* system user when base-uid is 0 */
	enum root_kind root;
	bool per_cpu;       /* as many as workers */
	bool sessions;      /* a reload starts a new generation */
	unsigned may;       /* MAY_ bits behind its walls */
	unsigned listeners; /* LISTEN_BIT()s */
	unsigned files;
	unsigned stop_phase; /* 0 first: who takes new work stops first */
};

/* The i-th service, NULL after the last. In the order of starting. */
const struct service *service_at(size_t i);

/* May they talk? Asked for every pair of processes. */
bool service_may_talk(enum proc a, enum proc b);

#endif
