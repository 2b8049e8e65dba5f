#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/config/config.h"
#include "router/verdict.h"
#include "tests/unit/router/fake.h"

static const char config_text[] =
    "hostname = \"mx.example.test\"\n"
    "domains = {\"example.test\", \"virtual.test\", "
    "\"xn--bcher-kva.test\"}\n"
    "relay-domains = {\"backup.test\", \"xn--strae-oqa.test\", \"gone.test\", \"boxes.test\"}\n"
    "networks = {\"192.0.2.0/24\"}\n";

static struct fake_row table[] = {
	{ MAP_MAILBOXES, "pip@example.test", "100000 example.test/pip" },
	{ MAP_MAILBOXES, "evil@example.test", "0 example.test/evil" },
	{ MAP_MAILBOXES, "dots@example.test", "100001 ../etc" },
	{ MAP_MAILBOXES, "joe@boxes.test", "100002 boxes.test/joe" },
	{ MAP_MAILBOXES, "sick@example.test", NULL },
	{ MAP_MAILBOXES, "pip@xn--bcher-kva.test", "100003 b/pip" },
	{ MAP_ALIASES, "sales", "pip" },
	{ MAP_ALIASES, "sickalias", NULL },
	{ MAP_VIRTUAL, "info@virtual.test", "pip@example.test" },
	{ MAP_VIRTUAL, "out@away.test", "pip@example.test" },
	{ MAP_TRANSPORT, "gone.test", "error:5.1.6 moved away" },
	{ MAP_TRANSPORT, "boxes.test", "local:" },
	{ MAP_TRANSPORT, "split@example.test", "relay:[other.test]" },
	{ MAP_TRANSPORT, "*", "relay:[smart.test]" },
	{ -1, NULL, NULL },
};

/* A foreigner is a stranger who says SMTPUTF8. */
enum who { STRANGER, FOREIGNER, NEIGHBOUR, USER, LIAR };

struct row {
	enum who who;
	const char *address;
	unsigned code;
	const char *enhanced;
};

static struct config *config;

static int
setup(void **state)
{
	struct buf problems = BUF_INIT(65536);

	(void)state;
	config = config_parse(slice_str(config_text), &problems);
	if (config == NULL)
		print_error("%s", buf_str(&problems));
	buf_free(&problems);
	return config == NULL ? -1 : 0;
}

static int
teardown(void **state)
{
	(void)state;
	config_free(config);
	return 0;
}

static void
check(enum ipc_stage stage, const struct row *r)
{
	struct lookup l = fake_lookup(table);
	struct ipc_verdict_ask ask = { .stage = (uint8_t)stage,
		.smtputf8 = r->who == FOREIGNER };
	struct verdict v;

	ask.client =
	    r->who == NEIGHBOUR ? SLICE("192.0.2.7") : SLICE("198.51.100.9");
	if (r->who == USER || r->who == LIAR)
		ask.user = SLICE("pip@example.test");
	if (stage == STAGE_MAIL)
		ask.sender = slice_str(r->address);
	else
		ask.recipient = slice_str(r->address);
	verdict_decide(config, &l, &ask, r->who == USER, &v);
	if (v.code != r->code || strcmp(v.enhanced, r->enhanced) != 0)
		print_error(
		    "%s: %u %s %s\n", r->address, v.code, v.enhanced, v.text);
	assert_int_equal(v.code, r->code);
	assert_string_equal(v.enhanced, r->enhanced);
	assert_string_not_equal(v.text, "");
}

static void
recipients(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ STRANGER, "pip@example.test", 250, "2.1.5" },
		{ STRANGER, "PIP@Example.Test", 250, "2.1.5" },
		{ STRANGER, "pip+books@example.test", 250, "2.1.5" },
		{ STRANGER, "sales@example.test", 250, "2.1.5" },
		{ STRANGER, "sales+x@virtual.test", 250, "2.1.5" },
		{ STRANGER, "info@virtual.test", 250, "2.1.5" },
		{ STRANGER, "postmaster", 250, "2.1.5" },
		{ STRANGER, "Postmaster@example.test", 250, "2.1.5" },
		{ STRANGER, "postmaster@away.test", 554, "5.7.1" },
		{ STRANGER, "nobody@example.test", 550, "5.1.1" },
		{ USER,     "nobody@example.test", 550, "5.1.1" },
		{ STRANGER, "+pip@example.test", 550, "5.1.1" },
		{ STRANGER, "pip@virtual.test", 550, "5.1.1" },
		{ STRANGER, "split@example.test", 250, "2.1.5" },
		{ STRANGER, "sick@example.test", 451, "4.3.0" },
		{ STRANGER, "sickalias@example.test", 451, "4.3.0" },
		{ STRANGER, "evil@example.test", 451, "4.3.0" },
		{ STRANGER, "dots@example.test", 451, "4.3.0" },
		{ STRANGER, "joe@away.test", 554, "5.7.1" },
		{ LIAR,     "joe@away.test", 554, "5.7.1" },
		{ NEIGHBOUR, "joe@away.test", 250, "2.1.5" },
		{ USER,     "joe@away.test", 250, "2.1.5" },
		{ STRANGER, "out@away.test", 554, "5.7.1" },
		{ STRANGER, "joe@sub.example.test", 554, "5.7.1" },
		{ STRANGER, "joe@backup.test", 250, "2.1.5" },
		{ STRANGER, "joe@gone.test", 550, "5.1.6" },
		{ USER,     "joe@gone.test", 550, "5.1.6" },
		{ STRANGER, "joe@boxes.test", 250, "2.1.5" },
		{ STRANGER, "tom@boxes.test", 550, "5.1.1" },
		{ STRANGER, "joe@[192.0.2.1]", 554, "5.7.1" },
		{ USER,     "joe@[192.0.2.1]", 250, "2.1.5" },
		/* tricks to have us relay */
		{ STRANGER, "joe%away.test@example.test", 550, "5.1.1" },
		{ STRANGER, "\"joe@away.test\"@example.test", 550, "5.1.1" },
		{ STRANGER, "away.test!joe@example.test", 550, "5.1.1" },
		{ STRANGER, "joe%away.test@backup.test", 554, "5.7.1" },
		{ STRANGER, "\"joe@away.test\"@backup.test", 554, "5.7.1" },
		{ STRANGER, "away.test!joe@backup.test", 554, "5.7.1" },
		{ STRANGER, "@example.test:joe@away.test", 554, "5.7.1" },
		{ STRANGER, "@away.test:pip@example.test", 250, "2.1.5" },
		{ STRANGER, "|/bin/id@example.test", 550, "5.1.1" },
		/* no addresses */
		{ STRANGER, "", 501, "5.1.3" },
		{ STRANGER, "joe", 501, "5.1.3" },
		{ STRANGER, "joe@", 501, "5.1.3" },
		{ STRANGER, "joe@a b", 501, "5.1.3" },
		{ STRANGER, "p\xc3\xafp@example.test", 553, "5.6.7" },
		/* domains in both of their forms */
		{ STRANGER, "pip@xn--bcher-kva.test", 250, "2.1.5" },
		{ FOREIGNER, "pip@bücher.test", 250, "2.1.5" },
		{ FOREIGNER, "pip@BÜCHER.test", 250, "2.1.5" },
		{ FOREIGNER, "joe@bücher.test", 550, "5.1.1" },
		{ FOREIGNER, "joe@straße.test", 250, "2.1.5" },
		{ FOREIGNER, "joe@café.test", 554, "5.7.1" },
		{ STRANGER, "pip@bücher.test", 553, "5.6.7" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(STAGE_RCPT, &rows[i]);
}

static void
senders(void **state)
{
	/* clang-format off */
	static const struct row rows[] = {
		{ STRANGER, "", 250, "2.1.0" },
		{ STRANGER, "a@b.test", 250, "2.1.0" },
		{ STRANGER, "a@[192.0.2.1]", 250, "2.1.0" },
		{ STRANGER, "a@localhost", 553, "5.1.7" },
		{ NEIGHBOUR, "a@localhost", 250, "2.1.0" },
		{ USER, "a@localhost", 250, "2.1.0" },
		{ STRANGER, "a", 501, "5.1.7" },
		{ STRANGER, "a@b..test", 501, "5.1.7" },
		{ STRANGER, "\xc3\xaf@b.test", 553, "5.6.7" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(STAGE_MAIL, &rows[i]);
}

static void
vrfy_tells_no_more_than_rcpt(void **state)
{
	static const struct row rows[] = {
		{ STRANGER, "pip@example.test", 252, "2.1.5" },
		{ STRANGER, "nobody@example.test", 550, "5.1.1" },
		{ STRANGER, "joe@away.test", 252, "2.1.5" },
		{ STRANGER, "sick@example.test", 451, "4.3.0" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		check(STAGE_VRFY, &rows[i]);
}

static void
unknown_stage_is_put_off(void **state)
{
	static const struct row row = { STRANGER, "a@b.test", 451, "4.3.0" };

	(void)state;
	check((enum ipc_stage)99, &row);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recipients),
		cmocka_unit_test(senders),
		cmocka_unit_test(vrfy_tells_no_more_than_rcpt),
		cmocka_unit_test(unknown_stage_is_put_off),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
