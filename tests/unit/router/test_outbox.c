#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/base/clock.h"
#include "common/ipc/chan.h"
#include "router/outbox.h"
#include "router/route.h"

#define QUESTIONS   200U
#define ROWS        100U /* of an answer */
#define PATIENCE_MS 20000

static char text[400];

static struct pair {
	struct event_base *base;
	struct ipc_chan *queue;  /* asks */
	struct ipc_chan *router; /* answers through box */
	struct outbox *box;
	unsigned taken;    /* questions */
	unsigned answered; /* ... of them */
} p;

static void
on_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	const struct ipc_route m = { .kind = ROUTE_FAIL,
		.text = { text, sizeof(text) } };
	struct buf payload = BUF_INIT(IPC_MAX_PAYLOAD);
	struct route_answer a;

	(void)arg;
	(void)c;
	p.taken++;
	route_answer_init(&a);
	assert_int_equal(ipc_route_encode(&m, &payload), 0);
	for (; a.count < ROWS; a.count++)
		assert_int_equal(
		    wire_put_bytes(&a.payloads, buf_slice(&payload)), 0);
	buf_free(&payload);
	outbox_send(p.box, f->request, &a);
}

static void
on_drained(void *arg, struct ipc_chan *c)
{
	(void)arg;
	(void)c;
	outbox_drained(p.box);
}

static void
on_answer(void *arg, struct ipc_frame *f)
{
	(void)arg;
	if (f != NULL && (f->flags & IPC_MORE) == 0)
		p.answered++;
}

static const struct ipc_handler handlers[] = { { IPC_ROUTE_ASK, on_ask },
	{ 0, NULL } };
static const struct ipc_ops router_ops = { handlers, NULL, on_drained };
static const struct ipc_ops queue_ops = { handlers + 1, NULL, NULL };

static int
setup(void **state)
{
	int fds[2];

	(void)state;
	memset(text, 'x', sizeof(text));
	p = (struct pair){ .base = event_base_new() };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == -1)
		return -1;
	p.queue = ipc_chan_new(p.base, fds[0], PROC_QUEUE, PROC_ROUTER, 0);
	p.router = ipc_chan_new(p.base, fds[1], PROC_ROUTER, PROC_QUEUE, 0);
	ipc_chan_ops(p.queue, &queue_ops, NULL);
	ipc_chan_ops(p.router, &router_ops, NULL);
	p.box = outbox_new(p.router);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	ipc_chan_close(p.queue);
	ipc_chan_close(p.router);
	outbox_free(p.box);
	event_base_free(p.base);
	return 0;
}

static void
ask_many(void)
{
	const struct ipc_route_ask m = { .recipient = SLICE("list@here.test") };

	for (unsigned i = 0; i < QUESTIONS; i++)
		assert_int_equal(ipc_send_msg(p.queue, route_ask, 0,
				     ipc_expect(p.queue, on_answer, NULL), &m),
		    0);
}

/* One pass, which waits for something, but not for ever. */
static void
loop(void)
{
	const struct timeval most = { 0, 20000 };

	(void)event_base_loopexit(p.base, &most);
	(void)event_base_loop(p.base, EVLOOP_ONCE);
}

static void
peer_that_read_its_answers_may_ask_again(void **state)
{
	int64_t end = clock_boot_ms() + PATIENCE_MS;
	unsigned before;

	(void)state;
	ipc_chan_pause(p.queue, true);
	ask_many();
	do {
		before = p.taken;
		loop();
	} while (p.taken == 0 || p.taken != before);
	assert_in_range(p.taken, 1, QUESTIONS - 1); /* it is not let go on */
	ipc_chan_pause(p.queue, false);
	while (p.answered < QUESTIONS && clock_boot_ms() < end)
		loop();
	assert_int_equal(p.answered, QUESTIONS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    peer_that_read_its_answers_may_ask_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
