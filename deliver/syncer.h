#ifndef DELIVER_SYNCER_H
#define DELIVER_SYNCER_H

#include <stddef.h>

#include "common/base/attr.h"

/*
 * syncer - a thread that does nothing but syncfs(), so that the loop goes
 * on writing the next mails while a sync is under way.
 */
struct event_base;
struct syncer;

#define SYNCER_DEVICES 16

/*
 * done runs on the loop after each sync with 0 or the errno of the first
 * that failed. Dies when no thread can be had.
 */
struct syncer *syncer_new(
    struct event_base *base, void (*done)(void *arg, int error), void *arg);

/*
 * Sync the file systems of fds[0..n), n <= SYNCER_DEVICES, which must stay
 * open until done. Only one at a time.
 */
void syncer_start(struct syncer *s, const int *fds, size_t n);

#endif
