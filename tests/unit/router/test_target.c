#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "router/target.h"

static const struct {
	const char *in;
	const char *want; /* kind letter and text of each, '\n' after each */
} rows[] = {
	{ "", "" },
	{ " , ,", "" },
	{ "pip", "Apip\n" },
	{ "pip, joe@x.test", "Apip\nAjoe@x.test\n" },
	{ "pip joe\tbiddy", "Apip\nAjoe\nAbiddy\n" },
	{ "<pip@x.test>", "Apip@x.test\n" },
	{ "<>", "A\n" },
	{ "\"a b\"@x.test, c", "A\"a b\"@x.test\nAc\n" },
	{ "\"a,\\\" b\"@x.test", "A\"a,\\\" b\"@x.test\n" },
	{ "\\pip", "Lpip\n" },
	{ "@other.test", "Dother.test\n" },
	{ "|/bin/prog -a b, pip", "C|/bin/prog -a b\nApip\n" },
	{ "\"|/bin/prog a, b\"", "C|/bin/prog a, b\n" },
	{ "/var/mail/x", "F/var/mail/x\n" },
	{ "\"/var/mail/x y\"", "F/var/mail/x y\n" },
	{ ":include:/etc/x", "I:include:/etc/x\n" },
	{ "\"unclosed, x", "A\"unclosed, x\n" },
};

static void
targets_are_cut_at_commas_and_white_space(void **state)
{
	static const char letters[] = { [TARGET_ADDRESS] = 'A',
		[TARGET_DOMAIN] = 'D',
		[TARGET_LITERAL] = 'L',
		[TARGET_COMMAND] = 'C',
		[TARGET_FILE] = 'F',
		[TARGET_INCLUDE] = 'I' };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice rest = slice_str(rows[i].in);
		struct slice text;
		struct buf got = BUF_INIT(4096);
		enum target_kind k;

		while ((k = target_next(&rest, &text)) != TARGET_END)
			assert_int_equal(
			    buf_printf(&got, "%c%.*s\n", letters[k],
				(int)text.len, text.len ? text.p : ""),
			    0);
		assert_string_equal(buf_str(&got), rows[i].want);
		buf_free(&got);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_are_cut_at_commas_and_white_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
