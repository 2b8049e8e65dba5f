#include "relay/target.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "common/base/num.h"
#include "common/config/config.h"

#define SMTP_PORT 25

static void
set_text(struct target *t)
{
	char ip[INET6_ADDRSTRLEN] = "?";
	const void *bytes = t->address.any.sa_family == AF_INET
				? (const void *)&t->address.v4.sin_addr
				: (const void *)&t->address.v6.sin6_addr;

	(void)inet_ntop(t->address.any.sa_family, bytes, ip, sizeof(ip));
	if (t->port == SMTP_PORT)
		(void)snprintf(t->text, sizeof(t->text), "%s[%s]", t->host, ip);
	else
		(void)snprintf(t->text, sizeof(t->text), "%s[%s]:%u", t->host,
		    ip, t->port);
}

bool
target_set(
    struct target *t, const char *host, struct slice bytes, uint16_t port)
{
	*t = (struct target){ .port = port };
	if (slice_copy(t->host, sizeof(t->host), slice_str(host)) == -1)
		return false;
	if (bytes.len == 4) {
		t->address.v4.sin_family = AF_INET;
		t->address.v4.sin_port = htons(port);
		memcpy(&t->address.v4.sin_addr, bytes.p, 4);
		t->address_len = sizeof(t->address.v4);
	} else if (bytes.len == 16) {
		t->address.v6.sin6_family = AF_INET6;
		t->address.v6.sin6_port = htons(port);
		memcpy(&t->address.v6.sin6_addr, bytes.p, 16);
		t->address_len = sizeof(t->address.v6);
	} else {
		return false;
	}
	set_text(t);
	return true;
}

bool
target_set_text(struct target *t, const char *address, uint16_t port)
{
	char bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1)
		return target_set(t, "", slice_of(bytes, 4), port);
	if (inet_pton(AF_INET6, address, bytes) == 1)
		return target_set(t, "", slice_of(bytes, 16), port);
	return false;
}

/* IPv4 inside IPv6 is IPv4; in network order, or false for real IPv6. */
static bool
as_v4(const union target_address *a, uint32_t *v4)
{
	const struct in6_addr *six = &a->v6.sin6_addr;

	if (a->any.sa_family == AF_INET) {
		*v4 = a->v4.sin_addr.s_addr;
		return true;
	}
	if (!IN6_IS_ADDR_V4MAPPED(six))
		return false;
	memcpy(v4, six->s6_addr + 12, 4);
	return true;
}

static bool
same_host(const union target_address *a, const union target_address *b)
{
	uint32_t a4;
	uint32_t b4;
	bool is4 = as_v4(a, &a4);

	if (is4 != as_v4(b, &b4))
		return false;
	if (is4)
		return a4 == b4;
	return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 16) == 0;
}

bool
target_same(const struct target *a, const struct target *b)
{
	return a->port == b->port && same_host(&a->address, &b->address);
}

bool
target_usable(const struct target *t)
{
	const struct in6_addr *six = &t->address.v6.sin6_addr;
	uint32_t v4;

	if (as_v4(&t->address, &v4)) {
		v4 = ntohl(v4);
		return v4 >> 24 != 0 && v4 >> 28 < 14 && v4 >> 16 != 0xa9fe;
	}
	return !IN6_IS_ADDR_UNSPECIFIED(six) && !IN6_IS_ADDR_MULTICAST(six) &&
	       !IN6_IS_ADDR_LINKLOCAL(six);
}

static bool
is_loopback(const union target_address *a)
{
	uint32_t v4;

	if (as_v4(a, &v4))
		return ntohl(v4) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

/* Does a listener of this text hear what comes to t? */
static bool
hears(const char *listener, const struct target *t)
{
	const char *colon = strrchr(listener, ':');
	struct target at;
	char host[128];
	struct slice name;
	uint64_t port;

	if (colon == NULL ||
	    num_parse(slice_str(colon + 1), UINT16_MAX, &port) == -1 ||
	    port != t->port)
		return false;
	name = slice_of(listener, (size_t)(colon - listener));
	if (name.len > 1 && name.p[0] == '[' && name.p[name.len - 1] == ']')
		name = slice_sub(name, 1, name.len - 2);
	if (slice_eq(name, SLICE("*")) || slice_eq(name, SLICE("0.0.0.0")) ||
	    slice_eq(name, SLICE("::")))
		return true;
	return slice_copy(host, sizeof(host), name) == 0 &&
	       target_set_text(&at, host, t->port) &&
	       same_host(&at.address, &t->address);
}

bool
target_is_us(const struct target *t, const union target_address *own,
    size_t own_count, const struct config_list *listeners)
{
	bool ours = is_loopback(&t->address);

	for (size_t i = 0; i < own_count && !ours; i++)
		ours = same_host(&own[i], &t->address);
	for (size_t i = 0; i < listeners->count && ours; i++)
		if (hears(listeners->items[i], t))
			return true;
	return false;
}
