#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "auth/hasher.h"
#include "common/base/mem.h"

static struct {
	struct event_base *base;
	unsigned done;
	unsigned ok;
	unsigned want;
} seen;

static void
on_done(struct hasher_job *job)
{
	seen.done++;
	seen.ok += job->result == SCHEME_OK;
	assert_string_equal(job->secret, "");
	free(job);
	if (seen.done == seen.want)
		(void)event_base_loopbreak(seen.base);
}

static struct hasher_job *
job_new(const char *hash, const char *secret, bool real)
{
	struct hasher_job *job = xcalloc(1, sizeof(*job));

	memcpy(job->hash, hash, strlen(hash) + 1);
	memcpy(job->secret, secret, strlen(secret) + 1);
	job->real = real;
	return job;
}

static struct hasher *
start(unsigned threads)
{
	struct hasher *p;

	memset(&seen, 0, sizeof(seen));
	seen.base = event_base_new();
	assert_non_null(seen.base);
	p = hasher_new(seen.base, threads,
	    eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), on_done);
	assert_non_null(p);
	return p;
}

static void
jobs_come_back_with_the_answer(void **state)
{
	struct hasher *p = start(3);

	(void)state;
	seen.want = 90;
	for (unsigned i = 0; i < 30; i++) {
		assert_int_equal(
		    hasher_submit(p, job_new("{PLAIN}a", "a", true)), 0);
		assert_int_equal(
		    hasher_submit(p, job_new("{PLAIN}a", "b", true)), 0);
		assert_int_equal(
		    hasher_submit(p, job_new("{PLAIN}a", "a", false)), 0);
	}
	assert_int_equal(event_base_dispatch(seen.base), 0);
	assert_int_equal(seen.done, 90);
	assert_int_equal(seen.ok, 30);
	hasher_free(p);
	event_base_free(seen.base);
}

/* Slow enough that the queue fills behind it. */
static void
full_queue_refuses(void **state)
{
	static const char slow[] =
	    "$2b$09$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
	struct hasher *p = start(1);
	unsigned taken = 0;
	struct hasher_job *last = NULL;

	(void)state;
	for (unsigned i = 0; i < HASHER_JOBS_MAX + 10 && last == NULL; i++) {
		struct hasher_job *job = job_new(slow, "x", true);

		if (hasher_submit(p, job) == 0)
			taken++;
		else
			last = job;
	}
	assert_non_null(last);
	free(last);
	assert_true(taken >= HASHER_JOBS_MAX);
	hasher_free(p);
	event_base_free(seen.base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_come_back_with_the_answer),
		cmocka_unit_test(full_queue_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
