#include "queue/queue.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/config/config.h"
#include "common/ipc/chan.h"
#include "queue/life.h"
#include "queue/recover.h"
#include "queue/remove.h"
#include "queue/task.h"

#define LOCK_AGAIN_MS 200
#define TICK_MAX_MS   60000 /* a timer is never further away than this */
#define SHIFTED_MS    200   /* where tests move the clock */

static const struct timeval one_second = { 1, 0 };

int64_t
queue_wall_s(const struct queue *q)
{
	return q->start_wall_s + (clock_boot_ms() - q->start_boot_ms) / 1000;
}

int64_t
queue_longest_s(const struct queue *q)
{
	int64_t longest = q->config->queue_retry_max;

	for (size_t i = 0; i < q->config->destination_count; i++)
		longest = MAX(longest, q->config->destinations[i].retry_max_s);
	return longest * 2; /* there is jitter */
}

int64_t
queue_boot_ms(const struct queue *q, int64_t wall_s)
{
	int64_t now_ms = clock_boot_ms();
	int64_t in_s = wall_s - queue_wall_s(q);

	/* A time from before a clock was set back may be far away. */
	in_s = MIN(in_s, queue_longest_s(q));
	return in_s <= 0 ? now_ms : now_ms + in_s * 1000;
}

/* -- timers -------------------------------------------------------------- */

static void
arm(struct queue *q, int64_t at_ms)
{
	int64_t wait = at_ms - clock_boot_ms();
	struct timeval tv;

	wait = MIN(MAX(wait, (int64_t)0), (int64_t)TICK_MAX_MS);
	if (q->config->clock_shift_file[0] != '\0')
		wait = MIN(wait, (int64_t)SHIFTED_MS);
	tv.tv_sec = wait / 1000;
	tv.tv_usec = wait % 1000 * 1000;
	(void)event_add(q->on_tick, &tv);
}

void
queue_set_timer(struct queue *q)
{
	const struct heap_node *mail = heap_first(&q->mails.due);
	const struct heap_node *wake = heap_first(&q->sched.wakes);
	int64_t at = INT64_MAX;

	if (mail != NULL && !route_crowded(q))
		at = MAX(mail->due, q->crowded_ms);
	if (wake != NULL)
		at = MIN(at, wake->due);
	if (q->stopping || !q->ready)
		return;
	if (at == INT64_MAX)
		(void)event_del(q->on_tick);
	else if (at != q->armed_ms ||
		 !event_pending(q->on_tick, EV_TIMEOUT, NULL))
		arm(q, at);
	q->armed_ms = at;
}

static void
tick(evutil_socket_t fd, short what, void *arg)
{
	struct queue *q = arg;
	int64_t now = clock_boot_ms();

	(void)fd;
	(void)what;
	q->armed_ms = 0;
	if (q->stopping || !q->ready)
		return;
	(void)sched_wake(&q->sched, now);
	(void)life_load_due(q, now);
	agents_run(q);
	queue_set_timer(q);
}

static void
retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	agents_retry(arg);
}

void
queue_retry_soon(struct queue *q)
{
	(void)event_add(q->on_retry, &one_second);
}

/* -- start --------------------------------------------------------------- */

static void
log_changed(void *arg)
{
	struct queue *q = arg;

	if (q->ready)
		space_update(q);
}

static const struct log_ops log_ops = {
	.changed = log_changed,
	.fold = fold_segment,
	.may_free = remove_may_free,
};

/* The log can be read and written from here on. */
static int
begin(struct queue *q)
{
	if (recover_all(q) == -1)
		return -1;
	q->ready = true;
	space_update(q);
	queue_set_timer(q);
	return 0;
}

/* 1: locked. 0: another process has it. -1 after logging. */
static int
try_lock(struct queue *q)
{
	if (q->lock_fd == -1)
		q->lock_fd = openat(q->root, "lock",
		    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (q->lock_fd != -1 && flock(q->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 1;
	if (q->lock_fd != -1 && (errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	log_error("event=spool-unusable what=lock error=%s", strerror(errno));
	return -1;
}

static int
lock_and_begin(struct queue *q)
{
	const struct timeval again = { 0, LOCK_AGAIN_MS * 1000 };
	int rc = try_lock(q);

	if (rc == 0)
		return event_add(q->on_lock, &again);
	return rc == -1 ? -1 : begin(q);
}

static void
lock_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	if (lock_and_begin(arg) == -1)
		log_die("event=start-failed what=spool");
}

static int
make_events(struct queue *q)
{
	q->on_tick = event_new(q->base, -1, 0, tick, q);
	q->on_retry = event_new(q->base, -1, 0, retry, q);
	q->on_lock = event_new(q->base, -1, 0, lock_event, q);
	q->slow = worker_new(q->base);
	q->sync = worker_new(q->base);
	if (q->on_tick == NULL || q->on_retry == NULL || q->on_lock == NULL ||
	    q->slow == NULL || q->sync == NULL)
		return -1;
	if (fold_init(q) == -1 || admin_init(q) == -1 || space_init(q) == -1)
		return -1;
	return 0;
}

int
queue_open(struct queue *q, const struct queue_setup *setup)
{
	struct log_setup ls = { .base = setup->base,
		.seg_size = (uint64_t)setup->config->queue_segment_size,
		.io = setup->io,
		.ops = &log_ops,
		.arg = q };

	*q = (struct queue){ .base = setup->base,
		.config = setup->config,
		.root = setup->root,
		.lock_fd = -1,
		.start_wall_s = clock_wall_s(),
		.start_boot_ms = clock_boot_ms() };
	mails_init(&q->mails);
	tokens_init(&q->tokens);
	intake_init(&q->intake);
	larges_init(&q->larges);
	route_init(q);
	agents_init(&q->agents);
	sched_init(&q->sched, q->config);
	if (recover_open(q) == -1)
		return -1;
	if (make_events(q) == -1) {
		log_error("event=start-failed what=threads error=%s",
		    strerror(errno));
		return -1;
	}
	ls.slow = q->slow;
	ls.dir = q->log_dir;
	if (log_init(&q->log, &ls) == -1) {
		log_error(
		    "event=start-failed what=log error=%s", strerror(errno));
		return -1;
	}
	return lock_and_begin(q);
}

static void
free_event(struct event *e)
{
	if (e != NULL)
		event_free(e);
}

/* Whatever waits to be sent is on disk. */
static void
drop_tasks(struct queue *q)
{
	struct mail *m;

	TAILQ_FOREACH(m, &q->mails.order, order)
	{
		struct task *t;

		while (
		    m->hot != NULL && (t = TAILQ_FIRST(&m->hot->tasks)) != NULL)
			task_free(q, t);
	}
}

void
queue_close(struct queue *q)
{
	q->stopping = true;
	log_stop(&q->log);
	worker_free(q->slow);
	worker_free(q->sync);
	agents_free(q);
	route_free(q);
	admin_free(q);
	intake_free(q);
	larges_free(&q->larges);
	drop_tasks(q);
	mails_free(&q->mails);
	sched_free(&q->sched);
	log_free(&q->log);
	fold_free(q);
	space_free(q);
	tokens_free(&q->tokens);
	free_event(q->on_tick);
	free_event(q->on_retry);
	free_event(q->on_lock);
	fd_close(q->log_dir);
	fd_close(q->deferred_dir);
	fd_close(q->large_dir);
	fd_close(q->corrupt_dir);
	fd_close(q->lock_fd);
}

/* -- peers --------------------------------------------------------------- */

void
queue_peer_up(struct queue *q, struct ipc_chan *c)
{
	if (q->chan_count == QUEUE_CHANS_MAX) {
		log_error("event=too-many-peers");
		return;
	}
	q->chans[q->chan_count++] = c;
	if (ipc_chan_peer(c) == PROC_ROUTER)
		route_up(q, c);
	else
		agent_up(q, c);
	if ((PROC_BIT(ipc_chan_peer(c)) & SENDERS) != 0)
		space_tell(q, c);
}

void
queue_peer_down(struct queue *q, struct ipc_chan *c)
{
	for (unsigned i = 0; i < q->chan_count; i++) {
		if (q->chans[i] != c)
			continue;
		q->chans[i] = q->chans[--q->chan_count];
		break;
	}
	admin_peer_down(q, c);
	intake_peer_down(q, c);
	large_peer_down(q, c);
	route_down(q, c);
	agent_down(q, c);
}

void
queue_peer_drained(struct queue *q, struct ipc_chan *c)
{
	if (ipc_chan_peer(c) == PROC_ROUTER)
		route_up(q, c);
	agent_drained(q, c);
	admin_drained(q, c);
}

void
queue_frame(struct queue *q, struct ipc_chan *c, struct ipc_frame *f)
{
	static const struct {
		uint16_t type;
		void (*run)(
		    struct queue *q, struct ipc_chan *c, struct ipc_frame *f);
	} rows[] = {
		{ IPC_SUBMIT, intake_submit },
		{ IPC_SUBMIT_MORE, intake_more },
		{ IPC_RESULT, agent_result },
		{ IPC_CREDIT, agent_credit },
		{ IPC_PEER_STATE, agent_peer_state },
		{ IPC_LARGE_ASK, large_ask },
		{ IPC_LARGE_DROP, large_drop },
		{ IPC_ADMIN_ASK, admin_ask },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (rows[i].type == f->type) {
			rows[i].run(q, c, f);
			return;
		}
	}
	ipc_chan_fail(c, "unexpected message");
}

void
queue_reload(struct queue *q, const struct config *config)
{
	q->config = config;
	recent_clear(&q->routing.recent, clock_boot_ms());
	sched_reload(&q->sched, config);
	if (q->ready)
		space_update(q);
	queue_set_timer(q);
}

/* -- stop ---------------------------------------------------------------- */

void
queue_check_stop(struct queue *q)
{
	void (*drained)(void *arg) = q->on_drained;

	if (!q->stopping || drained == NULL || q->agents.active > 0 ||
	    q->intake.commit_count > 0 || !log_idle(&q->log))
		return;
	q->on_drained = NULL;
	drained(q->drained_arg);
}

static void
stop_event(evutil_socket_t fd, short what, void *arg)
{
	struct queue *q = arg;
	void (*drained)(void *arg) = q->on_drained;

	(void)fd;
	(void)what;
	queue_check_stop(q);
	if (q->on_drained == NULL)
		return;
	if (clock_boot_ms() < q->stop_by_ms) {
		(void)event_add(q->on_tick, &(struct timeval){ 0, 20000 });
		return;
	}
	log_warn("event=stop-overdue jobs=%zu commits=%zu", q->agents.active,
	    q->intake.commit_count);
	q->on_drained = NULL;
	drained(q->drained_arg);
}

void
queue_stop(
    struct queue *q, uint32_t grace_ms, void (*drained)(void *arg), void *arg)
{
	q->stopping = true;
	q->on_drained = drained;
	q->drained_arg = arg;
	/* A little earlier than whoever waits for us loses patience. */
	q->stop_by_ms = clock_boot_ms() + grace_ms - grace_ms / 8;
	space_update(q);
	free_event(q->on_tick);
	q->on_tick = event_new(q->base, -1, 0, stop_event, q);
	if (q->on_tick == NULL ||
	    event_add(q->on_tick, &(struct timeval){ 0, 1000 }) == -1)
		drained(arg);
}

void
queue_status(const struct queue *q, char *text, size_t cap)
{
	(void)snprintf(text, cap,
	    "mails=%zu active=%zu held=%zu corrupt=%llu accepted=%llu "
	    "finished=%llu segments=%u free=%u intake=%u",
	    q->mails.count, q->agents.active, q->mails.held,
	    (unsigned long long)q->counts.corrupt,
	    (unsigned long long)q->counts.accepted,
	    (unsigned long long)q->counts.finished, q->log.seg_count,
	    q->log.free_count, q->space.now.code);
}
