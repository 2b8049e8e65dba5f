#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/ticket.h"

static const struct ticket_worth pip = {
	.service = 2, .uid = 100000, .user = "pip@x.test", .home = "x.test/pip"
};

static bool
redeem(struct tickets *t, const unsigned char *ticket, uint8_t service,
    int64_t now)
{
	struct ticket_worth w;

	if (!tickets_redeem(t, slice_of(ticket, TICKET_SIZE), service, now, &w))
		return false;
	assert_int_equal(w.uid, pip.uid);
	assert_string_equal(w.user, pip.user);
	assert_string_equal(w.home, pip.home);
	return true;
}

static void
good_once(void **state)
{
	struct tickets *t = tickets_new();
	unsigned char k[TICKET_SIZE];

	(void)state;
	tickets_issue(t, &pip, 0, k);
	assert_true(redeem(t, k, 2, 1));
	assert_false(redeem(t, k, 2, 1));
	tickets_free(t);
}

static void
good_for_one_service_and_gone_when_tried_for_another(void **state)
{
	struct tickets *t = tickets_new();
	unsigned char k[TICKET_SIZE];

	(void)state;
	tickets_issue(t, &pip, 0, k);
	assert_false(redeem(t, k, 3, 1));
	assert_false(redeem(t, k, 2, 1));
	tickets_free(t);
}

static void
good_for_half_a_minute(void **state)
{
	struct tickets *t = tickets_new();
	unsigned char k[TICKET_SIZE];

	(void)state;
	tickets_issue(t, &pip, 0, k);
	assert_false(redeem(t, k, 2, TICKET_LIFE_MS));
	tickets_issue(t, &pip, 0, k);
	assert_true(redeem(t, k, 2, TICKET_LIFE_MS - 1));
	tickets_free(t);
}

static void
made_up_ones_are_worth_nothing(void **state)
{
	struct tickets *t = tickets_new();
	struct ticket_worth w;
	unsigned char k[TICKET_SIZE];

	(void)state;
	tickets_issue(t, &pip, 0, k);
	k[TICKET_SIZE - 1] ^= 1;
	assert_false(redeem(t, k, 2, 1));
	assert_false(tickets_redeem(t, slice_of(k, 31), 2, 1, &w));
	assert_false(tickets_redeem(t, SLICE_EMPTY, 2, 1, &w));
	tickets_free(t);
}

static void
oldest_makes_room(void **state)
{
	struct tickets *t = tickets_new();
	unsigned char first[TICKET_SIZE];
	unsigned char second[TICKET_SIZE];
	unsigned char k[TICKET_SIZE];

	(void)state;
	tickets_issue(t, &pip, 0, first);
	tickets_issue(t, &pip, 0, second);
	for (size_t i = 0; i < TICKETS_MAX - 1; i++)
		tickets_issue(t, &pip, 0, k);
	assert_false(redeem(t, first, 2, 1));
	assert_true(redeem(t, second, 2, 1));
	assert_true(redeem(t, k, 2, 1));
	tickets_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_once),
		cmocka_unit_test(
		    good_for_one_service_and_gone_when_tried_for_another),
		cmocka_unit_test(good_for_half_a_minute),
		cmocka_unit_test(made_up_ones_are_worth_nothing),
		cmocka_unit_test(oldest_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
