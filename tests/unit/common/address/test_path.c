#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/address/path.h"

#define ALL                                                                    \
	(PATH_ALLOW_NULL | PATH_ALLOW_POSTMASTER | PATH_ALLOW_UTF8 |           \
	    PATH_ALLOW_BARE)

struct row {
	const char *in;
	unsigned flags;
	enum path_result want;
	const char *text; /* canonical form when PATH_OK */
};

/* clang-format off */
static const struct row rows[] = {
	{ "<a@b>", 0, PATH_OK, "a@b" },
	{ "<Pip@Example.TEST>", 0, PATH_OK, "Pip@example.test" },
	{ "<a.b+c@d_e.f>", 0, PATH_OK, "a.b+c@d_e.f" },
	{ "<a%b!c|d;@x>", 0, PATH_SYNTAX, NULL },
	{ "<a%b!c|d@x>", 0, PATH_OK, "a%b!c|d@x" },
	{ "<\"a b\"@x>", 0, PATH_OK, "\"a b\"@x" },
	{ "<\"a\\\"b\"@x>", 0, PATH_OK, "\"a\\\"b\"@x" },
	{ "<\"a\\\\b\"@x>", 0, PATH_OK, "\"a\\\\b\"@x" },
	{ "<\"plain\"@x>", 0, PATH_OK, "plain@x" },
	{ "<\"a..b\"@x>", 0, PATH_OK, "\"a..b\"@x" },
	{ "<\"\"@x>", 0, PATH_OK, "\"\"@x" },
	{ "<\"|/bin/id\"@x>", 0, PATH_OK, "|/bin/id@x" },
	{ "<@x,@y.z:a@b>", 0, PATH_OK, "a@b" },
	{ "<@x:@y:a@b>", 0, PATH_SYNTAX, NULL },
	{ "<@x,a@b>", 0, PATH_SYNTAX, NULL },
	{ "<@x:a>", 0, PATH_SYNTAX, NULL },
	{ "<@>", 0, PATH_SYNTAX, NULL },
	{ "<>", PATH_ALLOW_NULL, PATH_OK, "" },
	{ "<>", 0, PATH_NOT_ALLOWED, NULL },
	{ "<PostMaster>", PATH_ALLOW_POSTMASTER, PATH_OK, "postmaster" },
	{ "<postmaster>", 0, PATH_NOT_ALLOWED, NULL },
	{ "<pip>", ALL, PATH_SYNTAX, NULL },
	{ "<a@b", ALL, PATH_SYNTAX, NULL },
	{ "<<a@b>", ALL, PATH_SYNTAX, NULL },
	{ "<a@b@c>", ALL, PATH_SYNTAX, NULL },
	{ "a@b", 0, PATH_SYNTAX, NULL },
	{ "a@b", PATH_ALLOW_BARE, PATH_OK, "a@b" },
	{ "a@b>", PATH_ALLOW_BARE, PATH_SYNTAX, NULL },
	{ "<a@.b>", 0, PATH_SYNTAX, NULL },
	{ "<a@b.>", 0, PATH_SYNTAX, NULL },
	{ "<a@b..c>", 0, PATH_SYNTAX, NULL },
	{ "<a@-b>", 0, PATH_SYNTAX, NULL },
	{ "<a@b->", 0, PATH_SYNTAX, NULL },
	{ "<a@b-.c>", 0, PATH_SYNTAX, NULL },
	{ "<.a@b>", 0, PATH_SYNTAX, NULL },
	{ "<a.@b>", 0, PATH_SYNTAX, NULL },
	{ "<a..b@c>", 0, PATH_SYNTAX, NULL },
	{ "< a@b>", 0, PATH_SYNTAX, NULL },
	{ "<a b@c>", 0, PATH_SYNTAX, NULL },
	{ "<a@b c>", 0, PATH_SYNTAX, NULL },
	{ "<\"a\nb\"@c>", 0, PATH_SYNTAX, NULL },
	{ "<\"a\\", 0, PATH_SYNTAX, NULL },
	{ "<\"a", 0, PATH_SYNTAX, NULL },
	{ "", ALL, PATH_SYNTAX, NULL },
	{ "<", ALL, PATH_SYNTAX, NULL },
	{ "<a@[1.2.3.4]>", 0, PATH_OK, "a@[1.2.3.4]" },
	{ "<a@[IPv6:2001:DB8:0::1]>", 0, PATH_OK, "a@[IPv6:2001:db8::1]" },
	{ "<a@[ipv6:::1]>", 0, PATH_OK, "a@[IPv6:::1]" },
	{ "<a@[999.1.1.1]>", 0, PATH_BAD_LITERAL, NULL },
	{ "<a@[IPv6:::zz]>", 0, PATH_BAD_LITERAL, NULL },
	{ "<a@[x]>", 0, PATH_BAD_LITERAL, NULL },
	{ "<a@[]>", 0, PATH_BAD_LITERAL, NULL },
	{ "<a@[1.2.3.4>", 0, PATH_BAD_LITERAL, NULL },
	{ "<a@[::1]>", 0, PATH_BAD_LITERAL, NULL },
	{ "<\xc3\xa9@b>", 0, PATH_NEEDS_UTF8, NULL },
	{ "<\xc3\xa9@b>", PATH_ALLOW_UTF8, PATH_OK, "\xc3\xa9@b" },
	{ "<a@\xc3\xa9.b>", PATH_ALLOW_UTF8, PATH_OK, "a@\xc3\xa9.b" },
	{ "<a@\xc3\xa9.b>", 0, PATH_NEEDS_UTF8, NULL },
	{ "<\xc3@b>", PATH_ALLOW_UTF8, PATH_NEEDS_UTF8, NULL },
	{ "<a@\xff>", PATH_ALLOW_UTF8, PATH_NEEDS_UTF8, NULL },
};
/* clang-format on */

static void
every_row_parses_as_the_grammar_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[PATH_TEXT_MAX];
		struct path p;
		size_t used;

		if (path_parse(&p, slice_str(rows[i].in), rows[i].flags,
			&used) != rows[i].want)
			fail_msg("wrong result for %s", rows[i].in);
		if (rows[i].want != PATH_OK)
			continue;
		assert_int_equal(used, strlen(rows[i].in));
		path_format(&p, text);
		assert_string_equal(text, rows[i].text);
	}
}

static void
canonical_form_parses_to_itself(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct path again;
		struct path p;

		if (rows[i].want != PATH_OK || rows[i].text[0] == '\0')
			continue;
		assert_int_equal(
		    path_parse(&p, slice_str(rows[i].in), rows[i].flags, NULL),
		    PATH_OK);
		assert_int_equal(
		    path_from_address(&again, slice_str(rows[i].text), ALL),
		    PATH_OK);
		assert_true(path_equal(&p, &again));
	}
}

/* Each prefix in memory of exactly its size: ASan sees any over-read. */
static void
prefixes_never_read_beyond_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (size_t n = 0; n < strlen(rows[i].in); n++) {
			char *copy = malloc(n + (n == 0));
			struct path p;

			memcpy(copy, rows[i].in, n);
			(void)!path_parse(&p, slice_of(copy, n), ALL, NULL);
			free(copy);
		}
	}
}

static enum path_result
parse_sized(size_t local, size_t label, size_t labels)
{
	struct buf b = BUF_INIT(65536);
	enum path_result r;
	struct path p;

	assert_int_equal(buf_append_byte(&b, '<'), 0);
	for (size_t i = 0; i < local; i++)
		assert_int_equal(buf_append_byte(&b, 'a'), 0);
	for (size_t i = 0; i < labels; i++) {
		assert_int_equal(buf_append_byte(&b, i == 0 ? '@' : '.'), 0);
		for (size_t j = 0; j < label; j++)
			assert_int_equal(buf_append_byte(&b, 'b'), 0);
	}
	assert_int_equal(buf_append_byte(&b, '>'), 0);
	r = path_parse(&p, buf_slice(&b), 0, NULL);
	buf_free(&b);
	return r;
}

static void
limits_are_errors_never_cuts(void **state)
{
	(void)state;
	assert_int_equal(parse_sized(64, 63, 4), PATH_OK);
	assert_int_equal(parse_sized(65, 1, 1), PATH_LOCAL_LONG);
	assert_int_equal(parse_sized(1, 64, 1), PATH_DOMAIN_LONG);
	assert_int_equal(parse_sized(1, 63, 5), PATH_DOMAIN_LONG);
	assert_int_equal(parse_sized(60000, 1, 1), PATH_LOCAL_LONG);
}

static void
nul_is_never_part_of_a_path(void **state)
{
	static const char base[] = "<\"a b\"@x.y>";

	(void)state;
	for (size_t i = 0; i < sizeof(base) - 1; i++) {
		char text[sizeof(base)];
		struct path p;

		memcpy(text, base, sizeof(base));
		text[i] = '\0';
		assert_int_not_equal(
		    path_parse(&p, slice_of(text, sizeof(base) - 1), ALL, NULL),
		    PATH_OK);
	}
}

static void
parameters_stand_behind_used(void **state)
{
	struct path p;
	size_t used;

	(void)state;
	assert_int_equal(
	    path_parse(&p, SLICE("<a@b> SIZE=1"), 0, &used), PATH_OK);
	assert_int_equal(used, 5);
	assert_int_equal(
	    path_parse(&p, SLICE("a@b SIZE=1"), PATH_ALLOW_BARE, &used),
	    PATH_OK);
	assert_int_equal(used, 3);
	assert_int_equal(path_from_address(&p, SLICE("a@b "), 0), PATH_SYNTAX);
	assert_int_equal(path_from_address(&p, SLICE("<a@b>"), 0), PATH_SYNTAX);
}

static void
tag_is_split_at_the_first_delimiter(void **state)
{
	struct slice user;
	struct slice tag;
	struct path p;

	(void)state;
	assert_int_equal(path_from_address(&p, SLICE("pip+a+b@x"), 0), 0);
	assert_true(path_split_tag(&p, "+", &user, &tag));
	assert_true(slice_eq(user, SLICE("pip")));
	assert_true(slice_eq(tag, SLICE("a+b")));
	assert_false(path_split_tag(&p, "", &user, &tag));
	assert_false(path_split_tag(&p, "-", &user, &tag));
	assert_true(slice_eq(user, SLICE("pip+a+b")));
	assert_int_equal(path_from_address(&p, SLICE("+a@x"), 0), 0);
	assert_false(path_split_tag(&p, "+", &user, &tag));
	assert_int_equal(path_from_address(&p, SLICE("pip+@x"), 0), 0);
	assert_true(path_split_tag(&p, "+", &user, &tag));
	assert_int_equal(tag.len, 0);
}

static void
append_writes_brackets(void **state)
{
	struct buf b = BUF_INIT(100);
	struct path p;

	(void)state;
	assert_int_equal(path_from_address(&p, SLICE("\"a b\"@X"), 0), 0);
	assert_int_equal(path_append(&b, &p), 0);
	assert_string_equal(buf_str(&b), "<\"a b\"@x>");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_parses_as_the_grammar_says),
		cmocka_unit_test(canonical_form_parses_to_itself),
		cmocka_unit_test(prefixes_never_read_beyond_the_end),
		cmocka_unit_test(limits_are_errors_never_cuts),
		cmocka_unit_test(nul_is_never_part_of_a_path),
		cmocka_unit_test(parameters_stand_behind_used),
		cmocka_unit_test(tag_is_split_at_the_first_delimiter),
		cmocka_unit_test(append_writes_brackets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
