/* pop3d: POP3 before login, TLS, and the copying for TLS sessions. */
#include "common/daemon/daemon.h"
#include "common/login/front.h"
#include "pop3d/front.h"

static struct front process = {
	.protocol = &pop3_protocol,
	.plain = LISTEN_POP3,
	.secure = LISTEN_POP3S,
};

int
main(int argc, char **argv)
{
	const struct daemon_spec spec = {
		.procs = { PROC_POP3D },
		.may = MAY_PAIR,
		.max_files = FRONT_MAX_FILES,
		.handlers = front_handlers,
		.prepare = front_prepare,
		.start = front_start,
		.peer_up = front_peer_up,
		.peer_down = front_peer_down,
		.stop = front_stop,
		.status = front_status,
	};

	return daemon_run(&spec, &process, argc, argv);
}
