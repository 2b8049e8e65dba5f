/* imapd: IMAP before login, TLS, and the copying for TLS sessions. */
#include "common/daemon/daemon.h"
#include "common/login/front.h"
#include "imapd/front.h"

static struct front process = {
	.protocol = &imap_protocol,
	.plain = LISTEN_IMAP,
	.secure = LISTEN_IMAPS,
};

int
main(int argc, char **argv)
{
	const struct daemon_spec spec = {
		.procs = { PROC_IMAPD },
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
