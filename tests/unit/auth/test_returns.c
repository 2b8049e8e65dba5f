#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/returns.h"

static const struct ticket_worth pip = {
	.service = 2, .uid = 100000, .user = "pip@x.test", .home = "x.test/pip"
};

static struct returns *r;
static unsigned char k[TICKET_SIZE];

static int
set_up(void **state)
{
	(void)state;
	r = returns_new();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	returns_free(r);
	return 0;
}

static bool
issue(uint32_t front, int64_t now)
{
	const struct return_terms terms = {
		.front = front, .now_ms = now, .life_ms = 1000, .most = 3
	};

	return returns_issue(r, &pip, &terms, k);
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

	if (!returns_redeem(r, ticket(), service, now, &w))
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
	assert_int_equal(returns_of(r, pip.uid), 1);
	assert_true(redeem(2, 1));
	assert_int_equal(returns_of(r, pip.uid), 0);
	assert_false(redeem(2, 1));
}

static void
good_for_its_service_its_time_and_to_the_last_bit(void **state)
{
	(void)state;
	assert_true(issue(1, 0));
	assert_false(redeem(3, 1));
	assert_false(redeem(2, 1)); /* a try is a use */
	assert_true(issue(1, 0));
	assert_false(redeem(2, 1000));
	assert_true(issue(1, 0));
	k[TICKET_SIZE - 1] ^= 1;
	assert_false(redeem(2, 1));
	k[TICKET_SIZE - 1] ^= 1;
	assert_true(redeem(2, 1)); /* a wrong guess takes nothing away */
}

static void
a_user_has_so_many_and_old_ones_make_room(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(issue(1, i));
	assert_false(issue(1, 3));
	assert_true(issue(1, 1000));
	assert_int_equal(returns_count(r), 3);
}

static void
what_is_dropped_is_worth_nothing(void **state)
{
	(void)state;
	assert_true(issue(1, 0));
	returns_drop(r, slice_sub(ticket(), 0, TICKET_SIZE - 1));
	assert_int_equal(returns_count(r), 1);
	returns_drop(r, ticket());
	assert_false(redeem(2, 1));
	assert_int_equal(returns_count(r), 0);
}

static void
a_front_takes_its_own_along(void **state)
{
	(void)state;
	assert_true(issue(7, 0));
	assert_true(issue(8, 0));
	returns_drop_front(r, 3, 8);
	returns_drop_front(r, 2, 7);
	assert_int_equal(returns_count(r), 1);
	assert_true(redeem(2, 1));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(good_once),
		T(good_for_its_service_its_time_and_to_the_last_bit),
		T(a_user_has_so_many_and_old_ones_make_room),
		T(what_is_dropped_is_worth_nothing),
		T(a_front_takes_its_own_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
