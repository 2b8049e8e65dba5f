#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/control.h"
#include "cli/groups.h"
#include "cli/rows.h"

static void
add_row(void *arg, struct slice text)
{
	rows_add_json(arg, text);
}

static void
print_raw(void *arg, struct slice text)
{
	(void)fwrite(text.p, 1, text.len, arg);
}

static int
run_list(struct cli *cli, const struct command_args *a)
{
	struct control_question q = { .peer = PROC_QUEUE,
		.verb = ADMIN_QUEUE_LIST,
		.argument = a->count > 0 ? a->args[0] : "",
		.row = add_row };
	int rc;

	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	q.arg = rows_new(stdout, cli->json);
	rc = control_ask(cli->config, &q);
	if (rows_end(q.arg) == 0 && rc == EXIT_DONE && !cli->json)
		(void)puts("The queue is empty.");
	return rc;
}

static int
run_show(struct cli *cli, const struct command_args *a)
{
	struct control_question q = { .peer = PROC_QUEUE,
		.verb = ADMIN_QUEUE_SHOW,
		.argument = a->args[0],
		.row = print_raw,
		.arg = stdout };

	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	return control_ask(cli->config, &q);
}

static int
change_one(
    struct cli *cli, enum ipc_admin verb, const char *id, uint64_t *count)
{
	struct control_question q = {
		.peer = PROC_QUEUE, .verb = verb, .argument = id
	};
	int rc = control_ask(cli->config, &q);

	*count += q.count;
	return rc;
}

/* Ids, or --all; only flush does without both. */
static int
change(struct cli *cli, const struct command_args *a, enum ipc_admin verb)
{
	bool all = command_option(a, "--all") != NULL;
	uint64_t count = 0;
	int rc = EXIT_DONE;

	if (all && a->count > 0)
		return command_misuse(a, "either ID or --all");
	if (!all && a->count == 0 && verb != ADMIN_QUEUE_FLUSH)
		return command_misuse(a, "ID or --all is missing");
	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	if (a->count == 0)
		rc = change_one(cli, verb, "", &count);
	for (size_t i = 0; i < a->count; i++)
		if (change_one(cli, verb, a->args[i], &count) != EXIT_DONE)
			rc = EXIT_FAILED;
	if (cli->json)
		(void)printf("{\"count\": %ju}\n", (uintmax_t)count);
	else if (rc == EXIT_DONE)
		(void)printf(
		    "%ju mail%s\n", (uintmax_t)count, count == 1 ? "" : "s");
	return rc;
}

static int
run_flush(struct cli *cli, const struct command_args *a)
{
	return change(cli, a, ADMIN_QUEUE_FLUSH);
}

static int
run_hold(struct cli *cli, const struct command_args *a)
{
	return change(cli, a, ADMIN_QUEUE_HOLD);
}

static int
run_release(struct cli *cli, const struct command_args *a)
{
	return change(cli, a, ADMIN_QUEUE_RELEASE);
}

static int
run_delete(struct cli *cli, const struct command_args *a)
{
	return change(cli, a, ADMIN_QUEUE_DELETE);
}

/* clang-format off */
static const struct command_option all_option[] = {
	{ "--all", NULL, "every mail in the queue" },
	{ NULL, NULL, NULL },
};

const struct command queue_commands[] = {
	{ "queue", "list", "[ID]", "list the mails in the queue", NULL,
	  NULL, 0, 1, run_list },
	{ "queue", "show", "ID", "print a mail as it stands in the queue", NULL,
	  NULL, 1, 1, run_show },
	{ "queue", "flush", "[ID...]", "try deferred mail again now", NULL,
	  all_option, 0, COMMAND_ARGS_MAX, run_flush },
	{ "queue", "hold", "ID...", "keep mail in the queue untouched", NULL,
	  all_option, 0, COMMAND_ARGS_MAX, run_hold },
	{ "queue", "release", "ID...", "let held mail go", NULL,
	  all_option, 0, COMMAND_ARGS_MAX, run_release },
	{ "queue", "delete", "ID...", "delete mail; nobody is told", NULL,
	  all_option, 0, COMMAND_ARGS_MAX, run_delete },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};
/* clang-format on */
