#include "common/event/exclusive.h"

#include <event2/event.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "common/base/file.h"

struct event_base *
exclusive_base(const struct event_config *cfg, int *epoll)
{
	/* The first descriptor a base opens, at the lowest free number. */
	int free_fd = eventfd(0, EFD_CLOEXEC);

	fd_close(free_fd);
	*epoll = free_fd;
	return event_base_new_with_config(cfg);
}

int
exclusive_add(struct event *e, int epoll)
{
	int fd = event_get_fd(e);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE,
		.data = { .fd = fd } };

	if (event_add(e, NULL) == -1)
		return -1;
	/* Only in the right descriptor is there something to take out. */
	if (epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == -1)
		return 0;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) == 0)
		return 0;
	ev.events = EPOLLIN;
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev);
}
