#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "cli/command.h"
#include "cli/groups.h"
#include "cli/rows.h"
#include "common/config/config.h"

/* Each line of text as it is, or as an object with its kind. */
static void
print_lines(const struct cli *cli, const char *kind, const struct buf *text)
{
	struct slice rest = buf_slice(text);
	struct rows *rows = rows_new(stdout, true);

	if (!cli->json)
		(void)fprintf(stderr, "%s", buf_str(text));
	while (cli->json && rest.len > 0) {
		struct slice line;
		char *copy;

		rest = slice_cut(rest, '\n', &line);
		copy = slice_dup(line);
		rows_add(rows, kind, copy, NULL);
		free(copy);
	}
	(void)rows_end(rows);
}

static int
run_check(struct cli *cli, const struct command_args *a)
{
	struct buf problems = BUF_INIT(CHECK_TEXT_MAX);
	struct buf notes = BUF_INIT(CHECK_TEXT_MAX);
	const char *path = a->count > 0 ? a->args[0] : cli->config_path;
	struct config *c = config_read_anyway(path, &problems);
	int rc = EXIT_DONE;

	if (c != NULL && check_places(c, &problems, &notes) == -1)
		rc = cli_fail("too many problems");
	if (problems.len > 0 || c == NULL)
		rc = EXIT_MISUSED;
	print_lines(cli, "problem", &problems);
	print_lines(cli, "note", &notes);
	if (rc == EXIT_DONE && !cli->json)
		(void)printf("%s: no problems\n", path);
	config_free(c);
	buf_free(&problems);
	buf_free(&notes);
	return rc;
}

static void
show_text(struct rows *rows, const char *key, const char *value)
{
	rows_add(rows, "key", key, "value", value, NULL);
}

static void
show_number(struct rows *rows, const char *key, int64_t v)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, v);
	show_text(rows, key, text);
}

static void
show_list(struct rows *rows, const char *key, const struct config_list *l)
{
	struct buf text = BUF_INIT(1024 * 1024);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < l->count; i++)
		rc = buf_printf(&text, "%s%s", i == 0 ? "" : " ", l->items[i]);
	show_text(rows, key, rc == 0 ? buf_str(&text) : "?");
	buf_free(&text);
}

/* clang-format off */
#define SHOW_STR(key, f, def, help)            show_text(rows, key, c->f);
#define SHOW_LIST(key, f, def, help)           show_list(rows, key, &c->f);
#define SHOW_BOOL(key, f, def, help)           show_text(rows, key, c->f ? "true" : "false");
#define SHOW_NUM(key, f, def, min, max, help)  show_number(rows, key, c->f);

static void
show_json(const struct config *c)
{
	struct rows *rows = rows_new(stdout, true);

	CONFIG_KEYS(SHOW_STR, SHOW_LIST, SHOW_BOOL, SHOW_NUM, SHOW_NUM, SHOW_NUM)
	(void)rows_end(rows);
}

#define KEY_STR(key, f, def, help)             { key, "text", def, 0, 0, 0, help },
#define KEY_LIST(key, f, def, help)            { key, "list", def, 0, 0, 0, help },
#define KEY_BOOL(key, f, def, help)            { key, "true or false", NULL, def, 0, 1, help },
#define KEY_INT(key, f, def, min, max, help)   { key, "number", NULL, def, min, max, help },
#define KEY_SIZE(key, f, def, min, max, help)  { key, "size", NULL, def, min, max, help },
#define KEY_TIME(key, f, def, min, max, help)  { key, "time", NULL, def, min, max, help },

static const struct {
	const char *key;
	const char *type;
	const char *text; /* default; NULL: a number */
	int64_t number;
	int64_t min;
	int64_t max;
	const char *help;
} keys[] = {
	CONFIG_KEYS(KEY_STR, KEY_LIST, KEY_BOOL, KEY_INT, KEY_SIZE, KEY_TIME)
};
/* clang-format on */

static int
run_show(struct cli *cli, const struct command_args *a)
{
	const struct config *c = cli_config(cli);
	struct buf text = BUF_INIT(4 * 1024 * 1024);
	int rc = EXIT_DONE;

	(void)a;
	if (c == NULL)
		return EXIT_MISUSED;
	if (cli->json)
		show_json(c);
	else if (config_print(c, &text) == 0)
		(void)fputs(buf_str(&text), stdout);
	else
		rc = cli_fail("the configuration is too long to print");
	buf_free(&text);
	return rc;
}

static int
run_keys(struct cli *cli, const struct command_args *a)
{
	struct rows *rows = rows_new(stdout, cli->json);

	(void)a;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		char def[32];
		char range[64] = "";

		(void)snprintf(def, sizeof(def), "%" PRId64, keys[i].number);
		if (keys[i].text == NULL)
			(void)snprintf(range, sizeof(range),
			    "%" PRId64 "..%" PRId64, keys[i].min, keys[i].max);
		rows_add(rows, "key", keys[i].key, "type", keys[i].type,
		    "default", keys[i].text == NULL ? def : keys[i].text,
		    "range", range, "help", keys[i].help, NULL);
	}
	(void)rows_end(rows);
	return EXIT_DONE;
}

static int
run_version(struct cli *cli, const struct command_args *a)
{
	(void)a;
	if (cli->json)
		(void)puts("{\"version\": \"" WM_VERSION "\"}");
	else
		(void)puts("wemmick " WM_VERSION);
	return EXIT_DONE;
}

/* clang-format off */
const struct command config_commands[] = {
	{ "check", NULL, "[FILE]", "say everything that is wrong",
	  "Reads the configuration and what it names: tables, certificate and\n"
	  "key, trust anchor, users. Every problem is printed at once; exit code\n"
	  "2 when there is one. Notes do not count.\n",
	  NULL, 0, 1, run_check },
	{ "config", "show", "", "print the configuration in force, defaults too",
	  NULL, NULL, 0, 0, run_show },
	{ "config", "keys", "", "print every key there is, with its default",
	  NULL, NULL, 0, 0, run_keys },
	{ "version", NULL, "", "print the version", NULL, NULL, 0, 0,
	  run_version },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};
/* clang-format on */
