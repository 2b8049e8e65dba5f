#include "common/login/linger.h"

#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/base/clock.h"

#define LINGER_MS 2000

void
linger(int fd, int alive)
{
	int64_t until = clock_boot_ms() + LINGER_MS;
	struct pollfd p[2] = { { .fd = fd, .events = POLLIN },
		{ .fd = alive, .events = POLLIN } };
	char waste[4096];
	int64_t left;

	if (shutdown(fd, SHUT_WR) == -1)
		return;
	while ((left = until - clock_boot_ms()) > 0) {
		if (poll(p, 2, (int)left) <= 0 || p[1].revents != 0)
			return;
		if (recv(fd, waste, sizeof(waste), 0) <= 0)
			return;
	}
}
