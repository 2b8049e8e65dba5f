#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define READ_STEP (size_t)65536

int
write_all(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t k = write(fd, at, n);

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

int
pwrite_all(int fd, const void *p, size_t n, off_t at)
{
	const char *from = p;

	while (n > 0) {
		ssize_t k = pwrite(fd, from, n, at);

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		from += k;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

int
writev_all(int fd, struct iovec *iov, int count)
{
	while (count > 0) {
		ssize_t k = writev(fd, iov, MIN(count, 1024));

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		while (count > 0 && (size_t)k >= iov->iov_len) {
			k -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count > 0) {
			iov->iov_base = (char *)iov->iov_base + k;
			iov->iov_len -= (size_t)k;
		}
	}
	return 0;
}

int
pread_all(int fd, void *p, size_t n, off_t at)
{
	char *to = p;

	while (n > 0) {
		ssize_t k = pread(fd, to, n, at);

		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		if (k == 0) {
			errno = ENODATA;
			return -1;
		}
		to += k;
		at += k;
		n -= (size_t)k;
	}
	return 0;
}

/* As much as the file is said to hold and one byte more, to see its end. */
static size_t
next_read(int fd, const struct buf *b)
{
	struct stat st;
	size_t want = READ_STEP;

	if (b->len == 0 && fstat(fd, &st) == 0 && st.st_size > 0)
		want = (size_t)st.st_size + 1;
	return MIN(want, b->max - b->len);
}

int
file_read(int fd, struct buf *b)
{
	size_t left = 0; /* of the room asked for last: the end needs no more */

	for (;;) {
		size_t want = left > 0 ? left : next_read(fd, b);
		char extra;
		char *room;
		ssize_t k;

		if (want == 0) {
			k = read(fd, &extra, 1);
			if (k == 0)
				return 0;
			if (k == 1)
				errno = ENOBUFS;
			return -1;
		}
		room = buf_reserve(b, want);
		if (room == NULL)
			return -1;
		k = read(fd, room, want);
		if (k == -1 && errno == EINTR)
			continue;
		if (k == -1)
			return -1;
		if (k == 0)
			return 0;
		buf_commit(b, (size_t)k);
		left = want - (size_t)k;
	}
}

int
file_pread(int fd, struct buf *b)
{
	struct stat st;
	char *room;

	if (fstat(fd, &st) == -1)
		return -1;
	room = buf_reserve(b, (size_t)st.st_size);
	if (room == NULL || pread_all(fd, room, (size_t)st.st_size, 0) == -1)
		return -1;
	buf_commit(b, (size_t)st.st_size);
	return 0;
}

int
file_read_at(int dir, const char *name, struct buf *b)
{
	int fd =
	    openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int rc;

	if (fd == -1)
		return -1;
	rc = file_read(fd, b);
	fd_close(fd);
	return rc;
}

int
file_publish(int dir, const char *tmp, const char *name, struct slice content,
    mode_t mode)
{
	int rc = -1;
	int saved;
	int fd;

	if (unlinkat(dir, tmp, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd == -1)
		return -1;
	if (write_all(fd, content.p, content.len) == -1 || fsync(fd) == -1)
		goto out;
	if (renameat(dir, tmp, dir, name) == -1 || fsync(dir) == -1)
		goto out; /* may be visible: new content beats none */
	rc = 0;
out:
	saved = errno;
	(void)close(fd);
	if (rc == -1)
		(void)unlinkat(dir, tmp, 0);
	errno = saved;
	return rc;
}

int
file_dir_by_steps(int dir, const char *path, int flags)
{
	int at = dir;

	flags |= O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if (*path == '/' || *path == '\0') {
		errno = *path == '/' ? EXDEV : ENOENT;
		return -1;
	}
	while (*path != '\0') {
		size_t n = strcspn(path, "/");
		size_t skip = n + strspn(path + n, "/");
		bool last = path[skip] == '\0';
		char name[NAME_MAX + 1];
		int next = -1;

		errno = n > NAME_MAX ? ENAMETOOLONG : EXDEV;
		if (n <= NAME_MAX && (n != 2 || memcmp(path, "..", 2) != 0)) {
			memcpy(name, path, n);
			name[n] = '\0';
			next = openat(at, name,
			    last ? flags
				 : O_PATH | O_DIRECTORY | O_NOFOLLOW |
				       O_CLOEXEC);
		}
		if (at != dir)
			fd_close(at);
		if (next == -1)
			return -1;
		at = next;
		path += skip;
	}
	return at;
}

int
file_dir_beneath(int dir, const char *path, int flags)
{
	const struct open_how how = {
		.flags = (unsigned)(flags | O_DIRECTORY | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));

	/* A unit with RestrictSUIDSGID= cannot look into how. */
	if (fd == -1 && errno == ENOSYS)
		return file_dir_by_steps(dir, path, flags);
	return fd;
}

int
fd_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ? -1 : 0;
}

int
fd_cloexec(int fd, int on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == -1 ? -1 : 0;
}

void
fd_close(int fd)
{
	int saved = errno;

	if (fd != -1)
		(void)close(fd);
	errno = saved;
}
