#include "relay/own.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/ascii.h"
#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"

#define IPV6_LIST "/proc/self/net/if_inet6"
#define LIST_MAX  65536
#define DIGITS    32U

static size_t
unknown(const char *what)
{
	log_warn(
	    "event=interfaces-unknown what=%s error=%s", what, strerror(errno));
	return 0;
}

/* netdevice(7): every IPv4 address, aliases too. */
static size_t
own_v4(union target_address *own, size_t max)
{
	struct ifreq *rows = xcalloc(max, sizeof(*rows));
	struct ifconf list = {
		.ifc_len = (int)(max * sizeof(*rows)),
		.ifc_req = rows,
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t n = 0;

	if (fd == -1 || ioctl(fd, SIOCGIFCONF, &list) == -1)
		n = unknown("ipv4");
	else
		n = (size_t)list.ifc_len / sizeof(*rows);
	for (size_t i = 0; i < n; i++)
		memcpy(&own[i].v4, &rows[i].ifr_addr, sizeof(own[i].v4));
	fd_close(fd);
	free(rows);
	return n;
}

/* A row begins with the address: 32 hexadecimal digits. */
static bool
parse_v6(struct slice row, union target_address *a)
{
	*a = (union target_address){ .v6 = { .sin6_family = AF_INET6 } };
	if (row.len < DIGITS)
		return false;
	for (size_t i = 0; i < DIGITS; i += 2) {
		int high = ascii_hex(row.p[i]);
		int low = ascii_hex(row.p[i + 1]);

		if (high == -1 || low == -1)
			return false;
		a->v6.sin6_addr.s6_addr[i / 2] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static size_t
own_v6(union target_address *own, size_t max)
{
	struct buf text = BUF_INIT(LIST_MAX);
	int fd = open(IPV6_LIST, O_RDONLY | O_CLOEXEC);
	struct slice rest;
	struct slice row;
	size_t n = 0;

	if (fd == -1) /* a host without IPv6 has no such list */
		return errno == ENOENT ? 0 : unknown("ipv6");
	if (file_read(fd, &text) == -1)
		(void)unknown("ipv6");
	for (rest = buf_slice(&text); rest.len > 0 && n < max;) {
		rest = slice_cut(rest, '\n', &row);
		if (parse_v6(row, &own[n]))
			n++;
	}
	buf_free(&text);
	fd_close(fd);
	return n;
}

size_t
own_addresses(union target_address *own, size_t max)
{
	size_t n = own_v4(own, max);

	return n + own_v6(own + n, max - n);
}
