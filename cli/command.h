#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"

/*
 * command - what the commands of `wemmick` have in common. A group of them
 * is a file with a table of rows; main.c lists the tables. Parsing, usage
 * and --help come from the rows.
 */
struct config;

/* Exit codes. */
#define EXIT_DONE    0
#define EXIT_FAILED  1 /* it was tried, or the answer is no */
#define EXIT_MISUSED 2 /* the command line or the configuration is wrong */

#define COMMAND_OPTIONS_MAX 8
#define COMMAND_ARGS_MAX    64

/* What all commands share; one in main(). */
struct cli {
	const char *config_path;
	struct config *config; /* owned; NULL until cli_config() */
	bool json;             /* print data as JSON, one object a line */
};

struct command_option {
	const char *name;  /* "--stdin" */
	const char *value; /* what it takes, for the help; NULL: nothing */
	const char *help;
};

struct command_args;

struct command {
	const char *group; /* NULL ends a table */
	const char *verb;  /* NULL: the group's name is all of it */
	const char *args;  /* "ADDRESS...", for usage; "" for none */
	const char *help;  /* one line */
	const char *more;  /* further lines of --help, or NULL */
	const struct command_option *options; /* name NULL ends; or NULL */
	size_t min;                           /* arguments at least */
	size_t max;
	int (*run)(struct cli *cli, const struct command_args *a);
};

struct command_args {
	const struct command *command;
	const char *given[COMMAND_OPTIONS_MAX]; /* by row of options */
	char *args[COMMAND_ARGS_MAX];           /* borrowed from argv */
	size_t count;
};

/*
 * Find the command in tables (ends with NULL), read its options, run it.
 * argv begins with the program's name. Returns the exit code.
 */
int command_dispatch(struct cli *cli, const struct command *const *tables,
    int argc, char **argv) MUST_USE;

/* The value of an option, "" for one without value, NULL: not given. */
const char *command_option(const struct command_args *a, const char *name);

/* A usage mistake found later: says why and where help is; EXIT_MISUSED. */
int command_misuse(const struct command_args *a, const char *why) MUST_USE;

/*
 * The configuration, read at the first call; NULL after printing every
 * problem to stderr. Belongs to cli.
 */
const struct config *cli_config(struct cli *cli) MUST_USE;

/* "wemmick: ..." to stderr, strangers' bytes escaped. Returns EXIT_FAILED. */
int cli_fail(const char *fmt, ...) PRINTF(1, 2);

#endif
