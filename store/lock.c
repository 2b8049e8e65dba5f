#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/*
 * The kernel would wake us in time, but not with an end, nor for the client.
 * So we ask again and again, at first soon: most locks are held for
 * microseconds, and who waits for a disk loses a quarter of the time at most.
 */
#define PAUSE_FIRST_US 50
#define PAUSE_MOST_US  100000
#define US_PER_MS      1000
/* From then on it is worth knowing whether the client is still there. */
#define LONG_US 1000000

static int
set_byte(int fd, off_t at, short type)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1,
	};
	int rc;

	do
		rc = fcntl(fd, F_OFD_SETLK, &l);
	while (rc == -1 && errno == EINTR);
	return rc;
}

int
lock_try(int fd, off_t at)
{
	int rc = set_byte(fd, at, F_WRLCK);

	if (rc == -1 && errno == EACCES)
		errno = EAGAIN;
	return rc;
}

void
lock_release(int fd, off_t at)
{
	int saved = errno;

	/*
	 * To let go of one byte may take memory, where its neighbours are
	 * locked, too. A lock that stays would keep everybody out.
	 */
	if (set_byte(fd, at, F_UNLCK) == -1)
		log_die("event=store-unlock error=%s", strerror(errno));
	errno = saved;
}

static int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* False when there is a reason to wait no more. */
static bool
rest(int64_t us, bool is_long, const struct account_wait *how)
{
	struct timespec t = { .tv_nsec = (long)us * 1000 };

	if (is_long && how != NULL && how->pause != NULL)
		return how->pause(how->ctx, (int)(us / US_PER_MS));
	(void)ppoll(NULL, 0, &t, NULL);
	return true;
}

int
lock_wait(int fd, off_t at, int64_t most_ms, const struct account_wait *how)
{
	int64_t waited;
	int64_t begun;
	int64_t us;

	if (lock_try(fd, at) == 0)
		return 0;
	begun = now_us();
	while (errno == EAGAIN) {
		waited = now_us() - begun;
		if (waited >= most_ms * US_PER_MS) {
			errno = EBUSY;
			break;
		}
		us = MIN(MAX(waited / 4, (int64_t)PAUSE_FIRST_US),
		    (int64_t)PAUSE_MOST_US);
		if (!rest(us, waited >= LONG_US, how)) {
			errno = ECANCELED;
			break;
		}
		if (lock_try(fd, at) == 0)
			return 0;
	}
	return -1;
}
