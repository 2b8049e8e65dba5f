#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/groups.h"
#include "cli/rows.h"
#include "common/base/mem.h"
#include "common/base/recent.h"
#include "common/config/config.h"
#include "common/table/entry.h"
#include "common/table/write.h"

#define PROBLEMS_MAX (1024 * 1024)

static struct table_place
place_of(const struct config *c)
{
	return (struct table_place){ .configured = c->table_directory,
		.seen = c->table_directory };
}

/* "aliases" alone is hash:aliases. The caller frees. */
static char *
full_spec(const char *typed)
{
	return strchr(typed, ':') != NULL ? xstrdup(typed)
					  : xasprintf("hash:%s", typed);
}

static int
build_one(struct cli *cli, const char *typed)
{
	struct table_place place = place_of(cli->config);
	struct buf problems = BUF_INIT(PROBLEMS_MAX);
	char *spec = full_spec(typed);
	size_t entries;
	int rc = table_build(spec, &place, &problems, &entries);

	(void)fputs(buf_str(&problems), stderr);
	if (rc == 0 && !cli->json)
		(void)printf("%s: %zu entries\n", spec, entries);
	free(spec);
	buf_free(&problems);
	return rc == 0 ? EXIT_DONE : EXIT_FAILED;
}

static int
run_build(struct cli *cli, const struct command_args *a)
{
	int rc = EXIT_DONE;

	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	for (size_t i = 0; i < a->count; i++)
		if (build_one(cli, a->args[i]) != EXIT_DONE)
			rc = EXIT_FAILED;
	recent_wait();
	return rc;
}

static int
query_key(struct cli *cli, struct table *t, const char *key)
{
	struct buf value = BUF_INIT(ENTRY_MAX);
	struct rows *rows;
	int rc = EXIT_FAILED;

	switch (table_lookup(t, slice_str(key), &value)) {
	case TABLE_FOUND:
		rc = EXIT_DONE;
		break;
	case TABLE_NOT_FOUND:
		break;
	case TABLE_ERROR:
		cli_fail("%s: %s", table_spec(t), table_problem(t));
		break;
	}
	if (rc == EXIT_DONE && cli->json) {
		rows = rows_new(stdout, true);
		rows_add(rows, "key", key, "value", buf_str(&value), NULL);
		(void)rows_end(rows);
	} else if (rc == EXIT_DONE) {
		(void)puts(buf_str(&value));
	}
	buf_free(&value);
	return rc;
}

static int
print_entry(void *arg, struct slice key, struct slice value)
{
	char *k = slice_dup(key);
	char *v = slice_dup(value);

	rows_add(arg, "key", k, "value", v, NULL);
	free(k);
	free(v);
	return 0;
}

/* Without a key: everything that is in a database. */
static int
query_all(struct cli *cli, const char *spec)
{
	struct table_place place = place_of(cli->config);
	struct buf path = BUF_INIT(4096);
	struct slice type, name;
	struct rows *rows;
	char err[512] = "";
	int rc;

	if (!table_split(spec, &type, &name) ||
	    !(slice_eq(type, SLICE("hash")) || slice_eq(type, SLICE("btree"))))
		return cli_fail("only hash: and btree: tables are listed");
	if (table_path(name, &place, ".db", &path, err) == -1) {
		buf_free(&path);
		return cli_fail("%s: %s", spec, err);
	}
	rows = rows_new(stdout, cli->json);
	rc = table_each(buf_str(&path), print_entry, rows, err);
	(void)rows_end(rows);
	buf_free(&path);
	return rc == 0 ? EXIT_DONE : cli_fail("%s", err);
}

static int
run_query(struct cli *cli, const struct command_args *a)
{
	struct table_place place;
	struct table *t;
	char err[512] = "";
	char *spec;
	int rc = EXIT_DONE;

	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	place = place_of(cli->config);
	spec = full_spec(a->args[0]);
	if (a->count == 1) {
		rc = query_all(cli, spec);
		free(spec);
		return rc;
	}
	t = table_open(spec, &place, err, sizeof(err));
	if (t == NULL)
		rc = cli_fail("%s: %s", spec, err);
	for (size_t i = 1; t != NULL && i < a->count; i++)
		if (query_key(cli, t, a->args[i]) != EXIT_DONE)
			rc = EXIT_FAILED;
	table_close(t);
	free(spec);
	return rc;
}

/* clang-format off */
const struct command map_commands[] = {
	{ "map", "build", "TYPE:NAME...", "make NAME.db from the text file NAME",
	  "Types: hash and btree; a name alone is hash:NAME. Names are relative\n"
	  "to table-directory. Lines are `key value` or `key: value`; one that\n"
	  "begins with white space goes on the one before. Daemons notice the\n"
	  "new table by themselves.\n",
	  NULL, 1, COMMAND_ARGS_MAX, run_build },
	{ "map", "query", "TYPE:NAME [KEY...]", "look keys up in a table",
	  "Prints the values; exit code 1 when a key is not there. Without a\n"
	  "key, all entries of a hash: or btree: table.\n",
	  NULL, 1, COMMAND_ARGS_MAX, run_query },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};
/* clang-format on */
