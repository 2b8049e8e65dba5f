#include "queue/parked.h"
#include "tests/unit/cmocka.h"

static void
mails_come_back_in_order(void **state)
{
	struct parked p = { .ids = NULL };
	struct qid id;

	(void)state;
	assert_false(parked_take(&p, &id));
	for (uint64_t i = 0; i < 200; i++)
		parked_add(&p, (struct qid){ i, 0 });
	assert_int_equal(parked_count(&p), 200);
	for (uint64_t i = 0; i < 200; i++) {
		assert_true(parked_take(&p, &id));
		assert_int_equal(id.time_us, i);
	}
	assert_false(parked_take(&p, &id));
	parked_free(&p);
}

static void
list_does_not_grow_by_turning(void **state)
{
	struct parked p = { .ids = NULL };
	struct qid id = { 0, 0 };
	uint64_t next = 0;

	(void)state;
	for (uint64_t i = 1; i <= 100000; i++) {
		parked_add(&p, (struct qid){ i, 0 });
		if (i <= 10)
			continue;
		assert_true(parked_take(&p, &id));
		assert_int_equal(id.time_us, ++next);
	}
	assert_in_range(p.cap, 11, 256);
	while (parked_take(&p, &id))
		assert_int_equal(id.time_us, ++next);
	assert_int_equal(next, 100000);
	parked_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_come_back_in_order),
		cmocka_unit_test(list_does_not_grow_by_turning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
