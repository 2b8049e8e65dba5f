#include "auth/back.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/config/config.h"

/* A session may sleep as long as it may be silent. */
#define SPARE_MS 300000

void
back_ask(struct auth *a, struct ipc_chan *c, uint32_t request,
    const struct ipc_return_ask *ask)
{
	const struct ticket_terms terms = {
		.front = ask->front,
		.now_ms = clock_boot_ms(),
		.life_ms = a->config->imap_timeout * 1000 + SPARE_MS,
		.most = (size_t)a->config->user_sessions_limit,
	};
	struct ticket_worth worth = { .service = SERVICE_IMAP,
		.uid = ask->uid };
	struct ipc_return_ticket m = { .ticket = SLICE_EMPTY };
	unsigned char ticket[TICKET_SIZE];

	if (slice_copy(worth.user, sizeof(worth.user), ask->user) == 0 &&
	    slice_copy(worth.home, sizeof(worth.home), ask->home) == 0 &&
	    tickets_issue(a->returns, &worth, &terms, ticket))
		m.ticket = slice_of(ticket, sizeof(ticket));
	if (ipc_send_msg(c, return_ticket, IPC_REPLY, request, &m) == -1)
		log_warn(
		    "event=answer-lost peer=%s", proc_name(ipc_chan_peer(c)));
	explicit_bzero(ticket, sizeof(ticket));
}

static bool
is_still(struct auth *a, const struct ticket_worth *worth)
{
	struct userdb_record r;

	return users_find(a->users, worth->user, &r) == TABLE_FOUND &&
	       (r.flags & (USERDB_DISABLED | USERDB_NO_IMAP)) == 0 &&
	       r.uid == worth->uid && slice_eq(r.home, slice_str(worth->home));
}

bool
back_redeem(struct auth *a, const struct ipc_ticket_ask *ask,
    struct ticket_worth *worth)
{
	if (!tickets_redeem(
		a->returns, ask->ticket, ask->service, clock_boot_ms(), worth))
		return false;
	if (is_still(a, worth))
		return true;
	log_info("event=return-refused user=%s why=account", worth->user);
	return false;
}

void
back_front_gone(struct auth *a, const struct ipc_chan *c)
{
	if (ipc_chan_peer(c) == PROC_IMAPD)
		tickets_drop_front(
		    a->returns, SERVICE_IMAP, ipc_chan_instance(c));
}
