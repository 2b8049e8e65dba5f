#include "router/outbox.h"

#include <stdlib.h>

#include "common/base/log.h"
#include "common/base/mem.h"

/* Answers in flight wait at this much unread by the peer. */
#define BACKLOG_MAX (IPC_OUT_HIGH + IPC_OUT_HIGH / 4)

struct waiting {
	struct waiting *next;
	uint32_t request;
	struct route_answer answer;
};

struct outbox {
	struct ipc_chan *chan; /* borrowed */
	struct waiting *first; /* owned, oldest first */
	struct waiting **last;
};

struct outbox *
outbox_new(struct ipc_chan *c)
{
	struct outbox *o = xcalloc(1, sizeof(*o));

	o->chan = c;
	o->last = &o->first;
	return o;
}

static void
drop_first(struct outbox *o)
{
	struct waiting *w = o->first;

	o->first = w->next;
	if (o->first == NULL)
		o->last = &o->first;
	route_answer_free(&w->answer);
	free(w);
}

void
outbox_free(struct outbox *o)
{
	if (o == NULL)
		return;
	while (o->first != NULL)
		drop_first(o);
	free(o);
}

/* False when the channel is full (or gone, which its owner will hear). */
static bool
send_some(struct outbox *o, uint32_t request, struct route_answer *a)
{
	struct slice payload;

	while (a->count > 0) {
		if (ipc_chan_backlog(o->chan) > BACKLOG_MAX)
			return false;
		if (!route_answer_next(a, &payload))
			break;
		if (ipc_send(o->chan, IPC_ROUTE,
			IPC_REPLY | (a->count > 0 ? IPC_MORE : 0), request,
			payload) == -1) {
			log_warn("event=answer-lost peer=%s",
			    proc_name(ipc_chan_peer(o->chan)));
			a->count = 0;
		}
	}
	return true;
}

void
outbox_send(struct outbox *o, uint32_t request, struct route_answer *a)
{
	struct waiting *w;

	if (!send_some(o, request, a)) {
		w = xcalloc(1, sizeof(*w));
		w->request = request;
		w->answer = *a;
		route_answer_init(a);
		*o->last = w;
		o->last = &w->next;
		/* No more questions before the answers have left. */
		ipc_chan_pause(o->chan, true);
	}
	route_answer_free(a);
	route_answer_init(a);
}

void
outbox_drained(struct outbox *o)
{
	while (o->first != NULL &&
	       send_some(o, o->first->request, &o->first->answer))
		drop_first(o);
	if (o->first == NULL)
		ipc_chan_pause(o->chan, false);
}
