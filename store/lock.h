#ifndef STORE_LOCK_H
#define STORE_LOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/attr.h"
#include "store/account.h"

/*
 * lock - bytes of a file that are locked, by open file. Private to the
 * library. Whoever holds one may be stopped, or wait for a disk: so no wait
 * for one is without an end.
 */

/* -1 with errno EAGAIN when somebody has it. */
int lock_try(int fd, off_t at) MUST_USE;

/*
 * Wait for it, most_ms at most: EBUSY then, or ECANCELED when how->wanted()
 * says so.
 */
int lock_wait(
    int fd, off_t at, int64_t most_ms, const struct account_wait *how) MUST_USE;

/* Keeps errno. Dies where it cannot be: nobody else would ever get it. */
void lock_release(int fd, off_t at);

#endif
