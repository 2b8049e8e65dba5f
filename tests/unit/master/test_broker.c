/* What a daemon that says without end that it lost a pair gets. */
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "master/master.h"
#include "tests/unit/cmocka.h"

struct house {
	struct master m;
	struct slot *queue;
	struct slot *router;
	struct ipc_chan *daemons[2]; /* their ends of the control channels */
	unsigned told[2];            /* descriptors they were sent */
};

static void
on_peer(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	unsigned *told = arg;

	(void)c;
	if (f->fd != -1)
		(*told)++;
}

static void
on_any(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	(void)arg;
	(void)c;
	(void)f;
}

static const struct ipc_handler handlers[] = { { IPC_CTL_PEER, on_peer },
	{ IPC_CTL_PING, on_any }, { 0, NULL } };
static const struct ipc_ops ops = { .handlers = handlers };
static const struct ipc_ops no_ops = { .handlers = handlers + 2 };

static struct slot *
running(struct house *h, size_t i, enum proc proc)
{
	struct slot *s = &h->m.slots[i];
	int fds[2];

	for (size_t at = 0; (s->service = service_at(at)) != NULL; at++)
		if (s->service->proc == proc)
			break;
	s->master = &h->m;
	s->state = SLOT_RUNNING;
	s->instance = (uint32_t)i + 1;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	s->control = ipc_chan_new(h->m.base, fds[0], PROC_MASTER, proc, 0);
	ipc_chan_ops(s->control, &no_ops, s);
	h->daemons[i] = ipc_chan_new(h->m.base, fds[1], proc, PROC_MASTER, 0);
	ipc_chan_ops(h->daemons[i], &ops, &h->told[i]);
	return s;
}

static void
turn(struct house *h, int64_t ms)
{
	const struct timeval tick = { 0, 10000 };
	int64_t until = clock_boot_ms() + ms;

	while (clock_boot_ms() < until) {
		(void)event_base_loopexit(h->m.base, &tick);
		(void)event_base_loop(h->m.base, 0);
	}
}

static struct house *
open_house(void)
{
	static struct house h;

	h = (struct house){ .m.base = event_base_new() };
	assert_non_null(h.m.base);
	h.queue = running(&h, 0, PROC_QUEUE);
	h.router = running(&h, 1, PROC_ROUTER);
	broker_connect(h.queue);
	turn(&h, 20);
	assert_int_equal(h.told[0], 1);
	assert_int_equal(h.told[1], 1);
	return &h;
}

static void
close_house(struct house *h)
{
	ipc_chan_close(h->queue->control);
	ipc_chan_close(h->router->control);
	ipc_chan_close(h->daemons[0]);
	ipc_chan_close(h->daemons[1]);
	free(h->m.pairs);
	event_base_free(h->m.base);
}

static void
lost(struct house *h)
{
	broker_lost(
	    h->queue, PROC_ROUTER, h->router->instance, h->m.pairs[0].epoch);
}

static void
lost_pair_is_renewed_once_however_often_it_is_said(void **state)
{
	struct house *h = open_house();
	int before;

	(void)state;
	before = event_base_get_num_events(h->m.base, EVENT_BASE_COUNT_ADDED);
	for (int i = 0; i < 100; i++)
		lost(h);
	assert_int_equal(
	    event_base_get_num_events(h->m.base, EVENT_BASE_COUNT_ADDED),
	    before + 1);
	turn(h, 250);
	assert_int_equal(h->told[0], 2);
	assert_int_equal(h->told[1], 2);
	close_house(h);
}

static void
pair_that_is_lost_again_and_again_waits_longer(void **state)
{
	struct house *h = open_house();

	(void)state;
	h->m.pairs[0].failures = 3;
	lost(h);
	turn(h, 250);
	assert_int_equal(h->told[0], 1);
	turn(h, 300); /* 400 ms in all */
	assert_int_equal(h->told[0], 2);
	assert_int_equal(h->m.pairs[0].failures, 4);
	close_house(h);
}

/* What is on its way to one who does not read is a descriptor of master's. */
static void
who_does_not_read_gets_no_other_pair(void **state)
{
	struct house *h = open_house();
	const struct ipc_ctl_ping ping = { .number = 1 };

	(void)state;
	ipc_chan_pause(h->daemons[0], true);
	do {
		assert_int_equal(
		    ipc_send_msg(h->queue->control, ctl_ping, 0, 0, &ping), 0);
		assert_true(ipc_flush(h->queue->control));
	} while (ipc_chan_backlog(h->queue->control) == 0);
	lost(h);
	turn(h, 300);
	assert_int_equal(h->told[1], 1);
	ipc_chan_pause(h->daemons[0], false);
	turn(h, 250);
	assert_int_equal(h->told[0], 2);
	assert_int_equal(h->told[1], 2);
	close_house(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    lost_pair_is_renewed_once_however_often_it_is_said),
		cmocka_unit_test(
		    pair_that_is_lost_again_and_again_waits_longer),
		cmocka_unit_test(who_does_not_read_gets_no_other_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
