/* A house of many processors: who serves all has a channel to each. */
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "common/daemon/state.h"
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_peers_have_their_channels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
