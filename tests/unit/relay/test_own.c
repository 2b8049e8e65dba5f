#include <ifaddrs.h>
#include <string.h>

#include "relay/own.h"
#include "tests/unit/cmocka.h"

static bool
has(const union target_address *own, size_t n, const struct sockaddr *a)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memcpy(&v4, a, sizeof(v4));
	if (a->sa_family == AF_INET6)
		memcpy(&v6, a, sizeof(v6));
	for (size_t i = 0; i < n; i++) {
		if (own[i].any.sa_family != a->sa_family)
			continue;
		if (a->sa_family == AF_INET
			? own[i].v4.sin_addr.s_addr == v4.sin_addr.s_addr
			: memcmp(&own[i].v6.sin6_addr, &v6.sin6_addr, 16) == 0)
			return true;
	}
	return false;
}

/* What netlink says, to whom may ask it. */
static void
addresses_are_those_the_kernel_has(void **state)
{
	union target_address own[256];
	size_t n = own_addresses(own, 256);
	struct ifaddrs *list;
	size_t found = 0;

	(void)state;
	assert_int_equal(getifaddrs(&list), 0);
	for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL ||
		    (i->ifa_addr->sa_family != AF_INET &&
			i->ifa_addr->sa_family != AF_INET6))
			continue;
		assert_true(has(own, n, i->ifa_addr));
		found++;
	}
	assert_int_equal(n, found);
	freeifaddrs(list);
}

static void
no_more_are_written_than_there_is_room_for(void **state)
{
	union target_address own[2] = { 0 };

	(void)state;
	assert_int_equal(own_addresses(own, 1), 1);
	assert_int_equal(own[1].any.sa_family, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_those_the_kernel_has),
		cmocka_unit_test(no_more_are_written_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
