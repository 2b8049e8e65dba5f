#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/ticket.h"

#define TICKETS 4 /* tickets in all */

static const struct ticket_worth pip = {
	.service = 2, .uid = 100000, .user = "pip@x.test", .home = "x.test/pip"
};

static struct tickets *t;
static unsigned char k[TICKET_SIZE];

static int
set_up(void **state)
{
	(void)state;
	t = tickets_new(TICKETS, TICKETS_REFUSE);
	return 0;
}

static int
set_up_for_logins(void **state)
{
	(void)state;
	t = tickets_new(TICKETS, TICKETS_DROP_OLDEST);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	tickets_free(t);
	return 0;
}

static bool
issue_of(uint32_t uid, uint32_t front, int64_t now)
{
	const struct ticket_terms terms = {
		.front = front, .now_ms = now, .life_ms = 1000, .most = 3
	};
	struct ticket_worth worth = pip;

	worth.uid = uid;
	return tickets_issue(t, &worth, &terms, k);
}

static bool
issue(uint32_t front, int64_t now)
{
	return issue_of(pip.uid, front, now);
}

static struct slice
ticket(void)
{
	return slice_of(k, sizeof(k));
}

static bool
redeem(uint8_t service, int64_t now)
{
	struct ticket_worth w;

	if (!tickets_redeem(t, ticket(), service, now, &w))
		return false;
	assert_int_equal(w.uid, pip.uid);
	assert_int_equal(w.service, pip.service);
	assert_string_equal(w.user, pip.user);
	assert_string_equal(w.home, pip.home);
	return true;
}

static void
good_once(void **state)
{
	(void)state;
	assert_true(issue(1, 0));
	assert_int_equal(tickets_of(t, pip.uid), 1);
	assert_true(redeem(2, 1));
	assert_int_equal(tickets_of(t, pip.uid), 0);
	assert_false(redeem(2, 1));
}

static void
good_for_one_service_and_gone_when_tried_for_another(void **state)
{
	(void)state;
	assert_true(issue(1, 0));
	assert_false(redeem(3, 1));
	assert_false(redeem(2, 1));
}

static void
good_for_its_time(void **state)
{
	(void)state;
	assert_true(issue(1, 0));
	assert_false(redeem(2, 1000));
	assert_true(issue(1, 0));
	assert_true(redeem(2, 999));
}

static void
made_up_ones_are_worth_nothing_and_take_nothing_away(void **state)
{
	struct ticket_worth w;

	(void)state;
	assert_true(issue(1, 0));
	k[TICKET_SIZE - 1] ^= 1;
	assert_false(redeem(2, 1));
	assert_false(tickets_redeem(
	    t, slice_sub(ticket(), 0, TICKET_SIZE - 1), 2, 1, &w));
	assert_false(tickets_redeem(t, SLICE_EMPTY, 2, 1, &w));
	k[TICKET_SIZE - 1] ^= 1;
	assert_true(redeem(2, 1));
}

static void
a_user_has_so_many_and_old_ones_make_room(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(issue(1, i));
	assert_false(issue(1, 3));
	assert_true(issue(1, 1000));
	assert_int_equal(tickets_count(t), 3);
}

static void
there_are_so_many_in_all(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < TICKETS; i++)
		assert_true(issue_of(pip.uid + i, 1, 0));
	assert_false(issue_of(pip.uid + TICKETS, 1, 0));
	assert_true(issue_of(pip.uid + TICKETS, 1, 1000));
	assert_int_equal(tickets_count(t), 1);
}

static void
of_logins_the_oldest_makes_room(void **state)
{
	unsigned char keep[TICKET_SIZE];

	(void)state;
	assert_true(issue(1, 0));
	memcpy(keep, k, sizeof(k));
	for (uint32_t i = 1; i <= TICKETS; i++)
		assert_true(issue_of(pip.uid + i, 1, 0));
	assert_int_equal(tickets_count(t), TICKETS);
	assert_int_equal(tickets_of(t, pip.uid), 0);
	assert_int_equal(tickets_of(t, pip.uid + 1), 1);
	memcpy(k, keep, sizeof(k));
	assert_false(redeem(2, 1));
}

static void
what_is_dropped_is_worth_nothing(void **state)
{
	(void)state;
	assert_true(issue(1, 0));
	tickets_drop(t, slice_sub(ticket(), 0, TICKET_SIZE - 1));
	assert_int_equal(tickets_count(t), 1);
	tickets_drop(t, ticket());
	assert_false(redeem(2, 1));
	assert_int_equal(tickets_count(t), 0);
}

static void
a_front_takes_its_own_along(void **state)
{
	(void)state;
	assert_true(issue(7, 0));
	assert_true(issue(8, 0));
	tickets_drop_front(t, 3, 8);
	tickets_drop_front(t, 2, 7);
	assert_int_equal(tickets_count(t), 1);
	assert_true(redeem(2, 1));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(good_once),
		T(good_for_one_service_and_gone_when_tried_for_another),
		T(good_for_its_time),
		T(made_up_ones_are_worth_nothing_and_take_nothing_away),
		T(a_user_has_so_many_and_old_ones_make_room),
		T(there_are_so_many_in_all),
		cmocka_unit_test_setup_teardown(of_logins_the_oldest_makes_room,
		    set_up_for_logins, tear_down),
		T(what_is_dropped_is_worth_nothing),
		T(a_front_takes_its_own_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
