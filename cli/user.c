#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/groups.h"
#include "cli/layout.h"
#include "cli/password.h"
#include "cli/roster.h"
#include "cli/rows.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "store/home.h"

static int
need_root(void)
{
	if (geteuid() == 0)
		return 0;
	cli_fail("only root can do that");
	return -1;
}

/* DIR beneath the mail root, made when missing, as a descriptor. */
static int
open_domain(const struct config *c, const char *domain)
{
	char *path = config_state_path(c, "mail");
	int mail = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;

	if (mail != -1 &&
	    (mkdirat(mail, domain, 0711) == 0 || errno == EEXIST)) {
		fd = openat(mail, domain,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		/* Deliver and the user must get through, whatever umask. */
		if (fd != -1 && (fchmod(fd, 0711) == -1 || fsync(mail) == -1)) {
			fd_close(fd);
			fd = -1;
		}
	}
	if (fd == -1)
		cli_fail("%s/%s: %s", path, domain, strerror(errno));
	fd_close(mail);
	free(path);
	return fd;
}

static int
make_home(const struct config *c, const struct user *user)
{
	struct home_owner owner = { .uid = user->uid, .gid = user->uid };
	const char *slash = strchr(user->home, '/');
	char *domain;
	gid_t gid;
	int parent;
	int rc;

	if (slash == NULL ||
	    layout_ids(c, PROC_DELIVER, &owner.deliver, &gid) == -1)
		return -1;
	domain = slice_dup(slice_of(user->home, (size_t)(slash - user->home)));
	parent = open_domain(c, domain);
	free(domain);
	if (parent == -1)
		return -1;
	rc = home_create(parent, slash + 1, &owner);
	if (rc == -1)
		cli_fail("cannot make the home %s: %s%s", user->home,
		    strerror(errno),
		    errno == EOPNOTSUPP ? " (the file system must have ACLs)"
					: "");
	fd_close(parent);
	return rc;
}

/* The hash for a user from what options say. NULL after cli_fail(). */
static char *
get_hash(const struct command_args *a, const char *address)
{
	struct buf password = BUF_INIT(PASSWORD_MAX);
	const char *given = command_option(a, "--hash");
	char *hash = NULL;
	int rc;

	if (given != NULL)
		return password_hash_fine(given) ? xstrdup(given) : NULL;
	if (command_option(a, "--stdin") != NULL)
		rc = password_line(stdin, &password);
	else
		rc = password_ask(address, &password);
	if (rc == 1)
		cli_fail("no password on standard input");
	if (rc == 0)
		hash = password_hash(&password);
	buf_wipe(&password);
	return hash;
}

static void
free_hash(char *hash)
{
	if (hash != NULL)
		explicit_bzero(hash, strlen(hash));
	free(hash);
}

/*
 * The home before the tables: a user who is told of a mailbox has one. What
 * is there already of an attempt that broke off is made right.
 */
static int
add_one(struct roster *u, const char *address, const char *hash)
{
	struct user *user;

	if (roster_find(u, address) != NULL)
		return cli_fail("%s is there already; `wemmick user passwd` "
				"changes the password",
		    address);
	user = roster_add(u, address, hash);
	if (user == NULL || make_home(u->config, user) == -1)
		return EXIT_FAILED;
	return EXIT_DONE;
}

/*
 * One line of --batch: "ADDRESS:HASH", as in a file of passwords, or
 * "ADDRESS PASSWORD".
 */
static int
add_line(struct roster *u, struct slice line)
{
	struct buf secret = BUF_INIT(PASSWORD_MAX);
	size_t n = 0;
	char *typed, *address, *hash = NULL;
	int rc = EXIT_FAILED;

	while (n < line.len && line.p[n] != ':' && line.p[n] != ' ')
		n++;
	typed = slice_dup(slice_sub(line, 0, n));
	address = roster_address(u->config, typed);
	if (buf_append_slice(&secret, slice_sub(line, n + 1, line.len)) == -1)
		cli_fail("%s: the password is too long", typed);
	else if (n >= line.len || line.p[n] == ' ')
		hash = password_hash(&secret);
	else if (password_hash_fine(buf_str(&secret)))
		hash = xstrdup(buf_str(&secret));
	if (address != NULL && hash != NULL)
		rc = add_one(u, address, hash);
	free_hash(hash);
	free(address);
	free(typed);
	buf_wipe(&secret);
	return rc;
}

/* All of the lines, or none. */
static int
add_lines(struct roster *u)
{
	struct buf line = BUF_INIT(PASSWORD_MAX + 1024);
	int rc;

	while ((rc = password_line(stdin, &line)) == 0)
		if (add_line(u, buf_slice(&line)) != EXIT_DONE)
			break;
	buf_wipe(&line);
	return rc == 1 ? EXIT_DONE : EXIT_FAILED;
}

static int
add_named(struct roster *u, const struct command_args *a)
{
	char *address = roster_address(u->config, a->args[0]);
	char *hash = NULL;
	int rc = EXIT_FAILED;

	/* Before a password is asked for. */
	if (address != NULL && roster_find(u, address) != NULL)
		(void)add_one(u, address, "*");
	else if (address != NULL)
		hash = get_hash(a, address);
	if (hash != NULL)
		rc = add_one(u, address, hash);
	free_hash(hash);
	free(address);
	return rc;
}

static int
run_add(struct cli *cli, const struct command_args *a)
{
	bool batch = command_option(a, "--batch") != NULL;
	const struct config *c;
	struct roster u;
	int rc = EXIT_FAILED;

	if (batch != (a->count == 0))
		return command_misuse(a, "either ADDRESS or --batch");
	c = cli_config(cli);
	if (c == NULL)
		return EXIT_MISUSED;
	if (need_root() == -1 || layout_make(c) == -1)
		return EXIT_FAILED;
	if (roster_open(&u, c) == 0)
		rc = batch ? add_lines(&u) : add_named(&u, a);
	if (rc == EXIT_DONE && roster_save(&u) == -1)
		rc = EXIT_FAILED;
	roster_close(&u);
	return rc;
}

/* Open the accounts and find the one named in the first argument. */
static struct user *
open_user(struct cli *cli, const struct command_args *a, struct roster *u)
{
	char *address = NULL;
	struct user *user = NULL;

	if (need_root() == 0 && roster_open(u, cli->config) == 0)
		address = roster_address(cli->config, a->args[0]);
	if (address != NULL) {
		user = roster_find(u, address);
		if (user == NULL)
			cli_fail("there is no user %s", address);
	}
	free(address);
	return user;
}

static int
run_passwd(struct cli *cli, const struct command_args *a)
{
	struct roster u = { .lock = -1 };
	struct user *user;
	char *hash = NULL;
	int rc = EXIT_FAILED;

	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	user = open_user(cli, a, &u);
	if (user != NULL)
		hash = get_hash(a, user->address);
	if (hash != NULL) {
		user_set_hash(user, hash);
		rc = roster_save(&u) == 0 ? EXIT_DONE : EXIT_FAILED;
	}
	free_hash(hash);
	roster_close(&u);
	return rc;
}

static int
run_del(struct cli *cli, const struct command_args *a)
{
	struct roster u = { .lock = -1 };
	struct user *user;
	char *home;
	int rc;

	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	user = open_user(cli, a, &u);
	if (user == NULL) {
		roster_close(&u);
		return EXIT_FAILED;
	}
	home = xstrdup(user->home);
	roster_remove(&u, user);
	rc = roster_save(&u) == 0 ? EXIT_DONE : EXIT_FAILED;
	if (rc == EXIT_DONE && !cli->json)
		(void)printf("The mail stays in %s/mail/%s.\n",
		    cli->config->state_directory, home);
	free(home);
	roster_close(&u);
	return rc;
}

/* Flags to set and to take away again: "no-imap" and "imap". */
static int
change_flag(struct user *user, const char *word)
{
	char name[32];
	unsigned bit;

	if (strcmp(word, "enabled") == 0) {
		user->flags &= ~USERDB_DISABLED;
		return 0;
	}
	bit = userdb_flag(slice_str(word));
	if (bit != 0) {
		user->flags |= bit;
		return 0;
	}
	(void)snprintf(name, sizeof(name), "no-%s", word);
	bit = userdb_flag(slice_str(name));
	if (bit == 0)
		return cli_fail("unknown setting %s", word);
	user->flags &= ~bit;
	return 0;
}

static int
run_set(struct cli *cli, const struct command_args *a)
{
	struct roster u = { .lock = -1 };
	struct user *user;
	int rc = EXIT_DONE;

	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	user = open_user(cli, a, &u);
	if (user == NULL)
		rc = EXIT_FAILED;
	for (size_t i = 1; rc == EXIT_DONE && i < a->count; i++)
		rc = change_flag(user, a->args[i]);
	if (rc == EXIT_DONE && roster_save(&u) == -1)
		rc = EXIT_FAILED;
	roster_close(&u);
	return rc;
}

static void
list_user(struct rows *rows, const struct user *user)
{
	struct buf flags = BUF_INIT(256);
	char uid[16];

	(void)snprintf(uid, sizeof(uid), "%u", user->uid);
	if (userdb_flags_print(user->flags, &flags) == -1)
		cli_fail("out of memory");
	rows_add(rows, "address", user->address, "uid", uid, "home", user->home,
	    "scheme", password_scheme(user->hash), "flags", buf_str(&flags),
	    NULL);
	buf_free(&flags);
}

static int
run_list(struct cli *cli, const struct command_args *a)
{
	struct rows *rows;
	struct roster u;

	(void)a;
	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	if (need_root() == -1)
		return EXIT_FAILED;
	if (roster_open(&u, cli->config) == -1) {
		roster_close(&u);
		return EXIT_FAILED;
	}
	rows = rows_new(stdout, cli->json);
	for (size_t i = 0; i < u.count; i++)
		list_user(rows, &u.list[i]);
	(void)rows_end(rows);
	roster_close(&u);
	return EXIT_DONE;
}

static int
run_sync(struct cli *cli, const struct command_args *a)
{
	struct roster u;
	int rc = EXIT_FAILED;

	(void)a;
	if (cli_config(cli) == NULL)
		return EXIT_MISUSED;
	if (need_root() == -1 || layout_make(cli->config) == -1)
		return EXIT_FAILED;
	if (roster_open(&u, cli->config) == 0)
		rc = EXIT_DONE;
	for (size_t i = 0; rc == EXIT_DONE && i < u.count; i++)
		if (make_home(cli->config, &u.list[i]) == -1)
			rc = EXIT_FAILED;
	if (rc == EXIT_DONE && roster_save(&u) == -1)
		rc = EXIT_FAILED;
	roster_close(&u);
	return rc;
}

/* clang-format off */
static const struct command_option add_options[] = {
	{ "--stdin",  NULL,   "read the password from standard input, one line" },
	{ "--hash",   "HASH", "the password's hash: crypt(3), {PLAIN}secret or *" },
	{ "--batch",  NULL,   "read lines ADDRESS:HASH or ADDRESS PASSWORD" },
	{ NULL, NULL, NULL },
};

static const struct command_option passwd_options[] = {
	{ "--stdin",  NULL,   "read the password from standard input, one line" },
	{ "--hash",   "HASH", "the password's hash: crypt(3), {PLAIN}secret or *" },
	{ NULL, NULL, NULL },
};

const struct command user_commands[] = {
	{ "user", "add", "ADDRESS", "add a mailbox user",
	  "The user gets the next uid of user-uid-first..user-uid-last and a\n"
	  "home in the mail directory, or, where the mail of a user of this\n"
	  "name stayed, that home and its uid. Without --stdin or --hash the password\n"
	  "is asked for at the terminal; it is kept as a yescrypt hash.\n"
	  "With --batch all users of the standard input are added, or none.\n",
	  add_options, 0, 1, run_add },
	{ "user", "passwd", "ADDRESS", "change a password", NULL,
	  passwd_options, 1, 1, run_passwd },
	{ "user", "set", "ADDRESS WORD...", "allow and forbid services",
	  "Words: disabled, enabled, no-imap, imap, no-pop3, pop3,\n"
	  "no-submission, submission.\n",
	  NULL, 2, COMMAND_ARGS_MAX, run_set },
	{ "user", "list", "", "list the mailbox users", NULL,
	  NULL, 0, 0, run_list },
	{ "user", "del", "ADDRESS", "remove a user; the mail stays",
	  "The uid is not given to anybody else: who adds the address again gets\n"
	  "it and the mail back, unless the mail was removed.\n",
	  NULL, 1, 1, run_del },
	{ "user", "sync", "", "make homes and mailboxes.db right again",
	  "For after a crash or a restore: everything comes from users.db.\n",
	  NULL, 0, 0, run_sync },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, NULL },
};
/* clang-format on */
