#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/base64.h"
#include "common/base/buf.h"
#include "common/login/sasl.h"

static enum sasl_result
feed(struct sasl *s, struct slice plain, struct credentials *who)
{
	struct buf b = BUF_INIT(8192);
	enum sasl_result r;

	assert_int_equal(base64_encode(&b, plain), 0);
	r = sasl_respond(s, buf_slice(&b), who);
	buf_free(&b);
	return r;
}

static void
plain_takes_three_parts(void **state)
{
	struct credentials who = { .secret_len = 0 };
	struct sasl s;

	(void)state;
	assert_true(sasl_begin(&s, SLICE("plain")));
	assert_string_equal(sasl_challenge(&s), "");
	assert_int_equal(
	    feed(&s, SLICE("a\0pip@example.test\0secret"), &who), SASL_DONE);
	assert_string_equal(who.authzid, "a");
	assert_string_equal(who.user, "pip@example.test");
	assert_string_equal(who.secret, "secret");
	assert_int_equal(who.secret_len, 6);
}

static void
plain_refuses_what_is_not_three_parts(void **state)
{
	static const struct {
		const char *p;
		size_t n;
	} bad[] = {
		{ "", 0 }, { "a", 1 }, { "\0", 1 }, { "\0a", 2 },
		{ "\0\0b", 3 },      /* no user */
		{ "\0a\0b\0c", 6 },  /* NUL in the password */
		{ "\0a\nb\0c", 6 },  /* control character in the name */
		{ "\0\xff\0c", 4 },  /* not UTF-8 */
		{ "\x01\0a\0c", 5 }, /* control character in authzid */
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_LEN(bad); i++) {
		struct credentials who = { .secret_len = 0 };
		struct sasl s;

		assert_true(sasl_begin(&s, SLICE("PLAIN")));
		assert_int_equal(
		    feed(&s, slice_of(bad[i].p, bad[i].n), &who), SASL_REFUSED);
		assert_int_equal(who.secret[0], 0);
	}
}

static void
limits_hold_at_the_byte(void **state)
{
	char text[2 + LOGIN_NAME_MAX + LOGIN_SECRET_MAX + 8];
	struct credentials who;
	struct sasl s;
	size_t user;
	size_t secret;

	(void)state;
	for (user = LOGIN_NAME_MAX - 1; user <= LOGIN_NAME_MAX + 1; user++) {
		for (secret = LOGIN_SECRET_MAX - 1;
		     secret <= LOGIN_SECRET_MAX + 1; secret++) {
			size_t n = 2 + user + secret;

			memset(text, 'x', sizeof(text));
			text[0] = '\0';
			text[1 + user] = '\0';
			assert_true(sasl_begin(&s, SLICE("PLAIN")));
			assert_int_equal(feed(&s, slice_of(text, n), &who),
			    user <= LOGIN_NAME_MAX && secret <= LOGIN_SECRET_MAX
				? SASL_DONE
				: SASL_REFUSED);
		}
	}
}

static void
login_asks_twice(void **state)
{
	struct credentials who = { .secret_len = 0 };
	struct sasl s;

	(void)state;
	assert_true(sasl_begin(&s, SLICE("LOGIN")));
	assert_string_equal(sasl_challenge(&s), "VXNlcm5hbWU6");
	assert_int_equal(feed(&s, SLICE("pip"), &who), SASL_CHALLENGE);
	assert_string_equal(sasl_challenge(&s), "UGFzc3dvcmQ6");
	assert_int_equal(feed(&s, SLICE("pw"), &who), SASL_DONE);
	assert_string_equal(who.user, "pip");
	assert_string_equal(who.secret, "pw");
	assert_string_equal(who.authzid, "");
}

static void
star_cancels_and_rubbish_is_bad(void **state)
{
	struct credentials who = { .secret_len = 0 };
	struct sasl s;

	(void)state;
	assert_true(sasl_begin(&s, SLICE("PLAIN")));
	assert_int_equal(sasl_respond(&s, SLICE("*"), &who), SASL_CANCELLED);
	assert_true(sasl_begin(&s, SLICE("PLAIN")));
	assert_int_equal(sasl_respond(&s, SLICE("!!!!"), &who), SASL_BAD);
	assert_true(sasl_begin(&s, SLICE("PLAIN")));
	assert_int_equal(sasl_respond(&s, SLICE("AGEAYg"), &who), SASL_BAD);
	/* "=" is the empty response only where RFC 4959 says so. */
	assert_true(sasl_begin(&s, SLICE("LOGIN")));
	assert_int_equal(sasl_respond(&s, SLICE("="), &who), SASL_BAD);
	assert_true(sasl_begin(&s, SLICE("PLAIN")));
	assert_int_equal(sasl_initial(&s, SLICE("="), &who), SASL_REFUSED);
	assert_false(sasl_begin(&s, SLICE("NTLM")));
	assert_false(sasl_begin(&s, SLICE_EMPTY));
	assert_int_equal(
	    sasl_respond(&s, SLICE("AGEAYg=="), &who), SASL_REFUSED);
}

static void
a_thousand_exchanges_leave_nothing_behind(void **state)
{
	struct credentials who = { .secret_len = 0 };
	struct sasl s;
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		assert_true(sasl_begin(&s, SLICE("LOGIN")));
		assert_int_equal(feed(&s, SLICE("a"), &who), SASL_CHALLENGE);
		assert_true(sasl_begin(&s, SLICE("PLAIN")));
		assert_int_equal(feed(&s, SLICE("a"), &who), SASL_REFUSED);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_takes_three_parts),
		cmocka_unit_test(plain_refuses_what_is_not_three_parts),
		cmocka_unit_test(limits_hold_at_the_byte),
		cmocka_unit_test(login_asks_twice),
		cmocka_unit_test(star_cancels_and_rubbish_is_bad),
		cmocka_unit_test(a_thousand_exchanges_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
