#include "cli/roster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/layout.h"
#include "common/address/idna.h"
#include "common/address/path.h"
#include "common/base/ascii.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/num.h"
#include "common/base/recent.h"
#include "common/config/config.h"
#include "common/table/write.h"
#include "store/home.h"

static void
user_free(struct user *user)
{
	if (user->hash != NULL)
		explicit_bzero(user->hash, strlen(user->hash));
	free(user->hash);
	free(user->address);
	free(user->home);
}

void
roster_close(struct roster *u)
{
	for (size_t i = 0; i < u->count; i++)
		user_free(&u->list[i]);
	free(u->list);
	fd_close(u->lock);
	u->list = NULL;
	u->count = 0;
	u->lock = -1;
}

static int
by_address(const void *a, const void *b)
{
	const struct user *x = a;
	const struct user *y = b;

	return strcmp(x->address, y->address);
}

static struct user *
append(struct roster *u)
{
	u->list = xreallocarray(u->list, u->count + 1, sizeof(*u->list));
	memset(&u->list[u->count], 0, sizeof(*u->list));
	return &u->list[u->count++];
}

static int
read_one(void *arg, struct slice key, struct slice value)
{
	struct roster *u = arg;
	struct user *user;
	struct userdb_record a;

	if (slice_eq(key, SLICE(USERDB_NEXT_UID))) {
		if (num_parse(value, UINT32_MAX, &u->next_uid) == -1)
			return 1;
		return 0;
	}
	if (userdb_parse(value, &a) == -1) {
		cli_fail(
		    "users.db: the record of %.*s is damaged", SLICE_FMT(key));
		return 1;
	}
	user = append(u);
	user->address = slice_dup(key);
	user->hash = slice_dup(a.hash);
	user->home = slice_dup(a.home);
	user->uid = a.uid;
	user->flags = a.flags;
	return 0;
}

static int
lock_users(struct roster *u)
{
	char *path = config_state_path(u->config, "auth/users.lock");

	u->lock = open(
	    path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (u->lock == -1 || flock(u->lock, LOCK_EX) == -1) {
		cli_fail("cannot lock %s: %s", path, strerror(errno));
		free(path);
		return -1;
	}
	free(path);
	return 0;
}

/* No uid is given twice, also when the record of the next one was lost. */
static void
settle_next_uid(struct roster *u)
{
	if (u->next_uid < (uint64_t)u->config->user_uid_first)
		u->next_uid = (uint64_t)u->config->user_uid_first;
	for (size_t i = 0; i < u->count; i++)
		if (u->list[i].uid >= u->next_uid &&
		    u->list[i].uid <= u->config->user_uid_last)
			u->next_uid = (uint64_t)u->list[i].uid + 1;
}

int
roster_open(struct roster *u, const struct config *c)
{
	char err[512] = "";
	char *path;
	int rc;

	*u = (struct roster){ .config = c, .lock = -1 };
	if (lock_users(u) == -1)
		return -1;
	path = config_state_path(c, "auth/users.db");
	rc = table_each(path, read_one, u, err);
	if (rc == -1 && errno == ENOENT && access(path, F_OK) == -1)
		rc = 0;
	free(path);
	if (rc != 0) {
		if (err[0] != '\0')
			cli_fail("%s", err);
		return -1;
	}
	if (u->count > 0)
		qsort(u->list, u->count, sizeof(*u->list), by_address);
	settle_next_uid(u);
	return 0;
}

struct user *
roster_find(const struct roster *u, const char *address)
{
	for (size_t i = 0; i < u->count; i++)
		if (strcmp(u->list[i].address, address) == 0)
			return &u->list[i];
	return NULL;
}

void
user_set_hash(struct user *user, const char *hash)
{
	if (user->hash != NULL)
		explicit_bzero(user->hash, strlen(user->hash));
	free(user->hash);
	user->hash = xstrdup(hash);
}

/*
 * Whose files are in a home that stayed: 1 and *owner, or 0 when there are
 * none, for there is no such home, or an attempt to add the user broke off
 * after it was made; -1 after cli_fail().
 */
static int
home_owner(const struct config *c, const char *home, uid_t *owner)
{
	char *path = xasprintf("%s/mail/%s", c->state_directory, home);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st = { 0 };
	int rc = -1;

	if (fd != -1 && fstat(fd, &st) == 0)
		rc = home_used(fd);
	else if (fd == -1 && errno == ENOENT)
		rc = 0;
	if (rc == -1)
		cli_fail("cannot look at %s: %s", path, strerror(errno));
	*owner = st.st_uid;
	fd_close(fd);
	free(path);
	return rc;
}

/* Mail that stayed is its owner's; nobody else's session can open it. */
static int
may_have(const struct roster *u, const char *home, uid_t owner)
{
	if ((int64_t)owner < u->config->user_uid_first ||
	    (int64_t)owner > u->config->user_uid_last) {
		cli_fail("the home %s is there already and belongs to uid %u, "
			 "which is not in user-uid-first..user-uid-last",
		    home, owner);
		return -1;
	}
	for (size_t i = 0; i < u->count; i++)
		if (u->list[i].uid == owner) {
			cli_fail("the home %s is there already and belongs to "
				 "uid %u, which is %s's",
			    home, owner, u->list[i].address);
			return -1;
		}
	return 0;
}

/* The uid the mail that is there has, or the next one. */
static int
choose_uid(struct roster *u, const char *home, uint32_t *uid)
{
	uid_t owner;
	int stayed = home_owner(u->config, home, &owner);

	if (stayed == -1)
		return -1;
	if (stayed == 1) {
		*uid = owner;
		return may_have(u, home, owner);
	}
	if (u->next_uid > (uint64_t)u->config->user_uid_last) {
		cli_fail("no uid is left: raise user-uid-last");
		return -1;
	}
	*uid = (uint32_t)u->next_uid;
	return 0;
}

struct user *
roster_add(struct roster *u, const char *address, const char *hash)
{
	const char *at = strrchr(address, '@');
	char *home = xasprintf("%s/%.*s", at + 1, (int)(at - address), address);
	struct user *user;
	uint32_t uid;

	if (choose_uid(u, home, &uid) == -1) {
		free(home);
		return NULL;
	}
	user = append(u);
	user->address = xstrdup(address);
	user->home = home;
	user->uid = uid;
	user_set_hash(user, hash);
	if (uid >= u->next_uid)
		u->next_uid = (uint64_t)uid + 1;
	return user;
}

void
roster_remove(struct roster *u, struct user *user)
{
	size_t at = (size_t)(user - u->list);

	user_free(user);
	memmove(user, user + 1, (u->count - at - 1) * sizeof(*user));
	u->count--;
}

/* One user's record for one of the tables. */
typedef int print_fn(const struct userdb_record *a, struct buf *b);

static int
put_user(struct table_writer *w, const struct user *user, print_fn *print,
    char err[512])
{
	struct buf value = BUF_INIT(USERDB_MAX);
	struct userdb_record a = { .hash = slice_str(user->hash),
		.uid = user->uid,
		.home = slice_str(user->home),
		.flags = user->flags };
	int rc = print(&a, &value);

	if (rc == -1)
		(void)snprintf(err, 512, "the record of %.300s is too long",
		    user->address);
	else
		rc = table_writer_put(
		    w, slice_str(user->address), buf_slice(&value), err);
	buf_wipe(&value);
	if (rc == 1)
		(void)snprintf(
		    err, 512, "%.300s is there twice", user->address);
	return rc == 0 ? 0 : -1;
}

static int
put_next_uid(struct table_writer *w, uint64_t next, char err[512])
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%ju", (uintmax_t)next);
	return table_writer_put(
	    w, SLICE(USERDB_NEXT_UID), slice_str(text), err);
}

static int
write_table(const struct roster *u, const char *path, print_fn *print,
    mode_t mode, gid_t gid)
{
	char err[512] = "";
	struct table_writer *w = table_writer_open(path, false, err);
	int rc = w == NULL ? -1 : 0;

	for (size_t i = 0; rc == 0 && i < u->count; i++)
		rc = put_user(w, &u->list[i], print, err);
	if (rc == 0 && print == userdb_print)
		rc = put_next_uid(w, u->next_uid, err);
	if (rc == 0)
		rc = table_writer_commit(w, mode, gid, err);
	else
		table_writer_abort(w);
	if (rc == -1)
		cli_fail("%s", err);
	return rc;
}

/*
 * users.db first: it alone remembers uids. A crash between the two leaves a
 * user without a mailbox or one too many; the next command that writes, or
 * `wemmick user sync`, makes mailboxes.db right.
 */
int
roster_save(struct roster *u)
{
	char *path = config_state_path(u->config, "auth/users.db");
	uid_t uid;
	gid_t gid;
	int rc = layout_ids(u->config, PROC_AUTH, &uid, &gid);

	if (geteuid() != 0)
		gid = (gid_t)-1;
	if (rc == 0)
		rc = write_table(u, path, userdb_print, 0640, gid);
	free(path);
	if (rc == -1)
		return -1;
	path = xasprintf("%s/mailboxes.db", u->config->table_directory);
	rc = write_table(u, path, userdb_print_mailbox, 0644, (gid_t)-1);
	free(path);
	recent_wait();
	return rc;
}

/* Can the local part be a directory's name and an unquoted local part? */
static bool
is_plain(const char *local)
{
	if (local[0] == '.' || local[0] == '-' || local[0] == '\0')
		return false;
	for (; *local != '\0'; local++)
		if (!ascii_alnum(*local) && strchr("._-+=~", *local) == NULL &&
		    (unsigned char)*local < 0x80)
			return false;
	return true;
}

char *
roster_address(const struct config *c, const char *typed)
{
	struct path p;
	char text[PATH_TEXT_MAX];
	enum path_result rc =
	    path_from_address(&p, slice_str(typed), PATH_ALLOW_UTF8);

	if (rc != PATH_OK || p.kind != PATH_NAME) {
		cli_fail("%s is no address user@domain: %s", typed,
		    rc == PATH_OK ? "no domain" : path_result_text(rc));
		return NULL;
	}
	if (!is_plain(p.local)) {
		cli_fail("%s: a mailbox user is called by letters, digits and "
			 "._-+=~, the first no dot or dash",
		    typed);
		return NULL;
	}
	if (idna_path(&p) == -1) {
		cli_fail("%s: %s", typed, strerror(errno));
		return NULL;
	}
	if (!config_list_has(&c->domains, slice_str(p.domain))) {
		cli_fail("%s: %s is not one of `domains` in the configuration",
		    typed, p.domain);
		return NULL;
	}
	(void)path_format(&p, text);
	for (char *s = text; *s != '\0'; s++)
		*s = ascii_lower(*s);
	return xstrdup(text);
}
