/* Two loops, as two processes have them, and one listener. */
#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/event/exclusive.h"
#include "tests/unit/cmocka.h"

#define LOOPS 2

struct loop {
	struct event_base *base;
	struct event *event;
	int epoll;
	unsigned woken;
};

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	l->woken++;
}

static int
listener(struct sockaddr_in *at)
{
	socklen_t len = sizeof(*at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	memset(at, 0, sizeof(*at));
	at->sin_family = AF_INET;
	at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)at, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static void
loop_start(struct loop *l, int fd)
{
	struct event_config *cfg = event_config_new();

	l->base = exclusive_base(cfg, &l->epoll);
	event_config_free(cfg);
	assert_non_null(l->base);
	l->event = event_new(l->base, fd, EV_READ | EV_PERSIST, on_ready, l);
	assert_int_equal(exclusive_add(l->event, l->epoll), 0);
}

static void
turn(struct loop *loops)
{
	for (size_t i = 0; i < LOOPS; i++)
		(void)event_base_loop(
		    loops[i].base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void
a_listener_can_be_taken_out_and_in_again(void **state)
{
	struct loop loops[LOOPS] = { { .woken = 0 } };
	struct sockaddr_in at;
	int fd = listener(&at);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	for (size_t i = 0; i < LOOPS; i++)
		loop_start(&loops[i], fd);
	turn(loops);
	assert_int_equal(loops[0].woken + loops[1].woken, 0);
	assert_int_equal(event_del(loops[0].event), 0);
	assert_int_equal(
	    connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	turn(loops);
	assert_int_equal(loops[0].woken, 0);
	assert_int_equal(loops[1].woken, 1);
	/* What is there already is seen by who comes back. */
	assert_int_equal(exclusive_add(loops[0].event, loops[0].epoll), 0);
	turn(loops);
	assert_int_equal(loops[0].woken, 1);
	for (size_t i = 0; i < LOOPS; i++) {
		event_free(loops[i].event);
		event_base_free(loops[i].base);
	}
	(void)close(client);
	(void)close(fd);
}

static void
a_wrong_descriptor_does_no_harm(void **state)
{
	struct loop l = { .woken = 0 };
	struct sockaddr_in at;
	int fd = listener(&at);
	int client = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	l.base = event_base_new();
	l.event = event_new(l.base, fd, EV_READ | EV_PERSIST, on_ready, &l);
	assert_int_equal(exclusive_add(l.event, fd), 0);
	assert_int_equal(
	    connect(client, (struct sockaddr *)&at, sizeof(at)), 0);
	(void)event_base_loop(l.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(l.woken, 1);
	event_free(l.event);
	event_base_free(l.base);
	(void)close(client);
	(void)close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listener_can_be_taken_out_and_in_again),
		cmocka_unit_test(a_wrong_descriptor_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
