#include "common/login/clients.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

/* The address and its length: 4, 16, or 0 when it is neither. */
static size_t
address_bytes(const struct sockaddr_storage *peer, unsigned char bytes[16])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)peer;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

	if (peer->ss_family == AF_INET) {
		memcpy(bytes, &v4->sin_addr, 4);
		return 4;
	}
	if (peer->ss_family != AF_INET6)
		return 0;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(bytes, v6->sin6_addr.s6_addr + 12, 4);
		return 4;
	}
	memcpy(bytes, &v6->sin6_addr, 16);
	return 16;
}

struct client *
client_enter(struct clients *all, const struct sockaddr_storage *peer)
{
	unsigned char bytes[16];
	size_t n = MIN(address_bytes(peer, bytes), (size_t)8);
	struct client *c = map_get(&all->by_key, slice_of(bytes, n));

	if (c == NULL) {
		c = xcalloc(1, sizeof(*c));
		c->key_len = n;
		memcpy(c->key, bytes, n);
		(void)map_put(&all->by_key, slice_of(c->key, n), c);
	}
	c->connections++;
	return c;
}

void
client_leave(struct clients *all, struct client *c)
{
	if (--c->connections > 0)
		return;
	(void)map_del(&all->by_key, slice_of(c->key, c->key_len));
	free(c);
}

void
client_text(const struct sockaddr_storage *peer, char text[INET6_ADDRSTRLEN])
{
	unsigned char bytes[16];
	size_t n = address_bytes(peer, bytes);

	if (n == 0 || inet_ntop(n == 4 ? AF_INET : AF_INET6, bytes, text,
			  INET6_ADDRSTRLEN) == NULL)
		memcpy(text, "unknown", sizeof("unknown"));
}
