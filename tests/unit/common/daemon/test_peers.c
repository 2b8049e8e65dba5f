/* A house of many processors: who serves all has a channel to each. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/daemon/state.h"
#include "common/event/acceptor.h"
#include "tests/unit/cmocka.h"

#define MANY 800U /* a reload on 128 processors */

static void
many_peers_have_their_channels(void **state)
{
	static const struct daemon_spec spec = { .max_files = 0 };
	struct daemon d = { .spec = &spec, .proc = PROC_QUEUE };
	int fds[2];

	(void)state;
	d.base = event_base_new();
	assert_non_null(d.base);
	for (uint32_t i = 1; i <= MANY; i++) {
		assert_int_equal(
		    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		fd_close(fds[1]);
		peers_set(&d, PROC_RELAY, i, i, fds[0]);
	}
	assert_int_equal(d.peer_count, MANY);
	assert_int_equal(
	    ipc_chan_instance(daemon_peer(&d, PROC_RELAY, MANY - 1)), MANY);
	for (uint32_t i = 1; i <= MANY; i++)
		peers_set(&d, PROC_RELAY, i, 0, -1);
	assert_int_equal(d.peer_count, 0);
	free(d.peers);
	event_base_free(d.base);
}

static int accepts;
static int accept_error;

/* In the place of accept4(): nobody is taken. */
int accept_nobody(void) __asm__("accept4");

int
accept_nobody(void)
{
	accepts++;
	errno = accept_error;
	return -1;
}

/* A listener with somebody who waits. */
static int
listener_with_one(int *client)
{
	struct sockaddr_un any = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(any);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&any, sizeof(sa_family_t)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
	assert_int_equal(connect(*client, (struct sockaddr *)&any, len), 0);
	return fd;
}

static void
command_without_descriptor_is_asked_for_again_later(void **state)
{
	static const struct daemon_spec spec = { .max_files = 0 };
	struct daemon d = { .spec = &spec, .proc = PROC_QUEUE };
	int client;

	(void)state;
	log_level(LOG_FAIL);
	d.base = event_base_new();
	assert_non_null(d.base);
	d.listeners[0] = (struct daemon_listener){ .service = LISTEN_CONTROL,
		.fd = listener_with_one(&client) };
	d.listener_count = 1;
	control_listen(&d);
	accept_error = EMFILE;
	for (int i = 0; i < 20; i++)
		(void)event_base_loop(d.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(accepts, 1);
	/* There is one again; who gave up costs nothing. */
	accept_error = EAGAIN;
	(void)event_base_loop(d.base, EVLOOP_ONCE);
	(void)event_base_loop(d.base, EVLOOP_ONCE);
	assert_int_equal(accepts, 2);
	acceptor_free(d.acceptor);
	fd_close(d.listeners[0].fd);
	fd_close(client);
	event_base_free(d.base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_peers_have_their_channels),
		cmocka_unit_test(
		    command_without_descriptor_is_asked_for_again_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
