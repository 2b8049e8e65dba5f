#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/*
 * The kernel wakes who waits as soon as the lock is free, and knows no end of
 * a wait: a signal interrupts it now and then, for us to look at the time.
 */
#define LOOK_MS 100
/* From then on it is worth knowing whether the client is still there. */
#define LONG_MS 1000

static int
set_byte(int fd, off_t at, short type, int call)
{
	struct flock l = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = at,
		.l_len = 1,
	};
	int rc;

	do
		rc = fcntl(fd, call, &l);
	while (rc == -1 && errno == EINTR && call != F_OFD_SETLKW);
	return rc;
}

int
lock_try(int fd, off_t at)
{
	int rc = set_byte(fd, at, F_WRLCK, F_OFD_SETLK);

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
	if (set_byte(fd, at, F_UNLCK, F_OFD_SETLK) == -1)
		log_die("event=store-unlock error=%s", strerror(errno));
	errno = saved;
}

static void
look(int signal)
{
	(void)signal;
}

/*
 * A signal after ms, 0: never, and then again and again: one that comes just
 * before the wait begins does not end it.
 */
static void
look_after(int64_t ms)
{
	const struct itimerval t = {
		.it_value.tv_usec = (suseconds_t)ms * 1000,
		.it_interval.tv_usec = ms == 0 ? 0 : LOOK_MS * 1000,
	};

	if (setitimer(ITIMER_REAL, &t, NULL) == -1)
		log_die("event=store-timer error=%s", strerror(errno));
}

static bool
go_on(int64_t begun, int64_t most_ms, const struct account_wait *how)
{
	int64_t waited = clock_boot_ms() - begun;

	if (waited >= most_ms) {
		errno = EBUSY;
		return false;
	}
	if (waited < LONG_MS || how == NULL || how->wanted == NULL ||
	    how->wanted(how->ctx))
		return true;
	errno = ECANCELED;
	return false;
}

int
lock_wait(int fd, off_t at, int64_t most_ms, const struct account_wait *how)
{
	const struct sigaction action = { .sa_handler = look };
	int64_t begun;
	int saved;
	int rc;

	rc = lock_try(fd, at);
	if (rc == 0 || errno != EAGAIN ||
	    sigaction(SIGALRM, &action, NULL) == -1)
		return rc;
	begun = clock_boot_ms();
	look_after(MIN(MAX(most_ms, 1), LOOK_MS));
	do
		rc = set_byte(fd, at, F_WRLCK, F_OFD_SETLKW);
	while (rc == -1 && errno == EINTR && go_on(begun, most_ms, how));
	saved = errno;
	look_after(0);
	errno = saved;
	return rc;
}
