#include "common/base/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"

int
owner_enter(uid_t uid, gid_t gid)
{
	if (geteuid() != 0 || uid == 0)
		return 0;
	if (setegid(gid) == -1)
		return -1;
	if (seteuid(uid) == 0)
		return 0;
	owner_leave();
	return -1;
}

void
owner_leave(void)
{
	int saved = errno;

	/* Who never was root has nothing to become again. */
	if (getuid() == 0 && (seteuid(0) == -1 || setegid(0) == -1))
		log_die("event=owner error=%s", strerror(errno));
	errno = saved;
}

int
owner_open_dir(const char *path, bool nofollow, struct stat *st)
{
	int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	int at = open(path, nofollow ? flags | O_NOFOLLOW : flags);
	int fd = -1;

	if (at == -1)
		return -1;
	if (fstat(at, st) == 0 && owner_enter(st->st_uid, st->st_gid) == 0) {
		fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		owner_leave();
	}
	fd_close(at);
	return fd;
}
