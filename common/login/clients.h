#ifndef COMMON_LOGIN_CLIENTS_H
#define COMMON_LOGIN_CLIENTS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/map.h"

/*
 * clients - how many connections each client address has. IPv6 clients are
 * counted by their /64, of which a stranger has as many addresses as he
 * likes.
 */
struct client {
	unsigned connections;
	size_t key_len;
	unsigned char key[8]; /* 4 bytes of IPv4 or the 8 of a /64 */
};

struct clients {
	struct map by_key; /* key bytes to struct client, owned */
};

#define CLIENTS_INIT                                                           \
	{                                                                      \
		.by_key = MAP_INIT                                             \
	}

/* Count one more connection. Never NULL; give it back with client_leave(). */
struct client *client_enter(
    struct clients *all, const struct sockaddr_storage *peer) MUST_USE;
void client_leave(struct clients *all, struct client *c);

/* "192.0.2.1" (also for mapped IPv6) or "2001:db8::1"; "unknown" for others. */
void client_text(
    const struct sockaddr_storage *peer, char text[INET6_ADDRSTRLEN]);

#endif
