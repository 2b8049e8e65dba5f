/* The channels to other daemons and to the administrator's command. */
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/daemon/state.h"
#include "common/event/acceptor.h"

static struct daemon_peer *
find(struct daemon *d, enum proc p, uint32_t instance)
{
	for (size_t i = 0; i < d->peer_count; i++)
		if (d->peers[i].proc == p && d->peers[i].instance == instance)
			return &d->peers[i];
	return NULL;
}

/* Master puts a new pair in its place, or a new process at its end. */
static void
tell_lost(struct daemon *d, const struct daemon_peer *p)
{
	const struct ipc_ctl_lost m = { .proc = (uint32_t)p->proc,
		.instance = p->instance,
		.epoch = p->epoch };

	if (ipc_send_msg(d->control, ctl_lost, 0, 0, &m) == -1)
		log_die("event=control-lost");
}

static void
on_closed(void *arg, struct ipc_chan *c)
{
	struct daemon *d = arg;
	struct daemon_peer *p = find(d, ipc_chan_peer(c), ipc_chan_instance(c));

	if (p != NULL && p->chan == c)
		p->chan = NULL;
	if (d->started && d->spec->peer_down != NULL)
		d->spec->peer_down(d, c);
	if (p != NULL)
		tell_lost(d, p);
}

static void
on_drained(void *arg, struct ipc_chan *c)
{
	struct daemon *d = arg;

	if (d->started && d->spec->peer_drained != NULL)
		d->spec->peer_drained(d, c);
}

static struct ipc_ops peer_ops = { .closed = on_closed, .drained = on_drained };

static void
peer_close(struct daemon *d, struct daemon_peer *p)
{
	struct ipc_chan *c = p->chan;

	if (c == NULL)
		return;
	/* What it said just before its end counts: results, above all. */
	ipc_chan_take(c);
	if (p->chan != c)
		return;
	p->chan = NULL;
	if (d->started && d->spec->peer_down != NULL)
		d->spec->peer_down(d, c);
	ipc_chan_close(c);
}

static struct daemon_peer *
place_for(struct daemon *d, enum proc proc, uint32_t instance)
{
	struct daemon_peer *p = find(d, proc, instance);

	if (p != NULL)
		return p;
	d->peers =
	    xreallocarray(d->peers, d->peer_count + 1, sizeof(*d->peers));
	p = &d->peers[d->peer_count++];
	*p = (struct daemon_peer){ .proc = proc, .instance = instance };
	return p;
}

void
peers_set(
    struct daemon *d, enum proc proc, uint32_t instance, uint32_t epoch, int fd)
{
	struct daemon_peer *p = place_for(d, proc, instance);

	peer_close(d, p);
	if (fd == -1) {
		*p = d->peers[--d->peer_count];
		return;
	}
	p->epoch = epoch;
	p->chan = ipc_chan_new(d->base, fd, d->proc, proc, instance);
	peer_ops.handlers = d->spec->handlers;
	ipc_chan_ops(p->chan, &peer_ops, d);
	if (d->started && d->spec->peer_up != NULL)
		d->spec->peer_up(d, p->chan);
	else if (!d->started)
		ipc_chan_pause(p->chan, true); /* nothing is read before */
}

void
peers_flush(struct daemon *d)
{
	for (size_t i = 0; i < d->peer_count; i++)
		if (d->peers[i].chan != NULL)
			(void)ipc_flush(d->peers[i].chan);
}

void
peers_start(struct daemon *d)
{
	for (size_t i = 0; i < d->peer_count; i++) {
		struct ipc_chan *c = d->peers[i].chan;

		if (c == NULL)
			continue;
		ipc_chan_pause(c, false);
		if (d->spec->peer_up != NULL)
			d->spec->peer_up(d, c);
	}
}

struct ipc_chan *
daemon_peer(const struct daemon *d, enum proc proc, size_t nth)
{
	const struct daemon_peer *best;
	int64_t above = -1;

	do {
		best = NULL;
		for (size_t i = 0; i < d->peer_count; i++) {
			const struct daemon_peer *p = &d->peers[i];

			if (p->proc == proc && p->chan != NULL &&
			    (int64_t)p->instance > above &&
			    (best == NULL || p->instance < best->instance))
				best = p;
		}
		if (best != NULL)
			above = best->instance;
	} while (best != NULL && nth-- > 0);
	return best == NULL ? NULL : best->chan;
}

struct ipc_chan *
daemon_peer_any(const struct daemon *d, enum proc proc, uint32_t key)
{
	size_t living = 0;

	for (size_t i = 0; i < d->peer_count; i++)
		if (d->peers[i].proc == proc && d->peers[i].chan != NULL)
			living++;
	return living == 0 ? NULL : daemon_peer(d, proc, key % living);
}

/*
 * Not a peer of master's table: it comes, asks and goes. Who is still
 * answering must hear of the end.
 */
static struct ipc_ops control_ops = { .closed = on_closed,
	.drained = on_drained };

static void
take_command(void *arg, int fd)
{
	struct daemon *d = arg;
	struct ipc_chan *c = ipc_chan_new(d->base, fd, d->proc, PROC_CLI, 0);

	control_ops.handlers = d->spec->handlers;
	ipc_chan_ops(c, &control_ops, d);
}

void
control_listen(struct daemon *d)
{
	for (size_t i = 0; i < d->listener_count; i++) {
		if (d->listeners[i].service != LISTEN_CONTROL)
			continue;
		d->acceptor =
		    acceptor_new(d->base, d->listeners[i].fd, take_command, d);
		if (d->acceptor == NULL)
			log_die("event=start-failed what=control-socket");
		return;
	}
}
