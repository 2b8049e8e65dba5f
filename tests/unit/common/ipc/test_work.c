#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/ipc/work.h"

static struct buf payload;
static struct buf list;

static void
rcpt(uint32_t number, const char *address)
{
	const struct ipc_work_rcpt r = { .number = number,
		.address = slice_str(address) };

	assert_int_equal(ipc_work_rcpt_put(&r, &list), 0);
}

static struct ipc_frame
frame(uint16_t type, uint16_t flags, uint32_t request)
{
	return (struct ipc_frame){ .type = type,
		.flags = flags,
		.request = request,
		.payload = buf_slice(&payload),
		.fd = -1 };
}

static struct ipc_frame
first(uint16_t flags, uint64_t length, const char *content)
{
	struct ipc_work m = { .job = 7, .length = length };

	m.recipients = buf_slice(&list);
	m.content = slice_str(content);
	m.id = SLICE("QID");
	buf_truncate(&payload, 0);
	assert_int_equal(ipc_work_encode(&m, &payload), 0);
	return frame(IPC_WORK, flags, 3);
}

static struct ipc_frame
further(uint16_t flags, const char *content)
{
	struct ipc_work_more m = { .content = slice_str(content) };

	m.recipients = buf_slice(&list);
	buf_truncate(&payload, 0);
	assert_int_equal(ipc_work_more_encode(&m, &payload), 0);
	return frame(IPC_WORK_MORE, flags, 3);
}

static int
setup(void **state)
{
	(void)state;
	buf_init(&payload, IPC_MAX_PAYLOAD);
	buf_init(&list, 60000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&payload);
	buf_free(&list);
	return 0;
}

static void
one_frame_is_whole(void **state)
{
	struct work_intake in = WORK_INTAKE_INIT;
	struct ipc_frame f;
	struct work *w;
	char text[16];

	(void)state;
	rcpt(1, "a@b");
	rcpt(2, "c@d");
	f = first(0, 5, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), 1);
	buf_truncate(&payload, 0);
	assert_int_equal(w->m.job, 7);
	assert_true(slice_eq(w->m.id, SLICE("QID")));
	assert_int_equal(w->rcpt_count, 2);
	assert_true(slice_eq(w->rcpts[1].address, SLICE("c@d")));
	assert_int_equal(work_read(w, 3, text, sizeof(text)), 2);
	assert_memory_equal(text, "lo", 2);
	assert_int_equal(work_read(w, 5, text, sizeof(text)), 0);
	work_free(w);
	work_intake_clear(&in);
}

/* The first frame of a job of one recipient, which more follow. */
static void
begin(struct work_intake *in, uint64_t length, const char *content)
{
	struct ipc_frame f;
	struct work *w;

	rcpt(1, "a@b");
	f = first(IPC_MORE, length, content);
	assert_int_equal(work_take(in, NULL, &f, &w), 0);
	buf_truncate(&list, 0);
}

static void
frames_are_joined_in_order(void **state)
{
	struct work_intake in = WORK_INTAKE_INIT;
	struct ipc_frame f;
	struct work *w;

	(void)state;
	begin(&in, 9, "one");
	rcpt(2, "c@d");
	f = further(IPC_MORE, "two");
	assert_int_equal(work_take(&in, NULL, &f, &w), 0);
	buf_truncate(&list, 0);
	f = further(0, "six");
	assert_int_equal(work_take(&in, NULL, &f, &w), 1);
	assert_int_equal(w->rcpt_count, 2);
	assert_true(slice_eq(w->rcpts[0].address, SLICE("a@b")));
	assert_true(slice_eq(w->content, SLICE("onetwosix")));
	work_free(w);
	work_intake_clear(&in);
}

static void
wrong_length_no_recipient_and_stray_frames_are_refused(void **state)
{
	struct work_intake in = WORK_INTAKE_INIT;
	struct ipc_frame f;
	struct work *w;

	(void)state;
	f = first(0, 5, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), -1);
	rcpt(1, "a@b");
	f = first(0, 4, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), -1);
	f = further(0, "x");
	assert_int_equal(work_take(&in, NULL, &f, &w), -1);
	f = first(IPC_MORE, 5, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), 0);
	f = first(0, 5, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), -1);
	f = first(IPC_MORE, 5, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), 0);
	work_intake_clear(&in);
}

static void
frames_without_end_are_refused(void **state)
{
	struct work_intake in = WORK_INTAKE_INIT;
	struct ipc_frame f;
	struct work *w;

	(void)state;
	begin(&in, 5, "hello");
	for (int i = 1; i < WORK_FRAMES_MAX; i++) {
		f = further(IPC_MORE, "");
		assert_int_equal(work_take(&in, NULL, &f, &w), 0);
	}
	assert_int_equal(work_take(&in, NULL, &f, &w), -1);
	assert_null(in.partial);
}

static void
the_frames_of_a_job_come_in_a_row(void **state)
{
	struct work_intake in = WORK_INTAKE_INIT;
	struct ipc_frame f;
	struct work *w;

	(void)state;
	rcpt(1, "a@b");
	f = first(IPC_MORE, 5, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), 0);
	f.request++;
	assert_int_equal(work_take(&in, NULL, &f, &w), -1);
	f = first(IPC_MORE, 10, "hello");
	assert_int_equal(work_take(&in, NULL, &f, &w), 0);
	buf_truncate(&list, 0);
	f = further(0, "world");
	f.request++;
	assert_int_equal(work_take(&in, NULL, &f, &w), -1);
	assert_null(in.partial);
}

static void
descriptor_is_read_from_its_start(void **state)
{
	struct work_intake in = WORK_INTAKE_INIT;
	struct ipc_work m = { .length = 3 };
	struct ipc_frame f;
	struct work *w;
	char text[16];
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	assert_int_equal(write(fileno(file), "abc", 3), 3);
	rcpt(1, "a@b");
	m.recipients = buf_slice(&list);
	m.sha256 = SLICE("01234567890123456789012345678901");
	assert_int_equal(ipc_work_encode(&m, &payload), 0);
	f = frame(IPC_WORK, IPC_FD, 1);
	f.fd = dup(fileno(file));
	assert_int_equal(work_take(&in, NULL, &f, &w), 1);
	assert_int_equal(f.fd, -1);
	assert_int_equal(work_length(w), 3);
	assert_int_equal(work_read(w, 0, text, sizeof(text)), 3);
	assert_int_equal(ftruncate(fileno(file), 1), 0);
	assert_int_equal(work_read(w, 1, text, sizeof(text)), -1);
	assert_int_equal(work_read(w, 3, text, sizeof(text)), 0);
	work_free(w);
	fclose(file);
	work_intake_clear(&in);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_frame_is_whole),
		TEST(frames_are_joined_in_order),
		TEST(wrong_length_no_recipient_and_stray_frames_are_refused),
		TEST(frames_without_end_are_refused),
		TEST(the_frames_of_a_job_come_in_a_row),
		TEST(descriptor_is_read_from_its_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
