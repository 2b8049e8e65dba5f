#include "store/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "store/box.h"

/*
 * A name by which the kernel finds path below home: through /proc, or, in a
 * chroot without it, by the working directory when that is the home.
 */
static int
watch_path(int home, const char *path, char *name, size_t cap)
{
	struct stat here;
	struct stat there;

	snprintf(name, cap, "/proc/self/fd/%d/%s", home, path);
	if (access(name, F_OK) == 0)
		return 0;
	if (stat(".", &here) == -1 || fstat(home, &there) == -1)
		return -1;
	if (here.st_dev != there.st_dev || here.st_ino != there.st_ino) {
		errno = ENOENT;
		return -1;
	}
	snprintf(name, cap, "%s", path);
	return 0;
}

static int
add_watch(int fd, int home, const char *path, uint32_t mask)
{
	char name[FOLDER_PATH_MAX + 64];

	if (watch_path(home, path, name, sizeof(name)) == -1)
		return -1;
	return inotify_add_watch(fd, name, mask) == -1 ? -1 : 0;
}

/* Who changes the folder writes to this file once it is there. */
static int
make_changed(
    const struct account *a, const struct folder *f, char *path, size_t cap)
{
	char below[FOLDER_PATH_MAX];
	int fd;

	folder_path(f, "changed", below);
	fd = openat(a->mail, below,
	    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd == -1)
		return -1;
	fd_close(fd);
	snprintf(path, cap, "mail/%s", below);
	return 0;
}

int
watch_open(struct account *a, struct mailbox *mb)
{
	char path[FOLDER_PATH_MAX + 8];
	int fd;

	fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd == -1)
		return -1;
	if (make_changed(a, mb->f, path, sizeof(path)) == -1 ||
	    add_watch(fd, a->home, path, IN_MODIFY) == -1 ||
	    (a->drop != -1 && add_watch(fd, a->home, "drop/new",
				  IN_MOVED_TO | IN_CREATE) == -1)) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

void
watch_drain(int fd)
{
	_Alignas(struct inotify_event) char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		continue;
}
