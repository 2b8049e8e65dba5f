#include "cli/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "common/base/file.h"
#include "common/base/identity.h"
#include "common/config/config.h"

int
layout_ids(const struct config *c, enum proc p, uid_t *uid, gid_t *gid)
{
	struct passwd *pw;
	char name[32];

	if (c->base_uid != 0) {
		*uid = (uid_t)(c->base_uid + (int64_t)p);
		*gid = (gid_t)*uid;
		return 0;
	}
	(void)snprintf(name, sizeof(name), "wm-%s", proc_name(p));
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL) {
		cli_fail("there is no user %s: install the sysusers.d file, or "
			 "set base-uid",
		    name);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

/* Every missing directory of an absolute path. */
static int
make_path(const char *path)
{
	char *copy = strdup(path);
	int rc = copy == NULL ? -1 : 0;

	for (char *p = copy; rc == 0 && (p = strchr(p + 1, '/')) != NULL;) {
		*p = '\0';
		if (mkdir(copy, 0755) == -1 && errno != EEXIST)
			rc = -1;
		*p = '/';
	}
	if (rc == 0 && mkdir(path, 0755) == -1 && errno != EEXIST)
		rc = -1;
	free(copy);
	return rc;
}

static int
make_below(const char *dir, const char *name, mode_t mode, gid_t gid)
{
	int parent = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;
	int rc = -1;

	if (parent == -1)
		return -1;
	if (mkdirat(parent, name, mode) == 0) {
		fd = openat(parent, name,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd != -1 && fchown(fd, (uid_t)-1, gid) == 0 &&
		    fchmod(fd, mode) == 0 && fsync(fd) == 0 &&
		    fsync(parent) == 0)
			rc = 0;
	} else if (errno == EEXIST) {
		rc = 0; /* its rights are the administrator's, or master's */
	}
	fd_close(fd);
	fd_close(parent);
	return rc;
}

int
layout_make(const struct config *c)
{
	const char *state = c->state_directory;
	uid_t uid;
	gid_t auth;

	if (layout_ids(c, PROC_AUTH, &uid, &auth) == -1)
		return -1;
	if (identity_check(state, "mail") == -1) {
		cli_fail("%s/mail is not what it was", state);
		return -1;
	}
	if (make_path(state) == -1 || make_path(c->table_directory) == -1 ||
	    make_below(state, "auth", 0750, auth) == -1 ||
	    make_below(state, "mail", 0711, 0) == -1 ||
	    identity_settle(state, "mail") == -1) {
		cli_fail("cannot make the directories under %s and %s: %s",
		    state, c->table_directory, strerror(errno));
		return -1;
	}
	return 0;
}
