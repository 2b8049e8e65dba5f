#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/ipc/chan.h"
#include "common/ipc/frame.h"
#include "tests/unit/cmocka.h"

/* Two ends on one loop; b answers as the tests want. */
struct ends {
	struct event_base *base;
	struct ipc_chan *a; /* smtpd's end, NULL once closed */
	struct ipc_chan *b; /* router's end */
	int raw;            /* b's end as a bare descriptor, or -1 */
	int asked;
	int answered;
	int failed;
	int closed;
	int fd_seen;
};

static void
on_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ends *e = arg;
	struct ipc_verdict_ask ask;
	const struct ipc_verdict m = {
		.code = 250, .enhanced = SLICE("2.1.5"), .text = SLICE("ok")
	};

	assert_int_equal(ipc_verdict_ask_decode(&ask, f->payload), 0);
	e->asked++;
	assert_int_equal(
	    ipc_send_msg(c, verdict, IPC_REPLY, f->request, &m), 0);
}

static void
on_closed(void *arg, struct ipc_chan *c)
{
	struct ends *e = arg;

	if (c == e->a)
		e->a = NULL;
	else
		e->b = NULL;
	e->closed++;
}

static const struct ipc_handler router_side[] = { { IPC_VERDICT_ASK, on_ask },
	{ 0, NULL } };
static const struct ipc_ops router_ops = { router_side, on_closed, NULL };
static const struct ipc_handler none[] = { { 0, NULL } };
static const struct ipc_ops smtpd_ops = { none, on_closed, NULL };

static void
answer(void *arg, struct ipc_frame *f)
{
	struct ends *e = arg;

	if (f == NULL) {
		e->failed++;
		return;
	}
	e->answered++;
	assert_int_equal(f->type, IPC_VERDICT);
}

static int
setup(void **state)
{
	struct ends *e = xcalloc(1, sizeof(*e));
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	e->base = event_base_new();
	e->raw = -1;
	e->a = ipc_chan_new(e->base, fds[0], PROC_SMTPD, PROC_ROUTER, 1);
	e->b = ipc_chan_new(e->base, fds[1], PROC_ROUTER, PROC_SMTPD, 2);
	ipc_chan_ops(e->a, &smtpd_ops, e);
	ipc_chan_ops(e->b, &router_ops, e);
	*state = e;
	return 0;
}

/* The same with nobody behind the other end. */
static int
setup_raw(void **state)
{
	struct ends *e = xcalloc(1, sizeof(*e));
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	e->base = event_base_new();
	e->raw = fds[0];
	e->b = ipc_chan_new(e->base, fds[1], PROC_ROUTER, PROC_SMTPD, 2);
	ipc_chan_ops(e->b, &router_ops, e);
	*state = e;
	return 0;
}

static int
teardown(void **state)
{
	struct ends *e = *state;

	ipc_chan_close(e->a);
	ipc_chan_close(e->b);
	fd_close(e->raw);
	event_base_free(e->base);
	free(e);
	return 0;
}

static void
spin(struct ends *e)
{
	for (int i = 0; i < 20; i++)
		(void)event_base_loop(e->base, EVLOOP_NONBLOCK);
}

static void
ask(struct ends *e)
{
	const struct ipc_verdict_ask m = { .stage = STAGE_RCPT,
		.recipient = SLICE("pip@example.test") };
	uint32_t request = ipc_expect(e->a, answer, e);

	assert_int_equal(ipc_send_msg(e->a, verdict_ask, 0, request, &m), 0);
}

static void
every_question_gets_its_answer(void **state)
{
	struct ends *e = *state;

	for (int i = 0; i < 1000; i++)
		ask(e);
	spin(e);
	assert_int_equal(e->asked, 1000);
	assert_int_equal(e->answered, 1000);
	assert_int_equal(e->failed, 0);
}

static void
questions_outstanding_fail_when_the_peer_dies(void **state)
{
	struct ends *e = *state;

	ask(e);
	ask(e);
	ipc_chan_close(e->b);
	e->b = NULL;
	spin(e);
	assert_int_equal(e->failed, 2);
	assert_int_equal(e->closed, 1);
	assert_null(e->a);
}

static void
a_forgotten_question_is_not_answered(void **state)
{
	struct ends *e = *state;
	const struct ipc_verdict_ask m = { .stage = STAGE_MAIL };
	uint32_t request = ipc_expect(e->a, answer, e);

	assert_int_equal(ipc_send_msg(e->a, verdict_ask, 0, request, &m), 0);
	ipc_forget(e->a, request);
	spin(e);
	assert_int_equal(e->asked, 1);
	assert_int_equal(e->answered + e->failed, 0);
	assert_non_null(e->a);
}

/* With the next one that is, and by itself in the end. */
static void
what_is_not_urgent_leaves_later(void **state)
{
	struct ends *e = *state;

	ipc_chan_idle_talk(e->a, true);
	ask(e);
	ipc_chan_idle_talk(e->a, false);
	spin(e);
	assert_int_equal(e->asked, 0);
	ask(e);
	spin(e);
	assert_int_equal(e->asked, 2);
	ipc_chan_idle_talk(e->a, true);
	ask(e);
	ipc_chan_idle_talk(e->a, false);
	while (e->asked < 3)
		assert_int_equal(event_base_loop(e->base, EVLOOP_ONCE), 0);
	assert_int_equal(e->failed, 0);
}

static void
send_raw(struct ends *e, uint16_t type, uint16_t flags, struct slice payload)
{
	struct buf b = BUF_INIT(IPC_MAX_PAYLOAD * 2);
	const struct ipc_frame f = {
		.type = type, .flags = flags, .payload = payload, .fd = -1
	};

	assert_int_equal(frame_put(&b, &f), 0);
	assert_int_equal(write_all(e->raw, b.data, b.len), 0);
	buf_free(&b);
	spin(e);
}

static void
a_frame_off_the_table_ends_the_peer(void **state)
{
	struct ends *e = *state;

	/* smtpd may not speak as queue does */
	send_raw(e, IPC_ROUTE_ASK, 0, SLICE_EMPTY);
	assert_null(e->b);
	assert_int_equal(e->closed, 1);
	assert_int_equal(e->asked, 0);
}

static void
an_unknown_type_ends_the_peer(void **state)
{
	struct ends *e = *state;

	send_raw(e, 9999, 0, SLICE_EMPTY);
	assert_null(e->b);
}

static void
a_descriptor_flag_off_the_table_ends_the_peer(void **state)
{
	struct ends *e = *state;

	send_raw(e, IPC_VERDICT_ASK, IPC_FD, SLICE_EMPTY);
	assert_null(e->b);
}

/* So that who asks for one answer may be gone after the first. */
static void
a_second_answer_to_a_question_for_one_ends_the_peer(void **state)
{
	const uint16_t wrong = IPC_REPLY | IPC_MORE;
	struct buf b = BUF_INIT(FRAME_HEADER);
	struct ends *e = *state;
	struct ipc_frame f = { .type = IPC_VERDICT, .flags = wrong, .fd = -1 };
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	e->a = ipc_chan_new(e->base, fds[0], PROC_SMTPD, PROC_ROUTER, 1);
	ipc_chan_ops(e->a, &smtpd_ops, e);
	f.request = ipc_expect(e->a, answer, e);
	assert_int_equal(frame_put(&b, &f), 0);
	assert_int_equal(write_all(fds[1], b.data, b.len), 0);
	spin(e);
	assert_null(e->a);
	assert_int_equal(e->answered, 0);
	assert_int_equal(e->failed, 1);
	fd_close(fds[1]);
	buf_free(&b);
}

static void
on_route(void *arg, struct ipc_frame *f)
{
	struct ends *e = arg;

	assert_non_null(f);
	e->answered++;
}

static void
a_question_for_many_answers_gets_them(void **state)
{
	const struct ipc_route m = { 0 };
	struct ends *e = *state;
	struct ipc_chan *queue;
	struct ipc_chan *router;
	uint32_t request;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	queue = ipc_chan_new(e->base, fds[0], PROC_QUEUE, PROC_ROUTER, 1);
	router = ipc_chan_new(e->base, fds[1], PROC_ROUTER, PROC_QUEUE, 1);
	request = ipc_expect(queue, on_route, e);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    ipc_send_msg(router, route,
			IPC_REPLY | (i < 2 ? IPC_MORE : 0), request, &m),
		    0);
	spin(e);
	assert_int_equal(e->answered, 3);
	ipc_chan_close(queue);
	ipc_chan_close(router);
}

static void
a_length_beyond_the_limit_ends_the_peer_at_once(void **state)
{
	struct ends *e = *state;
	static const unsigned char head[12] = { 0xff, 0xff, 0xff, 0xff };

	assert_int_equal(write_all(e->raw, head, sizeof(head)), 0);
	spin(e);
	assert_null(e->b);
}

static void
a_frame_in_single_bytes_arrives_whole(void **state)
{
	struct ends *e = *state;
	const struct ipc_verdict_ask m = { .stage = STAGE_RCPT,
		.sender = SLICE("a@b.test") };
	struct buf payload = BUF_INIT(10000);
	struct buf b = BUF_INIT(10000);
	struct ipc_frame f = { .type = IPC_VERDICT_ASK, .fd = -1 };

	assert_int_equal(ipc_verdict_ask_encode(&m, &payload), 0);
	f.payload = buf_slice(&payload);
	assert_int_equal(frame_put(&b, &f), 0);
	for (size_t i = 0; i < b.len; i++) {
		assert_int_equal(e->asked, 0);
		assert_int_equal(write_all(e->raw, b.data + i, 1), 0);
		spin(e);
	}
	assert_int_equal(e->asked, 1);
	buf_free(&payload);
	buf_free(&b);
}

static void
on_large(void *arg, struct ipc_frame *f)
{
	struct ends *e = arg;
	char c = 0;

	assert_non_null(f);
	assert_true(f->fd != -1);
	assert_int_equal(pread(f->fd, &c, 1, 0), 1);
	e->fd_seen += c == 'x';
}

static void
descriptors_arrive_with_their_own_frames(void **state)
{
	struct ends *e = *state;
	int fds[2];
	struct ipc_chan *smtpd;
	struct ipc_chan *queue;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	smtpd = ipc_chan_new(e->base, fds[0], PROC_SMTPD, PROC_QUEUE, 1);
	queue = ipc_chan_new(e->base, fds[1], PROC_QUEUE, PROC_SMTPD, 1);
	ipc_chan_ops(smtpd, &smtpd_ops, e);
	ipc_chan_ops(queue, &smtpd_ops, e);
	for (int i = 0; i < 100; i++) {
		const struct ipc_large_file m = { .code = 250 };
		uint32_t request = ipc_expect(smtpd, on_large, e);
		int fd = memfd_create("large", MFD_CLOEXEC);

		assert_int_equal(write_all(fd, "x", 1), 0);
		assert_int_equal(ipc_send_msg_fd(queue, large_file, IPC_REPLY,
				     request, &m, fd),
		    0);
	}
	spin(e);
	assert_int_equal(e->fd_seen, 100);
	ipc_chan_close(smtpd);
	ipc_chan_close(queue);
}

/* What a message may carry: the kernel takes more, the channel does not. */
static void
send_with_fd(const struct ends *e, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte = 1;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };

	memset(&control, 0, sizeof(control));
	frame_put_fd(&msg, fd);
	assert_int_equal(sendmsg(e->raw, &msg, MSG_NOSIGNAL), 1);
}

static unsigned
open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void
descriptors_nobody_asked_for_do_not_pile_up(void **state)
{
	static const unsigned char head[12] = { 0xff };
	struct ends *e = *state;
	unsigned before = open_descriptors();

	/* Parts of one frame, each with a descriptor. */
	assert_int_equal(write_all(e->raw, head, sizeof(head)), 0);
	for (int i = 0; i < 200 && e->b != NULL; i++) {
		send_with_fd(e, 0);
		spin(e);
	}
	assert_null(e->b);
	assert_in_range(open_descriptors(), 0, before);
}

static void
on_ask_count(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ends *e = arg;

	(void)c;
	(void)f;
	e->asked++;
}

static const struct ipc_handler counting[] = {
	{ IPC_VERDICT_ASK, on_ask_count }, { 0, NULL }
};
static const struct ipc_ops counting_ops = { counting, on_closed, NULL };

/* A frame has come, and is not read yet. */
static void
leave_a_frame(struct ends *e)
{
	const struct ipc_verdict_ask m = { .stage = STAGE_MAIL };
	struct buf payload = BUF_INIT(10000);
	struct buf b = BUF_INIT(10000);
	struct ipc_frame f = { .type = IPC_VERDICT_ASK, .fd = -1 };

	assert_int_equal(ipc_verdict_ask_encode(&m, &payload), 0);
	f.payload = buf_slice(&payload);
	assert_int_equal(frame_put(&b, &f), 0);
	assert_int_equal(write_all(e->raw, b.data, b.len), 0);
	buf_free(&payload);
	buf_free(&b);
}

static void
last_words_are_heard_though_a_write_fails_first(void **state)
{
	struct ends *e = *state;
	const struct ipc_verdict m = { .code = 250 };

	ipc_chan_ops(e->b, &counting_ops, e);
	leave_a_frame(e);
	fd_close(e->raw);
	e->raw = -1;
	assert_int_equal(ipc_send_msg(e->b, verdict, IPC_REPLY, 1, &m), 0);
	(void)ipc_flush(e->b);
	assert_non_null(e->b);
	assert_int_equal(ipc_send_msg(e->b, verdict, IPC_REPLY, 1, &m), -1);
	assert_int_equal(ipc_chan_backlog(e->b), 0);
	spin(e);
	assert_int_equal(e->asked, 1);
	assert_int_equal(e->closed, 1);
	assert_null(e->b);
}

static void
what_has_come_can_be_taken_before_a_close(void **state)
{
	struct ends *e = *state;

	ipc_chan_ops(e->b, &counting_ops, e);
	leave_a_frame(e);
	leave_a_frame(e);
	fd_close(e->raw);
	e->raw = -1;
	ipc_chan_take(e->b);
	assert_int_equal(e->asked, 2);
	assert_int_equal(e->closed, 0);
	ipc_chan_close(e->b);
	e->b = NULL;
	spin(e);
	assert_int_equal(e->closed, 0);
}

static void
on_ask_pause(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct ends *e = arg;

	(void)f;
	e->asked++;
	ipc_chan_pause(c, true);
}

static const struct ipc_handler pausing[] = { { IPC_VERDICT_ASK, on_ask_pause },
	{ 0, NULL } };
static const struct ipc_ops pausing_ops = { pausing, on_closed, NULL };

static void
what_waits_behind_a_pause_is_no_reason_to_end(void **state)
{
	struct ends *e = *state;
	int sent = 0;

	ipc_chan_ops(e->b, &pausing_ops, e);
	assert_int_equal(fd_nonblock(e->raw), 0);
	for (int i = 0; i < 30000 && e->b != NULL; i++) {
		const struct ipc_verdict_ask m = { .stage = STAGE_MAIL };
		struct buf payload = BUF_INIT(10000);
		struct buf b = BUF_INIT(10000);
		struct ipc_frame f = { .type = IPC_VERDICT_ASK, .fd = -1 };

		assert_int_equal(ipc_verdict_ask_encode(&m, &payload), 0);
		f.payload = buf_slice(&payload);
		assert_int_equal(frame_put(&b, &f), 0);
		if (send(e->raw, b.data, b.len, MSG_NOSIGNAL) != -1)
			sent++;
		buf_free(&payload);
		buf_free(&b);
		if (i % 4 != 0) /* they come faster than they are taken */
			continue;
		ipc_chan_pause(e->b, false);
		(void)event_base_loop(e->base, EVLOOP_NONBLOCK);
	}
	assert_non_null(e->b);
	assert_true(sent > e->asked && e->asked > 1000);
	for (int i = 0; i < 2 * sent && e->asked < sent; i++) {
		ipc_chan_pause(e->b, false);
		(void)event_base_loop(e->base, EVLOOP_NONBLOCK);
	}
	assert_int_equal(e->asked, sent);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define R(f) cmocka_unit_test_setup_teardown(f, setup_raw, teardown)
	const struct CMUnitTest tests[] = {
		T(every_question_gets_its_answer),
		T(questions_outstanding_fail_when_the_peer_dies),
		T(a_forgotten_question_is_not_answered),
		T(what_is_not_urgent_leaves_later),
		R(a_frame_off_the_table_ends_the_peer),
		R(an_unknown_type_ends_the_peer),
		R(a_descriptor_flag_off_the_table_ends_the_peer),
		R(a_second_answer_to_a_question_for_one_ends_the_peer),
		T(a_question_for_many_answers_gets_them),
		R(a_length_beyond_the_limit_ends_the_peer_at_once),
		R(a_frame_in_single_bytes_arrives_whole),
		T(descriptors_arrive_with_their_own_frames),
		R(descriptors_nobody_asked_for_do_not_pile_up),
		R(last_words_are_heard_though_a_write_fails_first),
		R(what_has_come_can_be_taken_before_a_close),
		R(what_waits_behind_a_pause_is_no_reason_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
