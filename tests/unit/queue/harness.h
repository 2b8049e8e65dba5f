#ifndef TESTS_UNIT_QUEUE_HARNESS_H
#define TESTS_UNIT_QUEUE_HARNESS_H

/*
 * A queue on a directory of its own, and the peers it talks with, played by
 * the test over real channels in the same loop.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "common/ipc/work.h"
#include "queue/queue.h"
#include "tests/unit/tmp.h"

#define WORKS_MAX 4096

/* A job an agent was given, kept until the test answers it. */
struct given {
	struct work *w; /* NULL: answered */
	char id[QID_TEXT];
	enum proc agent;
};

struct answer_submit {
	bool there;
	uint16_t code;
	char id[QID_TEXT];
};

struct harness {
	char path[TMP_PATH];
	int dir;
	struct event_base *base;
	struct config config;
	struct queue *q; /* NULL: not running */
	const struct seg_io *io;
	struct ipc_chan *ours[PROC_COUNT];   /* the peers' ends */
	struct ipc_chan *theirs[PROC_COUNT]; /* the queue's */
	struct work_intake intake[PROC_COUNT];
	struct given given[WORKS_MAX];
	unsigned given_count;
	unsigned intake_code; /* last INTAKE_STATE */
	uint64_t large;       /* of the last LARGE_FILE */
	int large_fd;
	unsigned rows; /* ADMIN_ROWs */
	char row[8192];
	int admin_ok; /* of the last ADMIN_DONE; -1: none yet */
	unsigned admin_count;
	uint8_t auto_status; /* agents answer at once with this; 0: not */
	uint32_t tokens;
	bool is_late; /* router answers late@here */
	bool drained;
};

static inline void
h_loop(struct harness *h)
{
	const struct timeval most = { 0, 20000 };

	(void)event_base_loopexit(h->base, &most);
	(void)event_base_loop(h->base, EVLOOP_ONCE);
}

/* How long something may take where the disk is busy. */
#define H_PATIENCE_MS 30000

#define H_UNTIL(h, condition)                                                  \
	do {                                                                   \
		int64_t h_end = clock_boot_ms() + H_PATIENCE_MS;               \
		while (!(condition) && clock_boot_ms() < h_end)                \
			h_loop(h);                                             \
		assert_true(condition);                                        \
	} while (0)

/* Let everything happen that happens by itself, however slow the disk is. */
static inline void
h_settle(struct harness *h)
{
	for (int i = 0; i < 10; i++)
		h_loop(h);
	H_UNTIL(h, log_idle(&h->q->log) || h->q->log.broken);
}

/* -- router -------------------------------------------------------------- */

static inline void
h_route(struct ipc_chan *c, const struct ipc_frame *f, uint8_t kind,
    const char *address, bool more)
{
	struct ipc_route m = {
		.kind = kind, .address = slice_str(address), .uid = 1000
	};

	if (kind == ROUTE_LOCAL)
		m.home = slice_str(
		    strcmp(address, "A@here") == 0 ? "a@here" : address);
	if (kind == ROUTE_RELAY)
		m.next_hop = slice_str(strchr(address, '@') + 1);
	if (kind == ROUTE_FAIL) {
		m.enhanced = SLICE("5.1.1");
		m.text = SLICE("nobody of that name");
	}
	assert_int_equal(ipc_send_msg(c, route,
			     IPC_REPLY | (more ? IPC_MORE : 0), f->request, &m),
	    0);
}

/*
 * name@here: local; list@here, pair@here: several; none@here: fails;
 * late@here: no answer until it is time; else: relay.
 */
static inline void
h_on_route_ask(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	char address[256];
	const struct harness *h = arg;
	struct ipc_route_ask m;

	assert_int_equal(ipc_route_ask_decode(&m, f->payload), 0);
	assert_int_equal(slice_copy(address, sizeof(address), m.recipient), 0);
	if (strcmp(address, "list@here") == 0) {
		h_route(c, f, ROUTE_LOCAL, "a@here", true);
		h_route(c, f, ROUTE_LOCAL, "b@here", true);
		h_route(c, f, ROUTE_RELAY, "c@far", true);
		h_route(c, f, ROUTE_LOCAL, "A@here", false);
	} else if (strcmp(address, "pair@here") == 0) {
		h_route(c, f, ROUTE_LOCAL, "a@here", true);
		h_route(c, f, ROUTE_LOCAL, "b@here", false);
	} else if (strcmp(address, "late@here") == 0 && !h->is_late) {
		return;
	} else if (strcmp(address, "none@here") == 0) {
		h_route(c, f, ROUTE_FAIL, address, false);
	} else if (strcmp(address, "alias@here") == 0) {
		h_route(c, f, ROUTE_LOCAL, "a@here", false);
	} else if (strcmp(address, "hole@here") == 0) {
		h_route(c, f, ROUTE_DISCARD, address, false);
	} else if (strstr(address, "@here") != NULL) {
		h_route(c, f, ROUTE_LOCAL, address, false);
	} else {
		h_route(c, f, ROUTE_RELAY, address, false);
	}
}

/* -- agents -------------------------------------------------------------- */

static inline void
h_result(struct harness *h, struct given *g, size_t i, uint8_t status)
{
	const struct ipc_result m = { .job = g->w->m.job,
		.number = g->w->rcpts[i].number,
		.status = status,
		.code = status == STATUS_DONE ? 250 : 450,
		.enhanced =
		    status == STATUS_FAILED ? SLICE("5.0.0") : SLICE("4.0.0"),
		.text = SLICE("so it was said"),
		.remote = SLICE("mx.far[192.0.2.1]") };

	assert_int_equal(ipc_send_msg(h->ours[g->agent], result, 0, 0, &m), 0);
}

/* Answer a whole job, and give the credit back. */
static inline void
h_answer(struct harness *h, struct given *g, uint8_t status)
{
	const struct ipc_credit credit = { .jobs = 1 };

	for (size_t i = 0; i < g->w->rcpt_count; i++)
		h_result(h, g, i, status);
	assert_int_equal(
	    ipc_send_msg(h->ours[g->agent], credit, 0, 0, &credit), 0);
	work_free(g->w);
	g->w = NULL;
}

static inline void
h_on_work(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct harness *h = arg;
	enum proc p = PROC_DELIVER;
	struct given *g;
	struct work *w;
	int rc;

	for (int i = 0; i < PROC_COUNT; i++)
		if (h->ours[i] == c)
			p = (enum proc)i;
	rc = work_take(&h->intake[p], c, f, &w);
	assert_int_not_equal(rc, -1);
	if (rc == 0)
		return;
	assert_true(h->given_count < WORKS_MAX);
	g = &h->given[h->given_count++];
	g->w = w;
	g->agent = p;
	assert_int_equal(slice_copy(g->id, sizeof(g->id), w->m.id), 0);
	assert_true(memcmp(w->m.low_water.p, w->m.id.p, w->m.id.len) <= 0);
	if (h->auto_status != 0)
		h_answer(h, g, h->auto_status);
}

/* Jobs not answered yet. */
static inline unsigned
h_open(const struct harness *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->given_count; i++)
		n += h->given[i].w != NULL;
	return n;
}

/* The last job an agent was given. */
static inline struct given *
h_last(struct harness *h, enum proc p)
{
	for (unsigned i = h->given_count; i > 0; i--)
		if (h->given[i - 1].agent == p && h->given[i - 1].w != NULL)
			return &h->given[i - 1];
	return NULL;
}

/* -- others -------------------------------------------------------------- */

static inline void
h_on_intake(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	struct harness *h = arg;
	struct ipc_intake_state m;

	(void)c;
	assert_int_equal(ipc_intake_state_decode(&m, f->payload), 0);
	h->intake_code = m.code;
}

static inline void
h_on_submitted(void *arg, struct ipc_frame *f)
{
	struct answer_submit *a = arg;
	struct ipc_submitted m;

	if (f == NULL)
		return;
	assert_int_equal(ipc_submitted_decode(&m, f->payload), 0);
	a->there = true;
	a->code = m.code;
	assert_int_equal(slice_copy(a->id, sizeof(a->id), m.id), 0);
}

static inline void
h_on_large(void *arg, struct ipc_frame *f)
{
	struct harness *h = arg;
	struct ipc_large_file m;

	if (f == NULL)
		return;
	assert_int_equal(ipc_large_file_decode(&m, f->payload), 0);
	assert_int_equal(m.code, 250);
	h->large = m.large;
	h->large_fd = f->fd;
	f->fd = -1;
}

static inline void
h_on_admin(void *arg, struct ipc_frame *f)
{
	struct harness *h = arg;
	struct ipc_admin_row row;
	struct ipc_admin_done done;

	if (f == NULL)
		return;
	if (f->type == IPC_ADMIN_ROW) {
		assert_int_equal(ipc_admin_row_decode(&row, f->payload), 0);
		h->rows++;
		(void)snprintf(h->row, sizeof(h->row), "%.*s",
		    (int)row.text.len, row.text.p);
		return;
	}
	assert_int_equal(ipc_admin_done_decode(&done, f->payload), 0);
	h->admin_ok = done.ok;
	h->admin_count = (unsigned)done.count;
}

static const struct ipc_handler h_handlers[] = {
	{ IPC_ROUTE_ASK, h_on_route_ask },
	{ IPC_WORK, h_on_work },
	{ IPC_WORK_MORE, h_on_work },
	{ IPC_INTAKE_STATE, h_on_intake },
	{ 0, NULL },
};

static void
h_queue_frame(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	queue_frame(((struct harness *)arg)->q, c, f);
}

static const struct ipc_handler h_queue_handlers[] = {
	{ IPC_SUBMIT, h_queue_frame },
	{ IPC_SUBMIT_MORE, h_queue_frame },
	{ IPC_LARGE_ASK, h_queue_frame },
	{ IPC_LARGE_DROP, h_queue_frame },
	{ IPC_CREDIT, h_queue_frame },
	{ IPC_RESULT, h_queue_frame },
	{ IPC_PEER_STATE, h_queue_frame },
	{ IPC_ADMIN_ASK, h_queue_frame },
	{ 0, NULL },
};

static void
h_queue_closed(void *arg, struct ipc_chan *c)
{
	struct harness *h = arg;

	for (int i = 0; i < PROC_COUNT; i++)
		if (h->theirs[i] == c)
			h->theirs[i] = NULL;
	queue_peer_down(h->q, c);
}

static void
h_ours_closed(void *arg, struct ipc_chan *c)
{
	struct harness *h = arg;

	for (int i = 0; i < PROC_COUNT; i++)
		if (h->ours[i] == c)
			h->ours[i] = NULL;
}

static const struct ipc_ops h_ops = { h_handlers, h_ours_closed, NULL };
static const struct ipc_ops h_queue_ops = { h_queue_handlers, h_queue_closed,
	NULL };

/* -- life ---------------------------------------------------------------- */

static inline void
h_connect(struct harness *h, enum proc p)
{
	const struct ipc_credit credit = { .jobs = 1000 };
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	h->ours[p] = ipc_chan_new(h->base, fds[0], p, PROC_QUEUE, 0);
	ipc_chan_ops(h->ours[p], &h_ops, h);
	h->theirs[p] = ipc_chan_new(h->base, fds[1], PROC_QUEUE, p, 0);
	ipc_chan_ops(h->theirs[p], &h_queue_ops, h);
	if (p != PROC_CLI)
		queue_peer_up(h->q, h->theirs[p]);
	if (p == PROC_DELIVER || p == PROC_RELAY || p == PROC_BOUNCE)
		assert_int_equal(
		    ipc_send_msg(h->ours[p], credit, 0, 0, &credit), 0);
}

/* The peer's process dies. */
static inline void
h_kill(struct harness *h, enum proc p)
{
	ipc_chan_close(h->ours[p]);
	h->ours[p] = NULL;
	work_intake_clear(&h->intake[p]);
	for (unsigned i = 0; i < h->given_count; i++) {
		if (h->given[i].agent != p || h->given[i].w == NULL)
			continue;
		work_free(h->given[i].w);
		h->given[i].w = NULL;
	}
	H_UNTIL(h, h->theirs[p] == NULL);
}

static inline void
h_open_queue(struct harness *h)
{
	const struct queue_setup setup = { .base = h->base,
		.config = &h->config,
		.root = h->dir,
		.io = h->io };

	h->q = calloc(1, sizeof(*h->q));
	assert_int_equal(queue_open(h->q, &setup), 0);
	assert_true(h->q->ready);
}

static inline void
h_connect_all(struct harness *h)
{
	h_connect(h, PROC_SMTPD);
	h_connect(h, PROC_SUBMISSION);
	h_connect(h, PROC_ROUTER);
	h_connect(h, PROC_DELIVER);
	h_connect(h, PROC_RELAY);
	h_connect(h, PROC_BOUNCE);
	h_connect(h, PROC_CLI);
}

static inline void
h_stop(struct harness *h)
{
	if (h->q == NULL)
		return;
	for (int i = 0; i < PROC_COUNT; i++)
		if (h->ours[i] != NULL)
			h_kill(h, (enum proc)i);
	queue_close(h->q);
	free(h->q);
	h->q = NULL;
	h->given_count = 0;
}

/*
 * As after a crash at this moment: what is on disk is copied, and a new
 * queue is started on the copy. The old one is put away.
 */
static inline void
h_crash(struct harness *h)
{
	char to[TMP_PATH];
	char command[300];

	H_UNTIL(h, !h->q->log.making); /* cp does not like what goes away */
	assert_int_equal(tmp_make(to), 0);
	(void)snprintf(command, sizeof(command), "cp -r %s/. %s", h->path, to);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
	h_stop(h);
	(void)close(h->dir);
	assert_int_equal(tmp_remove(h->path), 0);
	memcpy(h->path, to, sizeof(to));
	h->dir = open(h->path, O_RDONLY | O_DIRECTORY);
	assert_int_not_equal(h->dir, -1);
	h_open_queue(h);
	h_connect_all(h);
}

static inline int
h_setup(void **state)
{
	struct harness *h = calloc(1, sizeof(*h));

	log_level(LOG_FAIL + 1);
	if (tmp_make(h->path) == -1)
		return -1;
	h->dir = open(h->path, O_RDONLY | O_DIRECTORY);
	h->base = event_base_new();
	h->large_fd = -1;
	h->config.clock_shift_file = strdup("");
	h->config.queue_concurrency = 1000;
	h->config.queue_retry_min = 1;
	h->config.queue_retry_max = 2;
	h->config.queue_lifetime = 1000;
	h->config.queue_memory_mails = 10000;
	h->config.queue_memory = 1 << 28;
	h->config.queue_segment_size = SEG_SIZE_MIN;
	h->config.queue_disk_reserve = 1 << 20;
	h->config.message_size_limit = 1 << 26;
	h_open_queue(h);
	h_connect_all(h);
	H_UNTIL(h, h->intake_code == 250);
	*state = h;
	return 0;
}

static inline int
h_teardown(void **state)
{
	struct harness *h = *state;

	h_stop(h);
	fd_close(h->large_fd);
	(void)close(h->dir);
	event_base_free(h->base);
	assert_int_equal(tmp_remove(h->path), 0);
	free(h->config.clock_shift_file);
	free(h);
	return 0;
}

/* -- submitting ---------------------------------------------------------- */

struct h_mail {
	const char *from;
	const char *to; /* addresses with spaces between */
	size_t size;
	uint32_t token; /* 0: a new one */
	uint64_t large;
	uint8_t notify;
	char fill;
};

/* Content no two mails share, of this length. */
static inline char *
h_content(const struct h_mail *m)
{
	char *p = malloc(m->size + 64);
	int n = snprintf(p, 64, "Subject: %.20s\r\n\r\n", m->to);

	memset(p + n, m->fill == 0 ? 'x' : m->fill, m->size + 64 - (size_t)n);
	return p;
}

static inline void
h_send(struct harness *h, const struct h_mail *mail, struct answer_submit *a)
{
	struct ipc_chan *c = h->ours[PROC_SMTPD];
	struct buf rcpts = BUF_INIT(1 << 20);
	char *content = h_content(mail);
	struct slice rest = slice_of(content, mail->size);
	struct slice to = slice_str(mail->to);
	unsigned char token[16] = { 0 };
	unsigned char sum[32] = { 1 };
	struct ipc_submit m = { .source = SOURCE_SMTP,
		.client = SLICE("192.0.2.9"),
		.sender = slice_str(mail->from),
		.large = mail->large,
		.length = mail->size };
	uint32_t number = mail->token != 0 ? mail->token : ++h->tokens + 1000;
	uint32_t request;

	memcpy(token, &number, sizeof(number));
	m.token = slice_of(token, 16);
	while (to.len > 0) {
		struct ipc_rcpt r = { .notify = mail->notify };

		to = slice_cut(to, ' ', &r.address);
		assert_int_equal(ipc_rcpt_put(&r, &rcpts), 0);
	}
	m.recipients = buf_slice(&rcpts);
	if (mail->large != 0) {
		rest = SLICE_EMPTY;
		m.sha256 = slice_of(sum, 32);
	}
	m.content = slice_sub(rest, 0, IPC_CHUNK);
	rest = slice_sub(rest, IPC_CHUNK, rest.len);
	*a = (struct answer_submit){ .there = false };
	request = ipc_expect(c, h_on_submitted, a);
	assert_int_equal(
	    ipc_send_msg(c, submit, rest.len > 0 ? IPC_MORE : 0, request, &m),
	    0);
	while (rest.len > 0) {
		struct ipc_submit_more more = { .content = slice_sub(
						    rest, 0, IPC_CHUNK) };

		rest = slice_sub(rest, IPC_CHUNK, rest.len);
		assert_int_equal(
		    ipc_send_msg(c, submit_more, rest.len > 0 ? IPC_MORE : 0,
			request, &more),
		    0);
	}
	buf_free(&rcpts);
	free(content);
}

/* Submit and wait for the answer. */
static inline struct answer_submit
h_submit(struct harness *h, const struct h_mail *mail)
{
	static struct answer_submit a;

	h_send(h, mail, &a);
	H_UNTIL(h, a.there);
	return a;
}

static inline void
h_submit_ok(struct harness *h, const char *from, const char *to)
{
	const struct h_mail m = { .from = from, .to = to, .size = 200 };

	assert_int_equal(h_submit(h, &m).code, 250);
}

static inline void
h_ask_admin(struct harness *h, uint8_t verb, const char *argument)
{
	const struct ipc_admin_ask m = { .verb = verb,
		.argument = slice_str(argument) };
	struct ipc_chan *c = h->ours[PROC_CLI];

	h->rows = 0;
	h->row[0] = '\0';
	h->admin_ok = -1;
	assert_int_equal(
	    ipc_send_msg(c, admin_ask, 0, ipc_expect(c, h_on_admin, h), &m), 0);
}

static inline void
h_admin(struct harness *h, uint8_t verb, const char *argument)
{
	h_ask_admin(h, verb, argument);
	H_UNTIL(h, h->admin_ok != -1);
}

static inline unsigned
h_files_in(const struct harness *h, const char *dir)
{
	char command[300];
	char line[32] = "";
	FILE *p;

	(void)snprintf(command, sizeof(command), "find %s/%s -type f | wc -l",
	    h->path, dir);
	p = popen(command, "r"); /* NOLINT(cert-env33-c) */
	assert_non_null(fgets(line, sizeof(line), p));
	(void)pclose(p);
	return (unsigned)strtoul(line, NULL, 10);
}

/* How many mails the queue has. */
static inline size_t
h_mails(const struct harness *h)
{
	return h->q->mails.count;
}

#endif
