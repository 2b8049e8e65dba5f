#ifndef RELAY_SETTINGS_H
#define RELAY_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "relay/target.h"

/* settings - what of the configuration relay works by; read-only, but for
 * what `converting` points to. */
enum relay_tls { RELAY_TLS_NONE, RELAY_TLS_MAY, RELAY_TLS_MUST };

#define RELAY_PORTS_MAX 64
#define RELAY_OWN_MAX   64

struct tls_ctx;

struct settings {
	const char *hostname; /* for EHLO; borrowed */
	enum relay_tls tls;
	struct tls_ctx *ctx; /* owned */
	int64_t connect_ms;
	int64_t reply_ms; /* also for the reply to the end of data, twice */
	uint16_t port;    /* where MX lookups lead */
	uint16_t ports[RELAY_PORTS_MAX];
	size_t port_count;
	const struct config_list *listeners; /* our own, to see loops */
	union target_address own[RELAY_OWN_MAX];
	size_t own_count;
	char relay_host[320]; /* "" without; only there we log in */
	const char *user;     /* "" without */
	char *password;       /* owned, wiped at the end */
	uint64_t *converting; /* bytes fit.c holds for all sessions; borrowed */
};

struct config;

/*
 * From the configuration; password_fd is the file of the password or -1.
 * Looks at the host's interfaces, so before the sandbox. 0, or -1 after
 * logging why.
 */
int settings_read(
    struct settings *s, const struct config *c, int password_fd) MUST_USE;

void settings_free(struct settings *s);

/* May we connect to this port? */
bool settings_port_allowed(const struct settings *s, uint16_t port);

/* Is this next hop the one we log in at? */
bool settings_logs_in(const struct settings *s, struct slice next_hop);

#endif
