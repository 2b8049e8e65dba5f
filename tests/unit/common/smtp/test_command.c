#include "common/smtp/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/smtp/xtext.h"

#define ALL                                                                    \
	(SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 |               \
	    SMTP_EXT_DSN | SMTP_EXT_AUTH)

static struct smtp_mail m;
static struct smtp_rcpt r;

/* The enhanced code of the error, "" when it is fine. */
static const char *
mail(const char *arg)
{
	const struct smtp_status *s = smtp_parse_mail(&m, slice_str(arg), ALL);

	return s == NULL ? "" : s->enhanced;
}

static unsigned
mail_code(const char *arg, unsigned extensions)
{
	const struct smtp_status *s =
	    smtp_parse_mail(&m, slice_str(arg), extensions);

	return s == NULL ? 250 : s->code;
}

static const char *
rcpt(const char *arg)
{
	const struct smtp_status *s =
	    smtp_parse_rcpt(&r, slice_str(arg), ALL, false);

	return s == NULL ? "" : s->enhanced;
}

static void
a_line_is_a_verb_and_an_argument(void **state)
{
	struct slice verb;
	struct slice arg;

	(void)state;
	smtp_split(SLICE("mail  FROM:<a@b> \t"), &verb, &arg);
	assert_true(slice_eq(verb, SLICE("mail")));
	assert_true(slice_eq(arg, SLICE("FROM:<a@b>")));
	smtp_split(SLICE(""), &verb, &arg);
	assert_int_equal(verb.len, 0);
	assert_int_equal(arg.len, 0);
}

static void
mail_takes_all_parameters(void **state)
{
	(void)state;
	assert_string_equal(
	    mail("FROM:<pip@example.test> SIZE=1000 BODY=8BITMIME RET=HDRS "
		 "ENVID=a+2Bb smtputf8 AUTH=<>"),
	    "");
	assert_string_equal(m.sender.local, "pip");
	assert_int_equal(m.size, 1000);
	assert_int_equal(m.body, SMTP_BODY_8BITMIME);
	assert_int_equal(m.ret, SMTP_RET_HDRS);
	assert_true(m.smtputf8);
	assert_string_equal(m.envid, "a+2Bb");
	assert_string_equal(mail("FROM:<>"), "");
	assert_int_equal(m.sender.kind, PATH_NULL);
	assert_string_equal(mail("from: <a@b>"), "");
	assert_string_equal(mail("FROM:a@b SIZE=1"), "");
	assert_string_equal(mail("FROM:<@x,@y:a@b>"), "");
	assert_string_equal(m.sender.domain, "b");
	assert_string_equal(mail("FROM:<a@b> SIZE=18446744073709551616"), "");
	assert_true(m.size == UINT64_MAX);
}

static void
mail_refuses_what_is_wrong(void **state)
{
	(void)state;
	assert_string_equal(mail(""), "5.5.4");
	assert_string_equal(mail("TO:<a@b>"), "5.5.4");
	assert_string_equal(mail("FROM:"), "5.1.7");
	assert_string_equal(mail("FROM:<a@b"), "5.1.7");
	assert_string_equal(mail("FROM:<a@b>>"), "5.1.7");
	assert_string_equal(mail("FROM:<<a@b>"), "5.1.7");
	assert_string_equal(mail("FROM:<a@b>SIZE=1"), "5.1.7");
	assert_string_equal(mail("FROM:<a@b> SIZE=1 SIZE=2"), "5.5.4");
	assert_string_equal(mail("FROM:<a@b> SIZE="), "5.5.4");
	assert_string_equal(mail("FROM:<a@b> SIZE"), "5.5.4");
	assert_string_equal(mail("FROM:<a@b> SIZE=-1"), "5.5.4");
	assert_string_equal(
	    mail("FROM:<a@b> SIZE=123456789012345678901"), "5.5.4");
	assert_string_equal(mail("FROM:<a@b> SMTPUTF8=1"), "5.5.4");
	assert_string_equal(mail("FROM:<a@b> BODY=BINARYMIME"), "5.5.4");
	assert_string_equal(mail("FROM:<a@b> ENVID=a=b"), "5.5.4");
	assert_string_equal(mail("FROM:<a@b> AUTH=x+0Ay"), "5.5.4");
	assert_int_equal(mail_code("FROM:<a@b> X=1", ALL), 555);
	assert_int_equal(mail_code("FROM:<a@b> NOTIFY=NEVER", ALL), 555);
	assert_int_equal(mail_code("FROM:<a@b> AUTH=<>", SMTP_EXT_SIZE), 555);
	assert_int_equal(mail_code("FROM:<\xc3\xa4@b>", ALL), 553);
	assert_int_equal(mail_code("FROM:<\xc3\xa4@b> SMTPUTF8", ALL), 250);
	assert_int_not_equal(mail_code("FROM:<\xff@b> SMTPUTF8", ALL), 250);
}

static void
limits_are_exact(void **state)
{
	char envid[200];
	char text[300];

	(void)state;
	memset(envid, 'a', sizeof(envid));
	envid[SMTP_ENVID_MAX] = '\0';
	(void)snprintf(text, sizeof(text), "FROM:<a@b> ENVID=%s", envid);
	assert_string_equal(mail(text), "");
	envid[SMTP_ENVID_MAX] = 'a';
	envid[SMTP_ENVID_MAX + 1] = '\0';
	(void)snprintf(text, sizeof(text), "FROM:<a@b> ENVID=%s", envid);
	assert_string_equal(mail(text), "5.5.4");
}

static void
rcpt_takes_all_parameters(void **state)
{
	(void)state;
	assert_string_equal(rcpt("TO:<a@b> NOTIFY=SUCCESS,DELAY "
				 "ORCPT=rfc822;a+2Bx@b"),
	    "");
	assert_int_equal(r.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
	assert_string_equal(r.orcpt, "rfc822;a+2Bx@b");
	assert_string_equal(rcpt("TO:<postmaster>"), "");
	assert_int_equal(r.recipient.kind, PATH_POSTMASTER);
	assert_string_equal(rcpt("TO:<\"a b\"@x>"), "");
	assert_string_equal(rcpt("TO:<\"\"@x>"), "");
}

static void
rcpt_refuses_what_is_wrong(void **state)
{
	(void)state;
	assert_string_equal(rcpt("TO:<>"), "5.1.3");
	assert_string_equal(rcpt("FROM:<a@b>"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> NOTIFY=NEVER,SUCCESS"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> NOTIFY=SUCCESS,"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> NOTIFY=,SUCCESS"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> NOTIFY=MAYBE"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> ORCPT=rfc822;a+00b"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> ORCPT=rfc822;a+0"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> ORCPT=rfc822"), "5.5.4");
	assert_string_equal(rcpt("TO:<a@b> ORCPT=;a@b"), "5.5.4");
	assert_string_equal(rcpt("TO:<\xc3\xa4@b>"), "5.6.7");
}

static void
bdat_sizes_are_exact(void **state)
{
	uint64_t size;
	bool last;

	(void)state;
	assert_null(smtp_parse_bdat(SLICE("0 LAST"), &size, &last));
	assert_true(last);
	assert_int_equal(size, 0);
	assert_null(smtp_parse_bdat(SLICE("1000"), &size, &last));
	assert_false(last);
	assert_int_equal(size, 1000);
	assert_non_null(smtp_parse_bdat(SLICE(""), &size, &last));
	assert_non_null(smtp_parse_bdat(SLICE("x"), &size, &last));
	assert_non_null(smtp_parse_bdat(SLICE("5 FIRST"), &size, &last));
	assert_non_null(smtp_parse_bdat(SLICE("5 LAST x"), &size, &last));
	assert_non_null(smtp_parse_bdat(SLICE("-1"), &size, &last));
	assert_non_null(
	    smtp_parse_bdat(SLICE("99999999999999999999"), &size, &last));
}

static void
helo_names(void **state)
{
	(void)state;
	assert_true(smtp_helo_valid(SLICE("mx.example.test")));
	assert_true(smtp_helo_valid(SLICE("[127.0.0.1]")));
	assert_true(smtp_helo_valid(SLICE("[IPv6:::1]")));
	assert_true(smtp_helo_valid(SLICE("my_pc")));
	assert_false(smtp_helo_valid(SLICE("")));
	assert_false(smtp_helo_valid(SLICE("a b")));
	assert_false(smtp_helo_valid(SLICE("a\"b")));
	assert_false(smtp_helo_valid(SLICE("a(b)")));
}

static void
xtext_round_trips(void **state)
{
	struct buf a = BUF_INIT(100);
	struct buf b = BUF_INIT(100);

	(void)state;
	assert_int_equal(smtp_xtext_encode(&a, SLICE("a+b= \xc3")), 0);
	assert_string_equal(buf_str(&a), "a+2Bb+3D+20+C3");
	assert_int_equal(smtp_xtext_decode(&b, buf_slice(&a), false), 0);
	assert_string_equal(buf_str(&b), "a+b= \xc3");
	assert_int_equal(smtp_xtext_decode(&b, SLICE("a+0A"), false), -1);
	assert_int_equal(smtp_xtext_decode(&b, SLICE("a+2b"), false), -1);
	assert_false(smtp_xtext_valid(SLICE("a b"), false));
	assert_false(smtp_xtext_valid(SLICE("\xc3\xa4"), false));
	assert_true(smtp_xtext_valid(SLICE("\xc3\xa4"), true));
	assert_false(smtp_xtext_valid(SLICE("\xc3"), true));
	buf_free(&a);
	buf_free(&b);
}

/* Every prefix of good lines: no crash, and nothing read behind the end. */
static void
prefixes_are_harmless(void **state)
{
	static const char *const lines[] = {
		"FROM:<@x,@y:\"a\\\"b\"@[IPv6:::1]> SIZE=1 BODY=7BIT "
		"ENVID=x+2B",
		"TO:<a@b> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x+2B",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		for (size_t n = 0; n <= strlen(lines[i]); n++) {
			char *copy = xcalloc(1, n + (n == 0));

			memcpy(copy, lines[i], n);
			(void)!smtp_parse_mail(&m, slice_of(copy, n), ALL);
			(void)!smtp_parse_rcpt(
			    &r, slice_of(copy, n), ALL, true);
			free(copy);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_a_verb_and_an_argument),
		cmocka_unit_test(mail_takes_all_parameters),
		cmocka_unit_test(mail_refuses_what_is_wrong),
		cmocka_unit_test(limits_are_exact),
		cmocka_unit_test(rcpt_takes_all_parameters),
		cmocka_unit_test(rcpt_refuses_what_is_wrong),
		cmocka_unit_test(bdat_sizes_are_exact),
		cmocka_unit_test(helo_names),
		cmocka_unit_test(xtext_round_trips),
		cmocka_unit_test(prefixes_are_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
