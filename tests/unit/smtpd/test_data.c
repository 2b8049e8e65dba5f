/* Chunks, and the file for a large mail. */
#include "tests/unit/smtpd/house.h"

#define CHUNK "BDAT 4000\r\n"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_mail_in_small_chunks_goes_into_a_file),
		cmocka_unit_test(small_chunks_without_a_file_are_refused_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
