#include "store/home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "store/dir.h"

/* What the delivery agent may do in a directory. */
enum access { ACCESS_NONE, ACCESS_PASS, ACCESS_DROP };

struct place {
	const char *parent;
	const char *name;
	mode_t mode;
	enum access deliver;
};

/*
 * drop/new and drop/tmp are setgid, so that what deliver writes belongs to
 * the user's group and the session can read and link it.
 */
/* clang-format off */
static const struct place places[] = {
	{ ".",    "drop",     02710, ACCESS_PASS },
	{ "drop", "tmp",      02730, ACCESS_DROP },
	{ "drop", "new",      02730, ACCESS_DROP },
	{ ".",    "mail",      0700, ACCESS_NONE },
	{ "mail", "cur",       0700, ACCESS_NONE },
	{ "mail", "new",       0700, ACCESS_NONE },
	{ "mail", "tmp",       0700, ACCESS_NONE },
	{ ".",    "journal",   0700, ACCESS_NONE },
	{ ".",    "expunged",  0700, ACCESS_NONE },
};
/* clang-format on */

/* The ACL: owner and group as mode says, deliver besides, others nothing. */
static int
set_acl(int fd, const struct place *p, uid_t deliver)
{
	char text[128];
	acl_t acl;
	int saved;
	int rc;

	snprintf(text, sizeof(text), "u::rwx,u:%ju:%s,g::%s,m::%s,o::---",
	    (uintmax_t)deliver, p->deliver == ACCESS_DROP ? "-wx" : "--x",
	    (p->mode & 020) != 0 ? "-wx" : "--x",
	    (p->mode & 020) != 0 ? "-wx" : "--x");
	acl = acl_from_text(text);
	if (acl == NULL)
		return -1;
	rc = acl_set_fd(fd, acl);
	saved = errno;
	acl_free(acl);
	errno = saved;
	return rc;
}

/* Owner before mode: chown takes the setgid bit away. */
static int
set_place(int fd, const struct place *p, const struct home_owner *o)
{
	if (fchown(fd, o->uid, o->gid) == -1)
		return -1;
	if (p->deliver != ACCESS_NONE && o->deliver != (uid_t)-1 &&
	    set_acl(fd, p, o->deliver) == -1)
		return -1;
	if (fchmod(fd, p->mode) == -1)
		return -1;
	return fsync(fd);
}

/*
 * The home belongs to the user, who may put a link anywhere in it while
 * root is at work here: so no link is followed, anywhere in the path.
 */
static int
open_dir(int at, const char *path)
{
	return file_dir_beneath(at, path, O_RDONLY);
}

static int
make_place(int home, const struct place *p, const struct home_owner *o)
{
	int rc = -1;
	int at;
	int fd = -1;

	at = open_dir(home, p->parent);
	if (at == -1)
		return -1;
	if (mkdirat(at, p->name, 0700) == -1 && errno != EEXIST)
		goto out;
	fd = open_dir(at, p->name);
	if (fd != -1)
		rc = set_place(fd, p, o);
out:
	fd_close(fd);
	fd_close(at);
	return rc;
}

int
home_fill(int home, const struct home_owner *owner)
{
	static const struct place self = { ".", ".", 02710, ACCESS_PASS };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (make_place(home, &places[i], owner) == -1)
			return -1;
	return set_place(home, &self, owner);
}

int
home_create(int parent, const char *name, const struct home_owner *owner)
{
	int rc;
	int fd;

	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return -1;
	fd = open_dir(parent, name);
	if (fd == -1)
		return -1;
	rc = home_fill(fd, owner);
	fd_close(fd);
	return rc == 0 ? fsync(parent) : -1;
}

static bool
is_place(const char *parent, const char *name)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strcmp(places[i].parent, parent) == 0 &&
		    strcmp(places[i].name, name) == 0)
			return true;
	return false;
}

/* 1 when something besides the skeleton is in that directory, or 0, or -1. */
static int
dir_used(int home, const char *path)
{
	int fd = open_dir(home, path);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	const char *name;
	int rc;

	if (d == NULL) {
		rc = fd == -1 && errno == ENOENT ? 0 : -1;
		fd_close(fd);
		return rc;
	}
	do
		name = dir_next(d);
	while (name != NULL && is_place(path, name));
	rc = name != NULL ? 1 : errno == 0 ? 0 : -1;
	dir_close(d);
	return rc;
}

int
home_used(int home)
{
	int rc = dir_used(home, ".");

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place *p = &places[i];
		char path[32];

		if (rc != 0)
			break;
		(void)snprintf(path, sizeof(path), "%s/%s", p->parent, p->name);
		rc = dir_used(
		    home, strcmp(p->parent, ".") == 0 ? p->name : path);
	}
	return rc;
}
