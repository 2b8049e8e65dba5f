/* pop3-usher: turns tickets into POP3 sessions, which are its forks. */
#include <errno.h>
#include <string.h>

#include "common/base/log.h"
#include "common/daemon/daemon.h"
#include "common/login/usher.h"
#include "pop3d/session.h"
#include "store/account.h"

static struct usher process = {
	.service = SERVICE_POP3,
	.session = pop3_session_run,
};

/* Sessions have no /proc to read it from. */
static int
prepare(struct daemon *d)
{
	struct usher *u = daemon_data(d);

	if (store_boot_id(u->boot_id) == 0)
		return 0;
	log_error("event=no-boot-id error=%s", strerror(errno));
	return -1;
}

int
main(int argc, char **argv)
{
	const struct daemon_spec spec = {
		.procs = { PROC_POP3_USHER },
		.may = MAY_READ | MAY_WRITE | MAY_FORK,
		.max_files = 8192,
		.handlers = usher_handlers,
		.prepare = prepare,
		.start = usher_start,
		.reload = usher_reload,
		.peer_down = usher_peer_down,
		.stop = usher_stop,
		.status = usher_status,
	};

	return daemon_run(&spec, &process, argc, argv);
}
