#include "relay/next_hop.h"

#include <arpa/inet.h>

#include "common/address/path.h"
#include "common/base/num.h"

static int
take_port(struct next_hop *n, struct slice text)
{
	uint64_t port;

	if (text.len == 0)
		return 0;
	if (text.p[0] != ':' ||
	    num_parse(slice_sub(text, 1, text.len), UINT16_MAX, &port) == -1 ||
	    port == 0)
		return -1;
	n->port = (uint16_t)port;
	return 0;
}

static int
take_name(struct next_hop *n, struct slice name)
{
	uint8_t address[16];

	if (name.len > 1 && name.p[name.len - 1] == '.')
		name.len--;
	if (n->direct && slice_istarts(name, SLICE("IPv6:")))
		name = slice_sub(name, 5, name.len);
	if (slice_copy(n->name, sizeof(n->name), name) == -1)
		return -1;
	n->literal =
	    n->direct && (inet_pton(AF_INET, n->name, address) == 1 ||
			     inet_pton(AF_INET6, n->name, address) == 1);
	if (n->literal)
		return 0;
	return path_check_domain(name, true) == PATH_OK ? 0 : -1;
}

int
next_hop_parse(struct next_hop *n, struct slice text)
{
	const char *end;
	struct slice name;
	size_t used;

	*n = (struct next_hop){ 0 };
	if (text.len > 0 && text.p[0] == '[') {
		end = memchr(text.p, ']', text.len);
		if (end == NULL)
			return -1;
		n->direct = true;
		used = (size_t)(end - text.p) + 1;
		name = slice_sub(text, 1, used - 2);
	} else {
		end = text.len == 0 ? NULL : memchr(text.p, ':', text.len);
		used = end == NULL ? text.len : (size_t)(end - text.p);
		name = slice_sub(text, 0, used);
	}
	if (take_name(n, name) == -1)
		return -1;
	return take_port(n, slice_sub(text, used, text.len));
}
