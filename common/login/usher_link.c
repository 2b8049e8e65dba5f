/* The usher's part in letting a session sleep; see sleep.h. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/login/usher_state.h"

#define LINK_AGAIN_MS 500 /* nobody honest asks more often */
#define LINK_TICKET   32

/* Datagrams on control are few; one that does not fit is one to do without. */
static void
say(const struct usher_child *child, enum usher_word word, const int *fd)
{
	const char byte = (char)word;

	if (child->control != -1 &&
	    sleep_send(child->control, slice_of(&byte, 1), fd,
		fd == NULL ? 0 : 1) == -1)
		log_debug("event=word-lost session=%08x error=%s",
		    child->session, strerror(errno));
}

/* One end for the front, one for the process; both know the session. */
static int
make_link(struct usher_child *child, struct slice ticket)
{
	const struct ipc_session_link m = {
		.session = child->session,
		.ticket = ticket,
	};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	if (ipc_send_msg_fd(child->front, session_link, 0, 0, &m, pair[0]) ==
	    -1) {
		fd_close(pair[1]);
		return -1;
	}
	say(child, WORD_LINK, &pair[1]);
	fd_close(pair[1]);
	return 0;
}

static void
on_ticket(void *arg, struct ipc_frame *f)
{
	struct usher_child *child = arg;
	struct usher *u = child->usher;
	struct ipc_return_ticket m;

	child->asked = NULL;
	u->links--;
	if (f == NULL || ipc_return_ticket_decode(&m, f->payload) == -1 ||
	    m.ticket.len != LINK_TICKET || child->front == NULL ||
	    make_link(child, m.ticket) == -1)
		say(child, WORD_NO, NULL);
	usher_check_renewal(u);
}

static int
ask_auth(struct usher_child *child)
{
	const struct ipc_return_ask m = {
		.uid = child->who.uid,
		.user = slice_str(child->who.name),
		.home = slice_str(child->who.home),
		.front = ipc_chan_instance(child->front),
	};
	struct ipc_chan *auth = daemon_peer(child->usher->daemon, PROC_AUTH, 0);

	if (auth == NULL)
		return -1;
	child->ask_request = ipc_expect(auth, on_ticket, child);
	if (ipc_send_msg(auth, return_ask, 0, child->ask_request, &m) == -1) {
		ipc_forget(auth, child->ask_request);
		return -1;
	}
	child->asked = auth;
	child->usher->links++;
	return 0;
}

static void
begin_link(struct usher_child *child)
{
	if (child->asked == NULL &&
	    (child->usher->service != SERVICE_IMAP || child->front == NULL ||
		ask_auth(child) == -1))
		say(child, WORD_NO, NULL);
}

bool
usher_link_ask(struct usher_child *child)
{
	int64_t now = clock_boot_ms();
	bool again =
	    child->linked_ms != 0 && now - child->linked_ms < LINK_AGAIN_MS;

	child->linked_ms = now;
	if (!again)
		begin_link(child);
	return !again;
}

void
usher_link_forget(struct usher_child *child)
{
	if (child->asked == NULL)
		return;
	ipc_forget(child->asked, child->ask_request);
	child->asked = NULL;
	child->usher->links--;
}

void
usher_link_all(struct usher *u)
{
	struct slice key;
	void *value;
	size_t at = 0;

	if (u->linked || u->service != SERVICE_IMAP ||
	    daemon_config(u->daemon)->imap_hibernate == 0)
		return;
	u->linked = true;
	while (map_next(&u->children, &at, &key, &value)) {
		struct usher_child *child = value;

		/* a link it got before was good once */
		if (child->serving && child->control != -1 &&
		    child->front != NULL)
			begin_link(child);
	}
}
