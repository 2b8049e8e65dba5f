#include "store/dir.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/base/file.h"

int
dir_fd(int at, const char *path)
{
	return openat(
	    at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

DIR *
dir_open(int at, const char *path)
{
	int fd = dir_fd(at, path);
	DIR *d;

	if (fd == -1)
		return NULL;
	d = fdopendir(fd);
	if (d == NULL)
		fd_close(fd);
	return d;
}

const char *
dir_next(DIR *d)
{
	const struct dirent *e;

	do {
		errno = 0;
		e = readdir(d);
	} while (e != NULL &&
		 (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0));
	return e == NULL ? NULL : e->d_name;
}

void
dir_close(DIR *d)
{
	int saved = errno;

	if (d != NULL)
		(void)closedir(d);
	errno = saved;
}
