#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/address/list.h"

/* Expected entries as text: `name|route|local|domain`, '-' for absent. */
struct row {
	const char *in;
	const char *want;
};

/* clang-format off */
static const struct row rows[] = {
	{ "", "" },
	{ "a@b", "-|-|a|b\n" },
	{ " a@b , c@d ", "-|-|a|b\n-|-|c|d\n" },
	{ "Pip <pip@x>", "Pip|-|pip|x\n" },
	{ "\"Pip, \\\"Sir\\\"\" <pip@x>", "Pip, \"Sir\"|-|pip|x\n" },
	{ "John Q. Public <j@x>", "John Q. Public|-|j|x\n" },
	{ "Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
	    "Pete|-|pete|silly.test\n" },
	{ "pip@x (Pip (the) \\(one\\))", "Pip (the) (one)|-|pip|x\n" },
	{ "A Group(Some people)\r\n  :Chris Jones <c@(Chris's host.)public.test>,"
	  " joe@x,\r\n John <jdoe@one.test> (my dear friend); (the end)",
	    "GROUP A Group\nChris Jones|-|c|public.test\n-|-|joe|x\n"
	    "John|-|jdoe|one.test\nEND\n" },
	{ "undisclosed-recipients:;", "GROUP undisclosed-recipients\nEND\n" },
	{ "a:b@c", "GROUP a\n-|-|b|c\nEND\n" },
	{ "Mary <@machine.tld,@b:mary@x>, , j@t . example",
	    "Mary|@machine.tld,@b|mary|x\n-|-|j|t.example\n" },
	{ "j . doe @ x . test", "-|-|j.doe|x.test\n" },
	{ "\"j . doe\"@x", "-|-|j . doe|x\n" },
	{ "a@[192.0.2.1]", "-|-|a|[192.0.2.1]\n" },
	{ "pip", "-|-|pip|-\n" },
	{ "<>", "-|-||-\n" },
	{ "Pip <>", "Pip|-||-\n" },
	{ "<pip>", "-|-|pip|-\n" },
	{ "a@b <c@d>", "a@b|-|c|d\n" },
	{ "\"\" <c@d>", "-|-|c|d\n" },
	{ "<a@b", "-|-|a|b\n" },
	{ "\"unterminated <a@b>", "-|-|unterminated <a@b>|-\n" },
	{ "(unterminated a@b", "" },
	{ "Pip \\", "-|-|Pip \\|-\n" },
	{ ",;,>", "" },
	{ "a;b", "-|-|a|-\n-|-|b|-\n" },
	{ "=?utf-8?q?P=C3=AFp?= <p@x>", "=?utf-8?q?P=C3=AFp?=|-|p|x\n" },
	{ "P\xc3\xafp <p@x>", "P\xc3\xafp|-|p|x\n" },
	{ "a <b@c> d <e@f>, g@h", "a|-|b|c\n-|-|g|h\n" },
	{ "a@b@c", "-|-|a@b|c\n" },
};
/* clang-format on */

static void
show(struct buf *b, struct slice s, char end)
{
	assert_int_equal(buf_append_slice(b, s.p == NULL ? SLICE("-") : s), 0);
	assert_int_equal(buf_append_byte(b, end), 0);
}

static void
render(struct buf *b, struct slice value)
{
	struct address_list l;
	struct address a;

	address_list_open(&l, value);
	while (address_list_next(&l, &a)) {
		if (a.kind == ADDRESS_GROUP_END) {
			assert_int_equal(buf_append_str(b, "END\n"), 0);
		} else if (a.kind == ADDRESS_GROUP) {
			assert_int_equal(buf_append_str(b, "GROUP "), 0);
			show(b, a.name, '\n');
		} else {
			show(b, a.name, '|');
			show(b, a.route, '|');
			show(b, a.local, '|');
			show(b, a.domain, '\n');
		}
	}
	address_list_close(&l);
}

static void
every_row_gives_its_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf b = BUF_INIT(4096);

		render(&b, slice_str(rows[i].in));
		if (strcmp(buf_str(&b), rows[i].want) != 0)
			fail_msg("%s\ngave\n%s", rows[i].in, buf_str(&b));
		buf_free(&b);
	}
}

static void
prefixes_never_read_beyond_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t n = 1; n < strlen(rows[i].in); n++) {
			struct buf b = BUF_INIT(4096);
			char *copy = malloc(n);

			memcpy(copy, rows[i].in, n);
			render(&b, slice_of(copy, n));
			free(copy);
			buf_free(&b);
		}
	}
}

static size_t
count_entries(const char *piece, size_t times)
{
	struct buf b = BUF_INIT(16 << 20);
	struct address_list l;
	struct address a;
	size_t n = 0;

	for (size_t i = 0; i < times; i++)
		assert_int_equal(buf_append_str(&b, piece), 0);
	address_list_open(&l, buf_slice(&b));
	while (address_list_next(&l, &a))
		n++;
	address_list_close(&l);
	buf_free(&b);
	return n;
}

static void
huge_lists_are_cut_and_linear(void **state)
{
	(void)state;
	assert_int_equal(count_entries("a@b,", 1000000), ADDRESS_LIST_MAX);
	assert_int_equal(count_entries("g:a@b;", 20000),
	    ADDRESS_LIST_MAX + ADDRESS_LIST_MAX / 2);
	assert_int_equal(count_entries("(", 1000000), 0);
	assert_int_equal(count_entries("\"", 1000001), 1);
	assert_int_equal(count_entries("<@", 1000000), 1);
	assert_int_equal(count_entries("<", 1000000), 1);
	assert_int_equal(count_entries(",:", 1000000), 1 + 1);
	assert_int_equal(count_entries(";>", 1000000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_gives_its_addresses),
		cmocka_unit_test(prefixes_never_read_beyond_the_end),
		cmocka_unit_test(huge_lists_are_cut_and_linear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
