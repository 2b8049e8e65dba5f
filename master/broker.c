/* Socketpairs between those who may talk to each other. */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "master/backoff.h"
#include "master/master.h"

#define LOOK_AGAIN_MS 200U
#define PAIR_AGAIN_MS 1000 /* when there was no descriptor for it */

/* fd -1 tells that the other is gone for good. */
static void
tell(struct slot *to, const struct slot *other, uint32_t epoch, int fd)
{
	const struct ipc_ctl_peer m = { .proc = (uint32_t)other->service->proc,
		.instance = other->instance,
		.epoch = epoch };

	if (to->control == NULL ||
	    ipc_ctl_peer_encode(&m, ipc_scratch(to->control)) == -1) {
		fd_close(fd);
		return;
	}
	if (ipc_send_scratch(to->control, IPC_CTL_PEER, 0, 0, fd) == -1)
		log_error(
		    "event=control-lost proc=%s", proc_name(to->service->proc));
}

static struct pair *
pair_find(struct master *m, const struct slot *a, const struct slot *b)
{
	for (size_t i = 0; i < m->pair_count; i++) {
		struct pair *p = &m->pairs[i];

		if ((p->a == a && p->b == b) || (p->a == b && p->b == a))
			return p;
	}
	return NULL;
}

/* A pair that is to be looked at again. */
struct look {
	struct slot *a;
	struct slot *b;
	uint32_t epoch; /* it had; 0: there was none */
};

static void
look_later(struct slot *a, struct slot *b, uint32_t epoch, uint32_t ms,
    event_callback_fn what)
{
	const struct timeval when = { ms / 1000,
		(suseconds_t)(ms % 1000) * 1000 };
	struct look *l = xcalloc(1, sizeof(*l));

	*l = (struct look){ a, b, epoch };
	if (event_base_once(a->master->base, -1, EV_TIMEOUT, what, l, &when) ==
	    -1)
		log_die("event=out-of-memory");
}

static void connect_pair(struct master *m, struct slot *a, struct slot *b);

static void
missing_later(evutil_socket_t fd, short what, void *arg)
{
	struct look *l = arg;
	struct master *m = l->a->master;

	(void)fd;
	(void)what;
	if (pair_find(m, l->a, l->b) == NULL && !m->stopping &&
	    slot_alive(l->a) && slot_alive(l->b) &&
	    service_may_talk(l->a->service->proc, l->b->service->proc))
		connect_pair(m, l->a, l->b);
	free(l);
}

static void
connect_pair(struct master *m, struct slot *a, struct slot *b)
{
	struct pair *p = pair_find(m, a, b);
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1) {
		log_error("event=no-pair a=%s b=%s error=%s",
		    proc_name(a->service->proc), proc_name(b->service->proc),
		    strerror(errno));
		if (p != NULL) /* both had the old one, which is of no use */
			*p = m->pairs[--m->pair_count];
		look_later(a, b, 0, PAIR_AGAIN_MS, missing_later);
		return;
	}
	if (p == NULL) {
		m->pairs = xreallocarray(
		    m->pairs, m->pair_count + 1, sizeof(*m->pairs));
		p = &m->pairs[m->pair_count++];
		*p = (struct pair){ .a = a, .b = b };
	}
	p->epoch = ++m->last_epoch;
	p->made_ms = clock_boot_ms();
	p->lost = false;
	tell(a, b, p->epoch, fds[0]);
	tell(b, a, p->epoch, fds[1]);
}

void
broker_connect(struct slot *s)
{
	struct master *m = s->master;

	for (size_t i = 0; i < SLOTS_MAX; i++) {
		struct slot *other = &m->slots[i];

		if (other != s && slot_alive(other) &&
		    service_may_talk(s->service->proc, other->service->proc))
			connect_pair(m, s, other);
	}
}

void
broker_forget(struct slot *s, bool for_good)
{
	struct master *m = s->master;
	size_t kept = 0;

	for (size_t i = 0; i < m->pair_count; i++)
		if (m->pairs[i].a != s && m->pairs[i].b != s)
			m->pairs[kept++] = m->pairs[i];
	m->pair_count = kept;
	for (size_t i = 0; for_good && i < SLOTS_MAX; i++) {
		struct slot *other = &m->slots[i];

		if (other != s && slot_alive(other) &&
		    service_may_talk(s->service->proc, other->service->proc))
			tell(other, s, 0, -1);
	}
}

/* What was told before is with it, not with us. */
static bool
has_read(const struct slot *s)
{
	return s->control != NULL && ipc_chan_backlog(s->control) == 0;
}

/* One end of a pair says that the other has gone. */
static void
lost_later(evutil_socket_t fd, short what, void *arg)
{
	struct look *l = arg;
	struct master *m = l->a->master;
	struct pair *p = pair_find(m, l->a, l->b);

	(void)fd;
	(void)what;
	if (p != NULL && p->epoch == l->epoch && !m->stopping &&
	    l->a->state == SLOT_RUNNING && l->b->state == SLOT_RUNNING) {
		if (!has_read(l->a) || !has_read(l->b)) {
			look_later(
			    l->a, l->b, l->epoch, LOOK_AGAIN_MS, lost_later);
			free(l);
			return;
		}
		log_warn("event=pair-renewed a=%s b=%s",
		    proc_name(l->a->service->proc),
		    proc_name(l->b->service->proc));
		connect_pair(m, l->a, l->b);
	}
	free(l);
}

void
broker_lost(struct slot *s, enum proc proc, uint32_t instance, uint32_t epoch)
{
	struct master *m = s->master;

	for (size_t i = 0; i < m->pair_count; i++) {
		struct pair *p = &m->pairs[i];
		struct slot *other = p->a == s ? p->b : p->a;
		struct life life = { .own_will = false };
		uint32_t ms;

		if ((p->a != s && p->b != s) || p->epoch != epoch ||
		    other->service->proc != proc || other->instance != instance)
			continue;
		/*
		 * Most often the other is dying, and its end is noticed in a
		 * moment; if it lives on, the pair was ended by one who did
		 * not like what it read. Who says so all the time waits, and
		 * costs one timer at a time.
		 */
		if (p->lost)
			return;
		p->lost = true;
		life.lived_ms = clock_boot_ms() - p->made_ms;
		ms = backoff_ms(&life, &p->failures);
		look_later(s, other, epoch, MAX(ms, LOOK_AGAIN_MS), lost_later);
		return;
	}
}
