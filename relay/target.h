#ifndef RELAY_TARGET_H
#define RELAY_TARGET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/slice.h"

/* target - one address of one server: what is connected to. */
union target_address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

#define TARGET_TEXT_MAX 320

struct target {
	union target_address address;
	socklen_t address_len;
	uint16_t port;
	bool clear;     /* TLS failed there: this time without */
	char host[256]; /* its name, for TLS and people; "" for a literal */
	char text[TARGET_TEXT_MAX]; /* "mx.example.net[192.0.2.1]:2525" */
};

/* The 4 or 16 bytes of an A or AAAA record; false for other lengths. */
bool target_set(
    struct target *t, const char *host, struct slice bytes, uint16_t port);

/* The same from the text of an address. */
bool target_set_text(struct target *t, const char *address, uint16_t port);

bool target_same(const struct target *a, const struct target *b);

/*
 * Could a mail server be there? Not at unspecified, multicast, broadcast
 * and link-local addresses (RFC 6890).
 */
bool target_usable(const struct target *t);

/*
 * Are we there ourselves? own: addresses of this host's interfaces;
 * listeners: "address:port" texts we take mail on, "*" for any.
 */
struct config_list;
bool target_is_us(const struct target *t, const union target_address *own,
    size_t own_count, const struct config_list *listeners);

#endif
