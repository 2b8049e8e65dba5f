/* Chunks, the file for a large mail, and what is found in the bytes. */
#include "tests/unit/smtpd/house.h"

#include "smtpd/trace.h"

#define CHUNK "BDAT 4000\r\n"

int __real_trace_received(struct buf *b, const struct trace *t);
int __wrap_trace_received(struct buf *b, const struct trace *t);

static bool no_memory; /* for what goes before a content */

int
__wrap_trace_received(struct buf *b, const struct trace *t)
{
	if (!no_memory)
		return __real_trace_received(b, t);
	errno = ENOMEM;
	return -1;
}

/* A chunk that comes whole with its command, as small ones do. */
static void
send_chunk(struct house *h)
{
	char chunk[sizeof(CHUNK) - 1 + 4000];
	char *text = chunk + sizeof(CHUNK) - 1;

	memcpy(chunk, CHUNK, sizeof(CHUNK) - 1);
	memset(text, 'x', 3998);
	memcpy(text + 3998, "\r\n", 2);
	house_send(h, chunk, sizeof(chunk));
}

static void
a_large_mail_in_small_chunks_goes_into_a_file(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO ENVELOPE);
	house_send(h, "BDAT 14\r\nSubject: x\r\n\r\n", 23);
	play(h, "S: 250 2.0.0 Chunk\n");
	for (int i = 0; i < 250; i++) {
		send_chunk(h);
		play(h, "S: 250 2.0.0 Chunk\n");
	}
	play(h, "C: BDAT 0 LAST\nS: 250 2.0.0 Ok\n");
	assert_int_equal(h->large_asks, 1);
	assert_int_equal(h->large, 77);
	assert_true(h->length > 1000000);
	house_free(h);
}

static void
small_chunks_without_a_file_are_refused_once(void **state)
{
	struct house *h = house_new(false, "");
	int chunks = 0;

	(void)state;
	h->large_code = 452;
	play(h, HELLO ENVELOPE);
	house_send(h, "BDAT 14\r\nSubject: x\r\n\r\n", 23);
	play(h, "S: 250 2.0.0 Chunk\n");
	while (h->large_asks == 0 && chunks++ < 250) {
		send_chunk(h);
		if (h->large_asks == 0)
			play(h, "S: 250 2.0.0 Chunk\n");
	}
	play(h, "S: 452 4.3.1\n-:\nC: NOOP\nS: 250\n");
	house_free(h);
}

/* A 554 would be the end of the mail: it was the moment that was wrong. */
static void
a_chunk_without_memory_is_refused_for_now(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	play(h, HELLO ENVELOPE);
	no_memory = true;
	play(h, "C: BDAT 6\nC: four\nS: 452 4.3.1\n-:\n" ENVELOPE);
	play(h, "C: DATA\nS: 452 4.3.1\n");
	no_memory = false;
	play(h, ENVELOPE "C: BDAT 6 LAST\nC: four\nS: 250 2.0.0\n");
	play(h, "C: BDAT 6\nC: four\nS: 503 5.5.1\n");
	house_free(h);
}

/* Wherever they stand: they are looked at eight at a time. */
static void
eight_bit_bytes_are_told_where_the_client_did_not(void **state)
{
	struct house *h = house_new(false, "");
	char text[] = "x: abcdefghijk\r\n\r\nabcdefghijk\r\n";

	(void)state;
	play(h, HELLO);
	for (size_t i = 3; i < sizeof(text); i++) {
		if (text[i - 1] < 'a')
			continue;
		text[i - 1] = (char)0xe9;
		play(h, ENVELOPE "C: DATA\nS: 354\n");
		house_send(h, text, strlen(text));
		play(h, "C: .\nS: 250\n");
		assert_int_equal(h->flags, IPC_MAIL_8BIT);
		text[i - 1] = 'x';
	}
	play(h, ENVELOPE "C: DATA\nS: 354\n");
	house_send(h, text, strlen(text));
	play(h, "C: .\nS: 250\n");
	assert_int_equal(h->flags, 0);
	house_free(h);
}

/* The client sends until a file is asked for, and is no more. */
static void
leave_while_a_file_is_asked_for(struct house *h)
{
	struct slice key;
	size_t at = 0;
	void *value;

	h->large_silent = true;
	play(h, HELLO ENVELOPE);
	house_send(h, "BDAT 14\r\nSubject: x\r\n\r\n", 23);
	play(h, "S: 250 2.0.0 Chunk\n");
	while (h->large_asks == 0) {
		send_chunk(h);
		if (h->large_asks == 0)
			play(h, "S: 250 2.0.0 Chunk\n");
	}
	assert_true(map_next(&h->smtpd.sessions, &at, &key, &value));
	session_close(value, "reset");
	house_turn(h);
}

static void
a_file_that_comes_too_late_is_given_back(void **state)
{
	const struct ipc_large_file m = { .code = 250, .large = 77 };
	struct house *h = house_new(false, "");

	(void)state;
	leave_while_a_file_is_asked_for(h);
	assert_int_equal(h->large_drops, 0);
	assert_int_equal(
	    ipc_send_msg_fd(h->queue, large_file, IPC_REPLY, h->large_request,
		&m, memfd_create("large", MFD_CLOEXEC)),
	    0);
	house_turn(h);
	assert_int_equal(h->large_drops, 1);
	house_free(h);
}

static void
queue_dies_before_a_late_file_comes(void **state)
{
	struct house *h = house_new(false, "");

	(void)state;
	leave_while_a_file_is_asked_for(h);
	ipc_chan_close(h->queue);
	house_turn(h);
	house_connect_queue(h);
	house_turn(h);
	assert_int_equal(h->large_drops, 0);
	house_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_mail_in_small_chunks_goes_into_a_file),
		cmocka_unit_test(small_chunks_without_a_file_are_refused_once),
		cmocka_unit_test(a_chunk_without_memory_is_refused_for_now),
		cmocka_unit_test(
		    eight_bit_bytes_are_told_where_the_client_did_not),
		cmocka_unit_test(a_file_that_comes_too_late_is_given_back),
		cmocka_unit_test(queue_dies_before_a_late_file_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
