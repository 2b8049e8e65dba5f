/* How often syncs come while mail keeps coming. */
#include <event2/event.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "deliver/drop.h"
#include "deliver/pipeline.h"
#include "tests/unit/deliver/home.h"

#define PACE_MS 20 /* as deliver/README.md says */
#define RUN_MS  (10 * PACE_MS)

static struct {
	char path[TMP_PATH];
	int root;
	struct event_base *base;
	struct pipeline
	    *pipeline; /* for ever: it has no end but its process's */
	atomic_uint syncs;
} house;

/* In the place of the C library's: here only their number counts. */
int
syncfs(int fd)
{
	(void)fd;
	atomic_fetch_add(&house.syncs, 1);
	return 0;
}

static int
setup(void **state)
{
	(void)state;
	log_level(LOG_FAIL);
	(void)umask(DROP_UMASK);
	house.root = home_make(house.path);
	house.base = event_base_new();
	assert_non_null(house.base);
	house.pipeline = pipeline_new(house.base, house.root);
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

static void
deliver_one(uint32_t number)
{
	struct work *w = xcalloc(1, sizeof(*w));

	home_mail(w, xcalloc(1, sizeof(*w->rcpts)));
	w->rcpts[0].number = number;
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
	uint32_t mails = 0;

	(void)state;
	while (now < start + RUN_MS) {
		if (now != last)
			deliver_one(mails++);
		last = now;
		(void)event_base_loop(house.base, EVLOOP_NONBLOCK);
		(void)usleep(200);
		now = clock_boot_ms();
	}
	assert_in_range(atomic_load(&house.syncs), 1,
	    2 * ((now - start) / PACE_MS + 1) + 1);
	while (pipeline_jobs(house.pipeline) > 0)
		(void)event_base_loop(house.base, EVLOOP_ONCE);
	assert_true(mails > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    syncs_keep_their_distance, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
