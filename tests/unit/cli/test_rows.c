#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/rows.h"

static void
expect(bool json, void (*fill)(struct rows *), const char *want)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct rows *r = rows_new(f, json);

	fill(r);
	(void)rows_end(r);
	assert_int_equal(fclose(f), 0);
	assert_string_equal(text, want);
	free(text);
}

static void
fill_two(struct rows *r)
{
	rows_add(r, "id", "1", "name", "a long name", "last", "", NULL);
	rows_add(r, "id", "22", "name", "", "last", "\033[2J\"", NULL);
}

static void
fill_json(struct rows *r)
{
	rows_add_json(r, SLICE("{\"id\":\"x\",\"n\":1}"));
	rows_add_json(r, SLICE("{\"id\":\"yy\",\"more\":true}"));
	rows_add_json(r, SLICE("no object\n"));
}

static void
fill_none(struct rows *r)
{
	(void)r;
}

static void
columns_are_as_wide_as_needed(void **state)
{
	(void)state;
	expect(false, fill_two,
	    "ID  NAME         LAST\n"
	    "1   a long name\n"
	    "22  -            ?[2J\"\n");
	expect(false, fill_none, "");
}

static void
json_is_an_object_a_line(void **state)
{
	(void)state;
	expect(true, fill_two,
	    "{\"id\": 1, \"name\": \"a long name\", \"last\": \"\"}\n"
	    "{\"id\": 22, \"name\": \"\", \"last\": \"\\u001b[2J\\\"\"}\n");
	expect(true, fill_json,
	    "{\"id\":\"x\",\"n\":1}\n"
	    "{\"id\":\"yy\",\"more\":true}\n"
	    "no object?\n");
}

static void
objects_of_daemons_become_a_table(void **state)
{
	(void)state;
	expect(false, fill_json,
	    "no object?\n"
	    "ID  N  MORE\n"
	    "x   1\n"
	    "yy  -  true\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_needed),
		cmocka_unit_test(json_is_an_object_a_line),
		cmocka_unit_test(objects_of_daemons_become_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
