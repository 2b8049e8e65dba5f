#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "auth/scheme.h"
#include "common/base/attr.h"

/* clang-format off */
/* Of the secret "portable property", made with cheap settings. */
static const char *const hashes[] = {
	"$y$j75$6OKT24t66fgBUdO.y77Kn1$Sxj3z/ODJT/QghiJnQXCmlJZDNREP60wjyZQvAThYE7",
	"$2b$04$lOgcUMjs6siWeIOw31OfgOmwfbx1.RqIUMUp3XhIMLaSSBwTdg5Y6",
	"$6$rounds=1000$0LPOG/p0GE3qbM/m$GWmmRVdaVkNEmIsb2nxprTZqIthBbC/uUnraKGDezEExh0PO8FOlMNIq3aOJP4FTgXhW5dI0JLS4vyUwPiXqI.",
	"$5$rounds=1000$CTqzTviDpcZVR/7Y$bBXEk4Gmg/gHVtaP96YzPP1fglFkRHyBdTpckKo/UE2",
	"$gy$j75$9fNsClQK0k3zdZ.q2np0p.$z5Qd8VHm6g0bRsMBp7PPG4qOQKsmPHa6HCAi0IYBt/6",
	"{PLAIN}portable property",
};
/* clang-format on */

#define assert_result(want, hash, secret)                                      \
	assert_int_equal((want), scheme_verify((hash), (secret)))

static void
every_scheme_knows_its_secret_and_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		assert_result(SCHEME_OK, hashes[i], "portable property");
		assert_result(SCHEME_BAD, hashes[i], "portable propertY");
		assert_result(SCHEME_BAD, hashes[i], "portable propert");
		assert_result(SCHEME_BAD, hashes[i], "");
	}
}

static void
what_is_no_hash_matches_nothing(void **state)
{
	static const char *const none[] = { "", "*", "!", "*0", "$", "$y$",
		"$6$", "$9$unknown$hash", "secret", "{PLAIN}", "x" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_result(SCHEME_BAD, none[i], "secret");
		assert_result(SCHEME_BAD, none[i], "");
		assert_result(SCHEME_BAD, none[i], none[i]);
	}
}

/* Its megabytes are mapped, so the process may have no more of them. */
static void
no_memory_is_no_wrong_password(void **state)
{
	const char *hash = "$y$j9T$6OKT24t66fgBUdO.y77Kn1"
			   "$udQIMOL2e63M8gqhYkE00roOO3DRfU7G6sS/5ksffzD";
	struct rlimit before;
	struct rlimit little;
	unsigned long pages = 0;
	FILE *f;

	(void)state;
#ifdef WM_SAN
	skip(); /* the sanitizers map terabytes */
#endif
	f = fopen("/proc/self/statm", "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	(void)fclose(f);
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	little = before;
	little.rlim_cur = (rlim_t)(pages + 256) * 4096;
	assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
	assert_result(SCHEME_UNKNOWN, hash, "portable property");
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	assert_result(SCHEME_BAD, hash, "portable property");
}

static void
only_plain_is_quick(void **state)
{
	(void)state;
	assert_false(scheme_is_slow("{PLAIN}x"));
	assert_true(scheme_is_slow("$y$x"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_scheme_knows_its_secret_and_no_other),
		cmocka_unit_test(what_is_no_hash_matches_nothing),
		cmocka_unit_test(no_memory_is_no_wrong_password),
		cmocka_unit_test(only_plain_is_quick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
