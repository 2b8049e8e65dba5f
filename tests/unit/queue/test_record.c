#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "queue/record.h"

static const struct qid id = { 7, 9 };

static struct envelope
sample(struct buf *rcpts)
{
	struct envelope e = { .id = id,
		.source = 1,
		.flags = 2,
		.ret = 1,
		.arrived = 1234567,
		.client = SLICE("192.0.2.1"),
		.helo = SLICE("there"),
		.sender = SLICE("a@b.example"),
		.envid = SLICE("x"),
		.count = 2,
		.content = SLICE("Subject: x\r\n\r\nhello\r\n") };
	const struct envelope_rcpt one = { .address = SLICE("c@d.example"),
		.orcpt = SLICE("rfc822;c@d.example"),
		.notify = 4 };
	const struct envelope_rcpt two = { .address = SLICE("e@f.example") };

	assert_int_equal(envelope_rcpt_put(&one, rcpts), 0);
	assert_int_equal(envelope_rcpt_put(&two, rcpts), 0);
	e.length = e.content.len;
	e.recipients = buf_slice(rcpts);
	return e;
}

/* A mail's body as the log holds it. */
static void
put_sample(struct buf *b)
{
	struct buf rcpts = BUF_INIT(1000);
	struct envelope e = sample(&rcpts);

	assert_int_equal(envelope_put(&e, b), 0);
	assert_int_equal(buf_append_slice(b, e.content), 0);
	buf_free(&rcpts);
}

static void
mail_comes_back_as_it_was(void **state)
{
	struct buf rcpts = BUF_INIT(1000);
	struct buf b = BUF_INIT(10000);
	struct envelope e = sample(&rcpts);
	struct envelope_rcpt r;
	struct envelope back;
	struct wire_in w;

	(void)state;
	put_sample(&b);
	assert_int_equal(envelope_get(&back, buf_slice(&b)), 0);
	assert_int_equal(qid_compare(back.id, e.id), 0);
	assert_int_equal(back.arrived, e.arrived);
	assert_true(slice_eq(back.sender, e.sender));
	assert_true(slice_eq(back.client, e.client));
	assert_true(slice_eq(back.content, e.content));
	assert_int_equal(back.count, 2);
	w = wire_in(back.recipients);
	assert_int_equal(envelope_rcpt_get(&r, &w), 0);
	assert_true(slice_eq(r.orcpt, SLICE("rfc822;c@d.example")));
	assert_int_equal(r.notify, 4);
	buf_free(&b);
	buf_free(&rcpts);
}

/* Into memory of exactly this size, so that a sanitizer sees a byte more. */
static bool
reads(const char *p, size_t n)
{
	char *copy = malloc(n == 0 ? 1 : n);
	struct envelope e;
	bool ok;

	memcpy(copy, p, n);
	ok = envelope_get(&e, slice_of(copy, n)) == 0;
	free(copy);
	return ok;
}

static void
mail_cut_anywhere_does_not_read(void **state)
{
	struct buf b = BUF_INIT(10000);

	(void)state;
	put_sample(&b);
	for (size_t n = 0; n < b.len; n++)
		assert_false(reads(b.data, n));
	assert_true(reads(b.data, b.len));
	assert_int_equal(buf_append_byte(&b, 0), 0);
	assert_false(reads(b.data, b.len));
	buf_free(&b);
}

static void
record_with_any_bit_flipped_is_seen(void **state)
{
	struct buf b = BUF_INIT(10000);
	struct record r;
	char *rec;
	size_t size;
	size_t n;

	(void)state;
	put_sample(&b);
	n = record_size(b.len);
	rec = calloc(1, n);
	record_frame(rec, RECORD_MAIL, b.len);
	memcpy(rec + RECORD_HEAD, b.data, b.len);
	assert_int_equal(record_stamp(rec, 77), n);
	assert_int_equal(
	    record_read(slice_of(rec, n), 77, &r, &size), RECORD_OK);
	assert_int_equal(size, n);
	assert_true(record_valid(&r));
	for (size_t bit = 0; bit < (RECORD_HEAD + b.len) * 8; bit++) {
		rec[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_not_equal(
		    record_read(slice_of(rec, n), 77, &r, &size), RECORD_OK);
		rec[bit / 8] ^= (char)(1 << bit % 8);
	}
	free(rec);
	buf_free(&b);
}

static void
record_of_another_nonce_is_none(void **state)
{
	char rec[64] = { 0 };
	struct record r;
	size_t size;

	(void)state;
	record_frame(rec, RECORD_END, RECORD_ID);
	(void)record_stamp(rec, record_seed("one", 3));
	assert_int_equal(
	    record_read(slice_of(rec, 64), record_seed("two", 3), &r, &size),
	    RECORD_BAD_HEAD);
	assert_int_equal(
	    record_read(slice_of(rec, 64), record_seed("one", 3), &r, &size),
	    RECORD_OK);
}

static void
record_cut_anywhere_is_not_whole(void **state)
{
	char rec[64] = { 0 };
	struct record r;
	size_t size;

	(void)state;
	record_frame(rec, RECORD_END, RECORD_ID);
	(void)record_stamp(rec, 5);
	for (size_t n = 0; n < RECORD_HEAD + RECORD_ID; n++)
		assert_int_not_equal(
		    record_read(slice_of(rec, n), 5, &r, &size), RECORD_OK);
}

static void
void_record_is_valid_and_is_no_mail(void **state)
{
	char rec[64] = { 0 };
	struct record r;
	size_t size;

	(void)state;
	record_frame(rec, RECORD_MAIL, 20);
	record_void(rec);
	(void)record_stamp(rec, 5);
	assert_int_equal(
	    record_read(slice_of(rec, 64), 5, &r, &size), RECORD_OK);
	assert_int_equal(r.kind, RECORD_VOID);
	assert_true(record_valid(&r));
}

static void
put_results(struct buf *b)
{
	const struct outcome done = { .number = 0, .status = RCPT_DONE };
	const struct outcome later = { .number = 1,
		.status = RCPT_WAITING,
		.flags = OUTCOME_WARNED,
		.attempts = 3,
		.next_s = 1000,
		.tried_s = 900,
		.code = 451,
		.enhanced = SLICE("4.2.0"),
		.text = SLICE("busy"),
		.remote = SLICE("mx[192.0.2.2]") };

	assert_int_equal(result_begin(id, RESULT_FINISHED, b), 0);
	assert_int_equal(outcome_put(&done, b), 0);
	assert_int_equal(outcome_put(&later, b), 0);
}

static void
results_come_back_as_they_were(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct outcome o;
	struct wire_in w;
	uint8_t flags;

	(void)state;
	put_results(&b);
	assert_int_equal(result_open(buf_slice(&b), &flags, &w), 0);
	assert_int_equal(flags, RESULT_FINISHED);
	assert_int_equal(outcome_get(&o, &w), 0);
	assert_int_equal(o.status, RCPT_DONE);
	assert_int_equal(outcome_get(&o, &w), 0);
	assert_int_equal(o.attempts, 3);
	assert_int_equal(o.next_s, 1000);
	assert_int_equal(o.flags, OUTCOME_WARNED);
	assert_true(slice_eq(o.remote, SLICE("mx[192.0.2.2]")));
	assert_int_equal(w.rest.len, 0);
	buf_free(&b);
}

/* Cut behind a row they are shorter results; cut elsewhere they are none. */
static void
results_cut_anywhere_never_read_beyond(void **state)
{
	struct buf b = BUF_INIT(1000);
	size_t valid = 0;

	(void)state;
	put_results(&b);
	for (size_t n = 0; n <= b.len; n++) {
		char *copy = malloc(n + 1);
		struct record r = { .kind = RECORD_RESULT,
			.body = slice_of(copy, n) };

		memcpy(copy, b.data, n);
		valid += record_valid(&r);
		free(copy);
	}
	assert_int_equal(valid, 3);
	buf_free(&b);
}

static void
expansions_come_back_and_lies_do_not_read(void **state)
{
	struct expansion x = { .number = 4,
		.what = EXPANSION_NEW,
		.parent = 1,
		.address = SLICE("a@b"),
		.sender = SLICE("owner@b") };
	struct buf b = BUF_INIT(1000);
	struct expansion back;
	struct wire_in w;

	(void)state;
	assert_int_equal(expanded_begin(id, &b), 0);
	assert_int_equal(expansion_put(&x, &b), 0);
	assert_int_equal(expanded_open(buf_slice(&b), &w), 0);
	assert_int_equal(expansion_get(&back, &w), 0);
	assert_true(slice_eq(back.sender, x.sender));
	x.parent = 4; /* its own parent */
	assert_int_equal(expansion_put(&x, &b), 0);
	assert_int_equal(expansion_get(&back, &w), -1);
	w = wire_in(slice_sub(buf_slice(&b), b.len - 27, 27));
	assert_int_equal(expansion_get(&back, &w), -1);
	buf_free(&b);
}

static void
count_of_recipients_that_lies_does_not_read(void **state)
{
	struct buf rcpts = BUF_INIT(1000);
	struct buf b = BUF_INIT(10000);
	struct envelope e = sample(&rcpts);
	struct envelope back;

	(void)state;
	e.count = 3;
	assert_int_equal(envelope_put(&e, &b), 0);
	assert_int_equal(buf_append_slice(&b, e.content), 0);
	assert_int_equal(envelope_get(&back, buf_slice(&b)), -1);
	buf_free(&b);
	buf_free(&rcpts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_comes_back_as_it_was),
		cmocka_unit_test(mail_cut_anywhere_does_not_read),
		cmocka_unit_test(record_with_any_bit_flipped_is_seen),
		cmocka_unit_test(record_of_another_nonce_is_none),
		cmocka_unit_test(record_cut_anywhere_is_not_whole),
		cmocka_unit_test(void_record_is_valid_and_is_no_mail),
		cmocka_unit_test(results_come_back_as_they_were),
		cmocka_unit_test(results_cut_anywhere_never_read_beyond),
		cmocka_unit_test(expansions_come_back_and_lies_do_not_read),
		cmocka_unit_test(count_of_recipients_that_lies_does_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
