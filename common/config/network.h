#ifndef COMMON_CONFIG_NETWORK_H
#define COMMON_CONFIG_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/slice.h"

/* network - an IP network or host; IPv4 is held as ::ffff:a.b.c.d. */
struct network {
	uint8_t address[16];
	unsigned bits; /* 0..128 that count */
};

/*
 * "192.0.2.0/24", "192.0.2.1", "2001:db8::/32", "[::1]", "[::1]/128".
 * Returns 0, or -1 with errno EINVAL.
 */
int network_parse(struct slice text, struct network *n) MUST_USE;

bool network_has(const struct network *net, const struct network *host);

/* "address:port" of a listener. */
struct endpoint {
	char address[64]; /* "192.0.2.1", "::1"; "*" for all */
	uint16_t port;
};

/*
 * "127.0.0.1:25", "[::1]:25", "*:25". Returns 0, or -1 with errno EINVAL.
 */
int endpoint_parse(struct slice text, struct endpoint *e) MUST_USE;

#endif
