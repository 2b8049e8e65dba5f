#include <stdio.h>
#include <string.h>

#include "common/ipc/messages.h"
#include "relay/mx.h"
#include "tests/unit/cmocka.h"

static struct buf records;

static void
add(uint16_t preference, const char *name)
{
	const struct ipc_dns_record r = { .preference = preference,
		.data = slice_str(name) };

	assert_int_equal(ipc_dns_record_put(&r, &records), 0);
}

static int
setup(void **state)
{
	(void)state;
	buf_init(&records, 60000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_free(&records);
	return 0;
}

static void
hosts_come_by_preference(void **state)
{
	struct mx m;

	(void)state;
	add(20, "c");
	add(10, "b");
	add(5, "a");
	mx_read(&m, buf_slice(&records), "us.test");
	assert_int_equal(m.count, 3);
	assert_string_equal(m.hosts[0].name, "a");
	assert_string_equal(m.hosts[1].name, "b");
	assert_string_equal(m.hosts[2].name, "c");
	assert_false(m.null || m.loops);
}

static void
equals_come_in_random_order(void **state)
{
	unsigned first = 0;

	(void)state;
	add(10, "a");
	add(10, "b");
	for (int i = 0; i < 200; i++) {
		struct mx m;

		mx_read(&m, buf_slice(&records), "us.test");
		first += strcmp(m.hosts[0].name, "a") == 0;
	}
	assert_in_range(first, 50, 150);
}

static void
null_mx_alone_takes_no_mail(void **state)
{
	struct mx m;

	(void)state;
	add(0, ".");
	mx_read(&m, buf_slice(&records), "us.test");
	assert_true(m.null);
	add(10, "a");
	mx_read(&m, buf_slice(&records), "us.test");
	assert_false(m.null);
	assert_int_equal(m.count, 1);
}

static void
hosts_from_ourselves_on_are_cut_off(void **state)
{
	struct mx m;

	(void)state;
	add(5, "a");
	add(10, "Us.test");
	add(10, "peer");
	add(20, "b");
	mx_read(&m, buf_slice(&records), "us.test");
	assert_int_equal(m.count, 1);
	assert_false(m.loops);
	buf_truncate(&records, 0);
	add(10, "us.test");
	add(20, "b");
	mx_read(&m, buf_slice(&records), "us.test");
	assert_int_equal(m.count, 0);
	assert_true(m.loops);
}

static void
five_hundred_hosts_are_capped(void **state)
{
	struct mx m;

	(void)state;
	for (uint16_t i = 0; i < 500; i++)
		add((uint16_t)(1000 - i), "host");
	mx_read(&m, buf_slice(&records), "us.test");
	assert_int_equal(m.count, MX_HOSTS_MAX);
}

static void
group_is_the_set_of_hosts(void **state)
{
	char a[MX_GROUP_MAX];
	char b[MX_GROUP_MAX];
	struct mx m;

	(void)state;
	add(10, "b.test");
	add(20, "a.test");
	mx_read(&m, buf_slice(&records), "us.test");
	mx_group(&m, a);
	assert_string_equal(a, "a.test,b.test");
	mx_single(&m, "a.test");
	mx_group(&m, a);
	assert_string_equal(a, "");
	for (int i = 0; i < 20; i++) {
		char name[80];

		(void)snprintf(name, sizeof(name), "host%d.%050d.test", i, 0);
		add(30, name);
	}
	mx_read(&m, buf_slice(&records), "us.test");
	mx_group(&m, a);
	mx_read(&m, buf_slice(&records), "us.test");
	mx_group(&m, b);
	assert_true(strlen(a) < MX_GROUP_MAX);
	assert_non_null(strchr(a, '#'));
	m.hosts[m.count - 1].name[0] = 'x';
	mx_group(&m, b);
	assert_string_not_equal(a, b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hosts_come_by_preference),
		TEST(equals_come_in_random_order),
		TEST(null_mx_alone_takes_no_mail),
		TEST(hosts_from_ourselves_on_are_cut_off),
		TEST(five_hundred_hosts_are_capped),
		TEST(group_is_the_set_of_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
