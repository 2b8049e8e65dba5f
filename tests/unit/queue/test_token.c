#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "queue/token.h"

static void
make(unsigned char token[TOKEN_BYTES], uint32_t n)
{
	memset(token, 0, TOKEN_BYTES);
	memcpy(token, &n, sizeof(n));
}

static void
known_token_gets_its_id_and_another_none(void **state)
{
	unsigned char token[TOKEN_BYTES];
	struct tokens t;
	struct qid id;

	(void)state;
	tokens_init(&t);
	make(token, 1);
	assert_false(token_find(&t, token, 1, &id));
	token_add(&t, token, 1, (struct qid){ 5, 6 });
	assert_true(token_find(&t, token, 1, &id));
	assert_int_equal(id.time_us, 5);
	make(token, 2);
	assert_false(token_find(&t, token, 1, &id));
	tokens_free(&t);
}

static void
token_of_another_source_is_another(void **state)
{
	unsigned char token[TOKEN_BYTES];
	struct tokens t;
	struct qid id;

	(void)state;
	tokens_init(&t);
	make(token, 1);
	token_add(&t, token, 1, (struct qid){ 5, 6 });
	assert_false(token_find(&t, token, 5, &id));
	token_add(&t, token, 5, (struct qid){ 7, 8 });
	assert_true(token_find(&t, token, 1, &id));
	assert_int_equal(id.time_us, 5);
	token_drop(&t, token, 1);
	assert_true(token_find(&t, token, 5, &id));
	assert_int_equal(id.time_us, 7);
	tokens_free(&t);
}

static void
refused_token_is_forgotten(void **state)
{
	unsigned char token[TOKEN_BYTES];
	struct tokens t;
	struct qid id;

	(void)state;
	tokens_init(&t);
	make(token, 1);
	token_add(&t, token, 1, (struct qid){ 5, 6 });
	token_drop(&t, token, 1);
	token_drop(&t, token, 1);
	assert_false(token_find(&t, token, 1, &id));
	tokens_free(&t);
}

static void
the_last_ones_are_kept_and_older_ones_go(void **state)
{
	const uint32_t all = TOKEN_KEPT * 2 + 100;
	unsigned char token[TOKEN_BYTES];
	struct tokens t;
	struct qid id;

	(void)state;
	tokens_init(&t);
	for (uint32_t i = 0; i < all; i++) {
		make(token, i);
		token_add(&t, token, 1, (struct qid){ i, 0 });
		if (i % 3 == 0)
			token_drop(&t, token, 1);
	}
	for (uint32_t i = 0; i < all; i++) {
		bool there;

		make(token, i);
		there = token_find(&t, token, 1, &id);
		assert_int_equal(there, i % 3 != 0 && i >= all - TOKEN_KEPT);
		if (there)
			assert_int_equal(id.time_us, i);
	}
	tokens_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_token_gets_its_id_and_another_none),
		cmocka_unit_test(token_of_another_source_is_another),
		cmocka_unit_test(refused_token_is_forgotten),
		cmocka_unit_test(the_last_ones_are_kept_and_older_ones_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
