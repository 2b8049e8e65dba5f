/* How often syncs come, who goes first, and what goes with its queue. */
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/ipc/chan.h"
#include "deliver/drop.h"
#include "deliver/pipeline.h"
#include "tests/unit/deliver/home.h"

#define PACE_MS 20 /* as deliver/README.md says */
#define RUN_MS  (10 * PACE_MS)

static struct {
	char path[TMP_PATH];
	int root;
	struct event_base *base;
	struct pipeline *pipeline;
	struct pipeline *all[8]; /* for ever: they end with the process */
	unsigned count;
	atomic_uint syncs;
	atomic_bool stalled;    /* no sync ends, for ten seconds at most */
	uint32_t numbers;       /* of recipients */
	struct ipc_chan *queue; /* where jobs come from; NULL: nowhere */
	unsigned results;       /* queue was told */
	unsigned credits;
	bool left;
} house;

/* In the place of the C library's: here only their number counts. */
int
syncfs(int fd)
{
	(void)fd;
	atomic_fetch_add(&house.syncs, 1);
	for (int ms = 0; atomic_load(&house.stalled) && ms < 10000; ms++)
		(void)usleep(1000);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	log_level(LOG_FAIL);
	(void)umask(DROP_UMASK);
	house.root = home_make(house.path);
	home_add(house.root, "other");
	house.base = event_base_new();
	assert_non_null(house.base);
	house.pipeline = pipeline_new(house.base, house.root);
	assert_true(house.count < ARRAY_LEN(house.all));
	house.all[house.count++] = house.pipeline;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fd_close(house.root);
	assert_int_equal(tmp_remove(house.path), 0);
	return 0;
}

/* A mail for one user, so many times. */
static void
deliver_to(const char *home, uint32_t count)
{
	struct work *w = xcalloc(1, sizeof(*w));

	home_mail(w, xcalloc(count, sizeof(*w->rcpts)));
	w->rcpt_count = count;
	w->c = house.queue;
	for (uint32_t i = 0; i < count; i++) {
		w->rcpts[i] = w->rcpts[0];
		w->rcpts[i].number = house.numbers++;
		w->rcpts[i].home = slice_str(home);
	}
	pipeline_add(house.pipeline, w);
}

/*
 * A mail every millisecond, none of which would find another one's sync
 * still to come. Two in each space of time: for what was written, and for
 * the names of that where nothing new has been written yet.
 */
static void
syncs_keep_their_distance(void **state)
{
	int64_t start = clock_boot_ms();
	int64_t last = start;
	int64_t now = start;

	(void)state;
	while (now < start + RUN_MS) {
		if (now != last)
			deliver_to("home", 1);
		last = now;
		(void)event_base_loop(house.base, EVLOOP_NONBLOCK);
		(void)usleep(200);
		now = clock_boot_ms();
	}
	assert_in_range(atomic_load(&house.syncs), 1,
	    2 * ((now - start) / PACE_MS + 1) + 1);
	while (pipeline_jobs(house.pipeline) > 0)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	assert_true(house.numbers > 0);
}

static unsigned
count_new(const char *home)
{
	struct dirent *e;
	unsigned n = 0;
	char path[128];
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/%s/drop/new", house.path, home);
	d = opendir(path);
	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static void
mail_for_one_does_not_wait_for_one_for_many(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		deliver_to("home", 100);
	deliver_to("other", 1);
	while (count_new("other") == 0)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	assert_in_range(count_new("home"), 1, 300); /* one round of many */
	while (pipeline_jobs(house.pipeline) > 0)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	assert_int_equal(count_new("home"), 1000);
}

/* Who takes the queue over gives what was not written out again. */
static void
what_is_not_written_goes_with_its_queue(void **state)
{
	unsigned before;

	(void)state;
	atomic_store(&house.stalled, true);
	deliver_to("home", 1000);
	(void)event_base_loop(house.base, EVLOOP_NONBLOCK);
	pipeline_forget(house.pipeline, NULL);
	atomic_store(&house.stalled, false);
	while (pipeline_jobs(house.pipeline) > 0)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	before = count_new("home");
	assert_in_range(before, 1, 999);
	deliver_to("home", 1);
	while (pipeline_jobs(house.pipeline) > 0)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	assert_int_equal(count_new("home"), before + 1);
}

static void
on_result(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	(void)arg;
	(void)c;
	(void)f;
	house.results++;
}

static void
on_credit(void *arg, struct ipc_chan *c, struct ipc_frame *f)
{
	(void)arg;
	(void)c;
	(void)f;
	house.credits++;
}

static void
on_left(void *arg)
{
	(void)arg;
	house.left = true;
}

static void
who_leaves_gives_no_credit_back(void **state)
{
	static const struct ipc_handler handlers[] = {
		{ IPC_RESULT, on_result },
		{ IPC_CREDIT, on_credit },
		{ 0, NULL },
	};
	static const struct ipc_ops ops = { handlers, NULL, NULL };
	const struct ipc_result last = { .status = STATUS_DONE };
	struct ipc_chan *theirs;
	int fds[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	house.queue =
	    ipc_chan_new(house.base, fds[0], PROC_DELIVER, PROC_QUEUE, 0);
	ipc_chan_ops(house.queue, &ops, NULL);
	theirs = ipc_chan_new(house.base, fds[1], PROC_QUEUE, PROC_DELIVER, 0);
	ipc_chan_ops(theirs, &ops, NULL);
	deliver_to("home", 1);
	while (house.credits == 0)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	deliver_to("home", 1);
	pipeline_when_empty(house.pipeline, on_left, NULL);
	while (!house.left)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	assert_int_equal(ipc_send_msg(house.queue, result, 0, 0, &last), 0);
	while (house.results < 3)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	assert_int_equal(house.credits, 1);
	ipc_chan_close(house.queue);
	ipc_chan_close(theirs);
	house.queue = NULL;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    syncs_keep_their_distance, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    mail_for_one_does_not_wait_for_one_for_many, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    what_is_not_written_goes_with_its_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    who_leaves_gives_no_credit_back, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
