#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/command.h"

static struct command_args seen;
static int runs;

static int
run(struct cli *cli, const struct command_args *a)
{
	(void)cli;
	seen = *a;
	runs++;
	return EXIT_DONE;
}

static const struct command_option options[] = {
	{ "--flag", NULL, "a flag" },
	{ "--value", "V", "a value" },
	{ NULL, NULL, NULL },
};

static const struct command commands[] = {
	{ "one", "add", "X", "help", NULL, options, 1, 2, run },
	{ "one", "del", "", "help", NULL, NULL, 0, 0, run },
	{ "two", NULL, "", "help", NULL, NULL, 0, 1, run },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};

static int
call(struct cli *cli, const char *line)
{
	static const struct command *const tables[] = { commands, NULL };
	static char copy[256]; /* seen points into it */
	char *argv[32];
	int argc = 0;
	char *save = NULL;

	assert_true(strlen(line) < sizeof(copy));
	memcpy(copy, line, strlen(line) + 1);
	for (char *p = strtok_r(copy, " ", &save); p != NULL;
	     p = strtok_r(NULL, " ", &save))
		argv[argc++] = p;
	runs = 0;
	memset(&seen, 0, sizeof(seen));
	return command_dispatch(cli, tables, argc, argv);
}

static void
commands_are_found_with_options_anywhere(void **state)
{
	struct cli cli = { .config_path = "default" };

	(void)state;
	assert_int_equal(
	    call(&cli, "w -c file one add --json a --value v b --flag"),
	    EXIT_DONE);
	assert_int_equal(runs, 1);
	assert_string_equal(cli.config_path, "file");
	assert_true(cli.json);
	assert_int_equal(seen.count, 2);
	assert_string_equal(command_option(&seen, "--value"), "v");
	assert_string_equal(command_option(&seen, "--flag"), "");
	assert_int_equal(call(&cli, "w two"), EXIT_DONE);
	assert_int_equal(call(&cli, "w two -- --x"), EXIT_DONE);
	assert_int_equal(seen.count, 1);
	assert_int_equal(call(&cli, "w one del"), EXIT_DONE);
}

static void
wrong_use_is_exit_code_two_and_runs_nothing(void **state)
{
	static const char *const lines[] = { "w", "w three", "w one",
		"w one mul", "w one add", "w one add a b c", "w one add a -x",
		"w one add a --value", "w one del --flag", "w two -c", "w -c",
		"w --unknown two" };
	struct cli cli = { .config_path = "default" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_int_equal(call(&cli, lines[i]), EXIT_MISUSED);
		assert_int_equal(runs, 0);
	}
}

static void
help_is_everywhere(void **state)
{
	static const char *const lines[] = { "w --help", "w -h", "w one --help",
		"w one add --help", "w --help one add", "w two --help",
		"w one del x --help" };
	struct cli cli = { .config_path = "default" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		assert_int_equal(call(&cli, lines[i]), EXIT_DONE);
		assert_int_equal(runs, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_are_found_with_options_anywhere),
		cmocka_unit_test(wrong_use_is_exit_code_two_and_runs_nothing),
		cmocka_unit_test(help_is_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
