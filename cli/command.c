#include "cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/config/config.h"

/* What every command takes. */
enum common_option { OPTION_NONE, OPTION_CONFIG, OPTION_JSON, OPTION_HELP };

int
cli_fail(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	(void)fflush(stdout);
	(void)fprintf(stderr, "wemmick: %s\n", text);
	return EXIT_FAILED;
}

const struct config *
cli_config(struct cli *cli)
{
	struct buf problems = BUF_INIT(1024 * 1024);

	if (cli->config != NULL)
		return cli->config;
	cli->config = config_read(cli->config_path, &problems);
	if (cli->config == NULL)
		(void)fprintf(stderr, "%s", buf_str(&problems));
	buf_free(&problems);
	return cli->config;
}

static void
print_name(FILE *f, const struct command *c)
{
	(void)fprintf(f, "wemmick %s%s%s", c->group, c->verb == NULL ? "" : " ",
	    c->verb == NULL ? "" : c->verb);
}

static void
print_help(const struct command *c)
{
	const struct command_option *o = c->options;

	(void)fputs("usage: ", stdout);
	print_name(stdout, c);
	(void)printf("%s%s%s\n\n%s.\n", c->options == NULL ? "" : " [OPTIONS]",
	    c->args[0] == '\0' ? "" : " ", c->args, c->help);
	if (c->more != NULL)
		(void)printf("%s", c->more);
	(void)puts("\nOptions:");
	for (; o != NULL && o->name != NULL; o++) {
		int n = printf("  %s%s%s", o->name, o->value == NULL ? "" : " ",
		    o->value == NULL ? "" : o->value);

		(void)printf("%*s%s\n", MAX(1, 25 - n), "", o->help);
	}
	(void)puts("  -c, --config FILE      configuration file\n"
		   "  --json                 print data as JSON, an object a "
		   "line\n"
		   "  --help                 this text");
}

static void
print_overview(FILE *f, const struct command *const *tables)
{
	(void)fputs("usage: wemmick [-c FILE] [--json] COMMAND ...\n\n", f);
	for (; *tables != NULL; tables++) {
		for (const struct command *c = *tables; c->group != NULL; c++) {
			char name[64];

			(void)snprintf(name, sizeof(name), "%s%s%s", c->group,
			    c->verb == NULL ? "" : " ",
			    c->verb == NULL ? "" : c->verb);
			(void)fprintf(
			    f, "  %-15s %-22s %s\n", name, c->args, c->help);
		}
	}
	(void)fputs(
	    "\n`wemmick COMMAND --help` tells more. Exit codes: 0 done, "
	    "1 failed, 2 wrong use\nor wrong configuration.\n",
	    f);
}

static enum common_option
common_option(const char *arg)
{
	if (strcmp(arg, "-c") == 0 || strcmp(arg, "--config") == 0)
		return OPTION_CONFIG;
	if (strcmp(arg, "--json") == 0)
		return OPTION_JSON;
	if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)
		return OPTION_HELP;
	return OPTION_NONE;
}

/*
 * Read a common option at argv[*i]. 1 when it was one, 0 when not, -1 when
 * its value is missing.
 */
static int
take_common(struct cli *cli, int argc, char **argv, int *i, bool *help)
{
	switch (common_option(argv[*i])) {
	case OPTION_NONE:
		return 0;
	case OPTION_CONFIG:
		if (*i + 1 >= argc)
			return -1;
		cli->config_path = argv[++*i];
		break;
	case OPTION_JSON:
		cli->json = true;
		break;
	case OPTION_HELP:
		*help = true;
		break;
	}
	return 1;
}

/* An option of the command's own: the same results. */
static int
take_own(struct command_args *a, int argc, char **argv, int *i)
{
	const struct command_option *o = a->command->options;

	for (size_t n = 0; o != NULL && o[n].name != NULL; n++) {
		if (strcmp(argv[*i], o[n].name) != 0)
			continue;
		if (o[n].value == NULL)
			a->given[n] = "";
		else if (*i + 1 < argc)
			a->given[n] = argv[++*i];
		else
			return -1;
		return 1;
	}
	return 0;
}

const char *
command_option(const struct command_args *a, const char *name)
{
	const struct command_option *o = a->command->options;

	for (size_t n = 0; o != NULL && o[n].name != NULL; n++)
		if (strcmp(name, o[n].name) == 0)
			return a->given[n];
	return NULL;
}

int
command_misuse(const struct command_args *a, const char *why)
{
	(void)fputs("wemmick: ", stderr);
	(void)fprintf(stderr, "%s; see `", why);
	print_name(stderr, a->command);
	(void)fputs(" --help`\n", stderr);
	return EXIT_MISUSED;
}

static int
run_found(struct cli *cli, const struct command *c, int argc, char **argv)
{
	struct command_args a = { .command = c };
	bool help = false;
	bool plain = false; /* behind "--" */

	for (int i = 0; i < argc; i++) {
		int rc = plain ? 0 : take_common(cli, argc, argv, &i, &help);

		if (rc == 0 && !plain)
			rc = take_own(&a, argc, argv, &i);
		if (rc == 1)
			continue;
		if (rc == -1)
			return command_misuse(&a, "an option needs a value");
		if (!plain && strcmp(argv[i], "--") == 0)
			plain = true;
		else if (!plain && argv[i][0] == '-' && argv[i][1] != '\0')
			return command_misuse(&a, "unknown option");
		else if (a.count == COMMAND_ARGS_MAX)
			return command_misuse(&a, "too many arguments");
		else
			a.args[a.count++] = argv[i];
	}
	if (help) {
		print_help(c);
		return EXIT_DONE;
	}
	if (a.count < c->min)
		return command_misuse(&a, "an argument is missing");
	if (a.count > c->max)
		return command_misuse(&a, "too many arguments");
	return c->run(cli, &a);
}

/* How many words name this row: 2 for "GROUP VERB", 0 when they do not. */
static int
names(const struct command *c, const char *group, const char *verb)
{
	if (strcmp(c->group, group) != 0)
		return 0;
	if (c->verb == NULL)
		return 1;
	return verb != NULL && strcmp(c->verb, verb) == 0 ? 2 : 0;
}

/* The row these words name, in *used how many of them; or NULL. */
static const struct command *
find(const struct command *const *tables, const char *group, const char *verb,
    int *used)
{
	for (; *tables != NULL; tables++) {
		for (const struct command *c = *tables; c->group != NULL; c++) {
			*used = names(c, group, verb);
			if (*used > 0)
				return c;
		}
	}
	return NULL;
}

int
command_dispatch(
    struct cli *cli, const struct command *const *tables, int argc, char **argv)
{
	const struct command *c = NULL;
	bool help = false;
	int used = 0;
	int i = 1;

	for (; i < argc; i++) {
		int rc = take_common(cli, argc, argv, &i, &help);

		if (rc == -1)
			break;
		if (rc == 0) {
			c = find(tables, argv[i],
			    i + 1 < argc ? argv[i + 1] : NULL, &used);
			break;
		}
	}
	if (c != NULL && help) {
		print_help(c);
		return EXIT_DONE;
	}
	if (c != NULL)
		return run_found(cli, c, argc - i - used, argv + i + used);
	/* `wemmick --help` and `wemmick user --help` */
	if (i + 1 < argc && common_option(argv[i + 1]) == OPTION_HELP)
		help = true;
	print_overview(help ? stdout : stderr, tables);
	return help ? EXIT_DONE : EXIT_MISUSED;
}
