#ifndef TESTS_UNIT_QUEUE_DISK_H
#define TESTS_UNIT_QUEUE_DISK_H

/* A disk of the log that is slow, or fails, when it is told to. */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
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
	atomic_bool tears;   /* of a sync of more than a head, that is lost */
} disk;

/* The log's thread alone: a head that is written and not synced. */
static struct {
	char page[SEG_HEAD];
	bool pending;
	bool alone;
} disk_head;

static inline ssize_t
disk_write(int fd, const void *p, size_t n, off_t at)
{
	disk.writes++;
	disk_head.alone = false;
	if (disk.tears && at == 0) {
		memcpy(disk_head.page, p, SEG_HEAD);
		disk_head.pending = disk_head.alone = true;
		return (ssize_t)n;
	}
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
	if (disk_head.pending && disk_head.alone &&
	    pwrite_all(fd, disk_head.page, SEG_HEAD, 0) == -1)
		return -1;
	disk_head.pending = false;
	return fdatasync(fd);
}

static const struct seg_io disk_io = { disk_write, disk_sync };

#endif
