#include "common/config/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "common/base/num.h"

static int
parse_host(const char *text, struct network *n)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, n->address + 12) == 1) {
		memcpy(n->address, mapped, sizeof(mapped));
		n->bits = 96;
		return 0;
	}
	n->bits = 0;
	return inet_pton(AF_INET6, text, n->address) == 1 ? 0 : -1;
}

int
network_parse(struct slice text, struct network *n)
{
	char host[64];
	struct slice head;
	struct slice bits = slice_cut(text, '/', &head);
	uint64_t v;

	if (head.len > 2 && head.p[0] == '[' && head.p[head.len - 1] == ']')
		head = slice_sub(head, 1, head.len - 2);
	if (slice_copy(host, sizeof(host), head) == -1 ||
	    parse_host(host, n) == -1)
		goto bad;
	if (head.len == text.len || (text.p[text.len - 1] == ']')) {
		n->bits = 128;
		return 0;
	}
	if (num_parse(bits, 128 - n->bits, &v) == -1)
		goto bad;
	n->bits += (unsigned)v;
	return 0;
bad:
	errno = EINVAL;
	return -1;
}

bool
network_has(const struct network *net, const struct network *host)
{
	unsigned whole = net->bits / 8;
	unsigned rest = net->bits % 8;
	uint8_t mask = (uint8_t)(0xff00U >> rest);

	if (memcmp(net->address, host->address, whole) != 0)
		return false;
	return rest == 0 ||
	       ((net->address[whole] ^ host->address[whole]) & mask) == 0;
}

int
endpoint_parse(struct slice text, struct endpoint *e)
{
	const char *colon = NULL;
	struct network n;
	struct slice host;
	uint64_t port;

	for (size_t i = text.len; i-- > 0 && colon == NULL;)
		if (text.p[i] == ':')
			colon = text.p + i;
	if (colon == NULL)
		goto bad;
	host = slice_of(text.p, (size_t)(colon - text.p));
	if (num_parse(slice_of(colon + 1, text.len - host.len - 1), 65535,
		&port) == -1 ||
	    port == 0)
		goto bad;
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		host = slice_sub(host, 1, host.len - 2);
	if (slice_copy(e->address, sizeof(e->address), host) == -1)
		goto bad;
	e->port = (uint16_t)port;
	if (strcmp(e->address, "*") == 0 || network_parse(host, &n) == 0)
		return 0;
bad:
	errno = EINVAL;
	return -1;
}
