#ifndef TESTS_UNIT_QUEUE_DISK_H
#define TESTS_UNIT_QUEUE_DISK_H

/* A disk of the log that is slow, or fails, when it is told to. */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/file.h"
#include "queue/seg.h"

/* Read by the log's thread. */
static struct {
	atomic_int writes;
	atomic_int syncs;
	atomic_int fail_syncs; /* so many from now on */
	atomic_int slow_us;
	atomic_bool stalled; /* no sync ends, for ten seconds at most */
} disk;

static inline ssize_t
disk_write(int fd, const void *p, size_t n, off_t at)
{
	disk.writes++;
	return pwrite_all(fd, p, n, at) == -1 ? -1 : (ssize_t)n;
}

static inline int
disk_sync(int fd)
{
	disk.syncs++;
	if (disk.slow_us > 0)
		usleep((useconds_t)disk.slow_us);
	for (int ms = 0; disk.stalled && ms < 10000; ms++)
		usleep(1000);
	if (disk.fail_syncs > 0) {
		disk.fail_syncs--;
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

static const struct seg_io disk_io = { disk_write, disk_sync };

#endif
